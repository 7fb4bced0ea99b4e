//! Why a session ended.
//!
//! Every path that ends a session names one [`CloseReason`]; the first one wins. The reason fixes
//! what the client sees, whether queued frames are still written, the metric label and the log
//! level.
//!
//! **Invariant:** no other module invents a close code. A dialect may replace the [`CloseForm`] of a
//! reason by another one, since its clients may expect their own.

/// The label of the end of a session whose node has died: there was nobody to give it a reason.
pub const NODE_DIED: &str = "node_died";

/// The single reason a session ended.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum CloseReason {
    /// The credentials were refused.
    AuthFailed,
    /// No credentials came in time.
    AuthTimeout,
    /// A service that decides about the login did not answer.
    AuthUnavailable,
    /// The client said goodbye with a Close frame.
    ClientClosed,
    /// The connection ended without a Close frame.
    ClientGone,
    /// The node is going away; any other node will do.
    Draining,
    /// The other nodes have declared this one dead; it begins a new life.
    Fenced,
    /// The client wanted what it may not.
    Forbidden,
    /// The client did not answer the dialect's own pings.
    HeartbeatLost,
    /// No complete frame within the idle limit.
    Idle,
    /// A text message was not UTF-8.
    InvalidUtf8,
    /// Removed by an operator or an application.
    Kicked,
    /// The client asked to be logged out in the words of its dialect.
    LoggedOut,
    /// A message was not complete in time.
    MessageTimeout,
    /// A message was over the limit.
    MessageTooBig,
    /// What the client publishes found no room for too long.
    Overloaded,
    /// The WebSocket protocol was broken.
    ProtocolError,
    /// The client did not take its messages fast enough.
    SlowConsumer,
    /// A newer session of the same client took its place.
    Superseded,
    /// The client asked for more topics than a session may have.
    TooManyTopics,
    /// The socket failed.
    TransportError,
    /// The client broke a rule of its dialect.
    Violation,
}

/// What the client sees of a close.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CloseForm {
    /// A Close frame with this code and the reason's text.
    Code(u16),
    /// A Close frame without a code: the client sees 1005.
    Empty,
    /// No Close frame: the client sees 1006.
    None,
}

// === impl CloseReason ===

impl CloseReason {
    /// Every reason, for metrics that are exported from the start.
    pub const ALL: [Self; 22] = [
        Self::AuthFailed,
        Self::AuthTimeout,
        Self::AuthUnavailable,
        Self::ClientClosed,
        Self::ClientGone,
        Self::Draining,
        Self::Fenced,
        Self::Forbidden,
        Self::HeartbeatLost,
        Self::Idle,
        Self::InvalidUtf8,
        Self::Kicked,
        Self::LoggedOut,
        Self::MessageTimeout,
        Self::MessageTooBig,
        Self::Overloaded,
        Self::ProtocolError,
        Self::SlowConsumer,
        Self::Superseded,
        Self::TooManyTopics,
        Self::TransportError,
        Self::Violation,
    ];

    /// What a client sees unless its dialect says otherwise. Codes of RFC 6455, section 7.4.1, and of
    /// the registry it founds: 1012 invites to reconnect, 1013 to reconnect later.
    pub const fn form(self) -> CloseForm {
        match self {
            Self::ClientGone | Self::TransportError => CloseForm::None,
            Self::ClientClosed | Self::Idle | Self::LoggedOut => CloseForm::Code(1000),
            Self::ProtocolError => CloseForm::Code(1002),
            Self::InvalidUtf8 => CloseForm::Code(1007),
            Self::MessageTooBig => CloseForm::Code(1009),
            Self::Draining | Self::Fenced => CloseForm::Code(1012),
            Self::AuthUnavailable | Self::Overloaded | Self::SlowConsumer => CloseForm::Code(1013),
            Self::AuthFailed
            | Self::AuthTimeout
            | Self::Forbidden
            | Self::HeartbeatLost
            | Self::Kicked
            | Self::MessageTimeout
            | Self::Superseded
            | Self::TooManyTopics
            | Self::Violation => CloseForm::Code(1008),
        }
    }

    /// Metric label, and the text in the Close frame. Stable: dashboards and alerts are written
    /// against it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::AuthFailed => "auth_failed",
            Self::AuthTimeout => "auth_timeout",
            Self::AuthUnavailable => "auth_unavailable",
            Self::ClientClosed => "client_closed",
            Self::ClientGone => "client_gone",
            Self::Draining => "draining",
            Self::Fenced => "fenced",
            Self::Forbidden => "forbidden",
            Self::HeartbeatLost => "heartbeat_lost",
            Self::Idle => "idle",
            Self::InvalidUtf8 => "invalid_utf8",
            Self::Kicked => "kicked",
            Self::LoggedOut => "logged_out",
            Self::MessageTimeout => "message_timeout",
            Self::MessageTooBig => "message_too_big",
            Self::Overloaded => "overloaded",
            Self::ProtocolError => "protocol_error",
            Self::SlowConsumer => "slow_consumer",
            Self::Superseded => "superseded",
            Self::TooManyTopics => "too_many_topics",
            Self::TransportError => "transport_error",
            Self::Violation => "violation",
        }
    }

    /// Whether frames already queued are written before the Close frame.
    ///
    /// Not for a slow consumer, whose queue is the problem.
    pub const fn flushes_outbox(self) -> bool {
        !matches!(
            self,
            Self::ClientGone | Self::SlowConsumer | Self::TransportError
        )
    }

    /// Whether the client can be expected to answer the Close, and the answer be read.
    pub const fn awaits_answer(self) -> bool {
        !matches!(
            self,
            Self::ClientClosed
                | Self::ClientGone
                | Self::InvalidUtf8
                | Self::MessageTooBig
                | Self::ProtocolError
                | Self::TransportError
        )
    }

    /// Whether an operator wants to read of a single such end. The others are everyday life, and
    /// logged as `debug`.
    pub const fn is_notable(self) -> bool {
        matches!(
            self,
            Self::AuthUnavailable | Self::Overloaded | Self::SlowConsumer
        )
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_reason_is_listed_once_under_its_own_label() {
        let labels: HashSet<_> = CloseReason::ALL
            .iter()
            .map(|reason| reason.label())
            .collect();
        assert_eq!(labels.len(), CloseReason::ALL.len());
    }

    #[test]
    fn codes_are_ones_that_may_stand_on_the_wire() {
        for reason in CloseReason::ALL {
            if let CloseForm::Code(code) = reason.form() {
                assert!([1000, 1002, 1007, 1008, 1009, 1012, 1013].contains(&code));
            }
        }
    }

    #[test]
    fn a_slow_consumer_is_not_sent_what_it_did_not_take() {
        assert!(!CloseReason::SlowConsumer.flushes_outbox());
        assert!(CloseReason::Draining.flushes_outbox());
    }
}
