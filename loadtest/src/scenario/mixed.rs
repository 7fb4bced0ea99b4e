//! Scenario `mixed`: a city. Drivers send positions to their passengers, users chat, rooms are published in, applications
//! push over HTTP and through Redis: all at a time, each kind at its rate, and with figures of its own.

pub(super) mod city;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::arrivals::Remainder;
use super::crowd::Crowd;
use super::traffic::{Course, run_through};
use super::{Merge, Record, RunError, Scenario};
use crate::cli::{Common, MixedArgs, Part};
use crate::engine::Engine;
use crate::meter::Phase;
use crate::report::{Latency, Table, thousands};

/// What has not come so long after the last message was sent does not come.
const LAST_WAIT: Duration = Duration::from_secs(5);

/// Figures of a `mixed` run.
#[derive(Debug, Serialize)]
pub struct Figures {
    /// Clients of all kinds.
    pub connections: usize,
    /// Messages received by clients while measuring, of all kinds.
    pub deliveries: u64,
    /// The same per second.
    pub deliveries_per_second: f64,
    /// The same per CPU second of the server; null without `--server-pid`.
    pub deliveries_per_server_cpu_second: Option<f64>,
    /// By kind of message.
    pub kinds: BTreeMap<String, KindFigures>,
    /// What is left of the messages of each kind of clients.
    pub remainders: BTreeMap<String, Remainder>,
}

/// Figures of one kind of message.
#[derive(Debug, Serialize)]
pub struct KindFigures {
    /// Messages received while measuring.
    pub received: u64,
    /// The same per second.
    pub received_per_second: f64,
    /// From the time when a message was due to its reception; of a chat message, to its acknowledgement.
    pub latency: Latency,
}

/// What is left of the messages of each kind of clients.
#[derive(Debug, Default, Deserialize, Serialize)]
pub struct Measured {
    remainders: BTreeMap<String, Remainder>,
}

impl Merge for Measured {
    fn merge(&mut self, other: Self) {
        for (kind, remainder) in other.remainders {
            self.remainders.entry(kind).or_default().merge(remainder);
        }
    }
}

impl Scenario for MixedArgs {
    const NAME: &'static str = "mixed";
    type Measured = Measured;
    type Figures = Figures;

    fn common(&self) -> &Common {
        &self.common
    }

    fn share(&self, part: Part) -> Result<Self, String> {
        city::share(self, part, 0)
    }

    fn measure(&self, engine: &mut Engine) -> Result<Measured, RunError> {
        let mut crowd = city::settle(self, engine)?;
        live(self, engine, &mut crowd)
    }

    fn figures(&self, measured: Measured, record: &Record) -> Figures {
        Figures::new(self.common.connections, measured, record)
    }

    fn rows(figures: &Figures, table: &mut Table) {
        figures.rows(table);
    }

    fn objection(figures: &Figures) -> Option<String> {
        figures.objection()
    }
}

/// Lets the city live through all phases.
pub(super) fn live(
    arguments: &MixedArgs,
    engine: &mut Engine,
    crowd: &mut Crowd<'_>,
) -> Result<Measured, RunError> {
    let course = Course {
        common: &arguments.common,
        // Every kind has its own.
        rate: None,
        warmup: arguments.common.ramp + arguments.warmup,
        last_wait: LAST_WAIT,
    };
    run_through(engine, crowd, &course)?;
    Ok(Measured {
        remainders: crowd.remainders(),
    })
}

impl Figures {
    /// Of so many clients.
    pub(super) fn new(connections: usize, measured: Measured, record: &Record) -> Self {
        let total = record.total(Phase::Hold);
        let deliveries = total.all().received;
        let figures = |(name, tally): (&String, &crate::meter::Tally)| {
            let figures = KindFigures {
                received: tally.received,
                received_per_second: tally.received as f64 / total.seconds,
                latency: Latency::from(&record.timeline.latency(name)),
            };
            (name.clone(), figures)
        };
        Self {
            connections,
            deliveries,
            deliveries_per_second: deliveries as f64 / total.seconds,
            deliveries_per_server_cpu_second: record.cpu(Phase::Hold).per_server_second(deliveries),
            kinds: total.kinds.iter().map(figures).collect(),
            remainders: measured.remainders,
        }
    }

    pub(super) fn rows(&self, table: &mut Table) {
        table.row("clients", thousands(self.connections as f64));
        table.row("deliveries", thousands(self.deliveries as f64));
        table.row("per second", thousands(self.deliveries_per_second));
        let per_cpu_second = self.deliveries_per_server_cpu_second;
        table.row_if("per server CPU second", per_cpu_second.map(thousands));
        for (name, figures) in &self.kinds {
            let per_second = thousands(figures.received_per_second);
            let latency = match figures.latency.count {
                0 => String::new(),
                _ => format!(", {}", figures.latency.line()),
            };
            table.row(name, format!("{per_second} per second{latency}"));
        }
    }

    /// Why the figures are not the server's.
    pub(super) fn objection(&self) -> Option<String> {
        let left = self.remainders.iter().find_map(|(kind, remainder)| {
            // Whether a kind was received at all is seen by what is missing of it.
            let objection = remainder.objection(1)?;
            Some(format!("{kind}: {objection}"))
        });
        left.or_else(|| (self.deliveries == 0).then(|| "nothing was received".to_owned()))
    }
}
