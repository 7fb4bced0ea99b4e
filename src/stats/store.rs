//! What a node counts about stored messages.

use super::Count;

/// What is counted while old messages are removed.
#[derive(Debug, Default)]
pub struct RetentionStats {
    /// Messages that were removed.
    pub removed: Count,
    /// Calls of the store that failed.
    pub errors: Count,
}
