//! What a node counts about pushes that come through a queue.

use super::Count;

/// What ingest counts.
#[derive(Debug, Default)]
pub struct IngestStats {
    /// Entries that were published.
    pub done: Count,
    /// Entries that nothing can be done with.
    pub dead: Count,
    /// Times an entry found no room, and was left for later.
    pub busy: Count,
    /// Calls of the queue that failed.
    pub errors: Count,
}
