//! Scenario `fanout`: one publisher, many subscribers, a fixed number of messages under way.
//!
//! The loop is closed: a message counts as done when every subscriber has it, and only then is the next one
//! published. So the server is never given more than it delivers, and its CPU time per delivery can be compared
//! between servers of any speed.

mod closed_loop;
mod message;
mod probe;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ramp::{Ramp, Then};
use super::{Merge, Plan, Record, RunError, Scenario, judge};
use crate::cli::{Common, FanoutArgs};
use crate::clock;
use crate::engine::{Engine, Ignore};
use crate::meter::{Latencies, Phase};
use crate::report::{Latency, Table, thousands};
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
    /// Whether the server was busy all the time; null without `--server-pid`.
    pub server_busy: Option<bool>,
}

/// What the loop counted.
#[derive(Debug, Default, Deserialize, Serialize)]
pub struct Measured {
    subscribers: usize,
    messages: u64,
    unexpected: u64,
    reads: u64,
    latency_last: Latencies,
}

impl Merge for Measured {
    fn merge(&mut self, other: Self) {
        self.subscribers += other.subscribers;
        self.messages += other.messages;
        self.unexpected += other.unexpected;
        self.reads += other.reads;
        self.latency_last.add(&other.latency_last);
    }
}

impl Scenario for FanoutArgs {
    const NAME: &'static str = "fanout";
    type Measured = Measured;
    type Figures = Figures;

    fn common(&self) -> &Common {
        &self.common
    }

    fn connections_at_once(&self) -> usize {
        self.common.connections + 1
    }

    fn measure(&self, engine: &mut Engine) -> Result<Measured, RunError> {
        let common = &self.common;
        let message = Message::new(&self.message, self.bytes).map_err(RunError::Usage)?;
        connect(engine, self)?;
        let end = clock::now() + SETTLE;
        while clock::now() < end {
            engine.poll(POLL, &mut Ignore)?;
        }
        if self.wait {
            probe::wait(engine, &message, common.connections, common.patience)?;
        }
        // Fewer ready connections than an eighth of all is not worth a round; a handful always is.
        let events_min = (common.connections / 8).min(64);
        engine.collect(Duration::from_micros(self.collect), events_min);
        let mut closed_loop = ClosedLoop::new(&mut engine.io, message, self);
        measure(engine, &mut closed_loop, self)
    }

    fn figures(&self, measured: Measured, record: &Record) -> Figures {
        let total = record.total(Phase::Hold);
        let (deliveries, cpu) = (total.all().received, record.cpu(Phase::Hold));
        Figures {
            subscribers: measured.subscribers,
            outstanding: self.outstanding,
            bytes: self.bytes,
            messages: measured.messages,
            deliveries,
            deliveries_per_second: deliveries as f64 / total.seconds,
            deliveries_per_server_cpu_second: cpu.per_server_second(deliveries),
            deliveries_per_read: deliveries as f64 / measured.reads.max(1) as f64,
            latency_each: Latency::from(&record.timeline.latency(closed_loop::KIND)),
            latency_last: Latency::from(&measured.latency_last),
            unexpected: measured.unexpected,
            prompt_acks: self.prompt_acks,
            collect_us: self.collect,
            server_busy: cpu
                .server_percent
                .map(|percent| percent >= SERVER_PERCENT_BUSY),
        }
    }

    fn rows(figures: &Figures, table: &mut Table) {
        rows(figures, table);
    }

    fn objection(figures: &Figures) -> Option<String> {
        if 0 < figures.unexpected {
            let unexpected = figures.unexpected;
            return Some(format!(
                "{unexpected} messages that were not published by this run"
            ));
        }
        (figures.deliveries == 0).then(|| "nothing was delivered".to_owned())
    }
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
    if opened == 0 {
        let first = engine.io.losses().first.clone().unwrap_or_default();
        return Err(RunError::Failed(format!(
            "the publisher cannot connect: {first}"
        )));
    }
    Ok(())
}

/// Runs the loop through warm-up and measurement.
fn measure(
    engine: &mut Engine,
    closed_loop: &mut ClosedLoop,
    arguments: &FanoutArgs,
) -> Result<Measured, RunError> {
    if !arguments.prompt_acks {
        engine.io.delay_acks();
    }
    engine.enter(Phase::Warmup, closed_loop)?;
    closed_loop.top_up(&mut engine.io);
    run_for(engine, closed_loop, arguments.warmup, arguments)?;
    engine.go_on(Phase::Hold)?;
    closed_loop.record(&engine.io);
    let subscribers = closed_loop.subscribers();
    let length = arguments.common.secs.unwrap_or(Duration::from_secs(10));
    run_for(engine, closed_loop, length, arguments)?;
    let counts = closed_loop.counts(&engine.io);
    Ok(Measured {
        subscribers,
        messages: counts.completed,
        unexpected: counts.unexpected,
        reads: counts.reads,
        latency_last: closed_loop.latency_last(),
    })
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

fn rows(figures: &Figures, table: &mut Table) {
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
}
