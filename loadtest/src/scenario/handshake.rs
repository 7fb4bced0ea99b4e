//! Scenario `handshake`: connections are opened and closed again, as fast as the server takes them.

use serde::Serialize;

use super::ramp::{Ramp, Then};
use super::{Plan, RunError, judge, loss_rows, prepare};
use crate::cli::HandshakeArgs;
use crate::client::Losses;
use crate::clock;
use crate::process::Stopwatch;
use crate::report::{self, Cpu, Latency, Table, thousands};

/// Figures of a `handshake` run.
#[derive(Debug, Serialize)]
pub struct Figures {
    /// Always `handshake`.
    pub scenario: &'static str,
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
    /// CPU use.
    pub cpu: Cpu,
    /// Connections lost.
    pub losses: Losses,
}

/// Runs it.
///
/// # Errors
/// See [`RunError`].
pub fn run(arguments: &HandshakeArgs) -> Result<(), RunError> {
    let common = &arguments.common;
    let (mut engine, servers) = prepare(common, common.parallel)?;
    // Counted by ports: one that was just reset may still be busy on the server's side.
    let plan = Plan::new(common, &arguments.path, common.connections);
    let ramp = Ramp::new(&plan, Then::Close, 0..common.connections, common.parallel);
    let stopwatch = Stopwatch::start(&servers);
    let deadline = common.secs.map(|secs| clock::now() + secs);
    let opened = ramp.run(&mut engine, common.patience, deadline)?;
    let usage = stopwatch.read(&servers);

    let cpu = Cpu::from(usage);
    let handshakes = opened.count as u64;
    let figures = Figures {
        scenario: "handshake",
        parallel: common.parallel,
        handshakes,
        handshakes_per_second: handshakes as f64 / usage.seconds,
        handshakes_per_server_cpu_second: cpu.per_server_second(handshakes),
        duration: Latency::from(&opened.durations),
        cpu,
        losses: engine.io.losses().clone(),
    };
    report::publish(&table(&figures), common.json.as_deref(), &figures)?;
    judge(&figures.losses)
}

fn table(figures: &Figures) -> Table {
    let mut table = Table::default();
    table.row("handshakes", thousands(figures.handshakes as f64));
    table.row("per second", thousands(figures.handshakes_per_second));
    table.row_if(
        "per server CPU second",
        figures.handshakes_per_server_cpu_second.map(thousands),
    );
    table.row("duration", figures.duration.line());
    figures.cpu.rows(&mut table);
    if figures.cpu.generator_saturated {
        table.row(
            "note",
            "the load generator was saturated: the rate is its own, not the server's",
        );
    }
    loss_rows(&mut table, &figures.losses);
    table
}
