//! Letters: what of its user's mail a session was given, and what of it its client has.
//!
//! Pure. A letter is with the client when a Pong has come to the Ping that was sent behind it: both
//! ends keep the order of frames (RFC 6455, section 5.5.3: a Pong answers the Ping that was received
//! last, with its payload). A client that answers no Pings has it when it has spoken long afterwards.

use std::{collections::VecDeque, mem};

use crate::{
    message::{LetterId, MessageId, Posted},
    trace::TraceId,
};

/// Letters out of the mail on their way to one client, before others wait.
const READ_AHEAD: usize = 64;
/// Most letters on their way to one client, in all. Also those that are remembered, so that none is
/// given twice.
const LETTERS_MAX: usize = 1024;
/// A client that speaks so many deciseconds after it was heard behind letters has them.
const SPOKEN_AFTER: u32 = 100;

/// The letters of one session.
#[derive(Debug, Default)]
pub(super) struct Letters {
    /// In the outbox.
    queued: Vec<Letter>,
    /// Written, with the Ping of this round behind them.
    written: Vec<Letter>,
    round: u64,
    /// A Ping was sent behind the last ones, and has not been answered.
    is_asked: bool,
    /// Decisecond in which the client spoke first since letters were written.
    heard_at: Option<u32>,
    given: VecDeque<(LetterId, MessageId)>,
    /// The newest one that it was given.
    newest: LetterId,
}

/// A letter, and what its steps are found by.
pub(super) type Letter = (LetterId, TraceId);

/// What became of a letter that a session was to be given.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Given {
    /// It has not been given one that stands before: the mail has to be read.
    Behind,
    /// The client has been given it before.
    Before,
    /// It is on its way.
    Now,
    /// There is no room for it now: it is tried again when the client has confirmed others.
    Later,
}

impl Letters {
    /// Takes note of a letter out of the mail that is given now, unless it was before.
    pub(super) fn read(&mut self, id: LetterId, message: &MessageId) -> Given {
        if self.knows(id, message) {
            Given::Before
        } else if READ_AHEAD <= self.under_way() {
            Given::Later
        } else {
            self.take(id, message)
        }
    }

    /// Takes note of a letter that came while the client was there. Too many on their way are
    /// [`Given::Later`], which is never.
    pub(super) fn give(&mut self, posted: Posted, message: &MessageId) -> Given {
        let Posted { id, after } = posted;
        if self.knows(id, message) {
            Given::Before
        } else if self.newest < after {
            Given::Behind
        } else if LETTERS_MAX <= self.under_way() {
            Given::Later
        } else {
            self.take(id, message)
        }
    }

    /// Whether the session was given this message lately, in whichever letter.
    pub(super) fn has_given(&self, message: &MessageId) -> bool {
        self.given.iter().any(|(_, before)| before == message)
    }

    fn take(&mut self, id: LetterId, message: &MessageId) -> Given {
        let is_repeat = self.has_given(message);
        if self.given.len() == LETTERS_MAX {
            self.given.pop_front();
        }
        self.given.push_back((id, message.clone()));
        self.newest = self.newest.max(id);
        // A repeat is confirmed with the others.
        self.queued.push((id, TraceId::of_message(message)));
        if is_repeat { Given::Before } else { Given::Now }
    }

    /// Everything queued was written. Gives the payload of the Ping that has to follow it; also if
    /// nothing was, but more waits in the mail and nobody is asked.
    pub(super) fn write(&mut self, is_behind: bool) -> Option<[u8; 8]> {
        if self.queued.is_empty() && (!is_behind || self.is_asked) {
            return None;
        }
        self.written.append(&mut self.queued);
        self.round += 1;
        self.is_asked = true;
        self.heard_at = None;
        Some(self.round.to_be_bytes())
    }

    /// Whether the client has not confirmed everything.
    pub(super) fn is_open(&self) -> bool {
        self.is_asked || !self.queued.is_empty()
    }

    /// A Pong with this payload has come. Gives the letters that the client has, if it was asked for.
    pub(super) fn pong(&mut self, payload: &[u8]) -> Option<Vec<Letter>> {
        (self.is_asked && payload == self.round.to_be_bytes()).then(|| self.confirm())
    }

    /// A frame has come in this decisecond. Gives the letters that the client must have by now.
    pub(super) fn spoken(&mut self, now: u32) -> Option<Vec<Letter>> {
        if !self.is_asked {
            return None;
        }
        let heard_at = *self.heard_at.get_or_insert(now);
        (heard_at.saturating_add(SPOKEN_AFTER) <= now).then(|| self.confirm())
    }

    fn confirm(&mut self) -> Vec<Letter> {
        self.is_asked = false;
        mem::take(&mut self.written)
    }

    /// By both names: that of a letter may come again when Redis has lost its data.
    fn knows(&self, id: LetterId, message: &MessageId) -> bool {
        let mut given = self.given.iter();
        given.any(|(other, before)| *other == id && before == message)
    }

    fn under_way(&self) -> usize {
        self.queued.len() + self.written.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn posted(number: u64, after: u64) -> Posted {
        let [id, after] = [number, after].map(|number| LetterId(1, number));
        Posted { id, after }
    }

    /// As [`Letters`] confirms them.
    fn confirmed(letters: &[(u64, u64)]) -> Option<Vec<Letter>> {
        let letter = |(number, message): &(u64, u64)| {
            let trace = TraceId::of_message(&MessageId::Number(*message));
            (LetterId(1, *number), trace)
        };
        Some(letters.iter().map(letter).collect())
    }

    fn read(letters: &mut Letters, number: u64) -> Given {
        letters.read(LetterId(1, number), &MessageId::Number(number))
    }

    #[test]
    fn a_letter_is_given_once() {
        let mut letters = Letters::default();
        assert_eq!(read(&mut letters, 1), Given::Now);
        assert_eq!(read(&mut letters, 1), Given::Before);
        letters.write(false);
        let pong = letters.pong(&1_u64.to_be_bytes());
        assert_eq!(pong, confirmed(&[(1, 1)]));
        assert_eq!(read(&mut letters, 1), Given::Before);
        assert_eq!(letters.write(false), None);
    }

    #[test]
    fn the_pong_to_the_ping_behind_it_confirms_a_letter_and_no_other_one_does() {
        let mut letters = Letters::default();
        read(&mut letters, 1);
        assert_eq!(letters.pong(b""), None);
        assert_eq!(letters.write(false), Some(1_u64.to_be_bytes()));
        read(&mut letters, 2);
        assert_eq!(letters.write(false), Some(2_u64.to_be_bytes()));
        // The client may have answered before the second one came to it.
        assert_eq!(letters.pong(&1_u64.to_be_bytes()), None);
        assert_eq!(letters.pong(b""), None);
        let both = letters.pong(&2_u64.to_be_bytes());
        assert_eq!(both, confirmed(&[(1, 1), (2, 2)]));
        assert_eq!(letters.pong(&2_u64.to_be_bytes()), None);
        assert!(!letters.is_open());
    }

    #[test]
    fn who_speaks_long_afterwards_has_what_was_written() {
        let mut letters = Letters::default();
        read(&mut letters, 1);
        assert_eq!(letters.spoken(10), None);
        letters.write(false);
        assert_eq!(letters.spoken(50), None);
        read(&mut letters, 2);
        assert_eq!(letters.spoken(149), None);
        assert_eq!(letters.spoken(150), confirmed(&[(1, 1)]));
        letters.write(false);
        assert_eq!(letters.spoken(160), None);
        assert_eq!(letters.spoken(260), confirmed(&[(2, 2)]));
    }

    #[test]
    fn a_repeat_under_another_name_is_not_given_and_confirmed_all_the_same() {
        let mut letters = Letters::default();
        read(&mut letters, 1);
        let again = letters.give(posted(2, 1), &MessageId::Number(1));
        assert_eq!(again, Given::Before);
        letters.write(false);
        let both = letters.pong(&1_u64.to_be_bytes());
        assert_eq!(both, confirmed(&[(1, 1), (2, 1)]));
    }

    #[test]
    fn who_has_missed_a_letter_reads_the_mail_before_the_next_one() {
        let mut letters = Letters::default();
        let give = |letters: &mut Letters, number, after| {
            letters.give(posted(number, after), &MessageId::Number(number))
        };
        let first = Posted {
            id: LetterId(1, 1),
            after: LetterId::NONE,
        };
        assert_eq!(letters.give(first, &MessageId::Number(1)), Given::Now);
        assert_eq!(give(&mut letters, 3, 2), Given::Behind);
        assert_eq!(read(&mut letters, 2), Given::Now);
        assert_eq!(give(&mut letters, 3, 2), Given::Now);
        // Those before it are with some client, and gone.
        assert_eq!(give(&mut letters, 9, 3), Given::Now);
    }

    #[test]
    fn another_letter_of_the_same_name_is_given() {
        let mut letters = Letters::default();
        read(&mut letters, 1);
        let other = letters.read(LetterId(1, 1), &MessageId::Number(2));
        assert_eq!(other, Given::Now);
    }

    #[test]
    fn what_is_under_way_is_bounded() {
        let mut letters = Letters::default();
        for number in 0..READ_AHEAD as u64 {
            assert_eq!(read(&mut letters, number), Given::Now);
        }
        assert_eq!(read(&mut letters, 9999), Given::Later);
        letters.write(false);
        assert_eq!(read(&mut letters, 9999), Given::Later);
        for number in READ_AHEAD as u64..LETTERS_MAX as u64 {
            let given = letters.give(posted(number, number - 1), &MessageId::Number(number));
            assert_eq!(given, Given::Now);
        }
        let given = letters.give(posted(9999, 1), &MessageId::Number(9999));
        assert_eq!(given, Given::Later);
        letters.write(false);
        letters.pong(&2_u64.to_be_bytes());
        assert_eq!(read(&mut letters, 9999), Given::Now);
    }

    #[test]
    fn who_is_behind_is_asked_once_although_nothing_was_given() {
        let mut letters = Letters::default();
        assert_eq!(letters.write(true), Some(1_u64.to_be_bytes()));
        assert_eq!(letters.write(true), None);
        assert_eq!(letters.pong(&1_u64.to_be_bytes()), Some(Vec::new()));
        assert_eq!(letters.write(true), Some(2_u64.to_be_bytes()));
    }
}
