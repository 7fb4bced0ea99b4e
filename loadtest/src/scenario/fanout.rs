//! Scenario `fanout`: one publisher, many subscribers, a fixed number of messages under way.
//!
//! The loop is closed: a message counts as done when every subscriber has it, and only then is the next one
//! published. So the server is never given more than it delivers, and its CPU time per delivery can be compared
//! between servers of any speed.

mod closed_loop;
mod message;
mod probe;

use std::time::Duration;

use serde::Serialize;

use super::ramp::{Ramp, Then};
use super::{Plan, RunError, judge, loss_rows, prepare};
use crate::cli::FanoutArgs;
use crate::client::Losses;
use crate::clock;
use crate::engine::{Engine, Ignore};
use crate::process::{Servers, Stopwatch, Usage};
use crate::report::{self, Cpu, Latency, Table, thousands};
use crate::template::Template;
use closed_loop::ClosedLoop;
use message::Message;

/// Below this the server was waiting for something part of the time.
const SERVER_PERCENT_BUSY: f64 = 95.0;
/// How often a loop looks at the clock when nothing happens.
const POLL: Duration = Duration::from_millis(50);
/// How often a run looks whether delayed acknowledgements are worth asking for, and asks again.
const ACKS_INTERVAL: Duration = Duration::from_secs(1);
/// With fewer messages than that the second segment comes too late, and timers would fire instead.
const ACKS_MESSAGES_MIN: u64 = 100;
/// For greetings after connecting, which are not to be counted as deliveries.
const SETTLE: Duration = Duration::from_millis(300);

/// Figures of a `fanout` run.
#[derive(Debug, Serialize)]
pub struct Figures {
    /// Always `fanout`.
    pub scenario: &'static str,
    /// Subscribers at the start of the measurement.
    pub subscribers: usize,
    /// Messages under way at any time.
    pub outstanding: usize,
    /// Size of a message.
    pub bytes: usize,
    /// Messages that reached their last subscriber while measuring.
    pub messages: u64,
    /// Messages received by subscribers while measuring.
    pub deliveries: u64,
    /// The same per second.
    pub deliveries_per_second: f64,
    /// The same per CPU second of the server; null without `--server-pid`.
    pub deliveries_per_server_cpu_second: Option<f64>,
    /// CPU seconds of the load generator per delivery.
    pub generator_cpu_seconds_per_delivery: f64,
    /// Messages received per read: above 1, several had collected in the socket.
    pub deliveries_per_read: f64,
    /// From publishing to reception, at a sample of subscribers.
    pub latency_each: Latency,
    /// From publishing to reception at the last subscriber.
    pub latency_last: Latency,
    /// Messages that no publication explains: the server sent one twice, or something else of that size.
    pub unexpected: u64,
    /// Whether every read was acknowledged at once.
    pub prompt_acks: bool,
    /// Pause between looks at the sockets, which is included in the latencies.
    pub collect_us: u64,
    /// CPU use while measuring.
    pub cpu: Cpu,
    /// Whether the server was busy all the time; null without `--server-pid`.
    pub server_busy: Option<bool>,
    /// Whether the figures are the server's, not the load generator's.
    pub valid: bool,
    /// Why they are not.
    pub invalid_reason: Option<String>,
    /// Connections lost.
    pub losses: Losses,
}

/// Runs it.
///
/// # Errors
/// See [`RunError`].
pub fn run(arguments: &FanoutArgs) -> Result<(), RunError> {
    let common = &arguments.common;
    let message = Message::new(&arguments.message, arguments.bytes).map_err(RunError::Usage)?;
    let (mut engine, servers) = prepare(common, common.connections + 1)?;
    connect(&mut engine, arguments)?;
    let end = clock::now() + SETTLE;
    while clock::now() < end {
        engine.poll(POLL, &mut Ignore)?;
    }
    if arguments.wait {
        probe::wait(&mut engine, &message, common.connections, common.patience)?;
    }

    // Fewer ready connections than an eighth of all is not worth a round; a handful always is.
    let events_min = (common.connections / 8).min(64);
    engine.collect(Duration::from_micros(arguments.collect), events_min);
    let mut closed_loop = ClosedLoop::new(&mut engine.io, message, arguments);
    let (subscribers, usage) = measure(&mut engine, &mut closed_loop, arguments, &servers)?;
    let figures = figures(&engine, &closed_loop, arguments, subscribers, usage);
    report::publish(&table(&figures), common.json.as_deref(), &figures)?;
    judge(&figures.losses)
}

/// Connects all subscribers, then the publisher under the next number.
fn connect(engine: &mut Engine, arguments: &FanoutArgs) -> Result<(), RunError> {
    let common = &arguments.common;
    let subscribers = common.connections;
    let plan = Plan::new(common, &arguments.path, subscribers);
    let then = Then::Keep(arguments.subscribe.as_ref());
    Ramp::new(&plan, then, 0..subscribers, common.parallel).run(engine, common.patience, None)?;
    if engine.io.open_count() == 0 {
        return judge(engine.io.losses());
    }

    let (name, secret) = &arguments.backend;
    let path = arguments
        .publisher_path
        .clone()
        .unwrap_or_else(|| format!("/ws/?client_id={name}&token={secret}"));
    let path = Template::new(&path);
    let plan = Plan {
        targets: &common.to[..1],
        ..Plan::new(common, &path, subscribers)
    };
    let hello = arguments.publisher_hello.as_deref().map(Template::new);
    let then = Then::Keep(hello.as_ref());
    let opened = Ramp::new(&plan, then, subscribers..subscribers + 1, 1).run(
        engine,
        common.patience,
        None,
    )?;
    if opened.count == 0 {
        let first = engine.io.losses().first.clone().unwrap_or_default();
        return Err(RunError::Failed(format!(
            "the publisher cannot connect: {first}"
        )));
    }
    Ok(())
}

/// Runs the loop through warm-up and measurement. Gives the subscribers at its beginning, and what was used.
fn measure(
    engine: &mut Engine,
    closed_loop: &mut ClosedLoop,
    arguments: &FanoutArgs,
    servers: &Servers,
) -> Result<(usize, Usage), RunError> {
    if !arguments.prompt_acks {
        engine.io.delay_acks();
    }
    closed_loop.top_up(&mut engine.io);
    run_for(engine, closed_loop, arguments.warmup, arguments)?;
    closed_loop.record(&engine.io);
    let subscribers = closed_loop.subscribers();
    let stopwatch = Stopwatch::start(servers);
    run_for(
        engine,
        closed_loop,
        arguments.common.secs.unwrap_or(Duration::from_secs(10)),
        arguments,
    )?;
    Ok((subscribers, stopwatch.read(servers)))
}

fn run_for(
    engine: &mut Engine,
    closed_loop: &mut ClosedLoop,
    length: Duration,
    arguments: &FanoutArgs,
) -> Result<(), RunError> {
    let mut now = clock::now();
    let end = now + length;
    let mut last = (closed_loop.completed(), now);
    let mut acks = last;
    while now < end {
        engine.poll(POLL, closed_loop)?;
        now = clock::now();
        if !engine.io.is_open(arguments.common.connections) {
            return Err(RunError::Failed(
                "the publisher's connection was lost".to_owned(),
            ));
        }
        if closed_loop.subscribers() == 0 {
            return judge(engine.io.losses());
        }
        let completed = closed_loop.completed();
        if ACKS_INTERVAL <= now - acks.1 {
            if !arguments.prompt_acks && ACKS_MESSAGES_MIN <= completed - acks.0 {
                engine.io.delay_acks();
            }
            acks = (completed, now);
        }
        if last.0 != completed {
            last = (completed, now);
        } else if arguments.common.patience < now - last.1 {
            return Err(RunError::Failed(closed_loop.stall()));
        }
    }
    Ok(())
}

fn figures(
    engine: &Engine,
    closed_loop: &ClosedLoop,
    arguments: &FanoutArgs,
    subscribers: usize,
    usage: Usage,
) -> Figures {
    let cpu = Cpu::from(usage);
    let counts = closed_loop.counts(&engine.io);
    let invalid_reason = if cpu.generator_saturated {
        Some(format!(
            "the load generator is saturated ({:.1} % of one core)",
            cpu.generator_percent
        ))
    } else if counts.unexpected > 0 {
        Some(format!(
            "{} messages that were not published by this run",
            counts.unexpected
        ))
    } else if counts.deliveries == 0 {
        Some("nothing was delivered".to_owned())
    } else {
        None
    };
    Figures {
        scenario: "fanout",
        subscribers,
        outstanding: arguments.outstanding,
        bytes: arguments.bytes,
        messages: counts.completed,
        deliveries: counts.deliveries,
        deliveries_per_second: counts.deliveries as f64 / usage.seconds,
        deliveries_per_server_cpu_second: cpu.per_server_second(counts.deliveries),
        generator_cpu_seconds_per_delivery: usage.generator_cpu_seconds
            / counts.deliveries.max(1) as f64,
        deliveries_per_read: counts.deliveries as f64 / counts.reads.max(1) as f64,
        latency_each: closed_loop.latency_each(),
        latency_last: closed_loop.latency_last(),
        unexpected: counts.unexpected,
        prompt_acks: arguments.prompt_acks,
        collect_us: arguments.collect,
        server_busy: cpu
            .server_percent
            .map(|percent| percent >= SERVER_PERCENT_BUSY),
        cpu,
        valid: invalid_reason.is_none(),
        invalid_reason,
        losses: engine.io.losses().clone(),
    }
}

fn table(figures: &Figures) -> Table {
    let mut table = Table::default();
    table.row(
        "load",
        format!(
            "{} subscribers, {} bytes, {} outstanding",
            thousands(figures.subscribers as f64),
            figures.bytes,
            figures.outstanding
        ),
    );
    table.row("deliveries", thousands(figures.deliveries as f64));
    table.row("per second", thousands(figures.deliveries_per_second));
    table.row_if(
        "per server CPU second",
        figures.deliveries_per_server_cpu_second.map(thousands),
    );
    table.row("latency, each", figures.latency_each.line());
    table.row("latency, last", figures.latency_last.line());
    figures.cpu.rows(&mut table);
    table.row(
        "generator CPU per delivery",
        format!("{:.3} us", figures.generator_cpu_seconds_per_delivery * 1e6),
    );
    table.row(
        "deliveries per read",
        format!("{:.2}", figures.deliveries_per_read),
    );
    if figures.server_busy == Some(false) {
        table.row(
            "note",
            "the server was not busy all the time: only the figure per CPU second speaks of it",
        );
    }
    let verdict = figures
        .invalid_reason
        .as_ref()
        .map_or("yes".to_owned(), |reason| format!("NO: {reason}"));
    table.row("valid", verdict);
    loss_rows(&mut table, &figures.losses);
    table
}
