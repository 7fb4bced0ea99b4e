//! Waiting until everybody is subscribed: probes are published until each member of every room has received one, in all
//! processes.
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
    /// None if another process publishes.
    pub(super) publisher: Option<usize>,
    pub(super) message: &'a Message,
    pub(super) members: Vec<usize>,
    /// Whether other processes have members too.
    pub(super) is_shared: bool,
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
    let mut next = clock::now();
    while probe.missing > 0 {
        let is_waiting = |id: &usize| probe.waiting[*id].is_some();
        let is_due = |target: &Target<'_>| target.members.iter().any(is_waiting);
        publish_if_due(engine, targets, &mut next, is_due);
        probe.step(engine, Some(patience))?;
    }
    // The fence may come from another process before this one hears that all have arrived.
    let mut fence = Probe::new(engine, targets, connections, number(Purpose::Fence, 0));
    engine.arrive()?;
    while engine.departure()?.is_none() {
        publish_if_due(engine, targets, &mut next, |target| target.is_shared);
        fence.step(engine, None)?;
    }
    fence.progress = clock::now();
    for target in targets {
        publish(engine, target, Purpose::Fence);
    }
    while fence.missing > 0 {
        fence.step(engine, Some(patience))?;
    }
    Ok(())
}

/// Publishes probes to some of them, when it is time to.
fn publish_if_due(
    engine: &mut Engine,
    targets: &[Target<'_>],
    next: &mut Instant,
    is_wanted: impl Fn(&Target<'_>) -> bool,
) {
    let now = clock::now();
    if *next <= now {
        *next = now + INTERVAL;
        for target in targets.iter().filter(|target| is_wanted(target)) {
            publish(engine, target, Purpose::Probe);
        }
    }
}

fn publish(engine: &mut Engine, target: &Target<'_>, purpose: Purpose) {
    if let Some(publisher) = target.publisher {
        let mut bytes = Vec::new();
        target.message.encode(&mut bytes, purpose, 0);
        engine.io.send_encoded(publisher, &bytes);
    }
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
            publishers: targets.iter().filter_map(|it| it.publisher).collect(),
            missing,
            progress: clock::now(),
        }
    }

    /// Looks at the sockets; with patience, it gives up after so long without anybody new.
    fn step(&mut self, engine: &mut Engine, patience: Option<Duration>) -> Result<(), RunError> {
        engine.poll(POLL, self)?;
        if let Some(lost) = self.publishers.iter().find(|id| !engine.io.is_open(**id)) {
            let first = engine.io.losses().first.as_deref().unwrap_or_default();
            return Err(RunError::Failed(format!(
                "the connection of publisher {lost} was lost; the first loss: {first}"
            )));
        }
        if patience.is_some_and(|patience| patience < clock::now() - self.progress) {
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
