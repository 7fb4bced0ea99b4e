//! What a node counts about jobs and schedules.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use super::{Count, Durations};

/// What the workers of a node count, and what they have seen of all nodes' jobs.
#[derive(Debug, Default)]
pub struct JobStats {
    /// Jobs that were added on this node.
    pub added: Count,
    /// Jobs that were done.
    pub done: Count,
    /// Attempts that failed, and will be made again.
    pub failed: Count,
    /// Jobs that nobody tries any more.
    pub dead: Count,
    /// Jobs that somebody else has taken while this node worked on them.
    pub lost: Count,
    /// Jobs that were given back since the node went.
    pub given_back: Count,
    /// Calls of whoever keeps jobs that failed.
    pub errors: Count,
    /// Time of the calls of services.
    pub calls: Durations,
    /// Jobs that this node works on.
    pub running: Gauge,
    /// Jobs of all nodes that are neither done nor dead.
    pub open: Gauge,
    /// Dead jobs of all nodes.
    pub buried: Gauge,
    /// Age of the oldest open one, in milliseconds.
    pub oldest_ms: Gauge,
}

/// What comes of schedules on a node.
#[derive(Debug, Default)]
pub struct ScheduleStats {
    /// Occurrences that were fired in time.
    pub fired: Count,
    /// Occurrences that were fired late.
    pub late: Count,
    /// Occurrences that were passed over, since they were too late.
    pub skipped: Count,
    /// Occurrences that could not become a job.
    pub refused: Count,
    /// Calls of whoever keeps schedules that failed.
    pub errors: Count,
}

/// A number that comes and goes.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

// === impl Gauge ===

impl Gauge {
    /// Adds.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Relaxed);
    }

    /// Takes away what was added.
    pub fn take(&self, less: u64) {
        self.0.fetch_sub(less, Relaxed);
    }

    /// Is this from now on.
    pub fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }

    /// The number.
    pub fn load(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

// === impl JobStats ===

impl JobStats {
    /// Age of the oldest open job.
    pub fn oldest(&self) -> Duration {
        Duration::from_millis(self.oldest_ms.load())
    }
}
