//! What a node counts on its way of messages and connections.
//!
//! Plain atomics that hardly anybody else writes to; whoever renders the metrics adds them up. A
//! shared metric handle costs ten times as much when two shards use it.

mod archive;
mod bridge;
mod chat;
mod cluster;
mod edges;
mod hooks;
mod ingest;
mod jobs;
mod live;
mod mail;
mod methods;
mod node;
mod reception;
mod store;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

pub use archive::ArchiveStats;
pub use bridge::BridgeStats;
pub use chat::{ChatOutcome, ChatStats};
pub use cluster::{ClusterStats, LostReason};
pub use edges::{
    ApiOutcome, ApiStats, AuthStats, DecidingStats, HookOutcome, HookStats, LoginOutcome,
    TokenOutcome,
};
pub use hooks::{HookDrop, HooksStats};
pub use ingest::IngestStats;
pub use jobs::{Gauge, JobStats, ScheduleStats};
pub use live::{LiveOutcome, LiveStats};
pub use mail::MailStats;
pub use methods::{BreakerPhase, MethodOutcome, MethodStats, ServiceStats};
pub use node::NodeStats;
pub use reception::ReceptionStats;
pub use store::RetentionStats;

use crate::{close::CloseReason, dialect::DialectId, topic::TopicKind};

/// One number that only grows.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

/// A distribution of durations: counts per bucket, and their sum.
#[derive(Debug, Default)]
pub struct Durations {
    buckets: [Count; Self::BOUNDS_US.len() + 1],
    sum_us: Count,
}

/// What one shard counts. Aligned, so that two shards never write to one cache line.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct ShardStats {
    /// By dialect.
    pub dialects: [DialectStats; DialectId::ALL.len()],
    /// Messages that took the place of a waiting one.
    pub conflated: Count,
    /// Messages that expired before they were put into outboxes.
    pub expired: Count,
    /// Frames given to sessions by the router.
    pub deliveries: Count,
    /// From a publish to the turn in which its last subscriber of the shard was written to.
    pub delivery: Durations,
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
    /// Sessions that began.
    pub opened: Count,
    /// Sessions that ended, by [`CloseReason`] in the order of [`CloseReason::ALL`].
    pub closed: [Count; CloseReason::ALL.len()],
    /// Times a session was not read for a while, since it was over its rate.
    pub throttled: Count,
    /// Method calls refused, since the session had too many under way.
    pub calls_refused: Count,
    /// Answers to method calls whose session had ended.
    pub answers_dropped: Count,
}

/// What the router counts beside its shards.
#[derive(Debug, Default)]
pub struct RouterStats {
    /// Messages published on this node, by kind of topic.
    pub published: [Count; TopicKind::ALL.len()],
    /// Messages to a user or session that nobody is.
    pub undeliverable: Count,
    /// Publishes refused for want of room.
    pub busy: Count,
    /// Messages of other members that had expired when they came.
    pub expired: Count,
    /// Retained messages that had to give way before their time.
    pub retained_evicted: Count,
}

/// What the public listeners count.
#[derive(Debug, Default)]
pub struct IngressStats {
    /// Connections accepted.
    pub accepted: Count,
    /// Errors of accepting, for example for want of open files.
    pub accept_errors: Count,
    /// Upgrades that became sessions.
    pub upgraded: Count,
    /// Connections and requests refused, by [`RejectReason`] in the order of [`RejectReason::ALL`].
    pub rejected: [Count; RejectReason::ALL.len()],
    /// Time from a connection to its upgrade.
    pub handshake: Durations,
}

/// Why a connection did not become a session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RejectReason {
    /// Too many connections of one address.
    AddressLimit,
    /// The request is not HTTP, or no valid upgrade.
    BadRequest,
    /// Too many connections.
    ConnectionLimit,
    /// The dialect refused the upgrade.
    Dialect,
    /// The node is going away, or begins a new life.
    Draining,
    /// Too many handshakes at a time or per second.
    HandshakeLimit,
    /// The origin is not on the list.
    Origin,
    /// The PROXY header is missing or malformed.
    ProxyHeader,
    /// The handshake took too long.
    Timeout,
    /// The TLS handshake failed.
    Tls,
    /// No dialect at this path.
    UnknownPath,
    /// No upgrade on a dialect's path.
    UpgradeRequired,
}

// === impl Count ===

impl Count {
    /// Adds.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Relaxed);
    }

    /// Adds, where only one thread ever does: a fraction of the price.
    pub fn add_alone(&self, more: u64) {
        self.0.store(self.0.load(Relaxed) + more, Relaxed);
    }

    /// The number.
    pub fn load(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

// === impl Durations ===

impl Durations {
    /// Upper bounds of the buckets, in microseconds: from a loopback's round trip to what a person
    /// notices.
    pub const BOUNDS_US: [u64; 14] = [
        100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
        1_000_000, 5_000_000,
    ];

    /// Counts one duration.
    pub fn record(&self, duration: std::time::Duration) {
        let us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let bucket = Self::BOUNDS_US.partition_point(|bound| *bound < us);
        self.buckets[bucket].add(1);
        self.sum_us.add(us);
    }

    /// Counts per bucket, not cumulated; the last one is over all bounds.
    pub fn buckets(&self) -> [u64; Self::BOUNDS_US.len() + 1] {
        std::array::from_fn(|index| self.buckets[index].load())
    }

    /// Sum of all durations, in microseconds.
    pub fn sum_us(&self) -> u64 {
        self.sum_us.load()
    }
}

// === impl ShardStats ===

impl ShardStats {
    /// Counts one write. For the shard's own thread alone.
    pub fn written(&self, dialect: DialectId, bytes: usize, frames: u32) {
        let dialect = &self.dialects[dialect.index()];
        dialect.bytes_out.add_alone(bytes as u64);
        dialect.messages_out.add_alone(u64::from(frames));
        self.writes.add_alone(1);
    }

    /// What it counts for one dialect.
    pub fn dialect(&self, dialect: DialectId) -> &DialectStats {
        &self.dialects[dialect.index()]
    }
}

// === impl DialectStats ===

impl DialectStats {
    /// Sessions that began and have not ended.
    pub fn open(&self) -> u64 {
        // What was closed is read first, so that nothing is closed that was not opened.
        let closed: u64 = self.closed.iter().map(Count::load).sum();
        self.opened.load().saturating_sub(closed)
    }
}

// === impl RejectReason ===

impl RejectReason {
    /// Every reason, in the order of the variants.
    pub const ALL: [Self; 12] = [
        Self::AddressLimit,
        Self::BadRequest,
        Self::ConnectionLimit,
        Self::Dialect,
        Self::Draining,
        Self::HandshakeLimit,
        Self::Origin,
        Self::ProxyHeader,
        Self::Timeout,
        Self::Tls,
        Self::UnknownPath,
        Self::UpgradeRequired,
    ];

    /// Metric label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::AddressLimit => "address_limit",
            Self::BadRequest => "bad_request",
            Self::ConnectionLimit => "connection_limit",
            Self::Dialect => "dialect",
            Self::Draining => "draining",
            Self::HandshakeLimit => "handshake_limit",
            Self::Origin => "origin",
            Self::ProxyHeader => "proxy_header",
            Self::Timeout => "timeout",
            Self::Tls => "tls",
            Self::UnknownPath => "unknown_path",
            Self::UpgradeRequired => "upgrade_required",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn reasons_stand_at_their_own_position() {
        for (index, reason) in RejectReason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index);
        }
        for (index, reason) in CloseReason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index);
        }
    }

    #[test]
    fn a_duration_counts_in_the_first_bucket_that_holds_it() {
        let durations = Durations::default();
        durations.record(Duration::from_micros(100));
        durations.record(Duration::from_micros(101));
        durations.record(Duration::from_secs(60));
        let buckets = durations.buckets();
        assert_eq!((buckets[0], buckets[1], buckets[14]), (1, 1, 1));
        assert_eq!(durations.sum_us(), 60_000_201);
    }
}
