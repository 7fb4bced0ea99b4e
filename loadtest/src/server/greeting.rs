//! What is said on a connection before it is what it should be; without sockets and clocks.

use super::Step;
use crate::template::Seat;

/// How far a connection has come.
#[derive(Clone, Debug, Default)]
pub struct Greeting {
    /// Steps that are done.
    done: usize,
    /// What has come of the current message, while one is waited for.
    heard: Vec<u8>,
}

impl Greeting {
    /// Gives what is to be sent now to `send`. Then a message is waited for, or everything is done.
    pub fn speak(&mut self, steps: &[Step], seat: Seat, mut send: impl FnMut(&str)) {
        while let Some(Step::Send(text)) = steps.get(self.done) {
            send(&text.for_seat(seat));
            self.done += 1;
        }
    }

    /// Takes a piece of a message.
    pub fn hear(&mut self, steps: &[Step], chunk: &[u8]) {
        if self.done < steps.len() {
            self.heard.extend_from_slice(chunk);
        }
    }

    /// Takes the end of a message, and says whether it was what is waited for. Then the next step has its turn.
    pub fn end_message(&mut self, steps: &[Step], seat: Seat) -> bool {
        let is_expected = match steps.get(self.done) {
            Some(Step::Expect(text)) => contains(&self.heard, text.for_seat(seat).as_bytes()),
            Some(Step::Send(_)) | None => false,
        };
        self.done += usize::from(is_expected);
        self.heard.clear();
        is_expected
    }

    /// Whether everything was said and heard.
    #[must_use]
    pub fn is_done(&self, steps: &[Step]) -> bool {
        self.done == steps.len()
    }
}

/// Whether `text` is somewhere in `message`; the empty one is in each.
#[must_use]
pub fn contains(message: &[u8], text: &[u8]) -> bool {
    text.is_empty() || message.windows(text.len()).any(|window| window == text)
}
