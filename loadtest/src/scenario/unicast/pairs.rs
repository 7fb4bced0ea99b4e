//! The pairs: what each client sends, and what is on its way to it.
//!
//! Invariant: the messages to a client are all its partner's and come in their order, so the one that arrives is the
//! oldest under way, and nothing but its header needs to be looked at.

use std::collections::VecDeque;
use std::time::Instant;

use hdrhistogram::Histogram;

use crate::clock;
use crate::engine::{Handler, Io};
use crate::frame::{self, opcode};
use crate::report::{self, Latency};
use crate::scenario::traffic::Traffic;

/// State of all pairs.
#[derive(Debug)]
pub(super) struct Pairs {
    clients: Vec<Client>,
    /// Size of a message. Probes are one longer, which is how they are told apart.
    bytes: usize,
    /// Whose turn it is in the open loop.
    turn: usize,
    /// Whether a message is answered with another one.
    is_answering: bool,
    received: u64,
    under_way: usize,
    unexpected: u64,
    /// Messages that were due from then on are recorded.
    recorded_from: Option<Instant>,
    latency: Histogram<u64>,
    /// For frames on their way out.
    scratch: Vec<u8>,
}

#[derive(Debug)]
struct Client {
    /// What it sends, as one frame.
    frame: Vec<u8>,
    /// When each message that is under way to it was due.
    due: VecDeque<Instant>,
    is_reached: bool,
    /// Messages that it has received and not answered.
    unanswered: usize,
}

impl Pairs {
    /// So many clients, which send messages of `bytes`.
    ///
    /// # Errors
    /// One line, when a message cannot be so short.
    pub(super) fn new(clients: usize, bytes: usize) -> Result<Self, String> {
        let client = |id: usize| {
            let mut frame = Vec::new();
            frame::encode_client(&mut frame, opcode::TEXT, text(id, bytes)?.as_bytes());
            Ok(Client {
                frame,
                due: VecDeque::new(),
                is_reached: false,
                unanswered: 0,
            })
        };
        Ok(Self {
            clients: (0..clients).map(client).collect::<Result<_, String>>()?,
            bytes,
            turn: 0,
            is_answering: false,
            received: 0,
            under_way: 0,
            unexpected: 0,
            recorded_from: None,
            latency: report::histogram(),
            scratch: Vec::new(),
        })
    }

    /// Clients that no probe has reached.
    pub(super) fn unreached(&self) -> usize {
        self.clients.iter().filter(|it| !it.is_reached).count()
    }

    /// Sends a probe to each of them.
    pub(super) fn probe(&self, io: &mut Io) {
        for id in 0..self.clients.len() {
            if !self.clients[id].is_reached
                && let Ok(text) = text(partner(id), self.bytes + 1)
            {
                io.send_text(partner(id), text.as_bytes());
            }
        }
    }

    /// Sends the first messages of the closed loop.
    pub(super) fn begin_answering(&mut self, io: &mut Io, outstanding: usize) {
        self.is_answering = true;
        for number in 0..outstanding {
            let id = number % self.clients.len();
            self.clients[id].unanswered += 1;
        }
        for id in 0..self.clients.len() {
            self.answer(io, id);
        }
    }

    /// Lets the closed loop run dry.
    pub(super) fn stop_answering(&mut self) {
        self.is_answering = false;
    }

    /// Begins to record; gives the number of messages received so far.
    pub(super) fn record(&mut self) -> u64 {
        self.recorded_from = Some(clock::now());
        self.received
    }

    pub(super) fn received(&self) -> u64 {
        self.received
    }

    pub(super) fn unexpected(&self) -> u64 {
        self.unexpected
    }

    /// From the time when a message was due to its reception.
    pub(super) fn latency(&self) -> Latency {
        Latency::from(&self.latency)
    }

    /// Sends as many messages as have been received, in one write.
    fn answer(&mut self, io: &mut Io, id: usize) {
        let client = &mut self.clients[id];
        let count = std::mem::take(&mut client.unanswered);
        if count == 0 || !self.is_answering {
            return;
        }
        self.scratch.clear();
        for _ in 0..count {
            self.scratch.extend_from_slice(&client.frame);
        }
        let now = clock::now();
        let due = &mut self.clients[partner(id)].due;
        due.extend(std::iter::repeat_n(now, count));
        self.under_way += count;
        io.send_encoded(id, &self.scratch);
    }
}

impl Traffic for Pairs {
    const STALLED: &'static str = "messages are under way, and none arrives";

    fn send_next(&mut self, io: &mut Io, due: Instant) {
        let id = self.turn;
        self.turn = (self.turn + 1) % self.clients.len();
        self.clients[partner(id)].due.push_back(due);
        self.under_way += 1;
        io.send_encoded(id, &self.clients[id].frame);
    }

    fn progress(&self) -> u64 {
        self.received
    }

    fn under_way(&self) -> usize {
        self.under_way
    }
}

impl Handler for Pairs {
    fn message(&mut self, id: usize, bytes: u64) {
        let client = &mut self.clients[id];
        if bytes == self.bytes as u64 + 1 {
            client.is_reached = true;
            return;
        }
        let Some(due) = client.due.pop_front() else {
            self.unexpected += 1;
            return;
        };
        client.unanswered += 1;
        self.received += 1;
        self.under_way -= 1;
        if self.recorded_from.is_some_and(|from| from <= due) {
            let took = clock::now().saturating_duration_since(due).as_nanos();
            self.latency
                .saturating_record(u64::try_from(took).unwrap_or(u64::MAX));
        }
    }

    fn after_read(&mut self, io: &mut Io, id: usize) {
        self.answer(io, id);
    }
}

/// The other one of the pair.
fn partner(id: usize) -> usize {
    id ^ 1
}

/// What client `id` sends: a frame of the `ride` dialect that is `bytes` long.
fn text(id: usize, bytes: usize) -> Result<String, String> {
    let (to, pad) = (partner(id), "");
    let bare =
        format!(r#"{{"flag":"m","target_token":"pair_{to}","token":"pair_{id}","pad":"{pad}"}}"#);
    let missing = bytes.checked_sub(bare.len()).ok_or_else(|| {
        let least = bare.len();
        format!("--bytes {bytes}: the message of client {id} alone takes {least}")
    })?;
    Ok(bare.replace(
        r#""pad":"""#,
        &format!(r#""pad":"{}""#, "x".repeat(missing)),
    ))
}
