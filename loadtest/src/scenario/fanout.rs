//! Scenario `fanout`: one publisher, many subscribers, a fixed number of messages under way or at a steady rate.
//!
//! With `--outstanding` the loop is closed: a message counts as done when every subscriber has it, and only then is
//! the next one published. So the server is never given more than it delivers, and its CPU time per delivery can be
//! compared between servers of any speed. With `--rate` it is open: every message has its time, and several processes can
//! have subscribers.

mod shared;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::message::Message;
use super::probe::{self, Target};
use super::ramp::{Ramp, Then};
use super::rooms::{self, ELSEWHERE, Options, Outcome, Room, Rooms};
use super::spread::Spread;
use super::traffic::{Course, POLL, run_through};
use super::{Merge, Plan, Record, RunError, Scenario, judge};
use crate::cli::{Common, FanoutArgs, Part, Parts};
use crate::clock;
use crate::engine::{Engine, Ignore};
use crate::meter::{Latencies, Phase};
use crate::processes::Board;
use crate::report::{Latency, Table, thousands};
use shared::Shared;

/// Below this the server was waiting for something part of the time.
const SERVER_PERCENT_BUSY: f64 = 95.0;
/// What has not come so long after the last message was published does not come.
const LAST_WAIT: Duration = Duration::from_secs(2);
/// For greetings after connecting, which are not to be counted as deliveries.
const SETTLE: Duration = Duration::from_millis(300);

/// Figures of a `fanout` run.
#[derive(Debug, Serialize)]
pub struct Figures {
    /// Subscribers at the start of the measurement.
    pub subscribers: usize,
    /// Messages under way at any time; null in the open loop.
    pub outstanding: Option<usize>,
    /// Messages per second that were to be published; null in the closed loop.
    pub rate: Option<f64>,
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
    /// From publishing, or the time when it was due, to reception, at a sample of subscribers.
    pub latency_each: Latency,
    /// The same to reception at the last subscriber.
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
    outcome: Outcome,
    /// Of several processes.
    spread: Option<Spread>,
}

impl Merge for Measured {
    fn merge(&mut self, other: Self) {
        self.subscribers += other.subscribers;
        self.outcome.merge(other.outcome);
        if let (Some(spread), Some(other)) = (&mut self.spread, other.spread) {
            spread.merge(other);
        }
    }
}

impl Scenario for FanoutArgs {
    const NAME: &'static str = "fanout";
    type Measured = Measured;
    type Figures = Figures;

    fn common(&self) -> &Common {
        &self.common
    }

    fn share(&self, part: Part) -> Result<Self, String> {
        if self.rate.is_none() {
            let count = part.count;
            return Err(format!(
                "--processes {count}: only with --rate, as in a closed loop the publisher has to see all subscribers"
            ));
        }
        Ok(Self {
            common: self.common.share(part, 1)?,
            all: Some(self.common.connections),
            ..self.clone()
        })
    }

    fn connections_at_once(&self) -> usize {
        self.common.connections + 1
    }

    fn measure(&self, engine: &mut Engine) -> Result<Measured, RunError> {
        let common = &self.common;
        let parts = self.parts().map_err(RunError::Usage)?;
        let message = Message::published(&parts.publish, self.bytes).map_err(RunError::Usage)?;
        engine.io.set_habits(parts.habits.clone());
        connect(engine, self, &parts)?;
        let end = clock::now() + SETTLE;
        while clock::now() < end {
            engine.poll(POLL, &mut Ignore)?;
        }
        engine.meet(&mut Ignore)?;
        let publisher = self.publishes().then_some(common.connections);
        let room = Room::new(publisher.unwrap_or(ELSEWHERE), message);
        if self.wait {
            let target = Target {
                publisher,
                message: room.message(),
                members: (0..common.connections).collect(),
                is_shared: self.all.is_some(),
            };
            probe::wait(engine, &[target], common.connections, common.patience)?;
        }
        // Fewer ready connections than an eighth of all is not worth a round; a handful always is.
        let events_min = (common.connections / 8).min(64);
        engine.collect(Duration::from_micros(self.collect), events_min);
        let options = Options {
            outstanding: self.closed_loop(),
            counted_bytes_min: self.counted_bytes_min.unwrap_or(self.bytes as u64),
            prompt_acks: self.prompt_acks,
        };
        let members = vec![Some(0); common.connections];
        let rooms = Rooms::new(&engine.io, vec![room], &members, options);
        self.run(engine, rooms)
    }

    fn figures(&self, measured: Measured, record: &Record) -> Figures {
        let total = record.total(Phase::Hold);
        let (deliveries, cpu) = (total.all().received, record.cpu(Phase::Hold));
        let Measured {
            subscribers,
            outcome,
            spread,
        } = measured;
        // Of several processes, a message has reached everybody when it has in each of them.
        let spread = spread.map(|spread| spread.to_last().1);
        let messages = spread.as_ref().map_or(outcome.messages, Latencies::len);
        let latency_last = spread.unwrap_or(outcome.latency_last);
        Figures {
            subscribers,
            outstanding: self.closed_loop(),
            rate: self.rate,
            bytes: self.bytes,
            messages,
            deliveries,
            deliveries_per_second: deliveries as f64 / total.seconds,
            deliveries_per_server_cpu_second: cpu.per_server_second(deliveries),
            deliveries_per_read: deliveries as f64 / outcome.reads.max(1) as f64,
            latency_each: Latency::from(&record.timeline.latency(rooms::KIND)),
            latency_last: Latency::from(&latency_last),
            unexpected: outcome.unexpected,
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

impl FanoutArgs {
    /// Whether this process has the publisher.
    fn publishes(&self) -> bool {
        self.common.part.is_none_or(|part| part.number == 0)
    }

    /// Runs through all phases.
    fn run(&self, engine: &mut Engine, mut rooms: Rooms) -> Result<Measured, RunError> {
        let subscribers = rooms.members();
        let rate = self.rate.filter(|_| self.publishes());
        // All processes are measured from the same time on; a rate has to rise before.
        let warmup = match self.rate.is_some() && rate.is_none() {
            true => self.common.ramp + self.warmup,
            false => self.warmup,
        };
        let course = Course {
            common: &self.common,
            rate,
            warmup,
            last_wait: LAST_WAIT,
        };
        let Some(board) = self.common.board.as_deref() else {
            run_through(engine, &mut rooms, &course)?;
            return Ok(Measured {
                subscribers,
                outcome: rooms.outcome(),
                spread: None,
            });
        };
        let mut shared = Shared::new(rooms, Board::open(board)?);
        run_through(engine, &mut shared, &course)?;
        shared.hear_out(engine, LAST_WAIT)?;
        let (outcome, spread) = shared.outcome();
        Ok(Measured {
            subscribers,
            outcome,
            spread: Some(spread),
        })
    }
}

/// Connects all subscribers, then the publisher under the next number.
fn connect(engine: &mut Engine, arguments: &FanoutArgs, parts: &Parts) -> Result<(), RunError> {
    let common = &arguments.common;
    let subscribers = common.connections;
    let plan = Plan::as_role(common, &parts.subscriber, subscribers);
    let ramp = Ramp::new(&plan, Then::Keep, 0..subscribers, common.parallel);
    ramp.run(engine, common.patience, None)?;
    if engine.io.open_count() == 0 {
        return judge(engine.io.losses());
    }

    if !arguments.publishes() {
        return Ok(());
    }
    let target = arguments.publish_to.unwrap_or(common.to[0]);
    let plan = Plan {
        targets: &[target],
        first: arguments.all.unwrap_or(subscribers) - subscribers,
        ..Plan::as_role(common, &parts.publisher, subscribers)
    };
    if !parts.publish.is_by_frames() {
        let source = plan.sources.pick(subscribers, target);
        let dialled = engine.io.connect_for_posts(subscribers, source, target);
        return dialled.map_err(|loss| RunError::Failed(format!("the publisher: {loss}")));
    }
    let ramp = Ramp::new(&plan, Then::Keep, subscribers..subscribers + 1, 1);
    let opened = ramp.run(engine, common.patience, None)?;
    if opened == 0 {
        let first = engine.io.losses().first.clone().unwrap_or_default();
        return Err(RunError::Failed(format!(
            "the publisher cannot connect: {first}"
        )));
    }
    Ok(())
}

fn rows(figures: &Figures, table: &mut Table) {
    let load = match (figures.rate, figures.outstanding) {
        (Some(rate), _) => format!("{} per second", thousands(rate)),
        (None, outstanding) => format!("{} outstanding", outstanding.unwrap_or_default()),
    };
    let subscribers = thousands(figures.subscribers as f64);
    table.row(
        "load",
        format!("{subscribers} subscribers, {} bytes, {load}", figures.bytes),
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
    if figures.server_busy == Some(false) && figures.rate.is_none() {
        table.row(
            "note",
            "the server was not busy all the time: only the figure per CPU second speaks of it",
        );
    }
}
