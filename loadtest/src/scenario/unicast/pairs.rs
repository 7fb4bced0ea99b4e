//! The pairs: what each client sends, and what is on its way to it.

use std::time::Instant;

use super::Probed;
use crate::cli::UnicastArgs;
use crate::clock;
use crate::engine::{Handler, Io};
use crate::meter::Meter;
use crate::scenario::RunError;
use crate::scenario::arrivals::{Arrivals, Remainder};
use crate::scenario::message::{Message, Purpose};
use crate::scenario::traffic::Traffic;
use crate::server::publish::Publish;
use crate::template::{Seat, partner};

/// What its messages are called.
pub(super) const KIND: &str = "message";

/// State of all pairs.
#[derive(Debug)]
pub(super) struct Pairs {
    clients: Vec<Client>,
    /// Size of a message. Probes are one longer, which is how they are told apart; what is shorter is neither.
    bytes: u64,
    /// Whose turn it is in the open loop.
    turn: usize,
    /// Messages under way at any time, in the closed loop.
    outstanding: usize,
    /// Whether a message is answered with another one.
    is_answering: bool,
    arrivals: Arrivals,
    /// For frames on their way out.
    scratch: Vec<u8>,
}

#[derive(Debug)]
struct Client {
    /// What it sends, as one frame.
    frame: Vec<u8>,
    probe: Vec<u8>,
    is_reached: bool,
    /// Messages that it has received and not answered.
    unanswered: usize,
}

impl Pairs {
    /// All clients, which have not connected yet.
    ///
    /// # Errors
    /// One line, when a message cannot be so short.
    pub(super) fn new(
        arguments: &UnicastArgs,
        publish: &Publish,
        meter: &Meter,
    ) -> Result<Self, String> {
        let (clients, bytes) = (arguments.common.connections, arguments.bytes);
        let first = arguments.common.first;
        let client = |id: usize| {
            let publish = publish.bind(Seat::of(first + id));
            let frame = |bytes| {
                let mut frame = Vec::new();
                Message::published(&publish, bytes)?.encode(&mut frame, Purpose::Load, 0);
                Ok::<_, String>(frame)
            };
            Ok(Client {
                frame: frame(bytes)?,
                probe: frame(bytes + 1)?,
                is_reached: false,
                unanswered: 0,
            })
        };
        Ok(Self {
            clients: (0..clients).map(client).collect::<Result<_, String>>()?,
            bytes: bytes as u64,
            turn: 0,
            outstanding: arguments.outstanding.unwrap_or_default(),
            is_answering: false,
            arrivals: Arrivals::new(clients, meter.kind(KIND)),
            scratch: Vec::new(),
        })
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
        self.arrivals.expect(partner(id), clock::now(), count);
        io.send_encoded(id, &self.scratch);
    }
}

impl Probed for Pairs {
    fn unreached(&self) -> usize {
        self.clients.iter().filter(|it| !it.is_reached).count()
    }

    fn probe(&mut self, io: &mut Io) {
        for id in 0..self.clients.len() {
            if !self.clients[id].is_reached {
                io.send_encoded(partner(id), &self.clients[partner(id)].probe);
            }
        }
    }
}

impl Traffic for Pairs {
    fn stalled(&self) -> &'static str {
        "messages are under way, and none arrives"
    }

    fn begin(&mut self, io: &mut Io) -> Result<(), RunError> {
        self.is_answering = 0 < self.outstanding;
        for number in 0..self.outstanding {
            let id = number % self.clients.len();
            self.clients[id].unanswered += 1;
        }
        for id in 0..self.clients.len() {
            self.answer(io, id);
        }
        Ok(())
    }

    fn end(&mut self) {
        self.is_answering = false;
    }

    fn send_next(&mut self, io: &mut Io, due: Instant) {
        let id = self.turn;
        self.turn = (self.turn + 1) % self.clients.len();
        self.arrivals.expect(partner(id), due, 1);
        io.send_encoded(id, &self.clients[id].frame);
    }

    fn progress(&self) -> u64 {
        self.arrivals.received()
    }

    fn under_way(&self) -> usize {
        self.arrivals.under_way()
    }

    fn remainder(&self) -> Remainder {
        self.arrivals.remainder()
    }
}

impl Handler for Pairs {
    fn message(&mut self, id: usize, bytes: u64) {
        let client = &mut self.clients[id];
        if bytes == self.bytes + 1 {
            client.is_reached = true;
        } else if self.bytes <= bytes && self.arrivals.came(id) {
            client.unanswered += 1;
        }
    }

    fn after_read(&mut self, io: &mut Io, id: usize) {
        self.answer(io, id);
    }
}
