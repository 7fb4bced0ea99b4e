//! The bridge of the original `ride` system, and what is said there.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{identity::Identity, member::Membership, settings};
use crate::{
    cluster::bridge::{self, Parts, Read},
    config::Config,
    dialect::ride::Ride,
    message::Message,
    session,
    stats::BridgeStats,
};

/// Reads payloads as the bridge of the original does.
#[derive(Debug)]
struct Reader {
    ride: Ride,
    /// A payload is no longer than a message of a client.
    limits: Arc<ArcSwap<session::Settings>>,
}

/// A bridge that has not begun.
#[derive(Debug)]
pub(super) struct Bridge {
    /// Absent if none is configured.
    parts: Option<Parts>,
    pub(super) stats: Arc<BridgeStats>,
}

impl Bridge {
    /// Connects to nothing yet.
    pub(super) fn new(
        config: &Config,
        membership: Option<&Membership>,
        identity: &Identity,
        limits: &Arc<ArcSwap<session::Settings>>,
    ) -> Self {
        let stats = Arc::<BridgeStats>::default();
        let channel = config.backend.pubsub_channel.as_deref().zip(membership);
        let parts = channel.map(|(name, membership)| Parts {
            channel: membership.redis().channel(name),
            reader: Arc::new(Reader {
                // Of the settings only the realm counts here, which no reload changes.
                ride: Ride::new(settings::ride(config)),
                limits: Arc::clone(limits),
            }),
            router: Arc::clone(&identity.router),
            clock: identity.clock,
            stats: Arc::clone(&stats),
        });
        Self { parts, stats }
    }

    /// Hears its channel until `stop` fires.
    pub(super) fn begin(self, tasks: &TaskTracker, stop: &CancellationToken) {
        if let Some(parts) = self.parts {
            tasks.spawn(bridge::run(parts, stop.clone()));
        }
    }
}

impl Read for Reader {
    fn read(&self, payload: &[u8]) -> Option<Message> {
        if self.limits.load().message_bytes_max < payload.len() {
            return None;
        }
        self.ride.bridged(std::str::from_utf8(payload).ok()?)
    }
}
