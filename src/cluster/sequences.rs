//! Sequences: what of each sender's envelopes has arrived in this member's inbox.
//!
//! Pure. Every sender numbers its envelopes to this member from 1. A repeat is known by its number,
//! and a gap is a loss that is announced with its range.

use std::{collections::HashMap, ops::Range};

use crate::id::Member;

/// The next number that is expected of each sender.
#[derive(Debug, Default)]
pub(super) struct Sequences(HashMap<Member, u64>);

/// What an entry brings.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Arrival {
    /// How many of the entry's envelopes have been here before; they stand at its beginning.
    pub(super) repeated: u64,
    /// Numbers of envelopes that will not come.
    pub(super) lost: Range<u64>,
}

impl Sequences {
    /// Takes note of an entry of `count` envelopes, the first of which has the number `first`.
    pub(super) fn arrive(&mut self, sender: &Member, first: u64, count: u64) -> Arrival {
        if !self.0.contains_key(sender) {
            self.0.insert(sender.clone(), 1);
        }
        let mut nothing = 1;
        let next = self.0.get_mut(sender).unwrap_or(&mut nothing);
        let arrival = Arrival {
            repeated: next.saturating_sub(first).min(count),
            lost: *next..first.max(*next),
        };
        *next = (*next).max(first.saturating_add(count));
        arrival
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

    #[test]
    fn what_comes_in_order_is_new() {
        let mut sequences = Sequences::default();
        for first in [1, 4, 7] {
            let arrival = sequences.arrive(&member("a"), first, 3);
            assert_eq!((arrival.repeated, arrival.lost.count()), (0, 0));
        }
    }

    #[test]
    fn a_repeat_is_known_as_a_whole_and_in_part() {
        let mut sequences = Sequences::default();
        sequences.arrive(&member("a"), 1, 3);
        assert_eq!(sequences.arrive(&member("a"), 1, 3).repeated, 3);
        assert_eq!(sequences.arrive(&member("a"), 2, 4).repeated, 2);
        assert_eq!(sequences.arrive(&member("a"), 6, 1).repeated, 0);
    }

    #[test]
    fn a_gap_is_a_loss_with_its_range_from_the_first_number_on() {
        let mut sequences = Sequences::default();
        assert_eq!(sequences.arrive(&member("a"), 3, 1).lost, 1..3);
        assert_eq!(sequences.arrive(&member("a"), 9, 2).lost, 4..9);
        assert!(sequences.arrive(&member("a"), 11, 1).lost.is_empty());
        // Each sender counts for itself.
        assert!(sequences.arrive(&member("b"), 1, 1).lost.is_empty());
    }
}
