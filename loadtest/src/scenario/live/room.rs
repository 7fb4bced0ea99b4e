//! The room: who has joined, what was said, who has heard it.
//!
//! Invariant: one wall approves, and what one publishes reaches everybody in that order: so the number of what a phone
//! has heard tells which approval it was. And whoever hears it last hears it before anybody hears the next one last.

use std::io;
use std::ops::Range;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::approvals::{Approval, Approvals, Word};
use crate::clock;
use crate::engine::{Handler, Io};
use crate::meter::{Kind, Meter};
use crate::processes::{Board, moment_of, nanoseconds_of};
use crate::scenario::arrivals::Remainder;
use crate::scenario::spread::Spread;
use crate::scenario::traffic::Traffic;
use crate::scenario::{RunError, judge};

/// What phones say.
pub(super) const WORD: &str = "word";
/// What phones hear.
pub(super) const DELIVERY: &str = "delivery";
/// So much of a message to a phone tells what it is.
const BEGINNING_BYTES: usize = 48;
/// A longer message to a wall is none of ours.
const MESSAGE_BYTES_MAX: usize = 64 * 1024;
const SUCCESS: &[u8] = br#"{"status":200,"event":""#;

/// Everybody of this process, phones behind walls.
#[derive(Debug)]
pub(super) struct Room {
    /// Which of several processes it is.
    process: usize,
    walls: usize,
    clients: Vec<Client>,
    joined: usize,
    turn: usize,
    /// When it was set up: a word that was due before is of another run.
    began: u64,
    /// Words of the phones here, and how many of them all phones here have heard.
    said: usize,
    said_and_heard: usize,
    /// What the first wall approves next: ids, and which word each is.
    to_approve: Vec<(String, Word)>,
    approvals: Approvals,
    /// When the last phone here had heard each approval, in nanoseconds.
    heard: Vec<u64>,
    /// What was wrong with the approvals of other processes.
    broken: Option<io::Error>,
    counts: Counts,
    /// The counts when recording began.
    before: Counts,
    /// What was counted from then on until the end of the traffic.
    measured: Counts,
    word: Kind,
    delivery: Kind,
    meter: Meter,
    recorded: Range<u64>,
}

#[derive(Debug, Default)]
struct Client {
    /// Of the message that is being read.
    beginning: Vec<u8>,
    heard: usize,
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
    /// So many clients of a process, of whom some are walls; it knows what was approved from there.
    pub(super) fn new(
        process: usize,
        (clients, walls): (usize, usize),
        board: Option<Board<3>>,
        meter: &Meter,
    ) -> Self {
        Self {
            process,
            walls,
            clients: (0..clients).map(|_| Client::default()).collect(),
            joined: 0,
            turn: 0,
            began: nanoseconds_of(clock::now()),
            said: 0,
            said_and_heard: 0,
            to_approve: Vec::new(),
            approvals: Approvals::new(clients - walls, board),
            heard: Vec::new(),
            broken: None,
            counts: Counts::default(),
            before: Counts::default(),
            measured: Counts::default(),
            word: meter.kind(WORD),
            delivery: meter.kind(DELIVERY),
            meter: meter.clone(),
            recorded: u64::MAX..u64::MAX,
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

    /// Words that phones here have said.
    pub(super) fn said(&self) -> usize {
        self.said
    }

    /// When what was approved was heard here.
    pub(super) fn spread(&self) -> Spread {
        Spread {
            recorded: self.recorded.clone(),
            sent: self.approvals.times(),
            reached: self.heard.clone(),
        }
    }

    /// Whether all phones here have heard all that was approved until now, in any process.
    ///
    /// # Errors
    /// The approvals of other processes cannot be read.
    pub(super) fn has_heard_all(&mut self) -> io::Result<bool> {
        Ok(self.approvals.read()? <= self.heard.len())
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
        let word = param["say"].as_str().and_then(Word::of);
        let of_this_run = self.began..=nanoseconds_of(clock::now());
        let word = word.filter(|word| of_this_run.contains(&word.due));
        let Some((word, due)) = word.and_then(|word| Some((word, moment_of(word.due)?))) else {
            return;
        };
        self.counts.shown += 1;
        self.word.received(1);
        self.word.took_since(due);
        if wall == 0 {
            let name = param["id"].as_str().unwrap_or_default().to_owned();
            self.to_approve.push((name, word));
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
        let approval = match self.approvals.get(client.heard) {
            Ok(Some(approval)) => approval,
            Ok(None) => return,
            Err(error) => {
                self.broken = Some(error);
                return;
            }
        };
        client.heard += 1;
        approval.left -= 1;
        self.counts.heard += 1;
        let Approval { word, at, left } = *approval;
        self.delivery.received(1);
        let now = clock::now();
        self.delivery.came(at, now);
        if left == 0 {
            self.heard.push(nanoseconds_of(now));
            self.said_and_heard += usize::from(word.process == self.process);
        }
    }

    /// The first wall approves what it was shown.
    fn approve(&mut self, io: &mut Io) -> io::Result<()> {
        for (name, word) in std::mem::take(&mut self.to_approve) {
            self.approvals.add(word, clock::now())?;
            let text = format!(r#"{{"method":"live.wall.check","id":"{name}","status":1}}"#);
            io.send_text(0, text.as_bytes());
        }
        Ok(())
    }
}

impl Traffic for Room {
    fn stalled(&self) -> &'static str {
        "words are under way, and nobody hears any"
    }

    fn record(&mut self) {
        self.recorded.start = nanoseconds_of(clock::now());
        self.before = self.counts;
    }

    fn stop_recording(&mut self) {
        self.recorded.end = nanoseconds_of(clock::now());
        self.measured = self.counts.since(self.before);
    }

    fn send_next(&mut self, io: &mut Io, due: Instant) {
        let phone = self.walls + self.turn;
        self.turn = (self.turn + 1) % self.phones();
        let word = Word {
            process: self.process,
            due: nanoseconds_of(due),
        };
        self.said += 1;
        self.counts.said += 1;
        self.word.sent(1);
        let text = format!(r#"{{"method":"live.user.say","say":"{}"}}"#, word.text());
        io.send_text(phone, text.as_bytes());
    }

    fn check(&mut self, io: &mut Io, _: Instant) -> Result<(), RunError> {
        match self.broken.take() {
            Some(error) => Err(error.into()),
            None => judge(io.losses()),
        }
    }

    fn progress(&self) -> u64 {
        self.counts.heard + self.counts.shown
    }

    /// Words from here that not everybody here has heard.
    fn under_way(&self) -> usize {
        self.said - self.said_and_heard
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

    fn after_read(&mut self, io: &mut Io, _: usize) {
        if let Err(error) = self.approve(io) {
            self.broken = Some(error);
        }
    }
}

#[cfg(test)]
mod tests;
