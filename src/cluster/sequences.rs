//! Sequences: what of each sender's envelopes has arrived in this member's inbox.
//!
//! Pure. Every sender numbers its envelopes to this member from 1, and begins anew with a higher lane
//! once it had forgotten this member. A repeat is known by lane and number, and a gap is a loss that
//! is announced with its range. What was lost at the end of a lane shows nowhere here: the sender
//! counts it.

use std::{collections::HashMap, ops::Range};

use crate::id::Member;

/// The next number that is expected of each sender.
#[derive(Debug, Default)]
pub(super) struct Sequences(HashMap<Member, Next>);

#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
struct Next {
    lane: u64,
    number: u64,
}

/// What an entry brings.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Arrival {
    /// How many of the entry's envelopes have been here before; they stand at its beginning.
    pub(super) repeated: u64,
    /// Numbers of envelopes that will not come.
    pub(super) lost: Range<u64>,
}

impl Sequences {
    /// Takes note of an entry of `count` envelopes, the first of which has the number `first`. The
    /// envelopes themselves are expected until [`Self::settle`].
    pub(super) fn arrive(&mut self, sender: &Member, lane: u64, first: u64, count: u64) -> Arrival {
        let next = self.0.entry(sender.clone()).or_default();
        let begin = Next { lane, number: 1 };
        if lane < next.lane {
            return Arrival {
                repeated: count,
                lost: first..first,
            };
        }
        *next = begin.max(*next);
        let arrival = Arrival {
            repeated: next.number.saturating_sub(first).min(count),
            lost: next.number..first.max(next.number),
        };
        next.number = next.number.max(first);
        arrival
    }

    /// Takes note that an envelope of the present lane has been dealt with.
    pub(super) fn settle(&mut self, sender: &Member, number: u64) {
        if let Some(next) = self.0.get_mut(sender) {
            next.number = next.number.max(number.saturating_add(1));
        }
    }

    /// Forgets a member that sends nothing any more.
    pub(super) fn forget(&mut self, sender: &Member) {
        self.0.remove(sender);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(text: &str) -> Member {
        Member::new(&text.parse().unwrap(), 1)
    }

    /// An entry of the sender a arrives, and is dealt with.
    fn take(sequences: &mut Sequences, lane: u64, first: u64, count: u64) -> (u64, Range<u64>) {
        let arrival = sequences.arrive(&member("a"), lane, first, count);
        for number in first + arrival.repeated..first + count {
            sequences.settle(&member("a"), number);
        }
        (arrival.repeated, arrival.lost)
    }

    #[test]
    fn what_comes_in_order_is_new() {
        let mut sequences = Sequences::default();
        for first in [1, 4, 7] {
            assert_eq!(take(&mut sequences, 1, first, 3), (0, first..first));
        }
    }

    #[test]
    fn a_repeat_is_known_as_a_whole_and_in_part() {
        let mut sequences = Sequences::default();
        take(&mut sequences, 1, 1, 3);
        assert_eq!(take(&mut sequences, 1, 1, 3).0, 3);
        assert_eq!(take(&mut sequences, 1, 2, 4).0, 2);
        assert_eq!(take(&mut sequences, 1, 6, 1).0, 0);
    }

    #[test]
    fn a_gap_is_a_loss_with_its_range_from_the_first_number_on() {
        let mut sequences = Sequences::default();
        assert_eq!(take(&mut sequences, 1, 3, 1), (0, 1..3));
        assert_eq!(take(&mut sequences, 1, 9, 2), (0, 4..9));
        assert_eq!(take(&mut sequences, 1, 11, 1), (0, 11..11));
        // Each sender counts for itself.
        assert!(sequences.arrive(&member("b"), 1, 1, 1).lost.is_empty());
    }

    #[test]
    fn what_was_not_dealt_with_is_still_expected() {
        let mut sequences = Sequences::default();
        sequences.arrive(&member("a"), 1, 1, 3);
        sequences.settle(&member("a"), 1);
        // Its reader was stopped in the middle. Read again, it is half of it a repeat; never again, a gap.
        let mut again = Sequences(sequences.0.clone());
        assert_eq!(take(&mut again, 1, 1, 3), (1, 2..2));
        assert_eq!(take(&mut sequences, 1, 4, 1), (0, 2..4));
    }

    #[test]
    fn a_sender_that_had_forgotten_this_member_is_heard_again() {
        let mut sequences = Sequences::default();
        take(&mut sequences, 1, 1, 500);
        assert_eq!(take(&mut sequences, 2, 1, 1), (0, 1..1));
        assert_eq!(take(&mut sequences, 4, 3, 1), (0, 1..3));
        // What is repeated of an older lane came before.
        assert_eq!(take(&mut sequences, 2, 2, 5).0, 5);
        assert_eq!(take(&mut sequences, 4, 4, 1), (0, 4..4));
    }
}
