//! The clients: what each of them sends, and the answers that are on their way to it.

use std::time::Instant;

use crate::clock;
use crate::engine::{Handler, Io};
use crate::frame::{self, opcode};
use crate::meter::Kind;
use crate::scenario::RunError;
use crate::scenario::arrivals::{Arrivals, Remainder};
use crate::scenario::message::{Message, Purpose, number};
use crate::scenario::traffic::Traffic;
use crate::template::Template;

/// So much of an answer is looked at.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// All of them.
#[derive(Debug)]
pub(super) struct Clients {
    clients: Vec<Client>,
    /// Messages that each has under way at any time, in the closed loop.
    outstanding: usize,
    turn: usize,
    is_answering: bool,
    arrivals: Arrivals,
    /// What came and was no answer.
    pub(super) others: u64,
    frames: Vec<u8>,
}

#[derive(Debug)]
struct Client {
    message: Message,
    /// What an answer contains; empty: anything.
    expect: Template,
    /// Messages sent, each of which has its number.
    sent: u64,
    /// Messages answered.
    answered: u64,
    /// What the next answer contains.
    expected: String,
    /// What has come of the message that is being read.
    answer: Vec<u8>,
    /// Answers that were not followed by another message.
    free: usize,
}

impl Clients {
    /// One for each of the messages, with what its answer contains; they are counted there.
    pub(super) fn new(messages: Vec<(Message, Template)>, outstanding: usize, kind: Kind) -> Self {
        let arrivals = Arrivals::new(messages.len(), kind);
        let client = |(message, expect): (Message, Template)| Client {
            message,
            expected: expect.expand(0, &number(Purpose::Load, 0), ""),
            expect,
            sent: 0,
            answered: 0,
            answer: Vec::new(),
            free: 0,
        };
        Self {
            clients: messages.into_iter().map(client).collect(),
            outstanding,
            turn: 0,
            is_answering: false,
            arrivals,
            others: 0,
            frames: Vec::new(),
        }
    }

    /// Sends so many messages of a client in one write.
    fn send(&mut self, io: &mut Io, id: usize, count: usize, due: Instant) {
        let client = &mut self.clients[id];
        self.frames.clear();
        for _ in 0..count {
            let text = client.message.text(Purpose::Load, client.sent);
            frame::encode_client(&mut self.frames, opcode::TEXT, text.as_bytes());
            client.sent += 1;
        }
        self.arrivals.expect(id, due, count);
        io.send_encoded(id, &self.frames);
    }
}

impl Client {
    /// Whether the message that has been read is the answer to the oldest one under way.
    fn is_answered(&mut self) -> bool {
        let expected = self.expected.as_bytes();
        let is_answer = expected.is_empty()
            || self
                .answer
                .windows(expected.len())
                .any(|part| part == expected);
        if is_answer && self.expect.has_seq() {
            let number = number(Purpose::Load, self.answered + 1);
            self.expected = self.expect.expand(0, &number, "");
        }
        self.answered += u64::from(is_answer);
        self.answer.clear();
        is_answer
    }
}

impl Traffic for Clients {
    fn stalled(&self) -> &'static str {
        "messages are under way, and none is answered with what is expected (--expect)"
    }

    fn begin(&mut self, io: &mut Io) -> Result<(), RunError> {
        self.is_answering = 0 < self.outstanding;
        for id in 0..self.clients.len() {
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
        self.turn = (self.turn + 1) % self.clients.len();
        self.send(io, id, 1, due);
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

impl Handler for Clients {
    fn payload(&mut self, id: usize, chunk: &[u8]) {
        let client = &mut self.clients[id];
        if !client.expected.is_empty() {
            let missing = ANSWER_BYTES_MAX.saturating_sub(client.answer.len());
            client
                .answer
                .extend_from_slice(&chunk[..chunk.len().min(missing)]);
        }
    }

    fn message(&mut self, id: usize, _bytes: u64) {
        let client = &mut self.clients[id];
        if !client.is_answered() {
            self.others += 1;
        } else if self.arrivals.came(id) {
            client.free += 1;
        }
    }

    fn after_read(&mut self, io: &mut Io, id: usize) {
        let free = std::mem::take(&mut self.clients[id].free);
        if self.is_answering && 0 < free {
            self.send(io, id, free, clock::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::Seat;

    fn come(clients: &mut Clients, id: usize, text: &str) {
        clients.payload(id, text.as_bytes());
        clients.message(id, text.len() as u64);
    }

    #[test]
    fn answers_are_told_from_other_messages_by_their_numbers() {
        let template = Template::new("{i}:{seq}");
        let message = |id| {
            (
                Message::bare(&template.bind(Seat::of(id))),
                template.bind(Seat::of(id)),
            )
        };
        let messages = (0..2).map(message).collect();
        let mut clients = Clients::new(messages, 1, Kind::default());
        assert_eq!(
            clients.clients[1].message.text(Purpose::Load, 0),
            "1:m000000000"
        );
        clients.arrivals.expect(1, clock::now(), 2);
        for text in [
            "0:m000000000",
            "1:m000000001",
            "[1:m000000000]",
            "1:m000000001",
        ] {
            come(&mut clients, 1, text);
        }
        assert_eq!((clients.others, clients.progress()), (2, 2));
        assert_eq!((clients.under_way(), clients.clients[1].free), (0, 2));
    }

    #[test]
    fn anything_is_an_answer_if_nothing_is_expected() {
        let messages = vec![(Message::bare(&Template::new("ping")), Template::new(""))];
        let mut clients = Clients::new(messages, 1, Kind::default());
        come(&mut clients, 0, "hello");
        assert_eq!(clients.arrivals.remainder().unexpected, 1);
        clients.arrivals.expect(0, clock::now(), 1);
        come(&mut clients, 0, "pong");
        assert_eq!((clients.progress(), clients.under_way()), (1, 0));
    }
}
