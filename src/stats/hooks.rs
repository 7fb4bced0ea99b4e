//! What a node counts about webhooks.

use super::{Count, Durations};

/// What webhooks count. What was kept = delivered + dead + gone + what waits, but for what a node has
/// taken over, or had kept before a restart.
#[derive(Debug, Default)]
pub struct HooksStats {
    /// Kept for an endpoint, once for each; taken back from the dead, too.
    pub kept: Count,
    /// Endpoints that were told.
    pub delivered: Count,
    /// Attempts that failed, and are followed by another one.
    pub retried: Count,
    /// Given up.
    pub dead: Count,
    /// Not there any more when their turn came: another node has taken them over, or Redis has lost them.
    pub gone: Count,
    /// Not kept, by [`HookDrop`] in the order of [`HookDrop::ALL`].
    pub dropped: [Count; HookDrop::ALL.len()],
    /// Calls of Redis or of the database that failed.
    pub errors: Count,
    /// Time of an attempt, failed ones included.
    pub attempt: Durations,
}

/// Why something is not kept for an endpoint.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HookDrop {
    /// Too much waits already.
    Backlog,
}

impl HookDrop {
    /// Every reason.
    pub const ALL: [Self; 1] = [Self::Backlog];

    /// Name in metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Backlog => "backlog",
        }
    }
}
