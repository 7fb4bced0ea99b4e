//! What each client has asked and what it was answered.
//!
//! Invariant: the answers to one sender's messages come in their order, so the one that comes is for the oldest under
//! way. Those to other packets may overtake, and their latencies are exact with one under way only.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::time::Instant;

use hdrhistogram::Histogram;

use crate::cli::ChatArgs;
use crate::clock;
use crate::engine::{Handler, Io};
use crate::frame::{self, opcode};
use crate::report::{self, Latency};
use crate::scenario::traffic::Traffic;
use crate::template::Template;
use crate::token::Signer;

/// So much of an answer tells what it is.
const BEGINNING_BYTES: usize = 256;
const PING: &str = r#"{"id":"ping","to":0,"type":"P","msg":""}"#;
const TYPE: &[u8] = br#""type":""#;

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
    is_answering: bool,
    unreached: usize,
    under_way: usize,
    counts: Counts,
    recorded_from: Option<Instant>,
    latency: Histogram<u64>,
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
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    pub(super) acknowledged: u64,
    pub(super) deliveries: u64,
    pub(super) errors: BTreeMap<String, u64>,
}

impl Counts {
    /// Answers of any kind.
    pub(super) fn answers(&self) -> u64 {
        self.acknowledged + self.errors.values().sum::<u64>()
    }

    pub(super) fn since(&self, before: &Self) -> Self {
        let errors = self.errors.iter().map(|(text, count)| {
            let before = before.errors.get(text).copied().unwrap_or_default();
            (text.clone(), count - before)
        });
        Self {
            acknowledged: self.acknowledged - before.acknowledged,
            deliveries: self.deliveries - before.deliveries,
            errors: errors.filter(|(_, count)| 0 < *count).collect(),
        }
    }
}

impl Talk {
    pub(super) fn new(arguments: &ChatArgs, signer: &Signer) -> Self {
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
            is_answering: false,
            unreached: clients,
            under_way: 0,
            counts: Counts::default(),
            recorded_from: None,
            latency: report::histogram(),
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

    /// Sends the first packets of the closed loop.
    pub(super) fn begin_answering(&mut self, io: &mut Io, outstanding: usize) {
        self.is_answering = true;
        for id in (0..self.clients.len()).step_by(2) {
            self.send(io, id, outstanding, clock::now());
        }
    }

    /// Lets the closed loop run dry.
    pub(super) fn stop_answering(&mut self) {
        self.is_answering = false;
    }

    /// Begins to record; gives what has been counted so far.
    pub(super) fn record(&mut self) -> Counts {
        self.recorded_from = Some(clock::now());
        self.counts.clone()
    }

    pub(super) fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Whether the packets are messages, which are delivered to others.
    pub(super) fn has_messages(&self) -> bool {
        self.packet.is_none()
    }

    /// From the time when a packet was due to its answer.
    pub(super) fn latency(&self) -> Latency {
        Latency::from(&self.latency)
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
        io.send_encoded(id, &self.frames);
    }

    fn answered(&mut self, id: usize) {
        let client = &mut self.clients[id];
        if let Some(due) = client.due.pop_front() {
            self.under_way -= 1;
            client.unanswered += 1;
            if self.recorded_from.is_some_and(|from| from <= due) {
                let took = clock::now().saturating_duration_since(due);
                self.latency
                    .saturating_record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
            }
        }
    }
}

impl Traffic for Talk {
    const STALLED: &'static str = "packets are under way, and none is answered";

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
            Some(b't' | b'i') => self.counts.deliveries += 1,
            Some(b'E') => {
                *self.counts.errors.entry(error(&beginning)).or_default() += 1;
                self.answered(id);
            }
            Some(_) => {
                self.counts.acknowledged += 1;
                self.answered(id);
            }
            None => {
                *self
                    .counts
                    .errors
                    .entry("no packet".to_owned())
                    .or_default() += 1
            }
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

    #[test]
    fn counts_are_those_since_a_moment() {
        let errors = |count| BTreeMap::from([("no".to_owned(), count)]);
        let before = Counts {
            acknowledged: 2,
            deliveries: 1,
            errors: errors(1),
        };
        let now = Counts {
            acknowledged: 5,
            deliveries: 3,
            errors: errors(1),
        };
        let since = now.since(&before);
        assert_eq!((since.acknowledged, since.deliveries), (3, 2));
        assert!(since.errors.is_empty());
        assert_eq!(now.answers(), 6);
    }
}
