//! Scenario `handshake`: connections are opened and closed again, as fast as the server takes them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ramp::{Ramp, Then};
use super::{Merge, Plan, Record, RunError, Scenario};
use crate::cli::{Common, HandshakeArgs, Part};
use crate::clock;
use crate::engine::{Engine, Ignore};
use crate::meter::Phase;
use crate::report::{Latency, Table, thousands};

/// Figures of a `handshake` run.
#[derive(Debug, Serialize)]
pub struct Figures {
    /// Connections opening at a time.
    pub parallel: usize,
    /// Connections that were open, and greeted if the server's file has a greeting.
    pub handshakes: u64,
    /// The same per second.
    pub handshakes_per_second: f64,
    /// The same per CPU second of the server.
    pub handshakes_per_server_cpu_second: Option<f64>,
    /// From the start of a connection to the end of its upgrade.
    pub duration: Latency,
}

/// What the connections did.
#[derive(Debug, Default, Deserialize, Serialize)]
pub struct Measured {
    opened: usize,
}

impl Merge for Measured {
    fn merge(&mut self, other: Self) {
        self.opened += other.opened;
    }
}

impl Scenario for HandshakeArgs {
    const NAME: &'static str = "handshake";
    type Measured = Measured;
    type Figures = Figures;

    fn common(&self) -> &Common {
        &self.common
    }

    fn length(&self) -> Option<Duration> {
        None
    }

    fn share(&self, part: Part) -> Result<Self, String> {
        Ok(Self {
            common: self.common.share(part, 1)?,
            ..self.clone()
        })
    }

    fn connections_at_once(&self) -> usize {
        self.common.parallel
    }

    fn measure(&self, engine: &mut Engine) -> Result<Measured, RunError> {
        let common = &self.common;
        // Counted by ports: one that was just reset may still be busy on the server's side.
        let server = self.server.read();
        let role = server.client.at(self.path.as_ref());
        engine.io.set_habits(server.habits);
        let plan = Plan::as_role(common, &role, common.connections);
        let ramp = Ramp::new(&plan, Then::Close, 0..common.connections, common.parallel);
        engine.enter(Phase::Hold, &mut Ignore)?;
        let deadline = common.secs.map(|secs| clock::now() + secs);
        let opened = ramp.run(engine, common.patience, deadline)?;
        Ok(Measured { opened })
    }

    fn figures(&self, measured: Measured, record: &Record) -> Figures {
        let total = record.total(Phase::Hold);
        let handshakes = measured.opened as u64;
        Figures {
            parallel: self.common.parallel,
            handshakes,
            handshakes_per_second: handshakes as f64 / total.seconds,
            handshakes_per_server_cpu_second: record.cpu(Phase::Hold).per_server_second(handshakes),
            duration: Latency::from(&total.handshakes.latency),
        }
    }

    fn rows(figures: &Figures, table: &mut Table) {
        table.row("handshakes", thousands(figures.handshakes as f64));
        table.row("per second", thousands(figures.handshakes_per_second));
        table.row_if(
            "per server CPU second",
            figures.handshakes_per_server_cpu_second.map(thousands),
        );
        table.row("duration", figures.duration.line());
    }
}
