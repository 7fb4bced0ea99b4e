//! What a node counts about messages on their way to the database.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use super::Count;

/// What the archiver counts.
#[derive(Debug, Default)]
pub struct ArchiveStats {
    /// Messages that this node has moved to the database.
    pub stored: Count,
    /// Messages that no database takes.
    pub dead: Count,
    /// Messages that were taken over from older chat servers.
    pub drained: Count,
    /// Calls of the database or of Redis that failed.
    pub errors: Count,
    entries: AtomicU64,
    lag_ms: AtomicU64,
}

// === impl ArchiveStats ===

impl ArchiveStats {
    /// Takes note of how many messages of the cluster are in no database, and how old the oldest one is.
    pub fn set_waiting(&self, entries: u64, oldest: Duration) {
        let ms = u64::try_from(oldest.as_millis()).unwrap_or(u64::MAX);
        self.entries.store(entries, Relaxed);
        self.lag_ms.store(ms, Relaxed);
    }

    /// Messages that were in no database when it was last looked.
    pub fn entries(&self) -> u64 {
        self.entries.load(Relaxed)
    }

    /// How old the oldest one of them was.
    pub fn lag(&self) -> Duration {
        Duration::from_millis(self.lag_ms.load(Relaxed))
    }
}
