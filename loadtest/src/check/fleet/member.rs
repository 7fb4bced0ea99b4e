//! One client's connection: where it is, and when and where it is tried again.

use std::time::{Duration, Instant};

use crate::rng::Rng;

/// First pause before reconnecting, of which a random part is waited.
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// Longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// How the connection stands.
#[derive(Clone, Copy, Debug)]
pub(super) enum Link {
    /// There is none until then.
    Down {
        /// When to try.
        retry: Instant,
    },
    /// The upgrade is under way.
    Opening {
        /// Since when.
        since: Instant,
    },
    /// It is there.
    Open,
}

/// One client.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) link: Link,
    /// The node that it is at, or tries next.
    pub(super) node: usize,
    home: usize,
    /// Ends in a row without a connection in between.
    failures: u32,
}

impl Member {
    pub(super) fn new(home: usize, now: Instant) -> Self {
        Self {
            link: Link::Down { retry: now },
            node: home,
            home,
            failures: 0,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.link, Link::Open)
    }

    /// Whether it is at another node than the one that it began at.
    pub(super) fn is_away(&self) -> bool {
        self.node != self.home
    }

    pub(super) fn open(&mut self) {
        self.link = Link::Open;
        self.failures = 0;
    }

    /// The connection has ended: the node `step` further on is tried after a pause.
    pub(super) fn end(&mut self, now: Instant, step: usize, nodes: usize, rng: &mut Rng) {
        self.node = (self.node + step) % nodes;
        let longest = PAUSE_MAX.min(PAUSE_MIN * 2_u32.pow(self.failures.min(8)));
        self.failures += 1;
        // Half of it at random: those who were cut off together do not come back together.
        let retry = now + rng.between(longest / 2, longest);
        self.link = Link::Down { retry };
    }

    /// Its own node is tried, at once.
    pub(super) fn go_home(&mut self, now: Instant) {
        self.node = self.home;
        self.failures = 0;
        self.link = Link::Down { retry: now };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_nodes_take_turns() {
        let now = crate::clock::now();
        let mut rng = Rng::new(1);
        let mut member = Member::new(2, now);
        let mut longest = PAUSE_MIN;
        for node in [0, 1, 2, 0, 1, 2, 0] {
            member.end(now, 1, 3, &mut rng);
            assert_eq!(member.node, node);
            let Link::Down { retry } = member.link else {
                panic!("{member:?}");
            };
            assert!((longest / 2..=longest).contains(&(retry - now)));
            longest = PAUSE_MAX.min(longest * 2);
        }
        assert!(member.is_away());
        member.go_home(now);
        assert!(!member.is_away() && !member.is_open());
    }
}
