//! What a node counts about chat.

use super::{Count, Durations};

/// What the desk counts.
#[derive(Debug, Default)]
pub struct ChatStats {
    /// Messages, by [`ChatOutcome`] in the order of [`ChatOutcome::ALL`].
    pub messages: [Count; ChatOutcome::ALL.len()],
    /// From a client's message to what says that it is kept and on its way.
    pub acknowledged: Durations,
    /// Other calls that came to nothing, for want of a service.
    pub failed: Count,
}

/// What became of a chat message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ChatOutcome {
    /// It is kept, on its way, and acknowledged.
    Kept,
    /// The receiver is none of the sender's friends.
    NotFriends,
    /// It could not be kept.
    Refused,
    /// It was kept before; it is on its way again, and acknowledged.
    Repeated,
    /// It is kept, but found no room on its way; not acknowledged.
    Unrouted,
}

impl ChatOutcome {
    /// Every outcome, in the order of the variants.
    pub const ALL: [Self; 5] = [
        Self::Kept,
        Self::NotFriends,
        Self::Refused,
        Self::Repeated,
        Self::Unrouted,
    ];

    /// Metric label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::NotFriends => "not_friends",
            Self::Refused => "refused",
            Self::Repeated => "repeated",
            Self::Unrouted => "unrouted",
        }
    }
}

impl ChatStats {
    /// Counts messages.
    pub fn count(&self, outcome: ChatOutcome, messages: usize) {
        self.messages[outcome as usize].add(messages as u64);
    }
}
