//! Letters: what of its user's mail a session was given, and what of it its client has.
//!
//! Pure. A letter is with the client when a Pong has come to the Ping that was sent behind it: both
//! ends keep the order of frames (RFC 6455, section 5.5.3: a Pong answers the Ping that was received
//! last, with its payload). A client that answers no Pings has it when it has spoken long afterwards.

use std::{collections::VecDeque, mem};

use crate::{mail::LetterId, message::MessageId};

/// Most letters on their way to one client.
const UNDER_WAY_MAX: usize = 64;
/// Letters that are remembered, so that none is given twice.
const GIVEN_MAX: usize = 1024;
/// A client that speaks so many deciseconds after it was given letters has them.
const SPOKEN_AFTER: u32 = 100;

/// The letters of one session.
#[derive(Debug, Default)]
pub(super) struct Letters {
    /// In the outbox.
    queued: Vec<LetterId>,
    /// Written, with the Ping of this round behind them.
    written: Vec<LetterId>,
    round: u64,
    /// Decisecond in which the last one was given.
    given_at: u32,
    given: VecDeque<(LetterId, MessageId)>,
}

/// What became of a letter that a session was to be given.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Given {
    /// The client has been given it before.
    Before,
    /// It is on its way.
    Now,
    /// There is no room for it now: it is tried again when the client has confirmed others.
    Later,
}

impl Letters {
    /// Takes note of a letter that is given now, unless it was before.
    pub(super) fn give(&mut self, id: LetterId, message: &MessageId, now: u32) -> Given {
        if self.given.iter().any(|(before, _)| *before == id) {
            return Given::Before;
        }
        if UNDER_WAY_MAX <= self.queued.len() + self.written.len() {
            return Given::Later;
        }
        let is_repeat = self.given.iter().any(|(_, before)| before == message);
        if self.given.len() == GIVEN_MAX {
            self.given.pop_front();
        }
        self.given.push_back((id, message.clone()));
        self.given_at = now;
        // A repeat is confirmed with the others.
        self.queued.push(id);
        if is_repeat { Given::Before } else { Given::Now }
    }

    /// Everything queued was written. Gives the payload of the Ping that has to follow it.
    pub(super) fn write(&mut self) -> Option<[u8; 8]> {
        if self.queued.is_empty() {
            return None;
        }
        self.written.append(&mut self.queued);
        self.round += 1;
        Some(self.round.to_be_bytes())
    }

    /// Whether there are letters that the client has not confirmed.
    pub(super) fn is_open(&self) -> bool {
        !self.queued.is_empty() || !self.written.is_empty()
    }

    /// A Pong with this payload has come: the letters that the client has.
    pub(super) fn pong(&mut self, payload: &[u8]) -> Vec<LetterId> {
        if payload == self.round.to_be_bytes() {
            mem::take(&mut self.written)
        } else {
            Vec::new()
        }
    }

    /// A frame has come: the letters that the client must have by now.
    pub(super) fn spoken(&mut self, now: u32) -> Vec<LetterId> {
        if self.given_at.saturating_add(SPOKEN_AFTER) <= now {
            mem::take(&mut self.written)
        } else {
            Vec::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn give(letters: &mut Letters, number: u64, now: u32) -> Given {
        letters.give(LetterId(1, number), &MessageId::Number(number), now)
    }

    #[test]
    fn a_letter_is_given_once() {
        let mut letters = Letters::default();
        assert_eq!(give(&mut letters, 1, 0), Given::Now);
        assert_eq!(give(&mut letters, 1, 0), Given::Before);
        letters.write();
        assert_eq!(letters.pong(&1_u64.to_be_bytes()), [LetterId(1, 1)]);
        assert_eq!(give(&mut letters, 1, 0), Given::Before);
        assert_eq!(letters.write(), None);
    }

    #[test]
    fn the_pong_to_the_ping_behind_it_confirms_a_letter_and_no_other_one_does() {
        let mut letters = Letters::default();
        give(&mut letters, 1, 0);
        assert_eq!(letters.pong(b""), []);
        assert_eq!(letters.write(), Some(1_u64.to_be_bytes()));
        give(&mut letters, 2, 0);
        assert_eq!(letters.write(), Some(2_u64.to_be_bytes()));
        // The client may have answered before the second one came to it.
        assert_eq!(letters.pong(&1_u64.to_be_bytes()), []);
        assert_eq!(letters.pong(b""), []);
        let both = letters.pong(&2_u64.to_be_bytes());
        assert_eq!(both, [LetterId(1, 1), LetterId(1, 2)]);
        assert_eq!(letters.pong(&2_u64.to_be_bytes()), []);
    }

    #[test]
    fn who_speaks_long_afterwards_has_what_was_written() {
        let mut letters = Letters::default();
        give(&mut letters, 1, 50);
        letters.write();
        assert_eq!(letters.spoken(149), []);
        give(&mut letters, 2, 50);
        assert_eq!(letters.spoken(150), [LetterId(1, 1)]);
    }

    #[test]
    fn a_repeat_under_another_name_is_not_given_and_confirmed_all_the_same() {
        let mut letters = Letters::default();
        give(&mut letters, 1, 0);
        let again = letters.give(LetterId(1, 2), &MessageId::Number(1), 0);
        assert_eq!(again, Given::Before);
        letters.write();
        let both = letters.pong(&1_u64.to_be_bytes());
        assert_eq!(both, [LetterId(1, 1), LetterId(1, 2)]);
    }

    #[test]
    fn what_is_under_way_is_bounded() {
        let mut letters = Letters::default();
        for number in 0..UNDER_WAY_MAX as u64 {
            assert_eq!(give(&mut letters, number, 0), Given::Now);
        }
        assert_eq!(give(&mut letters, 99, 0), Given::Later);
        letters.write();
        assert_eq!(give(&mut letters, 99, 0), Given::Later);
        letters.pong(&1_u64.to_be_bytes());
        assert_eq!(give(&mut letters, 99, 0), Given::Now);
    }
}
