//! Waiting until everybody is subscribed: probes are published until each subscriber has received one.
//!
//! A fence follows. Deliveries are in order, so who has the fence will get no probe any more, and from then on
//! everything a subscriber receives belongs to the measurement.

use std::time::{Duration, Instant};

use super::POLL;
use super::message::{Message, Purpose, number};
use crate::client::Loss;
use crate::clock;
use crate::engine::{Engine, Handler, Io};
use crate::scenario::RunError;

/// Between two probes. All subscribers receive all probes, so not too often.
const INTERVAL: Duration = Duration::from_millis(500);

/// Returns when every open subscriber has the fence. Connection `subscribers` is the publisher.
pub(super) fn wait(
    engine: &mut Engine,
    message: &Message,
    subscribers: usize,
    patience: Duration,
) -> Result<(), RunError> {
    if !message.has_number() {
        return Err(RunError::Usage(
            "--wait needs {seq} in --message, to know its own messages again".to_owned(),
        ));
    }
    let mut probe = Probe::new(engine, subscribers, number(Purpose::Probe, 0));
    let mut published_at: Option<Instant> = None;
    while probe.missing > 0 {
        if published_at.is_none_or(|at| INTERVAL <= clock::now() - at) {
            published_at = Some(clock::now());
            engine
                .io
                .send_text(subscribers, message.text(Purpose::Probe, 0).as_bytes());
        }
        probe.step(engine, patience)?;
    }
    let mut fence = Probe::new(engine, subscribers, number(Purpose::Fence, 0));
    engine
        .io
        .send_text(subscribers, message.text(Purpose::Fence, 0).as_bytes());
    while fence.missing > 0 {
        fence.step(engine, patience)?;
    }
    Ok(())
}

/// Waits for one text at every subscriber.
#[derive(Debug)]
struct Probe {
    wanted: String,
    /// What has come of the current message, for subscribers that are still waiting.
    waiting: Vec<Option<Vec<u8>>>,
    missing: usize,
    progress: Instant,
}

impl Probe {
    fn new(engine: &Engine, subscribers: usize, wanted: String) -> Self {
        let waiting: Vec<_> = (0..subscribers)
            .map(|id| engine.io.is_open(id).then(Vec::new))
            .collect();
        let missing = waiting.iter().flatten().count();
        Self {
            wanted,
            waiting,
            missing,
            progress: clock::now(),
        }
    }

    fn step(&mut self, engine: &mut Engine, patience: Duration) -> Result<(), RunError> {
        engine.poll(POLL, self)?;
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
        let found = message
            .windows(self.wanted.len())
            .any(|window| window == self.wanted.as_bytes());
        message.clear();
        if found {
            self.stop_waiting(id);
        }
    }

    fn lost(&mut self, _io: &mut Io, id: usize, _loss: &Loss) {
        self.stop_waiting(id);
    }
}
