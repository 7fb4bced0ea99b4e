//! The figures of a run.

use serde::Serialize;

use super::receivers::Receivers;
use crate::cli::PushArgs;
use crate::client::Losses;
use crate::process::{self, Share, Usage};
use crate::report::{Cpu, Latency, Table, thousands};
use crate::scenario::loss_rows;
use crate::scenario::traffic::Traffic as _;

/// Figures of a `push` run.
#[derive(Debug, Serialize)]
pub(super) struct Figures {
    /// Always `push`.
    scenario: &'static str,
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
    processes: Vec<Share>,
    cpu: Cpu,
    pub(super) losses: Losses,
}

/// What was measured, between two looks at the clock.
pub(super) struct Measured {
    pub(super) pushes: u64,
    pub(super) usage: Usage,
    pub(super) processes: Vec<Share>,
}

impl Figures {
    pub(super) fn new(
        arguments: &PushArgs,
        receivers: &Receivers,
        measured: Measured,
        losses: Losses,
    ) -> Self {
        let Measured {
            pushes,
            usage,
            processes,
        } = measured;
        let cpu = Cpu::from(usage);
        Self {
            scenario: "push",
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
            pushes_per_second: pushes as f64 / usage.seconds,
            pushes_per_server_cpu_second: cpu.per_server_second(pushes),
            latency: receivers.latency(),
            missing: receivers.under_way(),
            unexpected: receivers.unexpected(),
            processes,
            cpu,
            losses,
        }
    }

    pub(super) fn table(&self) -> Table {
        let mut table = Table::default();
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
        process::rows(&self.processes, &mut table);
        self.cpu.rows(&mut table);
        loss_rows(&mut table, &self.losses);
        table
    }
}
