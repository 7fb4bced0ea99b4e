//! Scenario `unicast`: pairs of clients that write to each other, on different nodes if there are several.
//!
//! With `--rate` the loop is open: every message has its time, and its latency runs from then on, even if it left
//! later. With `--outstanding` it is closed: whoever gets a message answers with one.

mod pairs;

#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use serde::Serialize;

use super::ramp::{Ramp, Then};
use super::schedule::Schedule;
use super::traffic::{POLL, Traffic as _, run_for};
use super::{Plan, RunError, judge, loss_rows, prepare};
use crate::cli::UnicastArgs;
use crate::client::Losses;
use crate::clock;
use crate::engine::Engine;
use crate::process::{Servers, Stopwatch, Usage};
use crate::report::{self, Cpu, Latency, Table, thousands};
use crate::template::Template;
use pairs::Pairs;

/// Between two probes to a client that none has reached.
const PROBE_INTERVAL: Duration = Duration::from_millis(300);
/// What has not come so long after the last message was sent does not come.
const LAST_WAIT: Duration = Duration::from_secs(2);
/// Where client {i} connects to.
const PATH: &str = "/ws/?client_id=pair_{i}&token=pair_{i}";

/// Figures of a `unicast` run.
#[derive(Debug, Serialize)]
pub struct Figures {
    /// Always `unicast`.
    pub scenario: &'static str,
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
    /// Messages that never came.
    pub missing: usize,
    /// Messages that came without having been sent.
    pub unexpected: u64,
    /// CPU use while measuring.
    pub cpu: Cpu,
    /// Whether every message came once, and the load generator was not the limit.
    pub valid: bool,
    /// Why not.
    pub invalid_reason: Option<String>,
    /// Connections lost.
    pub losses: Losses,
}

/// What was measured, between two looks at the clock.
struct Measured {
    messages: u64,
    usage: Usage,
    redis_cpu_seconds: Option<f64>,
}

/// Runs it.
///
/// # Errors
/// See [`RunError`].
pub fn run(arguments: &UnicastArgs) -> Result<(), RunError> {
    let common = &arguments.common;
    if !common.connections.is_multiple_of(2) {
        return Err(RunError::Usage("-n is odd: one has no partner".to_owned()));
    }
    let redis: Vec<u32> = arguments.redis_pid.into_iter().collect();
    let redis = Servers::new(&redis).map_err(RunError::Usage)?;
    let mut pairs = Pairs::new(common.connections, arguments.bytes).map_err(RunError::Usage)?;
    let (mut engine, servers) = prepare(common, common.connections)?;
    let path = Template::new(PATH);
    let plan = Plan::new(common, &path, common.connections);
    let ramp = Ramp::new(
        &plan,
        Then::Keep(None),
        0..common.connections,
        common.parallel,
    );
    ramp.run(&mut engine, common.patience, None)?;
    judge(engine.io.losses())?;
    reach(&mut engine, &mut pairs, common.patience)?;

    let measured = measure(&mut engine, &mut pairs, arguments, &servers, &redis)?;
    let figures = figures(&engine, &pairs, arguments, measured);
    report::publish(&table(&figures), common.json.as_deref(), &figures)?;
    judge(&figures.losses)
}

/// Returns when a probe has reached every client. Nodes hear of each other's clients a moment after these have come.
fn reach(engine: &mut Engine, pairs: &mut Pairs, patience: Duration) -> Result<(), RunError> {
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

/// Runs through warm-up and measurement, and waits for what is under way then.
fn measure(
    engine: &mut Engine,
    pairs: &mut Pairs,
    arguments: &UnicastArgs,
    servers: &Servers,
    redis: &Servers,
) -> Result<Measured, RunError> {
    let patience = arguments.common.patience;
    let mut schedule = arguments.rate.map(Schedule::new);
    if let Some(outstanding) = arguments.outstanding {
        pairs.begin_answering(&mut engine.io, outstanding);
    }
    run_for(engine, pairs, &mut schedule, arguments.warmup, patience)?;
    let before = pairs.record();
    let (stopwatch, redis_before) = (Stopwatch::start(servers), redis.cpu_seconds());
    let length = arguments.common.secs.unwrap_or(Duration::from_secs(10));
    run_for(engine, pairs, &mut schedule, length, patience)?;
    let measured = Measured {
        messages: pairs.received() - before,
        usage: stopwatch.read(servers),
        redis_cpu_seconds: redis
            .cpu_seconds()
            .zip(redis_before)
            .map(|(now, then)| now - then),
    };
    pairs.stop_answering();
    let end = clock::now() + LAST_WAIT;
    while 0 < pairs.under_way() && clock::now() < end {
        engine.poll(POLL, pairs)?;
    }
    Ok(measured)
}

fn figures(engine: &Engine, pairs: &Pairs, arguments: &UnicastArgs, measured: Measured) -> Figures {
    let Measured {
        messages,
        usage,
        redis_cpu_seconds,
    } = measured;
    let cpu = Cpu::from(usage);
    let (missing, unexpected) = (pairs.under_way(), pairs.unexpected());
    let invalid_reason = if cpu.generator_saturated {
        let percent = cpu.generator_percent;
        Some(format!(
            "the load generator is saturated ({percent:.1} % of one core)"
        ))
    } else if 0 < missing + unexpected as usize {
        Some(format!(
            "{missing} messages never came, {unexpected} came unsent"
        ))
    } else if messages == 0 {
        Some("nothing was received".to_owned())
    } else {
        None
    };
    let per_second = |seconds: f64| (0.0 < seconds).then(|| messages as f64 / seconds);
    Figures {
        scenario: "unicast",
        connections: arguments.common.connections,
        rate: arguments.rate,
        outstanding: arguments.outstanding,
        bytes: arguments.bytes,
        messages,
        messages_per_second: messages as f64 / usage.seconds,
        messages_per_server_cpu_second: cpu.per_server_second(messages),
        messages_per_redis_cpu_second: redis_cpu_seconds.and_then(per_second),
        redis_cpu_seconds,
        latency: pairs.latency(),
        missing,
        unexpected,
        cpu,
        valid: invalid_reason.is_none(),
        invalid_reason,
        losses: engine.io.losses().clone(),
    }
}

fn table(figures: &Figures) -> Table {
    let mut table = Table::default();
    let load = figures
        .rate
        .map(|rate| format!("{} per second", thousands(rate)));
    let load =
        load.unwrap_or_else(|| format!("{} outstanding", figures.outstanding.unwrap_or_default()));
    let clients = thousands(figures.connections as f64);
    table.row(
        "load",
        format!("{clients} clients, {} bytes, {load}", figures.bytes),
    );
    table.row("messages", thousands(figures.messages as f64));
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
    figures.cpu.rows(&mut table);
    let verdict = figures
        .invalid_reason
        .as_ref()
        .map_or("yes".to_owned(), |reason| format!("NO: {reason}"));
    table.row("valid", verdict);
    loss_rows(&mut table, &figures.losses);
    table
}
