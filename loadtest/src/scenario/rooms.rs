//! Rooms: in each, one publishes, and everybody else receives.
//!
//! Invariant: every member receives the messages of its one publisher in order. So the n-th message that a member
//! receives is message n of its room, nothing but its header needs to be looked at, and no message is complete before
//! the one ahead of it.

mod outcome;
mod room;

use std::time::{Duration, Instant};

use super::RunError;
use super::arrivals::Remainder;
use super::traffic::Traffic;
use crate::client::Loss;
use crate::clock;
use crate::engine::{Handler, Io};
use crate::meter::{Kind, Latencies};
pub(super) use outcome::Outcome;
pub(super) use room::Room;

/// What deliveries are called.
pub(super) const KIND: &str = "delivery";
/// So many members have the time of every reception taken: enough for percentiles, too few to cost anything.
const SAMPLED_MAX: usize = 32;
/// Who publishes where another process does.
pub(super) const ELSEWHERE: usize = usize::MAX;
/// No member: a publisher, or somebody who does not count.
const NO_ROOM: u32 = u32::MAX;
/// How often it is looked whether delayed acknowledgements are worth asking for, and asked again.
const ACKS_INTERVAL: Duration = Duration::from_secs(1);
/// With fewer messages in a room than that the second segment comes too late, and timers would fire instead.
const ACKS_MESSAGES_MIN: u64 = 100;

/// What was counted since some moment.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    /// Messages received by members.
    deliveries: u64,
    /// Messages that reached their last member.
    completed: u64,
    /// Messages received that were not published.
    unexpected: u64,
    /// Reads made.
    reads: u64,
}

impl Counts {
    fn since(self, earlier: Self) -> Self {
        Self {
            deliveries: self.deliveries - earlier.deliveries,
            completed: self.completed - earlier.completed,
            unexpected: self.unexpected - earlier.unexpected,
            reads: self.reads - earlier.reads,
        }
    }
}

/// All rooms.
#[derive(Debug)]
pub(super) struct Rooms {
    rooms: Vec<Room>,
    /// By connection.
    members: Vec<Member>,
    /// Those whose connections are open.
    members_open: usize,
    /// Messages that have not reached everybody in their room.
    under_way: usize,
    is_publisher_lost: bool,
    options: Options,
    /// Whose turn it is in the open loop.
    turn: usize,
    is_publishing: bool,
    /// Rooms that may publish.
    ready: Vec<u32>,
    counts: Counts,
    /// The counts when measuring began, and then those while it lasted.
    measured: Counts,
    measured_from: Option<Instant>,
    measured_until: Option<Instant>,
    /// Messages complete when acknowledgements were last thought of, and when that was.
    acks: (u64, Instant),
    kind: Kind,
    /// Deliveries that the meter has been told of.
    told: u64,
    last: Latencies,
    frames: Vec<u8>,
}

/// How they are run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Options {
    /// Messages under way in each room at any time, in a closed loop.
    pub(super) outstanding: Option<usize>,
    /// What is shorter is no delivery, but an acknowledgement and the like.
    pub(super) counted_bytes_min: u64,
    /// Whether acknowledgements are left to the kernel, instead of delayed where it pays.
    pub(super) prompt_acks: bool,
}

#[derive(Clone, Copy, Debug)]
struct Member {
    room: u32,
    is_sampled: bool,
    /// Messages received.
    received: u64,
}

impl Rooms {
    /// Rooms over the connections that are open now; `room_of` says which room a connection is in, if it counts.
    pub(super) fn new(
        io: &Io,
        mut rooms: Vec<Room>,
        room_of: &[Option<u32>],
        options: Options,
    ) -> Self {
        let sample_every = room_of.len().div_ceil(SAMPLED_MAX).max(1);
        let member = |(id, room): (usize, &Option<u32>)| {
            let room = room.filter(|_| io.is_open(id));
            let room = room.filter(|room| rooms[*room as usize].publisher != id);
            if let Some(room) = room {
                rooms[room as usize].members += 1;
            }
            Member {
                room: room.unwrap_or(NO_ROOM),
                is_sampled: id.is_multiple_of(sample_every),
                received: 0,
            }
        };
        let members: Vec<_> = room_of.iter().enumerate().map(member).collect();
        Self {
            members,
            members_open: rooms.iter().map(|room| room.members).sum(),
            under_way: 0,
            is_publisher_lost: false,
            rooms,
            options,
            turn: 0,
            is_publishing: false,
            ready: Vec::new(),
            counts: Counts::default(),
            measured: Counts::default(),
            measured_from: None,
            measured_until: None,
            acks: (0, clock::now()),
            kind: io.meter().kind(KIND),
            told: 0,
            last: Latencies::default(),
            frames: Vec::new(),
        }
    }

    /// Counts what comes from now on as another kind of message.
    pub(super) fn count_as(&mut self, kind: Kind) {
        self.tell();
        self.kind = kind;
    }

    /// What came of it, once it has ended.
    pub(super) fn outcome(self) -> Outcome {
        Outcome {
            messages: self.measured.completed,
            unexpected: self.measured.unexpected,
            reads: self.measured.reads,
            latency_last: self.last,
        }
    }

    /// Members whose connections are open.
    pub(super) fn members(&self) -> usize {
        self.members_open
    }

    /// Whether this would be a delivery of a message that was not published here.
    #[inline]
    pub(super) fn is_ahead(&self, id: usize, bytes: u64) -> bool {
        let member = self.members.get(id);
        let member = member.filter(|it| it.room != NO_ROOM);
        member.is_some_and(|member| {
            let room = &self.rooms[member.room as usize];
            self.options.counted_bytes_min <= bytes
                && room.slots.len() <= (member.received - room.completed) as usize
        })
    }

    /// Another process has published the next message of the first room, due then.
    pub(super) fn expect(&mut self, due: Instant) {
        self.rooms[0].expect(due);
        self.under_way += 1;
    }

    /// Publishes in every room as many messages as are missing to the number outstanding, in one write each.
    fn top_up(&mut self, io: &mut Io) {
        let now = clock::now();
        while let Some(number) = self.ready.pop() {
            let room = &mut self.rooms[number as usize];
            let free = std::mem::take(&mut room.free);
            self.frames.clear();
            for _ in 0..free {
                room.publish(now, &mut self.frames);
            }
            self.under_way += free;
            self.kind.sent(free as u64);
            io.send_encoded(room.publisher, &self.frames);
        }
    }

    /// Takes note that one member more has message `at` of those under way in a room.
    #[inline]
    fn deliver(&mut self, number: u32, at: usize) {
        let room = &mut self.rooms[number as usize];
        room.slots[at].missing -= 1;
        if room.slots[at].missing == 0 {
            self.complete(number);
        }
    }

    /// The oldest message of a room under way has reached everybody.
    fn complete(&mut self, number: u32) {
        let room = &mut self.rooms[number as usize];
        let Some(slot) = room.slots.pop_front() else {
            return;
        };
        room.completed += 1;
        self.under_way -= 1;
        self.counts.completed += 1;
        if self.is_publishing {
            room.free += 1;
            if room.free == 1 {
                self.ready.push(number);
            }
        }
        if self.measured_from.is_some_and(|from| from <= slot.due)
            && self.measured_until.is_none_or(|until| slot.due < until)
        {
            self.last.record_since(slot.due);
        }
    }

    /// Tells the meter of deliveries: once for many, since it costs.
    #[inline]
    fn tell(&mut self) {
        self.kind.received(self.counts.deliveries - self.told);
        self.told = self.counts.deliveries;
    }
}

impl Traffic for Rooms {
    fn stalled(&self) -> &'static str {
        "messages are under way, and none reaches everybody in its room; are all subscribed, and are deliveries as \
         long as --bytes (or --counted-bytes-min)?"
    }

    fn begin(&mut self, io: &mut Io) -> Result<(), RunError> {
        if let Some(outstanding) = self.options.outstanding {
            if !self.options.prompt_acks {
                io.delay_acks();
            }
            self.is_publishing = true;
            for (number, room) in (0..).zip(&mut self.rooms) {
                room.free = outstanding;
                self.ready.push(number);
            }
            self.top_up(io);
        }
        Ok(())
    }

    fn send_next(&mut self, io: &mut Io, due: Instant) {
        let turn = self.turn;
        self.turn = (turn + 1) % self.rooms.len();
        let room = &mut self.rooms[turn];
        self.frames.clear();
        room.publish(due, &mut self.frames);
        io.send_encoded(room.publisher, &self.frames);
        self.under_way += 1;
        self.kind.sent(1);
    }

    fn record(&mut self) {
        self.measured_from = Some(clock::now());
        self.measured = self.counts;
    }

    fn stop_recording(&mut self) {
        self.measured_until = Some(clock::now());
        self.measured = self.counts.since(self.measured);
    }

    fn end(&mut self) {
        self.is_publishing = false;
    }

    fn progress(&self) -> u64 {
        self.counts.completed
    }

    fn under_way(&self) -> usize {
        self.under_way
    }

    /// Messages that have not reached everybody, and those that nobody has published.
    fn remainder(&self) -> Remainder {
        Remainder {
            missing: self.under_way as u64,
            unexpected: self.counts.unexpected,
        }
    }

    fn check(&mut self, io: &mut Io, now: Instant) -> Result<(), RunError> {
        if self.is_publisher_lost {
            let first = io.losses().first.as_deref().unwrap_or_default();
            let lost = format!("the connection of a publisher was lost; the first loss: {first}");
            return Err(RunError::Failed(lost));
        }
        if self.members_open == 0 {
            return super::judge(io.losses());
        }
        if ACKS_INTERVAL <= now - self.acks.1 {
            let completed = self.counts.completed - self.acks.0;
            if self.options.outstanding.is_some()
                && !self.options.prompt_acks
                && ACKS_MESSAGES_MIN * self.rooms.len() as u64 <= completed
            {
                io.delay_acks();
            }
            self.acks = (self.counts.completed, now);
        }
        Ok(())
    }
}

impl Handler for Rooms {
    #[inline]
    fn message(&mut self, id: usize, bytes: u64) {
        let Some(member) = self.members.get_mut(id) else {
            return;
        };
        if bytes < self.options.counted_bytes_min || member.room == NO_ROOM {
            return;
        }
        let room = &self.rooms[member.room as usize];
        let at = (member.received - room.completed) as usize;
        let Some(slot) = room.slots.get(at) else {
            self.counts.unexpected += 1;
            return;
        };
        member.received += 1;
        self.counts.deliveries += 1;
        if member.is_sampled {
            self.kind.took_since(slot.due);
        }
        let number = member.room;
        self.deliver(number, at);
    }

    #[inline]
    fn after_read(&mut self, io: &mut Io, _id: usize) {
        self.counts.reads += 1;
        self.tell();
        if !self.ready.is_empty() {
            self.top_up(io);
        }
    }

    fn lost(&mut self, io: &mut Io, id: usize, _loss: &Loss) {
        self.is_publisher_lost |= self.rooms.iter().any(|room| room.publisher == id);
        let Some(member) = self.members.get_mut(id) else {
            return;
        };
        let (number, received) = (member.room, member.received);
        if number == NO_ROOM {
            return;
        }
        member.room = NO_ROOM;
        self.members_open -= 1;
        let room = &mut self.rooms[number as usize];
        room.members -= 1;
        // Nobody waits for what it has not received.
        let at = (received - room.completed) as usize;
        for slot in room.slots.range_mut(at..) {
            slot.missing -= 1;
        }
        while self.rooms[number as usize].is_complete() {
            self.complete(number);
        }
        self.tell();
        self.top_up(io);
    }
}

#[cfg(test)]
mod tests;
