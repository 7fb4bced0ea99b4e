//! The figures of a run.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::room::{Counts, DELIVERY, Room, WORD};
use crate::cli::LiveArgs;
use crate::meter::Phase;
use crate::report::{Latency, Table, thousands};
use crate::scenario::spread::Spread;
use crate::scenario::{Merge, Record};

/// Figures of a `live` run.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
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
}

/// What happened in the room.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(crate) struct Measured {
    counts: Counts,
    spread: Spread,
    /// Words that were said, before it was measured too.
    said: usize,
    /// How long it took until all had joined.
    joins: Duration,
}

impl Measured {
    pub(super) fn new(room: &Room, joins: Duration) -> Self {
        Self {
            counts: room.counts(),
            said: room.said(),
            spread: room.spread(),
            joins,
        }
    }
}

impl Merge for Measured {
    fn merge(&mut self, other: Self) {
        self.counts.add(other.counts);
        self.spread.merge(other.spread);
        self.said += other.said;
        self.joins = self.joins.max(other.joins);
    }
}

impl Figures {
    pub(super) fn new(arguments: &LiveArgs, measured: Measured, record: &Record) -> Self {
        let Measured {
            counts,
            spread,
            said,
            joins,
        } = measured;
        let (approval_to_last, say_to_last) = spread.to_last();
        let total = record.total(Phase::Hold);
        let deliveries = total.kinds.get(DELIVERY).map_or(0, |it| it.received);
        let connections = arguments.common.connections;
        let latency = |kind: &str| Latency::from(&record.timeline.latency(kind));
        Self {
            phones: connections - arguments.walls,
            walls: arguments.walls,
            rate: arguments.rate,
            joins_per_second: connections as f64 / joins.as_secs_f64(),
            said: counts.said,
            shown: counts.shown,
            approved: counts.approved,
            deliveries,
            deliveries_per_second: deliveries as f64 / total.seconds,
            deliveries_per_server_cpu_second: record.cpu(Phase::Hold).per_server_second(deliveries),
            say_to_wall: latency(WORD),
            approval_to_phone: latency(DELIVERY),
            approval_to_last_phone: Latency::from(&approval_to_last),
            say_to_last_phone: Latency::from(&say_to_last),
            refused: counts.refused,
            unheard: said.saturating_sub(spread.reached.len()),
        }
    }

    /// Why the figures are not the server's.
    pub(super) fn objection(&self) -> Option<String> {
        let unheard = self.unheard;
        (0 < unheard).then(|| format!("{unheard} words were not heard by every phone"))
    }

    pub(super) fn rows(&self, table: &mut Table) {
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
    }
}
