//! What came of the messages in rooms.

use serde::{Deserialize, Serialize};

use crate::meter::Latencies;
use crate::scenario::Merge;

/// What came of the messages while it was measured.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(in crate::scenario) struct Outcome {
    /// Messages that reached their last member.
    pub(in crate::scenario) messages: u64,
    /// Messages received that were not published.
    pub(in crate::scenario) unexpected: u64,
    /// Reads made.
    pub(in crate::scenario) reads: u64,
    /// From the time when a message was due to its last member.
    pub(in crate::scenario) latency_last: Latencies,
}

impl Merge for Outcome {
    fn merge(&mut self, other: Self) {
        self.messages += other.messages;
        self.unexpected += other.unexpected;
        self.reads += other.reads;
        self.latency_last.add(&other.latency_last);
    }
}
