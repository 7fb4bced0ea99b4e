//! What a node tells of itself: how much it may take, and what became of its configuration.

use super::{Count, Gauge};

/// Bounds that are in use, so that alerts can tell how near they are, and reloads.
#[derive(Debug, Default)]
pub struct NodeStats {
    /// Most sessions.
    pub connections_max: Gauge,
    /// Most bytes that wait in all outboxes together.
    pub outboxes_bytes_max: Gauge,
    /// When the first certificate of the public listeners expires, in Unix seconds; 0 without TLS.
    pub certificate_expires_s: Gauge,
    /// 1 while the configuration could not be read again the last time.
    pub outdated: Gauge,
    /// Times the configuration was read again and is in use.
    pub reloads_applied: Count,
    /// Times it was read again and had mistakes, which changed nothing.
    pub reloads_failed: Count,
}
