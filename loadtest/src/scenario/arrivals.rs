//! What is on its way to each client, and what of it never came.

use std::collections::VecDeque;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::Merge;
use crate::meter::Kind;

/// What is on its way to each of some clients.
///
/// Invariant: what is on its way to one client comes in its order. So what comes is the oldest under way, and nothing
/// but its header needs to be looked at.
#[derive(Debug)]
pub(super) struct Arrivals {
    /// When each message that is under way to a client was due.
    due: Vec<VecDeque<Instant>>,
    under_way: usize,
    received: u64,
    unexpected: u64,
    kind: Kind,
}

/// What has not come, and what has come and should not.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub struct Remainder {
    /// Messages that never came.
    pub missing: u64,
    /// Messages that came without having been sent.
    pub unexpected: u64,
}

impl Merge for Remainder {
    fn merge(&mut self, other: Self) {
        self.missing += other.missing;
        self.unexpected += other.unexpected;
    }
}

impl Remainder {
    /// What is wrong with a run of which this is left, and in which so much was received.
    pub(super) fn objection(&self, received: u64) -> Option<String> {
        let Self {
            missing,
            unexpected,
        } = self;
        if 0 < missing + unexpected {
            return Some(format!(
                "{missing} messages never came, {unexpected} came unsent"
            ));
        }
        (received == 0).then(|| "nothing was received".to_owned())
    }
}

impl Arrivals {
    /// Nothing, to so many clients; what comes is counted there.
    pub(super) fn new(clients: usize, kind: Kind) -> Self {
        Self {
            due: vec![VecDeque::new(); clients],
            under_way: 0,
            received: 0,
            unexpected: 0,
            kind,
        }
    }

    /// So many messages to a client are on their way, all due then.
    pub(super) fn expect(&mut self, client: usize, due: Instant, count: usize) {
        self.due[client].extend(std::iter::repeat_n(due, count));
        self.under_way += count;
        self.kind.sent(count as u64);
    }

    /// A client has received a message; says whether it was one that was under way.
    pub(super) fn came(&mut self, client: usize) -> bool {
        let Some(due) = self.due[client].pop_front() else {
            self.unexpected += 1;
            return false;
        };
        self.under_way -= 1;
        self.received += 1;
        self.kind.received(1);
        self.kind.took_since(due);
        true
    }

    /// Messages that were under way and have come.
    pub(super) fn received(&self) -> u64 {
        self.received
    }

    /// Messages that have not come.
    pub(super) fn under_way(&self) -> usize {
        self.under_way
    }

    /// What is left in the end.
    pub(super) fn remainder(&self) -> Remainder {
        Remainder {
            missing: self.under_way as u64,
            unexpected: self.unexpected,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use crate::meter::Meter;

    #[test]
    fn what_comes_is_the_oldest_under_way() {
        let mut arrivals = Arrivals::new(2, Meter::default().kind("message"));
        let early = clock::now();
        arrivals.expect(0, early, 1);
        arrivals.expect(0, clock::now(), 2);
        assert!(!arrivals.came(1));
        assert!(arrivals.came(0));
        assert!(arrivals.due[0].iter().all(|due| early < *due));
        assert_eq!((arrivals.received(), arrivals.under_way()), (1, 2));
        let mut remainder = arrivals.remainder();
        remainder.merge(remainder);
        assert_eq!((remainder.missing, remainder.unexpected), (4, 2));
    }

    #[test]
    fn a_run_without_a_remainder_is_objected_to_only_if_nothing_came() {
        let mut remainder = Remainder::default();
        assert_eq!(remainder.objection(1), None);
        assert!(remainder.objection(0).is_some());
        remainder.missing = 1;
        assert!(
            remainder
                .objection(5)
                .unwrap()
                .contains("1 messages never came")
        );
    }
}
