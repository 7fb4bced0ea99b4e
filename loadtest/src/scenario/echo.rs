//! Scenario `echo`: every client sends messages and gets an answer to each.
//!
//! With `--outstanding` the loop is closed: each client has so many messages under way. With `--rate` it is open:
//! every message has its time, and its latency runs from then on, even if it left later.

mod clients;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::arrivals::Remainder;
use super::message::Message;
use super::ramp::{Ramp, Then};
use super::traffic::{Course, Traffic as _, run_through};
use super::{Merge, Plan, Record, RunError, Scenario, judge};
use crate::cli::{Common, EchoArgs, Part, share_of_rate};
use crate::engine::Engine;
use crate::meter::{Kind, Phase};
use crate::report::{Latency, Table, thousands};
use crate::server::{Echo, Server};
use crate::template::Seat;
use clients::Clients;

/// What answers are called.
const KIND: &str = "echo";
/// What has not come so long after the last message was sent does not come.
const LAST_WAIT: Duration = Duration::from_secs(2);

/// Figures of an `echo` run.
#[derive(Debug, Serialize)]
pub struct Figures {
    /// Clients.
    pub connections: usize,
    /// Messages per second that were to be sent, of all clients together; null in the closed loop.
    pub rate: Option<f64>,
    /// Messages under way at any time, of each client; null in the open loop.
    pub outstanding: Option<usize>,
    /// Answers received while measuring.
    pub echoes: u64,
    /// The same per second.
    pub echoes_per_second: f64,
    /// The same per CPU second of the server; null without `--server-pid`.
    pub echoes_per_server_cpu_second: Option<f64>,
    /// From the time when a message was due to its answer.
    pub latency: Latency,
    /// Messages that were never answered, and answers to nothing.
    #[serde(flatten)]
    pub remainder: Remainder,
    /// What came and was no answer.
    pub others: u64,
}

/// What only the clients count.
#[derive(Debug, Default, Deserialize, Serialize)]
pub struct Measured {
    remainder: Remainder,
    others: u64,
}

impl Merge for Measured {
    fn merge(&mut self, other: Self) {
        self.remainder.merge(other.remainder);
        self.others += other.others;
    }
}

impl Scenario for EchoArgs {
    const NAME: &'static str = "echo";
    type Measured = Measured;
    type Figures = Figures;

    fn common(&self) -> &Common {
        &self.common
    }

    fn share(&self, part: Part) -> Result<Self, String> {
        Ok(Self {
            common: self.common.share(part, 1)?,
            rate: share_of_rate(self.rate, part),
            ..self.clone()
        })
    }

    fn measure(&self, engine: &mut Engine) -> Result<Measured, RunError> {
        let common = &self.common;
        let kind = engine.io.meter().kind(KIND);
        let server = self.server.read();
        let mut clients = clients(self, &server, kind).map_err(RunError::Usage)?;
        let role = server.client.at(self.path.as_ref());
        let role = server.having_say(role, self.hello.as_ref());
        engine.io.set_habits(server.habits);
        let plan = Plan::as_role(common, &role, common.connections);
        let ramp = Ramp::new(&plan, Then::Keep, 0..common.connections, common.parallel);
        ramp.run(engine, common.patience, None)?;
        judge(engine.io.losses())?;
        let course = Course {
            common,
            rate: self.rate,
            warmup: self.warmup,
            last_wait: LAST_WAIT,
        };
        run_through(engine, &mut clients, &course)?;
        Ok(Measured {
            remainder: clients.remainder(),
            others: clients.others,
        })
    }

    fn figures(&self, measured: Measured, record: &Record) -> Figures {
        let total = record.total(Phase::Hold);
        let echoes = total.all().received;
        Figures {
            connections: self.common.connections,
            rate: self.rate,
            outstanding: self.outstanding,
            echoes,
            echoes_per_second: echoes as f64 / total.seconds,
            echoes_per_server_cpu_second: record.cpu(Phase::Hold).per_server_second(echoes),
            latency: Latency::from(&record.timeline.latency(KIND)),
            remainder: measured.remainder,
            others: measured.others,
        }
    }

    fn rows(figures: &Figures, table: &mut Table) {
        let load = match (figures.rate, figures.outstanding) {
            (Some(rate), _) => format!("{} per second", thousands(rate)),
            (None, outstanding) => format!("{} outstanding each", outstanding.unwrap_or_default()),
        };
        let clients = thousands(figures.connections as f64);
        table.row("load", format!("{clients} clients, {load}"));
        table.row("echoes", thousands(figures.echoes as f64));
        table.row("per second", thousands(figures.echoes_per_second));
        let per_cpu_second = figures.echoes_per_server_cpu_second;
        table.row_if("per server CPU second", per_cpu_second.map(thousands));
        table.row("latency", figures.latency.line());
        let others = Some(figures.others).filter(|others| 0 < *others);
        table.row_if(
            "other messages",
            others.map(|others| thousands(others as f64)),
        );
    }

    fn objection(figures: &Figures) -> Option<String> {
        figures.remainder.objection(figures.echoes)
    }
}

/// The clients, each with its own message and what its answer contains.
fn clients(arguments: &EchoArgs, server: &Server, kind: Kind) -> Result<Clients, String> {
    let (message, expect) = (arguments.message.as_ref(), arguments.expect.as_ref());
    let echo = Echo::of(server, message, expect);
    let echo = echo.ok_or("--server: the file has no [echo]: give --message and --expect")?;
    let Common {
        first, connections, ..
    } = arguments.common;
    let message = |index| {
        let template = echo.send.bind(Seat::of(index));
        let message = match arguments.bytes {
            Some(bytes) => Message::new(&template, bytes)?,
            None => Message::bare(&template),
        };
        Ok((message, echo.expect.bind(Seat::of(index))))
    };
    let messages = (first..first + connections).map(message);
    let messages = messages.collect::<Result<_, String>>()?;
    let outstanding = arguments.outstanding.unwrap_or_default();
    Ok(Clients::new(messages, outstanding, kind))
}
