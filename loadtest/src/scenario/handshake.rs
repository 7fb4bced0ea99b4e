//! Scenario `handshake`: connections are opened and closed again, as fast as the server takes them.

use serde::Serialize;

use super::ramp::{Ramp, Then};
use super::{Plan, Record, RunError, Scenario};
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
    /// Handshakes that succeeded.
    pub handshakes: u64,
    /// The same per second.
    pub handshakes_per_second: f64,
    /// The same per CPU second of the server.
    pub handshakes_per_server_cpu_second: Option<f64>,
    /// From the start of a connection to the end of its handshake.
    pub duration: Latency,
}

impl Scenario for HandshakeArgs {
    const NAME: &'static str = "handshake";
    type Measured = ();
    type Figures = Figures;

    fn common(&self) -> &Common {
        &self.common
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

    fn measure(&self, engine: &mut Engine) -> Result<(), RunError> {
        let common = &self.common;
        // Counted by ports: one that was just reset may still be busy on the server's side.
        let plan = Plan::new(common, &self.path, common.connections);
        let ramp = Ramp::new(&plan, Then::Close, 0..common.connections, common.parallel);
        engine.enter(Phase::Hold, &mut Ignore)?;
        let deadline = common.secs.map(|secs| clock::now() + secs);
        ramp.run(engine, common.patience, deadline)?;
        Ok(())
    }

    fn figures(&self, (): (), record: &Record) -> Figures {
        let total = record.total(Phase::Hold);
        let handshakes = total.handshakes.received;
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
