//! What the router says of topics and messages to those who want to know.

use std::sync::Arc;

use super::{Router, index::Edge};
use crate::{
    message::{DeliveryClass, Message},
    topic::{Topic, TopicKind},
    witness::Witness,
};

impl Router {
    /// Has somebody see which rooms come and go, and what reaches nobody. At most once, before there are
    /// sessions.
    pub fn set_witness(&self, witness: Arc<Witness>) {
        let is_first = self.witness.set(witness).is_ok();
        debug_assert!(is_first, "a node has one witness");
    }

    /// Who sees it, if somebody does.
    pub fn witness(&self) -> Option<&Arc<Witness>> {
        self.witness.get()
    }

    /// Takes note of a message that reaches nobody, if that is not what may happen to it.
    pub(super) fn note_undeliverable(&self, message: &Message) {
        let is_kept = message.class == DeliveryClass::Durable;
        let is_for_one = matches!(message.topic.kind(), TopicKind::User | TopicKind::Session);
        if !is_for_one || is_kept {
            return;
        }
        self.stats.undeliverable.add(1);
        if let Some(witness) = self.witness()
            && witness.wants_undeliverable()
        {
            witness.undeliverable(message);
        }
    }

    /// Tells those who are concerned of a topic that has come or gone here.
    pub(super) fn tell(&self, topic: &Topic, edge: Edge) {
        if edge == Edge::None {
            return;
        }
        if let Some(presence) = self.presence() {
            presence.changed(topic);
        }
        if let Some(witness) = self.witness() {
            witness.room_changed(topic);
        }
    }
}
