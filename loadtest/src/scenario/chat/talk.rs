//! What each client has asked and what it was answered.
//!
//! Invariant: the answers to one sender's messages come in their order, so the one that comes is for the oldest under
//! way. Those to other packets may overtake, and their latencies are exact with one under way only.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::time::Instant;

use crate::cli::ChatArgs;
use crate::clock;
use crate::engine::{Handler, Io};
use crate::frame::{self, opcode};
use crate::meter::{Kind, Meter};
use crate::scenario::RunError;
use crate::scenario::arrivals::Remainder;
use crate::scenario::traffic::Traffic;
use crate::template::Template;
use crate::token::Signer;

/// So much of an answer tells what it is.
const BEGINNING_BYTES: usize = 256;
const PING: &str = r#"{"id":"ping","to":0,"type":"P","msg":""}"#;
const TYPE: &[u8] = br#""type":""#;

/// What its packets are called.
pub(super) const KIND: &str = "packet";
/// What comes of them at others.
pub(super) const DELIVERY: &str = "chat delivery";

/// All clients. The even ones send, each to the next one.
#[derive(Debug)]
pub(super) struct Talk {
    clients: Vec<Client>,
    /// Instead of messages.
    packet: Option<Template>,
    text: String,
    turn: usize,
    /// How many packets have been sent: each has its number for an id.
    sent: u64,
    /// Packets that each sender has under way, in the closed loop.
    outstanding: usize,
    is_answering: bool,
    unreached: usize,
    under_way: usize,
    counts: Counts,
    kind: Kind,
    deliveries: Kind,
    meter: Meter,
    packets: String,
    frames: Vec<u8>,
}

#[derive(Debug)]
struct Client {
    partner: usize,
    is_reached: bool,
    /// When each packet that is under way was due.
    due: VecDeque<Instant>,
    /// Answers that were not answered with another packet.
    unanswered: usize,
    /// Of the message that is being read.
    beginning: Vec<u8>,
}

/// What came of the packets so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) acknowledged: u64,
    pub(super) deliveries: u64,
    /// Answers that are errors.
    pub(super) refused: u64,
}

impl Counts {
    /// Acknowledged messages that have not come; less than 0 if some came twice.
    pub(super) fn undelivered(&self) -> i64 {
        self.acknowledged.cast_signed() - self.deliveries.cast_signed()
    }

    /// Answers of any kind.
    pub(super) fn answers(&self) -> u64 {
        self.acknowledged + self.refused
    }
}

impl Talk {
    pub(super) fn new(arguments: &ChatArgs, signer: &Signer, meter: &Meter) -> Self {
        let clients = arguments.common.connections;
        let client = |id: usize| Client {
            partner: signer.user(id ^ 1),
            is_reached: false,
            due: VecDeque::new(),
            unanswered: 0,
            beginning: Vec::new(),
        };
        // Ids begin again with each run, so the text tells runs apart: the same again would be a repeat.
        let now = std::time::SystemTime::now();
        let run = now.duration_since(std::time::SystemTime::UNIX_EPOCH);
        let run = format!("{:x}", run.unwrap_or_default().as_micros());
        Self {
            clients: (0..clients).map(client).collect(),
            packet: arguments.packet.clone(),
            text: format!("{run:.<width$}", width = arguments.bytes),
            turn: 0,
            sent: 0,
            outstanding: arguments.outstanding.unwrap_or_default(),
            is_answering: false,
            unreached: clients,
            under_way: 0,
            counts: Counts::default(),
            kind: meter.kind(KIND),
            deliveries: meter.kind(DELIVERY),
            meter: meter.clone(),
            packets: String::new(),
            frames: Vec::new(),
        }
    }

    /// Clients that have not been answered yet.
    pub(super) fn unreached(&self) -> usize {
        self.unreached
    }

    pub(super) fn ping(&self, io: &mut Io) {
        for id in 0..self.clients.len() {
            io.send_text(id, PING.as_bytes());
        }
    }

    pub(super) fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Whether the packets are messages, which are delivered to others.
    pub(super) fn has_messages(&self) -> bool {
        self.packet.is_none()
    }

    /// Sends so many packets in one write.
    fn send(&mut self, io: &mut Io, id: usize, count: usize, due: Instant) {
        let client = &mut self.clients[id];
        self.frames.clear();
        for _ in 0..count {
            self.sent += 1;
            client.due.push_back(due);
            self.packets.clear();
            let (number, to, text) = (self.sent, client.partner, &self.text);
            match &self.packet {
                None => write!(
                    self.packets,
                    r#"{{"id":"{number}","to":{to},"type":"t","msg":"{text}"}}"#
                )
                .expect("a String takes any text"),
                Some(template) => {
                    self.packets = template.expand(to, &number.to_string(), text);
                }
            }
            frame::encode_client(&mut self.frames, opcode::TEXT, self.packets.as_bytes());
        }
        self.under_way += count;
        self.kind.sent(count as u64);
        io.send_encoded(id, &self.frames);
    }

    fn failed(&mut self, error: &str) {
        self.meter.error(error);
        self.counts.refused += 1;
    }

    fn answered(&mut self, id: usize) {
        let client = &mut self.clients[id];
        if let Some(due) = client.due.pop_front() {
            self.under_way -= 1;
            client.unanswered += 1;
            self.kind.took_since(due);
        }
    }
}

impl Traffic for Talk {
    fn stalled(&self) -> &'static str {
        "packets are under way, and none is answered"
    }

    fn begin(&mut self, io: &mut Io) -> Result<(), RunError> {
        self.is_answering = 0 < self.outstanding;
        for id in (0..self.clients.len()).step_by(2) {
            if self.is_answering {
                self.send(io, id, self.outstanding, clock::now());
            }
        }
        Ok(())
    }

    fn end(&mut self) {
        self.is_answering = false;
    }

    fn send_next(&mut self, io: &mut Io, due: Instant) {
        let id = self.turn;
        self.turn = (self.turn + 2) % self.clients.len();
        self.send(io, id, 1, due);
    }

    fn progress(&self) -> u64 {
        self.counts.answers()
    }

    fn under_way(&self) -> usize {
        self.under_way
    }

    /// Packets without an answer, and acknowledged messages that have not come or have come twice.
    fn remainder(&self) -> Remainder {
        let undelivered = match self.has_messages() {
            true => self.counts.undelivered(),
            false => 0,
        };
        Remainder {
            missing: self.under_way as u64 + undelivered.max(0).unsigned_abs(),
            unexpected: undelivered.min(0).unsigned_abs(),
        }
    }

    fn is_complete(&self) -> bool {
        self.remainder().missing == 0
    }
}

impl Handler for Talk {
    fn payload(&mut self, id: usize, chunk: &[u8]) {
        let beginning = &mut self.clients[id].beginning;
        let missing = BEGINNING_BYTES.saturating_sub(beginning.len());
        beginning.extend_from_slice(&chunk[..chunk.len().min(missing)]);
    }

    fn message(&mut self, id: usize, _bytes: u64) {
        let beginning = std::mem::take(&mut self.clients[id].beginning);
        match kind(&beginning) {
            Some(b'L') => {}
            Some(b'P') if !self.clients[id].is_reached => {
                self.clients[id].is_reached = true;
                self.unreached -= 1;
            }
            Some(b't' | b'i') => {
                self.counts.deliveries += 1;
                self.deliveries.received(1);
            }
            Some(b'E') => {
                self.failed(&error(&beginning));
                self.answered(id);
            }
            Some(_) => {
                self.counts.acknowledged += 1;
                self.kind.received(1);
                self.answered(id);
            }
            None => self.failed("no packet"),
        }
        self.clients[id].beginning = beginning;
        self.clients[id].beginning.clear();
    }

    fn after_read(&mut self, io: &mut Io, id: usize) {
        let unanswered = std::mem::take(&mut self.clients[id].unanswered);
        if self.is_answering && 0 < unanswered {
            self.send(io, id, unanswered, clock::now());
        }
    }
}

/// The type of a packet, which stands before anything that a client has written, but for ids.
fn kind(packet: &[u8]) -> Option<u8> {
    let at = packet.windows(TYPE.len()).position(|part| part == TYPE)?;
    packet.get(at + TYPE.len()).copied()
}

/// What an error says.
fn error(packet: &[u8]) -> String {
    let value: Option<serde_json::Value> = serde_json::from_slice(packet).ok();
    let text = value.as_ref().and_then(|value| value["msg"].as_str());
    text.unwrap_or("without a text").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_told_apart() {
        assert_eq!(
            kind(br#"{"id":"1","from":0,"type":"A","msg":"success"}"#),
            Some(b'A')
        );
        let refusal = br#"{"id":"1","from":0,"type":"E","msg":"You are not friends"}"#;
        assert_eq!(kind(refusal), Some(b'E'));
        assert_eq!(error(refusal), "You are not friends");
        assert_eq!(kind(b"pong"), None);
    }
}
