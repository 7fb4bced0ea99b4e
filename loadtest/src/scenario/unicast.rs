//! Scenario `unicast`: pairs of clients that write to each other, on different nodes if there are several.
//!
//! With `--rate` the loop is open: every message has its time, and its latency runs from then on, even if it left
//! later. With `--outstanding` it is closed: whoever gets a message answers with one. With `--positions` the first of
//! each pair is a driver, who sends positions so many times a second.

mod pairs;
mod positions;

#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::arrivals::Remainder;
use super::ramp::{Ramp, Then};
use super::traffic::{Course, POLL, Traffic, run_through};
use super::{Merge, Path, Plan, Record, RunError, Scenario, judge};
use crate::cli::{Common, Part, UnicastArgs, share_of_outstanding, share_of_rate};
use crate::clock;
use crate::engine::{Engine, Handler, Io};
use crate::meter::Phase;
use crate::report::{Latency, Table, thousands};
use crate::template::Template;
use pairs::Pairs;
use positions::Positions;

/// Between two probes to a client that none has reached.
const PROBE_INTERVAL: Duration = Duration::from_millis(300);
/// What has not come so long after the last message was sent does not come.
const LAST_WAIT: Duration = Duration::from_secs(2);
/// Where client {i} connects to, if positions are sent: they are of the `ride` dialect.
const PATH: &str = "/ws/?client_id=pair_{i}&token=pair_{i}";

/// Figures of a `unicast` run.
#[derive(Debug, Serialize)]
pub struct Figures {
    /// Clients, two in each pair.
    pub connections: usize,
    /// Messages per second that were to be sent; null in the closed loop.
    pub rate: Option<f64>,
    /// Messages under way at any time; null in the open loop.
    pub outstanding: Option<usize>,
    /// Size of a message.
    pub bytes: usize,
    /// Messages received while measuring.
    pub messages: u64,
    /// The same per second.
    pub messages_per_second: f64,
    /// The same per CPU second of the server; null without `--server-pid`.
    pub messages_per_server_cpu_second: Option<f64>,
    /// The same per CPU second of Redis; null without `--redis-pid`.
    pub messages_per_redis_cpu_second: Option<f64>,
    /// CPU seconds of Redis; null without `--redis-pid`.
    pub redis_cpu_seconds: Option<f64>,
    /// From the time when a message was due to its reception.
    pub latency: Latency,
    /// Positions per second of each driver; null if messages are sent.
    pub positions: Option<f64>,
    /// Positions that a later one took the place of on their way.
    pub conflated: u64,
    /// Messages that never came, and those that came without having been sent.
    #[serde(flatten)]
    pub remainder: Remainder,
}

/// What is left of the messages, and which positions were.
#[derive(Debug, Default, Deserialize, Serialize)]
pub struct Measured {
    remainder: Remainder,
    conflated: u64,
}

impl Merge for Measured {
    fn merge(&mut self, other: Self) {
        self.remainder.merge(other.remainder);
        self.conflated += other.conflated;
    }
}

impl Scenario for UnicastArgs {
    const NAME: &'static str = "unicast";
    type Measured = Measured;
    type Figures = Figures;

    fn common(&self) -> &Common {
        &self.common
    }

    fn share(&self, part: Part) -> Result<Self, String> {
        Ok(Self {
            common: self.common.share(part, 2)?,
            rate: share_of_rate(self.rate, part),
            outstanding: share_of_outstanding(self.outstanding, part)?,
            ..self.clone()
        })
    }

    fn others(&self) -> Vec<u32> {
        let others = self.redis_pid.iter().chain(&self.common.other_pid);
        others.copied().collect()
    }

    fn measure(&self, engine: &mut Engine) -> Result<Measured, RunError> {
        let mut course = Course {
            common: &self.common,
            rate: self.rate,
            warmup: self.warmup,
            last_wait: LAST_WAIT,
        };
        let Some(hertz) = self.positions else {
            let (pair, habits) = self.parts().map_err(RunError::Usage)?;
            let pairs = Pairs::new(self, &pair.publish, engine.io.meter());
            let mut pairs = pairs.map_err(RunError::Usage)?;
            engine.io.set_habits(habits);
            let path = Path::Role(&pair.client);
            connect(engine, &self.common, path, &mut pairs)?;
            run_through(engine, &mut pairs, &course)?;
            return Ok(Measured {
                remainder: pairs.remainder(),
                conflated: 0,
            });
        };
        let mut positions = positions(engine, &self.common)?;
        course.rate = Some(hertz * positions.drivers() as f64);
        run_through(engine, &mut positions, &course)?;
        Ok(Measured {
            remainder: positions.remainder(),
            conflated: positions.conflated(),
        })
    }

    fn figures(&self, measured: Measured, record: &Record) -> Figures {
        let total = record.total(Phase::Hold);
        let messages = total.all().received;
        let redis = total
            .processes
            .iter()
            .find(|it| Some(it.pid) == self.redis_pid);
        let redis_cpu_seconds = redis.and_then(|it| it.cpu_seconds);
        let per_second = |seconds: f64| (0.0 < seconds).then(|| messages as f64 / seconds);
        Figures {
            connections: self.common.connections,
            rate: self.rate,
            outstanding: self.outstanding,
            bytes: self.bytes,
            messages,
            messages_per_second: messages as f64 / total.seconds,
            messages_per_server_cpu_second: record.cpu(Phase::Hold).per_server_second(messages),
            messages_per_redis_cpu_second: redis_cpu_seconds.and_then(per_second),
            redis_cpu_seconds,
            latency: Latency::from(&record.timeline.latency(match self.positions {
                Some(_) => positions::KIND,
                None => pairs::KIND,
            })),
            positions: self.positions,
            conflated: measured.conflated,
            remainder: measured.remainder,
        }
    }

    fn rows(figures: &Figures, table: &mut Table) {
        rows(figures, table);
    }

    fn objection(figures: &Figures) -> Option<String> {
        figures.remainder.objection(figures.messages)
    }
}

/// Clients that find out by probes whether all of them are reached.
trait Probed: Handler {
    /// Clients that no probe has reached.
    fn unreached(&self) -> usize;

    /// Sends a probe to each of them.
    fn probe(&mut self, io: &mut Io);
}

/// Drivers and passengers in pairs, as a part of another scenario, and how many drivers there are.
///
/// # Errors
/// Those of [`connect`].
pub(super) fn part(
    common: &Common,
    engine: &mut Engine,
) -> Result<(Box<dyn Traffic>, usize), RunError> {
    let positions = positions(engine, common)?;
    let drivers = positions.drivers();
    Ok((Box::new(positions), drivers))
}

fn positions(engine: &mut Engine, common: &Common) -> Result<Positions, RunError> {
    let kind = engine.io.meter().kind(positions::KIND);
    let mut positions = Positions::new(common, kind);
    let path = Template::new(PATH);
    connect(engine, common, Path::Text(&path), &mut positions)?;
    Ok(positions)
}

/// Connects all pairs, and waits until a probe has reached everybody.
fn connect<P: Probed>(
    engine: &mut Engine,
    common: &Common,
    path: Path<'_>,
    pairs: &mut P,
) -> Result<(), RunError> {
    if !common.connections.is_multiple_of(2) {
        return Err(RunError::Usage("-n is odd: one has no partner".to_owned()));
    }
    let plan = Plan::of(common, path, common.connections);
    let indexes = 0..common.connections;
    let ramp = Ramp::new(&plan, Then::Keep, indexes, common.parallel);
    ramp.run(engine, common.patience, None)?;
    judge(engine.io.losses())?;
    reach(engine, pairs, common.patience)
}

/// Returns when a probe has reached every client. Nodes hear of each other's clients a moment after these have come.
fn reach<P: Probed>(
    engine: &mut Engine,
    pairs: &mut P,
    patience: Duration,
) -> Result<(), RunError> {
    let began = clock::now();
    let mut probed: Option<Instant> = None;
    while pairs.unreached() > 0 {
        let now = clock::now();
        if patience < now - began {
            let unreached = pairs.unreached();
            return Err(RunError::Failed(format!(
                "{unreached} clients do not receive what their partners send"
            )));
        }
        if probed.is_none_or(|at| PROBE_INTERVAL <= now - at) {
            probed = Some(now);
            pairs.probe(&mut engine.io);
        }
        engine.poll(POLL, pairs)?;
        judge(engine.io.losses())?;
    }
    Ok(())
}

fn rows(figures: &Figures, table: &mut Table) {
    let bytes = figures.bytes;
    let load = match (figures.rate, figures.positions) {
        (_, Some(hertz)) => format!("{hertz} positions per second and driver"),
        (Some(rate), _) => format!("{bytes} bytes, {} per second", thousands(rate)),
        (None, None) => {
            let outstanding = figures.outstanding.unwrap_or_default();
            format!("{bytes} bytes, {outstanding} outstanding")
        }
    };
    let clients = thousands(figures.connections as f64);
    table.row("load", format!("{clients} clients, {load}"));
    table.row("messages", thousands(figures.messages as f64));
    let conflated = figures.conflated;
    let conflated = (0 < conflated).then(|| thousands(conflated as f64));
    table.row_if("conflated on their way", conflated);
    table.row("per second", thousands(figures.messages_per_second));
    table.row_if(
        "per server CPU second",
        figures.messages_per_server_cpu_second.map(thousands),
    );
    table.row_if(
        "per Redis CPU second",
        figures.messages_per_redis_cpu_second.map(thousands),
    );
    table.row("latency", figures.latency.line());
}
