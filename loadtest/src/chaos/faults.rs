//! What can be done to a cluster, and the choice of it. Pure: the same seed gives the same faults.

use std::fmt;
use std::time::Duration;

use crate::rng::Rng;

/// Longest time that a node stands still: longer than its lease.
const NODE_FREEZE_MAX: Duration = Duration::from_secs(8);
/// Longest time that Redis stands still.
const REDIS_FREEZE_MAX: Duration = Duration::from_secs(10);
/// Shortest time that anything stands still.
const FREEZE_MIN: Duration = Duration::from_secs(1);

/// One fault, and its repair.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fault {
    /// A node is killed, and started again at once under its name.
    Kill {
        /// Which one.
        node: usize,
    },
    /// A node is told to stop, and started again when it has.
    Drain {
        /// Which one.
        node: usize,
    },
    /// A node stands still for a while.
    Freeze {
        /// Which one.
        node: usize,
        /// How long.
        time: Duration,
    },
    /// Redis stands still for a while.
    RedisFreeze {
        /// How long.
        time: Duration,
    },
    /// Redis is killed, and started again with nothing in it.
    RedisRestart,
}

/// A short run that has the three kinds of loss in it: a process, time, and data.
pub(super) const SMOKE: [Fault; 3] = [
    Fault::Kill { node: 0 },
    Fault::Freeze {
        node: 1,
        time: Duration::from_secs(4),
    },
    Fault::RedisRestart,
];

impl Fault {
    /// The next fault for a cluster of so many nodes.
    pub(super) fn draw(rng: &mut Rng, nodes: usize) -> Self {
        let kind = rng.below(5);
        let node = rng.below(nodes);
        match kind {
            0 => Self::Kill { node },
            1 => Self::Drain { node },
            2 => Self::Freeze {
                node,
                time: rng.between(FREEZE_MIN, NODE_FREEZE_MAX),
            },
            3 => Self::RedisFreeze {
                time: rng.between(FREEZE_MIN, REDIS_FREEZE_MAX),
            },
            _ => Self::RedisRestart,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill { node } => write!(f, "kill node {node}"),
            Self::Drain { node } => write!(f, "drain node {node}"),
            Self::Freeze { node, time } => write!(f, "freeze node {node} for {time:?}"),
            Self::RedisFreeze { time } => write!(f, "freeze Redis for {time:?}"),
            Self::RedisRestart => write!(f, "restart Redis empty"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(seed: u64, count: usize) -> Vec<Fault> {
        let mut rng = Rng::new(seed);
        (0..count).map(|_| Fault::draw(&mut rng, 3)).collect()
    }

    #[test]
    fn a_seed_is_a_story() {
        assert_eq!(draw(1, 50), draw(1, 50));
        assert_ne!(draw(1, 50), draw(2, 50));
    }

    #[test]
    fn everything_happens_and_within_bounds() {
        let faults = draw(3, 200);
        let kinds: std::collections::HashSet<_> =
            faults.iter().map(std::mem::discriminant).collect();
        assert_eq!(kinds.len(), 5);
        for fault in faults {
            match fault {
                Fault::Kill { node } | Fault::Drain { node } => assert!(node < 3),
                Fault::Freeze { node, time } => {
                    assert!(node < 3 && (FREEZE_MIN..=NODE_FREEZE_MAX).contains(&time));
                }
                Fault::RedisFreeze { time } => {
                    assert!((FREEZE_MIN..=REDIS_FREEZE_MAX).contains(&time));
                }
                Fault::RedisRestart => {}
            }
        }
    }
}
