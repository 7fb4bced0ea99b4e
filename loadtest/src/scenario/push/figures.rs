//! The figures of a run.

use serde::Serialize;

use super::way;
use crate::cli::PushArgs;
use crate::meter::Phase;
use crate::report::{Latency, Table, thousands};
use crate::scenario::Record;
use crate::scenario::arrivals::Remainder;

/// Figures of a `push` run.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    /// `http` or `redis`.
    way: &'static str,
    connections: usize,
    pushers: usize,
    /// Pushes in one call.
    batch: usize,
    /// Calls per second that were to be made; null in the closed loop.
    rate: Option<f64>,
    bytes: usize,
    /// Pushes received while measuring.
    pushes: u64,
    pushes_per_second: f64,
    pushes_per_server_cpu_second: Option<f64>,
    /// From the time when the call was due to the reception.
    latency: Latency,
    #[serde(flatten)]
    remainder: Remainder,
}

impl Figures {
    pub(super) fn new(arguments: &PushArgs, remainder: Remainder, record: &Record) -> Self {
        let total = record.total(Phase::Hold);
        let pushes = total.all().received;
        let (way, kind) = match arguments.redis {
            Some(_) => ("redis", way::QUEUE),
            None => ("http", way::PUSH),
        };
        Self {
            way,
            connections: arguments.common.connections,
            pushers: arguments.pushers,
            batch: arguments.batch,
            rate: arguments.rate,
            bytes: arguments.bytes,
            pushes,
            pushes_per_second: pushes as f64 / total.seconds,
            pushes_per_server_cpu_second: record.cpu(Phase::Hold).per_server_second(pushes),
            latency: Latency::from(&record.timeline.latency(kind)),
            remainder,
        }
    }

    pub(super) fn objection(&self) -> Option<String> {
        self.remainder.objection(self.pushes)
    }

    pub(super) fn rows(&self, table: &mut Table) {
        let rate = self
            .rate
            .map(|rate| format!(", {} calls per second", thousands(rate)));
        let (pushers, batch) = (self.pushers, self.batch);
        let (way, users) = (self.way, thousands(self.connections as f64));
        table.row(
            "load",
            format!(
                "{way}, {users} users, {pushers} pushers, {batch} in a call{}",
                rate.unwrap_or_default()
            ),
        );
        table.row("pushes", thousands(self.pushes as f64));
        table.row("per second", thousands(self.pushes_per_second));
        let per_cpu_second = self.pushes_per_server_cpu_second;
        table.row_if("per server CPU second", per_cpu_second.map(thousands));
        table.row("latency", self.latency.line());
        let Remainder {
            missing,
            unexpected,
        } = self.remainder;
        for (name, count) in [("never came", missing), ("came unasked", unexpected)] {
            table.row_if(name, (0 < count).then(|| thousands(count as f64)));
        }
    }
}
