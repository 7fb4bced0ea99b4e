//! What is done with messages whatever is measured: they are taken apart, and heartbeats are answered.

use serde::Deserialize;

use super::Handler;
use crate::frame::{self, opcode};

/// What all connections of an engine do.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Habits {
    heartbeats: Vec<Heartbeat>,
    /// Stands between several messages in one frame.
    separator: Option<u8>,
    /// Of a longer message it is known that it is no heartbeat.
    heartbeat_bytes_max: usize,
}

/// A message by which the server asks whether the client is still there.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Heartbeat {
    /// All of the message.
    pub hear: String,
    /// What is sent then.
    pub say: String,
}

/// What has come of the current message of one connection, if there are habits.
#[derive(Debug, Default)]
pub(in crate::engine) struct Ear {
    bytes: u64,
    /// Its beginning, as long as it may be a heartbeat.
    heard: Vec<u8>,
}

impl Habits {
    /// These heartbeats are answered, and messages end at the separator as well.
    #[must_use]
    pub fn new(heartbeats: Vec<Heartbeat>, separator: Option<u8>) -> Self {
        let lengths = heartbeats.iter().map(|heartbeat| heartbeat.hear.len());
        Self {
            heartbeat_bytes_max: lengths.max().unwrap_or(0),
            heartbeats,
            separator,
        }
    }

    /// Whether messages are passed on as they come.
    #[inline]
    pub(super) fn is_none(&self) -> bool {
        self.heartbeats.is_empty() && self.separator.is_none()
    }

    fn answer(&self, heard: &[u8]) -> Option<&str> {
        let heartbeat = self
            .heartbeats
            .iter()
            .find(|it| it.hear.as_bytes() == heard)?;
        Some(&heartbeat.say)
    }
}

/// Hands messages of connection `id` to the handler as the habits want it.
pub(super) struct Listener<'a, H> {
    pub(super) habits: &'a Habits,
    pub(super) ear: &'a mut Ear,
    pub(super) id: usize,
    pub(super) handler: &'a mut H,
    /// Where frames are put that are to be sent.
    pub(super) answers: &'a mut Vec<u8>,
}

impl<H: Handler> Listener<'_, H> {
    /// A piece of a frame's payload.
    pub(super) fn payload(&mut self, chunk: &[u8]) {
        let mut rest = chunk;
        if let Some(separator) = self.habits.separator {
            while let Some(at) = rest.iter().position(|byte| *byte == separator) {
                self.take(&rest[..at]);
                self.end_part();
                rest = &rest[at + 1..];
            }
        }
        self.take(rest);
    }

    /// The frames of a message are over. Behind the last separator there may be nothing, which is no message then.
    pub(super) fn end(&mut self) {
        match self.habits.separator {
            Some(_) => self.end_part(),
            None => self.end_message(),
        }
    }

    fn take(&mut self, chunk: &[u8]) {
        self.ear.bytes += chunk.len() as u64;
        if self.ear.bytes <= self.habits.heartbeat_bytes_max as u64 {
            self.ear.heard.extend_from_slice(chunk);
        }
        self.handler.payload(self.id, chunk);
    }

    fn end_part(&mut self) {
        if 0 < self.ear.bytes {
            self.end_message();
        }
    }

    fn end_message(&mut self) {
        let bytes = std::mem::take(&mut self.ear.bytes);
        if bytes == self.ear.heard.len() as u64
            && let Some(say) = self.habits.answer(&self.ear.heard)
        {
            frame::encode_client(self.answers, opcode::TEXT, say.as_bytes());
        }
        self.ear.heard.clear();
        self.handler.message(self.id, bytes);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Default)]
    struct Seen {
        messages: Vec<(String, u64)>,
        current: Vec<u8>,
    }

    impl Handler for Seen {
        fn payload(&mut self, _id: usize, chunk: &[u8]) {
            self.current.extend_from_slice(chunk);
        }

        fn message(&mut self, _id: usize, bytes: u64) {
            let text = String::from_utf8(std::mem::take(&mut self.current)).unwrap();
            self.messages.push((text, bytes));
        }
    }

    /// What a handler sees of frames whose payloads come in pieces, and what was answered.
    fn listen(habits: &Habits, frames: &[Vec<&[u8]>]) -> (Vec<(String, u64)>, Vec<u8>) {
        let (mut ear, mut seen, mut answers) = (Ear::default(), Seen::default(), Vec::new());
        for frame in frames {
            let mut listener = Listener {
                habits,
                ear: &mut ear,
                id: 0,
                handler: &mut seen,
                answers: &mut answers,
            };
            frame.iter().for_each(|piece| listener.payload(piece));
            listener.end();
        }
        (seen.messages, answers)
    }

    fn ping() -> Vec<Heartbeat> {
        let (hear, say) = ("2".to_owned(), "3".to_owned());
        vec![Heartbeat { hear, say }]
    }

    #[test]
    fn only_the_whole_message_is_a_heartbeat() {
        let frames = [vec![&b"2"[..]], vec![b"23"], vec![b"1", b"2"], vec![b""]];
        let (messages, answers) = listen(&Habits::new(ping(), None), &frames);
        let texts: Vec<_> = messages.iter().map(|(text, _)| text.as_str()).collect();
        assert_eq!(texts, ["2", "23", "12", ""]);
        let mut expected = Vec::new();
        frame::encode_client(&mut expected, opcode::TEXT, b"3");
        assert_eq!(answers, expected);
    }

    #[test]
    fn nothing_between_separators_is_no_message() {
        let frames = [vec![&b"a\nb\n"[..]], vec![b"\n"], vec![b"c"]];
        let (messages, _) = listen(&Habits::new(Vec::new(), Some(b'\n')), &frames);
        let texts: Vec<_> = messages.iter().map(|(text, _)| text.as_str()).collect();
        assert_eq!(texts, ["a", "b", "c"]);
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(
            texts in prop::collection::vec("[23a-c]{1,4}", 1..6), cuts in prop::collection::vec(0..40_usize, 0..6),
        ) {
            let whole = texts.join("\n");
            let mut cuts: Vec<_> = cuts.into_iter().filter(|cut| *cut < whole.len()).collect();
            cuts.sort_unstable();
            let (mut pieces, mut from) = (Vec::new(), 0);
            for cut in cuts {
                pieces.push(&whole.as_bytes()[from..cut]);
                from = cut;
            }
            pieces.push(&whole.as_bytes()[from..]);
            let habits = Habits::new(ping(), Some(b'\n'));
            let (messages, answers) = listen(&habits, &[pieces]);
            let expected: Vec<_> = texts.iter().map(|it| (it.clone(), it.len() as u64)).collect();
            prop_assert_eq!(messages, expected);
            // A masked frame of one byte has seven.
            prop_assert_eq!(answers.len(), 7 * texts.iter().filter(|text| *text == "2").count());
        }
    }
}
