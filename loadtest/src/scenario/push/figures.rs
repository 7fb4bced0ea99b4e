//! The figures of a run.

use serde::{Deserialize, Serialize};

use super::receivers::{KIND, Receivers};
use crate::cli::PushArgs;
use crate::meter::Phase;
use crate::report::{Latency, Table, thousands};
use crate::scenario::traffic::Traffic as _;
use crate::scenario::{Merge, Record};

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
    /// Pushes that never came.
    missing: usize,
    /// What came without having been pushed.
    unexpected: u64,
}

/// What came of the pushes in the end.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(crate) struct Measured {
    missing: usize,
    unexpected: u64,
}

impl Measured {
    pub(super) fn new(receivers: &Receivers) -> Self {
        Self {
            missing: receivers.under_way(),
            unexpected: receivers.unexpected(),
        }
    }
}

impl Merge for Measured {
    fn merge(&mut self, other: Self) {
        self.missing += other.missing;
        self.unexpected += other.unexpected;
    }
}

impl Figures {
    pub(super) fn new(arguments: &PushArgs, measured: Measured, record: &Record) -> Self {
        let total = record.total(Phase::Hold);
        let pushes = total.all().received;
        Self {
            way: match arguments.redis {
                Some(_) => "redis",
                None => "http",
            },
            connections: arguments.common.connections,
            pushers: arguments.pushers,
            batch: arguments.batch,
            rate: arguments.rate,
            bytes: arguments.bytes,
            pushes,
            pushes_per_second: pushes as f64 / total.seconds,
            pushes_per_server_cpu_second: record.cpu(Phase::Hold).per_server_second(pushes),
            latency: Latency::from(&record.timeline.latency(KIND)),
            missing: measured.missing,
            unexpected: measured.unexpected,
        }
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
        if 0 < self.missing {
            table.row("never came", thousands(self.missing as f64));
        }
        if 0 < self.unexpected {
            table.row("came unasked", thousands(self.unexpected as f64));
        }
    }
}
