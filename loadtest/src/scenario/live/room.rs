//! The room: who has joined, what was said, who has heard it.
//!
//! Invariant: one wall approves, and what one publishes reaches everybody in that order: so the number of what a phone
//! has heard tells which approval it was.

use std::time::Instant;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock;
use crate::engine::{Handler, Io};
use crate::meter::{Kind, Latencies, Meter};
use crate::scenario::arrivals::Remainder;
use crate::scenario::traffic::Traffic;

/// What phones say.
pub(super) const WORD: &str = "word";
/// What phones hear.
pub(super) const DELIVERY: &str = "delivery";
/// So much of a message to a phone tells what it is.
const BEGINNING_BYTES: usize = 48;
/// A longer message to a wall is none of ours.
const MESSAGE_BYTES_MAX: usize = 64 * 1024;
const SUCCESS: &[u8] = br#"{"status":200,"event":""#;

/// Everybody, phones behind walls.
#[derive(Debug)]
pub(super) struct Room {
    walls: usize,
    clients: Vec<Client>,
    joined: usize,
    turn: usize,
    /// When each word was due, and how many walls have not seen it.
    said: Vec<(Instant, usize)>,
    /// What the first wall approves next: ids, and which word each is.
    to_approve: Vec<(String, usize)>,
    approved: Vec<Approval>,
    counts: Counts,
    /// The counts when recording began.
    before: Counts,
    /// What was counted from then on until the end of the traffic.
    measured: Counts,
    word: Kind,
    delivery: Kind,
    meter: Meter,
    recorded_from: Option<Instant>,
    pub(super) times: Times,
}

#[derive(Debug, Default)]
struct Client {
    /// Of the message that is being read.
    beginning: Vec<u8>,
    heard: usize,
}

#[derive(Debug)]
struct Approval {
    said: Instant,
    at: Instant,
    /// Phones that have not heard it.
    left: usize,
}

/// What came of it so far.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub(super) struct Counts {
    pub(super) said: u64,
    pub(super) shown: u64,
    pub(super) approved: u64,
    pub(super) heard: u64,
    pub(super) refused: u64,
}

/// How long it took until the last one had heard it; what each had to wait, the meter knows.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(super) struct Times {
    /// From an approval to the last phone.
    pub(super) approval_to_last: Latencies,
    /// From when a word was due to the last phone.
    pub(super) say_to_last: Latencies,
}

impl Counts {
    pub(super) fn add(&mut self, other: Self) {
        self.said += other.said;
        self.shown += other.shown;
        self.approved += other.approved;
        self.heard += other.heard;
        self.refused += other.refused;
    }

    pub(super) fn since(self, before: Self) -> Self {
        Self {
            said: self.said - before.said,
            shown: self.shown - before.shown,
            approved: self.approved - before.approved,
            heard: self.heard - before.heard,
            refused: self.refused - before.refused,
        }
    }
}

impl Room {
    pub(super) fn new(clients: usize, walls: usize, meter: &Meter) -> Self {
        Self {
            walls,
            clients: (0..clients).map(|_| Client::default()).collect(),
            joined: 0,
            turn: 0,
            said: Vec::new(),
            to_approve: Vec::new(),
            approved: Vec::new(),
            counts: Counts::default(),
            before: Counts::default(),
            measured: Counts::default(),
            word: meter.kind(WORD),
            delivery: meter.kind(DELIVERY),
            meter: meter.clone(),
            recorded_from: None,
            times: Times::default(),
        }
    }

    pub(super) fn phones(&self) -> usize {
        self.clients.len() - self.walls
    }

    /// Clients that have not joined yet.
    pub(super) fn missing(&self) -> usize {
        self.clients.len() - self.joined
    }

    pub(super) fn join(&self, io: &mut Io) {
        for id in 0..self.clients.len() {
            let text = match id < self.walls {
                true => r#"{"method":"live.wall.join"}"#,
                false => r#"{"method":"live.user.join"}"#,
            };
            io.send_text(id, text.as_bytes());
        }
    }

    /// What was counted while measuring; of refusals, all.
    pub(super) fn counts(&self) -> Counts {
        Counts {
            refused: self.counts.refused,
            ..self.measured
        }
    }

    fn refused(&mut self) {
        self.counts.refused += 1;
        self.meter.error("refused");
    }

    fn is_recorded(&self, from: Instant) -> bool {
        self.recorded_from.is_some_and(|begin| begin <= from)
    }

    /// A wall was sent a message.
    fn shown(&mut self, id: usize, message: &[u8]) {
        let Ok(message) = serde_json::from_slice::<Value>(message) else {
            self.refused();
            return;
        };
        let is_success = message["status"] == 200;
        match message["event"].as_str().unwrap_or_default() {
            "wallJoinSuccess" => self.joined += 1,
            "userSayNeedCheck" => self.word(id, &message["param"]),
            "wallCheckSuccess" => self.counts.approved += 1,
            _ if !is_success => self.refused(),
            _ => {}
        }
    }

    /// A wall was shown what a phone has said.
    fn word(&mut self, wall: usize, param: &Value) {
        let number = param["say"]
            .as_str()
            .and_then(|say| say.parse::<usize>().ok());
        let Some((number, (due, unseen))) =
            number.and_then(|number| Some((number, self.said.get_mut(number)?)))
        else {
            // Of another run.
            return;
        };
        *unseen = unseen.saturating_sub(1);
        let due = *due;
        self.counts.shown += 1;
        self.word.received(1);
        self.word.took_since(due);
        if wall == 0 {
            let name = param["id"].as_str().unwrap_or_default().to_owned();
            self.to_approve.push((name, number));
        }
    }

    /// A phone was sent a message.
    fn told(&mut self, id: usize, beginning: &[u8]) {
        let Some(event) = beginning.strip_prefix(SUCCESS) else {
            self.refused();
            return;
        };
        if event.starts_with(b"userJoinSuccess\"") {
            self.joined += 1;
        } else if event.starts_with(b"userSayBroadcast\"") {
            self.heard(id);
        }
    }

    fn heard(&mut self, id: usize) {
        let client = &mut self.clients[id];
        let Some(approval) = self.approved.get_mut(client.heard) else {
            return;
        };
        client.heard += 1;
        approval.left -= 1;
        self.counts.heard += 1;
        let Approval { said, at, left } = *approval;
        self.delivery.received(1);
        self.delivery.took_since(at);
        if left == 0 && self.is_recorded(said) {
            self.times.approval_to_last.record_since(at);
            self.times.say_to_last.record_since(said);
        }
    }
}

impl Traffic for Room {
    fn stalled(&self) -> &'static str {
        "words are under way, and nobody hears any"
    }

    fn record(&mut self) {
        self.recorded_from = Some(clock::now());
        self.before = self.counts;
    }

    fn end(&mut self) {
        self.measured = self.counts.since(self.before);
    }

    fn send_next(&mut self, io: &mut Io, due: Instant) {
        let phone = self.walls + self.turn;
        self.turn = (self.turn + 1) % self.phones();
        let number = self.said.len();
        self.said.push((due, self.walls));
        self.counts.said += 1;
        self.word.sent(1);
        let text = format!(r#"{{"method":"live.user.say","say":"{number}"}}"#);
        io.send_text(phone, text.as_bytes());
    }

    fn progress(&self) -> u64 {
        self.counts.heard + self.counts.shown
    }

    /// Words that not everybody has heard.
    fn under_way(&self) -> usize {
        let heard = self.approved.iter().filter(|approval| approval.left == 0);
        self.said.len() - heard.count()
    }

    fn remainder(&self) -> Remainder {
        Remainder {
            missing: self.under_way() as u64,
            unexpected: 0,
        }
    }
}

impl Handler for Room {
    fn payload(&mut self, id: usize, chunk: &[u8]) {
        let max = match id < self.walls {
            true => MESSAGE_BYTES_MAX,
            false => BEGINNING_BYTES,
        };
        let beginning = &mut self.clients[id].beginning;
        let missing = max.saturating_sub(beginning.len());
        beginning.extend_from_slice(&chunk[..chunk.len().min(missing)]);
    }

    fn message(&mut self, id: usize, _bytes: u64) {
        let mut message = std::mem::take(&mut self.clients[id].beginning);
        match id < self.walls {
            true => self.shown(id, &message),
            false => self.told(id, &message),
        }
        message.clear();
        self.clients[id].beginning = message;
    }

    fn after_read(&mut self, io: &mut Io, id: usize) {
        if id != 0 {
            return;
        }
        for (name, number) in std::mem::take(&mut self.to_approve) {
            let text = format!(r#"{{"method":"live.wall.check","id":"{name}","status":1}}"#);
            self.approved.push(Approval {
                said: self.said[number].0,
                at: clock::now(),
                left: self.phones(),
            });
            io.send_text(0, text.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broadcast(room: &mut Room, phone: usize) {
        let text = br#"{"status":200,"event":"userSayBroadcast","info":"","param":{}}"#;
        room.payload(phone, text);
        room.message(phone, text.len() as u64);
    }

    #[test]
    fn a_word_is_heard_when_the_last_phone_has_it() {
        let mut room = Room::new(3, 1, &Meter::default());
        let now = clock::now();
        room.record();
        room.said.push((clock::now(), 1));
        let word = br#"{"status":200,"event":"userSayNeedCheck","info":"","param":{"id":"ab","nickname":"n","say":"0"}}"#;
        room.payload(0, &word[..50]);
        room.payload(0, &word[50..]);
        room.message(0, word.len() as u64);
        assert_eq!(room.to_approve, [("ab".to_owned(), 0)]);
        room.approved.push(Approval {
            said: clock::now(),
            at: now,
            left: 2,
        });
        assert_eq!(room.under_way(), 1);
        broadcast(&mut room, 1);
        assert_eq!(
            (room.under_way(), room.times.approval_to_last.len()),
            (1, 0)
        );
        broadcast(&mut room, 2);
        assert_eq!(
            (room.under_way(), room.times.approval_to_last.len()),
            (0, 1)
        );
        assert_eq!((room.counts.shown, room.counts.heard), (1, 2));
    }

    #[test]
    fn refusals_are_counted() {
        let mut room = Room::new(2, 1, &Meter::default());
        for (id, text) in [
            (
                0,
                &br#"{"status":403,"event":"mustBeWall","info":"","param":null}"#[..],
            ),
            (1, br#"{"status":500,"event":"controllerError","info":""}"#),
        ] {
            room.payload(id, text);
            room.message(id, 1);
        }
        assert_eq!((room.counts.refused, room.missing()), (2, 2));
    }
}
