//! What a check comes to: counts, and the messages that broke the promise.

use std::time::Duration;

use serde::Serialize;

use super::verdict::Client;

/// What became of the durable messages; every field counts messages.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct KeptCounts {
    /// Were answered for: they have to come, whatever happens.
    pub kept: u64,
    /// Were pushed and not answered for: they may come.
    #[serde(rename = "kept_unpromised")]
    pub unpromised: u64,
    /// Were answered for and came.
    #[serde(rename = "kept_delivered")]
    pub delivered: u64,
    /// Were answered for and did not come, and Redis lost its memory before they had to.
    #[serde(rename = "kept_excused")]
    pub excused: u64,
    /// Were answered for and did not come.
    #[serde(rename = "kept_silent")]
    pub silent: u64,
    /// Came again on one connection.
    #[serde(rename = "kept_doubled")]
    pub doubled: u64,
    /// Came on one connection after a later one that was pushed at the same node.
    #[serde(rename = "kept_out_of_order")]
    pub out_of_order: u64,
    /// Came though they were never pushed.
    #[serde(rename = "kept_unknown")]
    pub unknown: u64,
}

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
    /// The durable ones, which are not among the others.
    #[serde(flatten)]
    pub kept: KeptCounts,
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
    /// A durable one came again on one connection.
    KeptDoubled,
    /// A durable one came after a later one of the same node, on one connection.
    KeptOutOfOrder,
    /// A durable one did not come.
    KeptSilent,
    /// A durable one came without having been pushed.
    KeptUnknown,
}

/// One offending message.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Offence {
    /// What is wrong with it.
    pub fault: Fault,
    /// Who sent it; of a durable one, the number of the node that it was pushed at.
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

impl KeptCounts {
    /// How often the promise was broken.
    #[must_use]
    pub fn faults(&self) -> u64 {
        self.silent + self.doubled + self.out_of_order + self.unknown
    }
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
            ref kept,
            ..
        } = self.counts;
        doubled + out_of_order + silent + unknown + kept.faults() == 0
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
