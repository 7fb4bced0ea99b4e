//! What a node counts about live rooms.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::Count;

/// What the stage counts.
#[derive(Debug)]
pub struct LiveStats {
    /// Calls of the gateway's own methods, by [`LiveOutcome`] in the order of [`LiveOutcome::ALL`].
    pub calls: [Count; LiveOutcome::ALL.len()],
    /// What was said and found no room on its way.
    pub unrouted: Count,
    /// The second of uptime in which a failure was warned of last.
    warned: AtomicU64,
}

/// What became of a call of one of the gateway's own methods.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LiveOutcome {
    /// It was done.
    Done,
    /// Something that it needs was away.
    Failed,
    /// There is no such method.
    Missing,
    /// The client may not do it, or not so.
    Refused,
}

impl Default for LiveStats {
    fn default() -> Self {
        Self {
            calls: Default::default(),
            unrouted: Count::default(),
            warned: AtomicU64::new(u64::MAX),
        }
    }
}

impl LiveStats {
    /// Warns once a second at most, of this second of uptime: with a store that is away all calls fail.
    pub fn warn(&self, second: u64, warn: impl FnOnce()) {
        if self.warned.swap(second, Relaxed) != second {
            warn();
        }
    }
}

impl LiveOutcome {
    /// Every outcome, in the order of the variants.
    pub const ALL: [Self; 4] = [Self::Done, Self::Failed, Self::Missing, Self::Refused];

    /// Metric label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Missing => "missing",
            Self::Refused => "refused",
        }
    }
}
