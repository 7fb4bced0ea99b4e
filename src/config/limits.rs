//! The bound on everything a client can make grow.

use std::time::Duration;

use super::visit::{Section, Visitor};
use crate::topic::ROOM_CHARS_MAX;

/// `[limits]`. All of them can change while the node runs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Limits {
    /// A session without a complete frame from its client for this long ends. One minute is what
    /// the proxies in front of the original systems allowed.
    pub idle: Duration,
    /// Longest message of a client, joined from its fragments. 64 KiB: chat and positions need
    /// less than 2 KiB.
    pub message_bytes_max: usize,
    /// A message must be complete this long after its first byte.
    pub message_timeout: Duration,
    /// Most bytes that may wait for one session before it is a slow consumer. 256 KiB: several of
    /// the longest messages.
    pub outbox_bytes_max: usize,
    /// Most bytes that may wait for all sessions of the node together. 1 GiB: at 100,000 sessions
    /// 10 KiB each, so that a stalled network cannot take the machine with it.
    pub outboxes_bytes_max: usize,
    /// Most connections of the node.
    pub connections_max: usize,
    /// Most connections from one client address; 0: no limit, since operators of mobile networks
    /// put thousands of phones behind one address.
    pub connections_per_address_max: usize,
    /// Most upgrades begun per second; 0: no limit.
    pub handshakes_per_second: u32,
    /// Most connections that have not finished their upgrade. As many as the kernel queues.
    pub handshakes_pending_max: usize,
    /// An upgrade, TLS included, must be through this long after the connection.
    pub handshake_timeout: Duration,
    /// Longest request line and headers of an upgrade. Tokens travel in both.
    pub header_bytes_max: usize,
    /// Most messages of one session per second, on average; 0: no limit.
    pub messages_per_second: u32,
    /// Most messages of one session at once; absent: one second's worth.
    pub messages_burst: Option<u32>,
    /// Most topics that one session may be subscribed to.
    pub topics_per_session_max: usize,
    /// Most method calls of one session under way; more are refused at once. A page that asks for all
    /// it shows has a handful.
    pub calls_per_session_max: u16,
    /// Most bytes that may wait for other nodes.
    pub uplink_bytes_max: usize,
    /// Most rows of one page of history.
    pub history_page_max: usize,
    /// Longest room name, in characters.
    pub room_chars_max: usize,
}

impl Limits {
    /// Most messages of one session at once; 0: no limit.
    pub fn burst(&self) -> u32 {
        self.messages_burst.unwrap_or(self.messages_per_second)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(60),
            message_bytes_max: 64 * 1024,
            message_timeout: Duration::from_secs(10),
            outbox_bytes_max: 256 * 1024,
            outboxes_bytes_max: 1024 * 1024 * 1024,
            connections_max: 100_000,
            connections_per_address_max: 0,
            handshakes_per_second: 0,
            handshakes_pending_max: 4096,
            handshake_timeout: Duration::from_secs(5),
            header_bytes_max: 8 * 1024,
            messages_per_second: 0,
            messages_burst: None,
            topics_per_session_max: 128,
            calls_per_session_max: 8,
            uplink_bytes_max: 64 * 1024 * 1024,
            history_page_max: 100,
            room_chars_max: ROOM_CHARS_MAX,
        }
    }
}

impl Section for Limits {
    fn visit(&mut self, visitor: &mut dyn Visitor) {
        visitor.setting("idle", &mut self.idle);
        visitor.setting("message_bytes_max", &mut self.message_bytes_max);
        visitor.setting("message_timeout", &mut self.message_timeout);
        visitor.setting("outbox_bytes_max", &mut self.outbox_bytes_max);
        visitor.setting("outboxes_bytes_max", &mut self.outboxes_bytes_max);
        visitor.setting("connections_max", &mut self.connections_max);
        visitor.setting(
            "connections_per_address_max",
            &mut self.connections_per_address_max,
        );
        visitor.setting("handshakes_per_second", &mut self.handshakes_per_second);
        visitor.setting("handshakes_pending_max", &mut self.handshakes_pending_max);
        visitor.setting("handshake_timeout", &mut self.handshake_timeout);
        visitor.setting("header_bytes_max", &mut self.header_bytes_max);
        visitor.setting("messages_per_second", &mut self.messages_per_second);
        visitor.setting("messages_burst", &mut self.messages_burst);
        visitor.setting("topics_per_session_max", &mut self.topics_per_session_max);
        visitor.setting("calls_per_session_max", &mut self.calls_per_session_max);
        visitor.setting("uplink_bytes_max", &mut self.uplink_bytes_max);
        visitor.setting("history_page_max", &mut self.history_page_max);
        visitor.setting("room_chars_max", &mut self.room_chars_max);
    }
}
