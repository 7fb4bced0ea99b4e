//! What a check comes to: counts, and the messages that broke the promise.

use std::time::Duration;

use serde::Serialize;

use super::verdict::Client;

/// What became of the messages; every field counts messages.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Counts {
    /// All that were sent.
    pub sent: u64,
    /// Came once.
    pub delivered: u64,
    /// Came more than once.
    pub doubled: u64,
    /// Came after a later one of the same pair.
    pub out_of_order: u64,
    /// Came after the deadline; part of `delivered`.
    pub late: u64,
    /// Did not come, and a connection ended meanwhile.
    pub excused: u64,
    /// Did not come, and the nodes have said so.
    pub announced: u64,
    /// Did not come, and nobody has said anything.
    pub silent: u64,
    /// Came though they were never sent.
    pub unknown: u64,
    /// Losses that the nodes announced, those of excused messages included.
    pub announced_by_nodes: u64,
    /// Connections that ended.
    pub ended: u64,
}

/// What a message did wrong.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// It came again.
    Doubled,
    /// It came after a later one.
    OutOfOrder,
    /// It did not come, in silence.
    Silent,
    /// It came without having been sent.
    Unknown,
}

/// One offending message.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Offence {
    /// What is wrong with it.
    pub fault: Fault,
    /// Who sent it.
    pub sender: Client,
    /// Who was to get it.
    pub receiver: Client,
    /// Its number within the pair.
    pub number: usize,
    /// Seconds from the start to its sending.
    pub sent: Option<f64>,
    /// Seconds from the start to its arrival, the second one of a doubled message.
    pub received: Option<f64>,
    /// Seconds from the start to the last sign that it will not come.
    pub until: Option<f64>,
}

/// The outcome.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Verdict {
    /// How many of each kind.
    pub counts: Counts,
    /// The first offending messages.
    pub offences: Vec<Offence>,
}

impl Verdict {
    /// Whether everything is as promised.
    #[must_use]
    pub fn is_good(&self) -> bool {
        let Counts {
            doubled,
            out_of_order,
            silent,
            unknown,
            ..
        } = self.counts;
        doubled + out_of_order + silent + unknown == 0
    }
}

impl Offence {
    /// In one line.
    #[must_use]
    pub fn line(&self) -> String {
        let Self {
            fault,
            sender,
            receiver,
            number,
            ..
        } = self;
        let time = |name, at: Option<f64>| at.map(|at| format!(", {name} {at:.3} s"));
        let times = [
            time("sent at", self.sent),
            time("received at", self.received),
            time("given up at", self.until),
        ];
        let times: String = times.into_iter().flatten().collect();
        format!("{fault:?}: {sender} to {receiver}, number {number}{times}")
    }

    pub(super) fn new(fault: Fault, sender: Client, receiver: Client, number: usize) -> Self {
        Self {
            fault,
            sender,
            receiver,
            number,
            sent: None,
            received: None,
            until: None,
        }
    }

    pub(super) fn sent(self, at: Duration) -> Self {
        Self {
            sent: Some(at.as_secs_f64()),
            ..self
        }
    }

    pub(super) fn received(self, at: Duration) -> Self {
        Self {
            received: Some(at.as_secs_f64()),
            ..self
        }
    }
}
