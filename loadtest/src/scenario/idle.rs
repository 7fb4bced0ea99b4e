//! Scenario `idle`: connections that have exchanged one message each and then stay quiet; what each costs in memory.
//!
//! The exchange matters: buffers that were never touched are not resident and flatter a server.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::ramp::{Ramp, Then};
use super::{Merge, Plan, Record, RunError, Scenario, judge};
use crate::cli::{Common, IdleArgs, Part};
use crate::client::Loss;
use crate::clock;
use crate::engine::{Engine, Handler, Ignore, Io};
use crate::meter::{Kind, Phase};
use crate::process::{Reading, Role};
use crate::report::{Cpu, Latency, Table, thousands};
use crate::server::Echo;
use crate::server::greeting::contains;

/// So many messages may wait for their answer at a time.
const EXCHANGES_AT_ONCE: usize = 256;
const POLL: Duration = Duration::from_millis(100);

/// Figures of an `idle` run.
#[derive(Debug, Serialize)]
pub struct Figures {
    /// Connections asked for.
    pub connections: usize,
    /// Connections opened.
    pub opened: usize,
    /// Connections that got the expected answer.
    pub exchanged: usize,
    /// Connections still open at the end.
    pub open_at_end: u64,
    /// Connections opened per second.
    pub connects_per_second: f64,
    /// CPU seconds of the server per handshake; null without `--server-pid`.
    pub server_cpu_seconds_per_handshake: Option<f64>,
    /// From the start of a connection to the end of its handshake.
    pub handshake: Latency,
    /// CPU use while connecting.
    pub connect_cpu: Cpu,
    /// CPU use while holding.
    pub hold_cpu: Cpu,
    /// Resident memory before the first connection.
    pub base_bytes: Option<u64>,
    /// Resident memory after exchange and settling.
    pub settled_bytes: Option<u64>,
    /// Resident memory at the end of the hold.
    pub end_bytes: Option<u64>,
    /// Settled memory divided by the open connections: base included.
    pub bytes_per_connection_with_base: Option<f64>,
    /// Growth since before the first connection divided by the open connections.
    pub bytes_per_connection: Option<f64>,
    /// The same at the end of the hold.
    pub bytes_per_connection_at_end: Option<f64>,
}

/// What the connections did.
#[derive(Debug, Default, Deserialize, Serialize)]
pub struct Measured {
    opened: usize,
    exchanged: usize,
}

impl Merge for Measured {
    fn merge(&mut self, other: Self) {
        self.opened += other.opened;
        self.exchanged += other.exchanged;
    }
}

impl Scenario for IdleArgs {
    const NAME: &'static str = "idle";
    type Measured = Measured;
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

    fn measure(&self, engine: &mut Engine) -> Result<Measured, RunError> {
        let common = &self.common;
        let server = self.server.read();
        let role = server.client.at(self.path.as_ref());
        engine.io.set_habits(server.habits);
        let plan = Plan::as_role(common, &role, common.connections);
        let indexes = 0..common.connections;
        let ramp = Ramp::new(&plan, Then::Keep, indexes, common.parallel);
        let opened = ramp.run(engine, common.patience, None)?;

        engine.enter(Phase::Warmup, &mut Ignore)?;
        let exchanged = match self.echo() {
            Some(echo) => exchange(engine, self, &echo)?,
            None => 0,
        };
        let settled_at = clock::now() + self.settle;
        while clock::now() < settled_at {
            engine.poll(POLL, &mut Ignore)?;
        }

        engine.enter(Phase::Hold, &mut Ignore)?;
        engine.heed_interrupt();
        let length = common.secs.unwrap_or(Duration::from_secs(10));
        hold(engine, length)?;
        Ok(Measured { opened, exchanged })
    }

    fn figures(&self, measured: Measured, record: &Record) -> Figures {
        let Measured { opened, exchanged } = measured;
        let connect = record.total(Phase::Connect);
        let (settled, end) = (record.total(Phase::Warmup), record.total(Phase::Hold));
        let connect_cpu = Cpu::from(&connect);
        let base_bytes = resident_bytes(&record.base);
        let settled_bytes = resident_bytes(&settled.processes);
        let end_bytes = resident_bytes(&end.processes);
        let per_connection = |bytes: u64, open: u64| bytes as f64 / open.max(1) as f64;
        let growth = |bytes: u64, open| {
            base_bytes.map(|base| per_connection(bytes.saturating_sub(base), open))
        };
        Figures {
            connections: self.common.connections,
            opened,
            exchanged,
            open_at_end: end.open,
            connects_per_second: opened as f64 / connect.seconds,
            server_cpu_seconds_per_handshake: connect_cpu
                .server_seconds
                .map(|cpu| cpu / opened.max(1) as f64),
            handshake: Latency::from(&connect.handshakes.latency),
            connect_cpu,
            hold_cpu: Cpu::from(&end),
            base_bytes,
            settled_bytes,
            end_bytes,
            bytes_per_connection_with_base: settled_bytes
                .map(|bytes| per_connection(bytes, settled.open)),
            bytes_per_connection: settled_bytes.and_then(|bytes| growth(bytes, settled.open)),
            bytes_per_connection_at_end: end_bytes.and_then(|bytes| growth(bytes, end.open)),
        }
    }

    fn rows(figures: &Figures, table: &mut Table) {
        rows(figures, table);
    }

    fn verdict(&self, figures: &Figures, record: &Record) -> Result<(), RunError> {
        judge(&record.losses)?;
        let is_expected = self.echo().is_some_and(|echo| !echo.expect.is_empty());
        if is_expected && figures.exchanged < figures.opened {
            return Err(RunError::Failed(format!(
                "{} connections got no answer",
                figures.opened - figures.exchanged
            )));
        }
        Ok(())
    }
}

/// Of all processes of the server together; `None` without any, or when one has ended.
fn resident_bytes(readings: &[Reading]) -> Option<u64> {
    let servers = readings.iter().filter(|it| it.role == Role::Server);
    servers.clone().next()?;
    servers.map(|it| it.resident_bytes).sum()
}

fn rows(figures: &Figures, table: &mut Table) {
    let kib = |bytes: f64| format!("{:.2} KiB", bytes / 1_024.0);
    table.row("connections opened", thousands(figures.opened as f64));
    table.row("exchanged a message", thousands(figures.exchanged as f64));
    table.row("open at the end", thousands(figures.open_at_end as f64));
    table.row(
        "connects per second",
        thousands(figures.connects_per_second),
    );
    table.row_if(
        "server CPU per handshake",
        figures
            .server_cpu_seconds_per_handshake
            .map(|seconds| format!("{:.1} us", seconds * 1e6)),
    );
    table.row("handshake", figures.handshake.line());
    if figures.connect_cpu.generator_saturated {
        table.row(
            "note",
            "the load generator was saturated while connecting: that rate is its own, not the server's",
        );
    }
    table.row_if(
        "memory before",
        figures.base_bytes.map(|bytes| kib(bytes as f64)),
    );
    table.row_if(
        "memory settled",
        figures.settled_bytes.map(|bytes| kib(bytes as f64)),
    );
    table.row_if("per connection", figures.bytes_per_connection.map(kib));
    table.row_if(
        "per connection, base included",
        figures.bytes_per_connection_with_base.map(kib),
    );
    table.row_if(
        "per connection, end of hold",
        figures.bytes_per_connection_at_end.map(kib),
    );
}

/// Lets every connection exchange a message; gives how many got their answer.
fn exchange(engine: &mut Engine, arguments: &IdleArgs, echo: &Echo) -> Result<usize, RunError> {
    let mut exchange = Exchange {
        echo,
        first: arguments.common.first,
        next: 0,
        end: arguments.common.connections,
        waiting: (0..arguments.common.connections).map(|_| None).collect(),
        waiting_count: 0,
        answered: 0,
        progress: clock::now(),
        kind: engine.io.meter().kind("exchange"),
    };
    exchange.top_up(&mut engine.io);
    while exchange.waiting_count > 0 && clock::now() - exchange.progress < arguments.common.patience
    {
        engine.poll(POLL, &mut exchange)?;
    }
    Ok(exchange.answered)
}

/// One message from every connection, and its answer.
#[derive(Debug)]
struct Exchange<'a> {
    echo: &'a Echo,
    /// Number of the first connection.
    first: usize,
    next: usize,
    end: usize,
    /// What has come so far of the current message, for connections that wait for their answer.
    waiting: Vec<Option<Vec<u8>>>,
    waiting_count: usize,
    answered: usize,
    progress: Instant,
    kind: Kind,
}

impl Exchange<'_> {
    fn top_up(&mut self, io: &mut Io) {
        while self.next < self.end && self.waiting_count < EXCHANGES_AT_ONCE {
            let id = self.next;
            self.next += 1;
            if !io.is_open(id) {
                continue;
            }
            let index = self.first + id;
            io.send_text(id, self.echo.send.for_index(index).as_bytes());
            self.kind.sent(1);
            if !self.echo.expect.is_empty() {
                self.waiting[id] = Some(Vec::new());
                self.waiting_count += 1;
            }
        }
    }

    fn stop_waiting(&mut self, id: usize) -> bool {
        let waited = self.waiting[id].take().is_some();
        if waited {
            self.waiting_count -= 1;
            self.progress = clock::now();
        }
        waited
    }
}

impl Handler for Exchange<'_> {
    fn payload(&mut self, id: usize, chunk: &[u8]) {
        if let Some(message) = &mut self.waiting[id] {
            message.extend_from_slice(chunk);
        }
    }

    fn message(&mut self, id: usize, _bytes: u64) {
        let Some(message) = &mut self.waiting[id] else {
            return;
        };
        let expected = self.echo.expect.for_index(self.first + id);
        if contains(message, expected.as_bytes()) {
            self.stop_waiting(id);
            self.answered += 1;
            self.kind.received(1);
        } else {
            message.clear();
        }
    }

    fn after_read(&mut self, io: &mut Io, _id: usize) {
        self.top_up(io);
    }

    fn lost(&mut self, io: &mut Io, id: usize, _loss: &Loss) {
        self.stop_waiting(id);
        self.top_up(io);
    }
}

/// Keeps the connections for a while.
fn hold(engine: &mut Engine, length: Duration) -> Result<(), RunError> {
    let end = clock::now() + length;
    while let Some(left) = end.checked_duration_since(clock::now())
        && !engine.is_interrupted()
    {
        engine.poll(POLL.min(left), &mut Ignore)?;
    }
    Ok(())
}
