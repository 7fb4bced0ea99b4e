//! A room that several processes share: the first one publishes, and writes down when each message was due before it
//! leaves. The others read it there when the message reaches one of their members.

use std::io;
use std::time::{Duration, Instant};

use crate::client::Loss;
use crate::clock;
use crate::engine::{Engine, Handler, Io};
use crate::processes::{Board, moment_of, nanoseconds_of};
use crate::scenario::RunError;
use crate::scenario::arrivals::Remainder;
use crate::scenario::rooms::{Outcome, Rooms};
use crate::scenario::spread::Spread;
use crate::scenario::traffic::{POLL, Traffic};

/// The members of this process.
#[derive(Debug)]
pub(super) struct Shared {
    rooms: Rooms,
    /// When each message was due, in nanoseconds.
    board: Board<1>,
    due: Vec<u64>,
    spread: Spread,
    /// What was wrong with the board.
    broken: Option<io::Error>,
}

impl Shared {
    /// The one room of these, of which the members here are those of this process.
    pub(super) fn new(rooms: Rooms, board: Board<1>) -> Self {
        Self {
            rooms,
            board,
            due: Vec::new(),
            spread: Spread {
                recorded: u64::MAX..u64::MAX,
                ..Spread::default()
            },
            broken: None,
        }
    }

    /// Waits until nothing is published any more, and then until it has reached the members here.
    pub(super) fn hear_out(&mut self, engine: &mut Engine, wait: Duration) -> Result<(), RunError> {
        engine.meet(self)?;
        while self.read_next()? {}
        let end = clock::now() + wait;
        while 0 < self.rooms.under_way() && clock::now() < end {
            engine.poll(POLL, self)?;
        }
        Ok(())
    }

    /// What came of it here, and when each message had reached everybody.
    pub(super) fn outcome(self) -> (Outcome, Spread) {
        let sent = self.due.iter().map(|due| (*due, *due)).collect();
        let spread = Spread {
            sent,
            ..self.spread
        };
        (self.rooms.outcome(), spread)
    }

    /// Reads when the next message was due, if there is one.
    fn read_next(&mut self) -> io::Result<bool> {
        let Some([due]) = self.board.read(self.due.len())? else {
            return Ok(false);
        };
        let strange = || io::Error::other("a message of no time");
        self.rooms.expect(moment_of(due).ok_or_else(strange)?);
        self.due.push(due);
        Ok(true)
    }

    /// Takes note of when messages have reached everybody here.
    fn note_completed(&mut self) {
        let completed = self.rooms.progress() as usize;
        if self.spread.reached.len() < completed {
            let now = nanoseconds_of(clock::now());
            self.spread.reached.resize(completed, now);
        }
    }
}

impl Traffic for Shared {
    fn stalled(&self) -> &'static str {
        self.rooms.stalled()
    }

    fn begin(&mut self, io: &mut Io) -> Result<(), RunError> {
        self.rooms.begin(io)
    }

    fn record(&mut self) {
        self.spread.recorded.start = nanoseconds_of(clock::now());
        self.rooms.record();
    }

    fn stop_recording(&mut self) {
        self.spread.recorded.end = nanoseconds_of(clock::now());
        self.rooms.stop_recording();
    }

    fn end(&mut self) {
        self.rooms.end();
    }

    fn send_next(&mut self, io: &mut Io, due: Instant) {
        let written = nanoseconds_of(due);
        if let Err(error) = self.board.append([written]) {
            self.broken = Some(error);
            return;
        }
        self.due.push(written);
        self.rooms.send_next(io, due);
    }

    fn check(&mut self, io: &mut Io, now: Instant) -> Result<(), RunError> {
        match self.broken.take() {
            Some(error) => Err(error.into()),
            None => self.rooms.check(io, now),
        }
    }

    fn progress(&self) -> u64 {
        self.rooms.progress()
    }

    fn under_way(&self) -> usize {
        self.rooms.under_way()
    }

    fn remainder(&self) -> Remainder {
        self.rooms.remainder()
    }
}

impl Handler for Shared {
    fn message(&mut self, id: usize, bytes: u64) {
        if self.rooms.is_ahead(id, bytes)
            && let Err(error) = self.read_next()
        {
            self.broken = Some(error);
        }
        self.rooms.message(id, bytes);
        self.note_completed();
    }

    fn after_read(&mut self, io: &mut Io, id: usize) {
        self.rooms.after_read(io, id);
    }

    fn lost(&mut self, io: &mut Io, id: usize, loss: &Loss) {
        self.rooms.lost(io, id, loss);
        self.note_completed();
    }
}
