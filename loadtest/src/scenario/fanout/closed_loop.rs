//! The closed loop: counts what subscribers receive and publishes as soon as a message is complete.
//!
//! Invariant: every subscriber receives the messages of the one publisher in order, so the n-th message that a
//! subscriber receives is message n, and nothing but its header needs to be looked at.

use std::time::Instant;

use super::message::{Message, Purpose};
use crate::cli::FanoutArgs;
use crate::client::Loss;
use crate::clock;
use crate::engine::{Handler, Io};
use crate::frame::{self, opcode};
use crate::meter::{Kind, Latencies};

/// What deliveries are called.
pub(super) const KIND: &str = "delivery";
/// So many subscribers have the time of every reception taken: enough for percentiles, too few to cost anything.
const SAMPLED_MAX: usize = 32;

/// What was counted while recording.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    /// Messages received by subscribers.
    pub(super) deliveries: u64,
    /// Messages that reached their last subscriber.
    pub(super) completed: u64,
    /// Messages received that were not published.
    pub(super) unexpected: u64,
    /// Reads made.
    pub(super) reads: u64,
}

impl Counts {
    fn since(self, earlier: Self) -> Self {
        Self {
            deliveries: self.deliveries - earlier.deliveries,
            completed: self.completed - earlier.completed,
            unexpected: self.unexpected - earlier.unexpected,
            reads: self.reads - earlier.reads,
        }
    }
}

/// State of the loop.
#[derive(Debug)]
pub(super) struct ClosedLoop {
    message: Message,
    publisher: usize,
    counted_bytes_min: u64,
    /// Messages received, by subscriber.
    received: Vec<u64>,
    subscribers: usize,
    /// Messages under way, at their number modulo the size, which is a power of two.
    slots: Vec<Slot>,
    published: u64,
    /// Messages that may be published now.
    free: usize,
    counts: Counts,
    /// The counts when recording began.
    before: Option<Counts>,
    sample_every: usize,
    kind: Kind,
    /// Deliveries that the meter has been told of.
    told: u64,
    last: Latencies,
    frames: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    /// Subscribers that do not have the message yet.
    missing: usize,
    published_at: Instant,
}

impl ClosedLoop {
    /// A loop over the connections that are open now. The publisher is the connection after the subscribers.
    pub(super) fn new(io: &mut Io, message: Message, arguments: &FanoutArgs) -> Self {
        let publisher = arguments.common.connections;
        let subscribers = (0..publisher).filter(|id| io.is_open(*id)).count();
        let slot = Slot {
            missing: 0,
            published_at: clock::now(),
        };
        Self {
            message,
            publisher,
            counted_bytes_min: arguments
                .counted_bytes_min
                .unwrap_or(arguments.bytes as u64),
            received: vec![0; publisher],
            subscribers,
            slots: vec![slot; arguments.outstanding.next_power_of_two()],
            published: 0,
            free: arguments.outstanding,
            counts: Counts::default(),
            before: None,
            sample_every: publisher.div_ceil(SAMPLED_MAX),
            kind: io.meter().kind(KIND),
            told: 0,
            last: Latencies::default(),
            frames: Vec::new(),
        }
    }

    /// Publishes as many messages as are missing to the number outstanding, in one write.
    pub(super) fn top_up(&mut self, io: &mut Io) {
        let now = clock::now();
        self.frames.clear();
        for _ in 0..std::mem::take(&mut self.free) {
            let text = self.message.text(Purpose::Load, self.published);
            frame::encode_client(&mut self.frames, opcode::TEXT, text.as_bytes());
            let slot = self.slot(self.published);
            self.slots[slot] = Slot {
                missing: self.subscribers,
                published_at: now,
            };
            self.published += 1;
            self.kind.sent(1);
        }
        io.send_encoded(self.publisher, &self.frames);
    }

    /// Begins to record.
    pub(super) fn record(&mut self, io: &Io) {
        self.before = Some(Counts {
            reads: io.reads(),
            ..self.counts
        });
    }

    /// What was counted since [`ClosedLoop::record`].
    pub(super) fn counts(&self, io: &Io) -> Counts {
        let now = Counts {
            reads: io.reads(),
            ..self.counts
        };
        now.since(self.before.unwrap_or_default())
    }

    /// Messages complete since the beginning.
    pub(super) fn completed(&self) -> u64 {
        self.counts.completed
    }

    /// Subscribers whose connection is open.
    pub(super) fn subscribers(&self) -> usize {
        self.subscribers
    }

    /// Tells the meter of deliveries: once for many, since it costs.
    #[inline]
    fn tell(&mut self) {
        self.kind.received(self.counts.deliveries - self.told);
        self.told = self.counts.deliveries;
    }

    /// From publishing to reception at the last subscriber.
    pub(super) fn latency_last(&mut self) -> Latencies {
        std::mem::take(&mut self.last)
    }

    /// Says in words why nothing goes on.
    pub(super) fn stall(&self) -> String {
        let missing = self.slots[self.slot(self.completed())].missing;
        format!(
            "stalled: message {} of this run has not reached {missing} of {} subscribers; are all subscribed \
             (--wait finds out), and are deliveries as long as --bytes (or --counted-bytes-min)?",
            self.completed(),
            self.subscribers
        )
    }

    #[inline]
    fn slot(&self, sequence: u64) -> usize {
        // The size is a power of two, so this keeps the low bits; the rest is meant to be cut off.
        sequence as usize & (self.slots.len() - 1)
    }

    /// Takes note that one subscriber more has the message.
    #[inline]
    fn deliver(&mut self, slot: usize) {
        self.slots[slot].missing -= 1;
        if self.slots[slot].missing == 0 {
            self.complete(slot);
        }
    }

    fn complete(&mut self, slot: usize) {
        self.free += 1;
        self.counts.completed += 1;
        if self.before.is_some() {
            self.last.record_since(self.slots[slot].published_at);
        }
    }
}

impl Handler for ClosedLoop {
    #[inline]
    fn message(&mut self, id: usize, bytes: u64) {
        // Shorter ones are acknowledgements and the like; the publisher's own copy is no delivery.
        if bytes < self.counted_bytes_min || id == self.publisher {
            return;
        }
        let sequence = self.received[id];
        if sequence == self.published {
            self.counts.unexpected += 1;
            return;
        }
        self.received[id] += 1;
        self.counts.deliveries += 1;
        let slot = self.slot(sequence);
        if id.is_multiple_of(self.sample_every) {
            self.kind.took_since(self.slots[slot].published_at);
        }
        self.deliver(slot);
    }

    #[inline]
    fn after_read(&mut self, io: &mut Io, _id: usize) {
        self.tell();
        if self.free > 0 {
            self.top_up(io);
        }
    }

    fn lost(&mut self, io: &mut Io, id: usize, _loss: &Loss) {
        if id == self.publisher {
            return;
        }
        self.subscribers -= 1;
        // Nobody waits for what it has not received.
        for sequence in self.received[id]..self.published {
            let slot = self.slot(sequence);
            self.deliver(slot);
        }
        self.after_read(io, id);
    }
}
