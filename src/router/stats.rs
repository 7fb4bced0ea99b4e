//! What a shard counts on the hot path.
//!
//! Plain atomics that hardly anybody else writes to; whoever renders the metrics adds them up over
//! the shards. A shared metric handle costs ten times as much when two shards use it.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::dialect::DialectId;

/// One number that only grows.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

/// What one shard counts. Aligned, so that two shards never write to one cache line.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct ShardStats {
    /// By dialect.
    pub dialects: [DialectStats; DialectId::ALL.len()],
    /// Messages that took the place of a waiting one.
    pub conflated: Count,
    /// Frames put into outboxes by the router.
    pub deliveries: Count,
    /// Calls of the system that wrote.
    pub writes: Count,
}

/// What one shard counts for one dialect.
#[derive(Debug, Default)]
pub struct DialectStats {
    /// Messages of clients.
    pub messages_in: Count,
    /// Bytes read from clients.
    pub bytes_in: Count,
    /// Data frames that are whole on the wire.
    pub messages_out: Count,
    /// Bytes written to clients.
    pub bytes_out: Count,
}

// === impl Count ===

impl Count {
    /// Adds.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Relaxed);
    }

    /// The number.
    pub fn load(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

// === impl ShardStats ===

impl ShardStats {
    /// Counts one write.
    pub fn written(&self, dialect: DialectId, bytes: usize, frames: u32) {
        let dialect = &self.dialects[dialect.index()];
        dialect.bytes_out.add(bytes as u64);
        dialect.messages_out.add(u64::from(frames));
        self.writes.add(1);
    }

    /// Counts one read.
    pub fn read(&self, dialect: DialectId, bytes: usize) {
        self.dialects[dialect.index()].bytes_in.add(bytes as u64);
    }
}
