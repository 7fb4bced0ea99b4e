//! Waiting until everybody is subscribed: probes are published until each member of every room has received one.
//!
//! A fence follows. Deliveries are in order, so who has the fence will get no probe any more, and from then on
//! everything a member receives belongs to the measurement.

use std::time::{Duration, Instant};

use super::RunError;
use super::message::{Message, Purpose, number};
use super::traffic::POLL;
use crate::client::Loss;
use crate::clock;
use crate::engine::{Engine, Handler, Io};
use crate::server::greeting::contains;

/// Between two probes. All members receive all probes, so not too often.
const INTERVAL: Duration = Duration::from_millis(500);

/// Where to probe: a publisher with its message, and its members.
pub(super) struct Target<'a> {
    pub(super) publisher: usize,
    pub(super) message: &'a Message,
    pub(super) members: Vec<usize>,
}

/// Returns when every open member of every room has the fence. The numbers of connections are below `connections`.
///
/// # Errors
/// Messages cannot be told apart, or nobody new has received a probe for as long as `patience`.
pub(super) fn wait(
    engine: &mut Engine,
    targets: &[Target<'_>],
    connections: usize,
    patience: Duration,
) -> Result<(), RunError> {
    if !targets.iter().all(|target| target.message.has_number()) {
        return Err(RunError::Usage(
            "waiting needs {seq} in --message, to know its own messages again".to_owned(),
        ));
    }
    let mut probe = Probe::new(engine, targets, connections, number(Purpose::Probe, 0));
    let mut published_at: Option<Instant> = None;
    while probe.missing > 0 {
        if published_at.is_none_or(|at| INTERVAL <= clock::now() - at) {
            published_at = Some(clock::now());
            for target in targets {
                if target.members.iter().any(|id| probe.waiting[*id].is_some()) {
                    publish(engine, target, Purpose::Probe);
                }
            }
        }
        probe.step(engine, patience)?;
    }
    let mut fence = Probe::new(engine, targets, connections, number(Purpose::Fence, 0));
    for target in targets {
        publish(engine, target, Purpose::Fence);
    }
    while fence.missing > 0 {
        fence.step(engine, patience)?;
    }
    Ok(())
}

fn publish(engine: &mut Engine, target: &Target<'_>, purpose: Purpose) {
    let mut bytes = Vec::new();
    target.message.encode(&mut bytes, purpose, 0);
    engine.io.send_encoded(target.publisher, &bytes);
}

/// Waits for one text at every member.
#[derive(Debug)]
struct Probe {
    wanted: String,
    /// What has come of the current message, by connection, for members that are still waiting.
    waiting: Vec<Option<Vec<u8>>>,
    publishers: Vec<usize>,
    missing: usize,
    progress: Instant,
}

impl Probe {
    fn new(engine: &Engine, targets: &[Target<'_>], connections: usize, wanted: String) -> Self {
        let mut waiting = vec![None; connections];
        let mut missing = 0;
        let members = targets.iter().flat_map(|target| &target.members);
        for id in members.filter(|id| engine.io.is_open(**id)) {
            waiting[*id] = Some(Vec::new());
            missing += 1;
        }
        Self {
            wanted,
            waiting,
            publishers: targets.iter().map(|target| target.publisher).collect(),
            missing,
            progress: clock::now(),
        }
    }

    fn step(&mut self, engine: &mut Engine, patience: Duration) -> Result<(), RunError> {
        engine.poll(POLL, self)?;
        if let Some(lost) = self.publishers.iter().find(|id| !engine.io.is_open(**id)) {
            let first = engine.io.losses().first.as_deref().unwrap_or_default();
            return Err(RunError::Failed(format!(
                "the connection of publisher {lost} was lost; the first loss: {first}"
            )));
        }
        if patience < clock::now() - self.progress {
            return Err(RunError::Failed(format!(
                "{} subscribers do not receive what is published",
                self.missing
            )));
        }
        Ok(())
    }

    fn stop_waiting(&mut self, id: usize) {
        if let Some(slot) = self.waiting.get_mut(id)
            && slot.take().is_some()
        {
            self.missing -= 1;
            self.progress = clock::now();
        }
    }
}

impl Handler for Probe {
    fn payload(&mut self, id: usize, chunk: &[u8]) {
        if let Some(Some(message)) = self.waiting.get_mut(id) {
            message.extend_from_slice(chunk);
        }
    }

    fn message(&mut self, id: usize, _bytes: u64) {
        let Some(Some(message)) = self.waiting.get_mut(id) else {
            return;
        };
        let found = contains(message, self.wanted.as_bytes());
        message.clear();
        if found {
            self.stop_waiting(id);
        }
    }

    fn lost(&mut self, _io: &mut Io, id: usize, _loss: &Loss) {
        self.stop_waiting(id);
    }
}
