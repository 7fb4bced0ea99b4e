//! The figures of a run.

use std::time::Duration;

use serde::Serialize;

use super::room::{Counts, Room};
use crate::cli::LiveArgs;
use crate::client::Losses;
use crate::process::{self, Share, Usage};
use crate::report::{Cpu, Latency, Table, thousands};
use crate::scenario::traffic::Traffic as _;

/// Figures of a `live` run.
#[derive(Debug, Serialize)]
pub(super) struct Figures {
    /// Always `live`.
    scenario: &'static str,
    phones: usize,
    walls: usize,
    rate: f64,
    joins_per_second: f64,
    said: u64,
    shown: u64,
    approved: u64,
    deliveries: u64,
    deliveries_per_second: f64,
    deliveries_per_server_cpu_second: Option<f64>,
    say_to_wall: Latency,
    approval_to_phone: Latency,
    approval_to_last_phone: Latency,
    say_to_last_phone: Latency,
    refused: u64,
    /// Words that not every phone has heard in the end.
    unheard: usize,
    processes: Vec<Share>,
    cpu: Cpu,
    pub(super) losses: Losses,
}

/// What was measured, between two looks at the clock.
pub(super) struct Measured {
    pub(super) counts: Counts,
    pub(super) usage: Usage,
    pub(super) processes: Vec<Share>,
    /// How long it took until all had joined.
    pub(super) joins: Duration,
}

impl Figures {
    pub(super) fn new(
        arguments: &LiveArgs,
        room: &Room,
        measured: Measured,
        losses: Losses,
    ) -> Self {
        let Measured {
            counts,
            usage,
            processes,
            joins,
        } = measured;
        let cpu = Cpu::from(usage);
        let times = &room.times;
        Self {
            scenario: "live",
            phones: room.phones(),
            walls: arguments.walls,
            rate: arguments.rate,
            joins_per_second: arguments.common.connections as f64 / joins.as_secs_f64(),
            said: counts.said,
            shown: counts.shown,
            approved: counts.approved,
            deliveries: counts.heard,
            deliveries_per_second: counts.heard as f64 / usage.seconds,
            deliveries_per_server_cpu_second: cpu.per_server_second(counts.heard),
            say_to_wall: Latency::from(&times.say_to_wall),
            approval_to_phone: Latency::from(&times.approval_to_phone),
            approval_to_last_phone: Latency::from(&times.approval_to_last),
            say_to_last_phone: Latency::from(&times.say_to_last),
            refused: room.counts().refused,
            unheard: room.under_way(),
            processes,
            cpu,
            losses,
        }
    }

    pub(super) fn table(&self) -> Table {
        let mut table = Table::default();
        let (phones, walls) = (thousands(self.phones as f64), self.walls);
        table.row(
            "load",
            format!(
                "{phones} phones, {walls} walls, {} says per second",
                self.rate
            ),
        );
        table.row("joins per second", thousands(self.joins_per_second));
        table.row(
            "said, approved",
            format!("{}, {}", self.said, self.approved),
        );
        table.row("deliveries", thousands(self.deliveries as f64));
        table.row("per second", thousands(self.deliveries_per_second));
        let per_cpu_second = self.deliveries_per_server_cpu_second;
        table.row_if("per server CPU second", per_cpu_second.map(thousands));
        table.row("say to wall", self.say_to_wall.line());
        table.row("approval to each phone", self.approval_to_phone.line());
        table.row("approval to last phone", self.approval_to_last_phone.line());
        table.row("say to last phone", self.say_to_last_phone.line());
        for (name, count) in [
            ("refused", self.refused),
            ("not heard by all", self.unheard as u64),
        ] {
            table.row_if(name, (0 < count).then(|| thousands(count as f64)));
        }
        process::rows(&self.processes, &mut table);
        self.cpu.rows(&mut table);
        super::super::loss_rows(&mut table, &self.losses);
        table
    }
}
