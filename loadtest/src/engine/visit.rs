//! What comes of the frames of one read.

use super::Handler;
use super::habits::{Ear, Habits, Listener};
use crate::frame::{self, Sink, opcode};

/// Hands frames to the handler, and answers pings on its own.
pub(super) struct Visit<'a, H> {
    pub(super) id: usize,
    pub(super) handler: &'a mut H,
    pub(super) answers: &'a mut Vec<u8>,
    pub(super) habits: &'a Habits,
    pub(super) ear: &'a mut Ear,
    pub(super) close: Option<Option<u16>>,
}

impl<H> Visit<'_, H> {
    fn listener(&mut self) -> Listener<'_, H> {
        Listener {
            habits: self.habits,
            ear: self.ear,
            id: self.id,
            handler: self.handler,
            answers: self.answers,
        }
    }
}

impl<H: Handler> Sink for Visit<'_, H> {
    #[inline]
    fn payload(&mut self, chunk: &[u8]) {
        if self.habits.is_none() {
            self.handler.payload(self.id, chunk);
        } else {
            self.listener().payload(chunk);
        }
    }

    #[inline]
    fn message(&mut self, bytes: u64) {
        if self.habits.is_none() {
            self.handler.message(self.id, bytes);
        } else {
            self.listener().end();
        }
    }

    fn control(&mut self, opcode: u8, payload: &[u8]) {
        match opcode {
            opcode::PING => frame::encode_client(self.answers, opcode::PONG, payload),
            opcode::CLOSE => {
                let code = payload
                    .first_chunk()
                    .map(|bytes| u16::from_be_bytes(*bytes));
                self.close = Some(code);
            }
            _ => {}
        }
    }
}
