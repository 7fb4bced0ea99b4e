//! Inquiries: what this member answers about its own sessions, whoever asks.

use std::{net::SocketAddr, sync::Arc};

use super::{Router, subscriber::Subscriber};
use crate::{
    close::CloseReason,
    dialect::Now,
    peer::{NodeInfo, SessionInfo},
    topic::Topic,
};

impl Router {
    /// This member as it stands alone: at `address`, in `state`, with nothing in an inbox.
    pub fn describe_node(&self, address: SocketAddr, state: &str) -> NodeInfo {
        NodeInfo {
            member: self.member(),
            address: address.to_string().into(),
            sessions: self.sessions() as u64,
            lag: 0,
            state: state.into(),
        }
    }

    /// Up to `max` of the local sessions that a topic reaches, described.
    pub fn describe_members(&self, topic: &Topic, max: usize, now: Now) -> Vec<SessionInfo> {
        let members = self.members(topic, max);
        members
            .iter()
            .map(|subscriber| self.describe(subscriber, now))
            .collect()
    }

    /// Ends the local sessions that a topic reaches, and says how many. One that ends already is as
    /// good as gone.
    pub fn kick(&self, topic: &Topic, reason: Option<&str>) -> usize {
        let members = self.members(topic, usize::MAX);
        let ended = members.iter().filter(|subscriber| {
            let is_first = subscriber.close(CloseReason::Kicked);
            if is_first {
                let session = self.session_id(subscriber.serial);
                tracing::info!(%session, reason, "session kicked");
            }
            is_first
        });
        ended.count()
    }

    fn describe(&self, subscriber: &Arc<Subscriber>, now: Now) -> SessionInfo {
        let idle_seconds = match u64::from(subscriber.seen()) {
            // Its client has not said anything since the upgrade.
            0 => now.unix_ms.saturating_sub(subscriber.since_ms) / 1000,
            deciseconds => now.uptime.as_secs().saturating_sub(deciseconds / 10),
        };
        SessionInfo {
            id: self.session_id(subscriber.serial),
            dialect: subscriber.dialect_id(),
            user: subscriber.user().cloned(),
            remote: subscriber.remote,
            since: subscriber.since_ms / 1000,
            idle_seconds,
        }
    }
}
