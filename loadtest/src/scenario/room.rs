//! Scenario `room`: many rooms, in each of which one member publishes and all others receive.
//!
//! With `--outstanding` the loop is closed: a message is done when every member has it, and only then is the next one
//! published. With a rate it is open: every message has its time, and latencies run from then on, even if it left
//! later. Members of a room are at all nodes in turn, and so are those who publish.

mod layout;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::message::Message;
use super::probe::{self, Target};
use super::ramp::{Ramp, Then};
use super::rooms::{self, Options, Outcome, Room, Rooms};
use super::traffic::{Course, Traffic as _, run_through};
use super::{Merge, Path, Plan, Record, RunError, Scenario, judge};
use crate::cli::{Common, Part, Publishing, RoomArgs, RoomFrames};
use crate::engine::Engine;
use crate::meter::Phase;
use crate::report::{Latency, Table, thousands};
pub(crate) use layout::Layout;

/// What has not come so long after the last message was published does not come.
const LAST_WAIT: Duration = Duration::from_secs(5);
/// In a closed loop, how long to sleep while fewer than so many connections are ready: nobody waits for one message.
const COLLECT: (Duration, usize) = (Duration::from_micros(100), 64);

/// Figures of a `room` run.
#[derive(Debug, Serialize)]
pub struct Figures {
    /// Rooms.
    pub rooms: usize,
    /// Members of all rooms, those who publish included.
    pub connections: usize,
    /// Messages per second that were to be published, in all rooms together; null in the closed loop.
    pub rate: Option<f64>,
    /// Messages under way at any time, in each room; null in the open loop.
    pub outstanding: Option<usize>,
    /// Size of a message.
    pub bytes: usize,
    /// Messages that reached everybody in their room while measuring.
    pub messages: u64,
    /// Messages received by members while measuring.
    pub deliveries: u64,
    /// The same per second.
    pub deliveries_per_second: f64,
    /// The same per CPU second of the server; null without `--server-pid`.
    pub deliveries_per_server_cpu_second: Option<f64>,
    /// Messages received per read: above 1, several had collected in the socket.
    pub deliveries_per_read: f64,
    /// From the time when a message was due to its reception, at a sample of members.
    pub latency_each: Latency,
    /// From the time when a message was due to its reception at the last member.
    pub latency_last: Latency,
    /// Messages that never reached everybody in their room.
    pub incomplete: u64,
    /// Messages that no publication explains.
    pub unexpected: u64,
}

/// What the rooms counted.
#[derive(Debug, Default, Deserialize, Serialize)]
pub struct Measured {
    rooms: usize,
    incomplete: u64,
    outcome: Outcome,
}

impl Merge for Measured {
    fn merge(&mut self, other: Self) {
        self.rooms += other.rooms;
        self.incomplete += other.incomplete;
        self.outcome.merge(other.outcome);
    }
}

impl Scenario for RoomArgs {
    const NAME: &'static str = "room";
    type Measured = Measured;
    type Figures = Figures;

    fn common(&self) -> &Common {
        &self.common
    }

    fn share(&self, part: Part) -> Result<Self, String> {
        let (sizes, common, share) = Layout::split(&self.sizes, &self.common, part)?;
        let publishing = Publishing {
            rate: self.publishing.rate.map(|rate| rate * share),
            ..self.publishing.clone()
        };
        Ok(Self {
            common,
            sizes,
            publishing,
            ..self.clone()
        })
    }

    fn measure(&self, engine: &mut Engine) -> Result<Measured, RunError> {
        let common = &self.common;
        let layout = Layout::of(&self.sizes, common.connections)?;
        let outstanding = self.publishing.outstanding;
        let mut rooms = fill(engine, common, &self.frames, &layout, (outstanding, &[]))?;
        if outstanding.is_some() {
            engine.collect(COLLECT.0, COLLECT.1.min(common.connections / 8));
        }
        let course = Course {
            common,
            rate: self.publishing.total_rate(layout.count()),
            warmup: self.warmup,
            last_wait: LAST_WAIT,
        };
        run_through(engine, &mut rooms, &course)?;
        Ok(Measured {
            rooms: layout.count(),
            incomplete: rooms.under_way() as u64,
            outcome: rooms.outcome(),
        })
    }

    fn figures(&self, measured: Measured, record: &Record) -> Figures {
        let total = record.total(Phase::Hold);
        let (deliveries, cpu) = (total.all().received, record.cpu(Phase::Hold));
        let Measured {
            rooms,
            incomplete,
            outcome,
        } = measured;
        Figures {
            rooms,
            connections: self.common.connections,
            rate: self.publishing.total_rate(rooms),
            outstanding: self.publishing.outstanding,
            bytes: self.frames.bytes,
            messages: outcome.messages,
            deliveries,
            deliveries_per_second: deliveries as f64 / total.seconds,
            deliveries_per_server_cpu_second: cpu.per_server_second(deliveries),
            deliveries_per_read: deliveries as f64 / outcome.reads.max(1) as f64,
            latency_each: Latency::from(&record.timeline.latency(rooms::KIND)),
            latency_last: Latency::from(&outcome.latency_last),
            incomplete,
            unexpected: outcome.unexpected,
        }
    }

    fn rows(figures: &Figures, table: &mut Table) {
        let load = match (figures.rate, figures.outstanding) {
            (Some(rate), _) => format!("{} messages per second", thousands(rate)),
            (None, outstanding) => format!("{} outstanding each", outstanding.unwrap_or_default()),
        };
        let rooms = thousands(figures.rooms as f64);
        let (members, bytes) = (thousands(figures.connections as f64), figures.bytes);
        table.row(
            "load",
            format!("{rooms} rooms, {members} members, {bytes} bytes, {load}"),
        );
        table.row("messages", thousands(figures.messages as f64));
        table.row("deliveries", thousands(figures.deliveries as f64));
        table.row("per second", thousands(figures.deliveries_per_second));
        let per_cpu_second = figures.deliveries_per_server_cpu_second;
        table.row_if("per server CPU second", per_cpu_second.map(thousands));
        table.row("latency, each", figures.latency_each.line());
        table.row("latency, last", figures.latency_last.line());
        let per_read = figures.deliveries_per_read;
        table.row("deliveries per read", format!("{per_read:.2}"));
    }

    fn objection(figures: &Figures) -> Option<String> {
        if 0 < figures.incomplete + figures.unexpected {
            let (incomplete, unexpected) = (figures.incomplete, figures.unexpected);
            return Some(format!(
                "{incomplete} messages did not reach everybody, {unexpected} came unsent"
            ));
        }
        (figures.deliveries == 0).then(|| "nothing was delivered".to_owned())
    }
}

impl Publishing {
    /// Messages per second in so many rooms together; none in a closed loop.
    pub(crate) fn total_rate(&self, rooms: usize) -> Option<f64> {
        let of_all = self.room_rate.map(|rate| rate * rooms as f64);
        self.rate.or(of_all)
    }
}

/// Connects the members of all rooms, and waits until each has received a probe. In a closed loop so many messages are
/// under way in each room; of some members, in order, it is not counted what they receive.
pub(super) fn fill(
    engine: &mut Engine,
    common: &Common,
    frames: &RoomFrames,
    layout: &Layout,
    (outstanding, uncounted): (Option<usize>, &[usize]),
) -> Result<Rooms, RunError> {
    let connections = layout.connections();
    let (talk, habits) = frames.parts().map_err(RunError::Usage)?;
    let plan = Plan::of(common, Path::Room(&talk, layout), connections);
    let rooms = (0..layout.count()).map(|number| {
        let publisher = layout.publisher(number);
        let publish = talk.publish.bind(plan.seat(publisher));
        let message = Message::published(&publish, frames.bytes).map_err(RunError::Usage)?;
        Ok(Room::new(publisher, message))
    });
    let rooms = rooms.collect::<Result<Vec<_>, RunError>>()?;
    engine.io.set_habits(habits);
    Ramp::new(&plan, Then::Keep, 0..connections, common.parallel).run(
        engine,
        common.patience,
        None,
    )?;
    judge(engine.io.losses())?;
    let targets: Vec<Target<'_>> = rooms
        .iter()
        .enumerate()
        .map(|(number, room)| Target {
            publisher: Some(room.publisher()),
            message: room.message(),
            members: layout
                .members(number)
                .filter(|id| *id != room.publisher())
                .collect(),
            is_shared: false,
        })
        .collect();
    probe::wait(engine, &targets, connections, common.patience)?;
    let is_counted = |id: &usize| uncounted.binary_search(id).is_err();
    let room_of = layout.all().enumerate();
    let room_of = room_of.map(|(id, room)| Some(room).filter(|_| is_counted(&id)));
    let room_of: Vec<_> = room_of.collect();
    let options = Options {
        outstanding,
        counted_bytes_min: frames.counted_bytes_min.unwrap_or(frames.bytes as u64),
        prompt_acks: false,
    };
    Ok(Rooms::new(&engine.io, rooms, &room_of, options))
}
