//! Remote messages: what comes from other members, and what becomes of a message that is not for everybody
//! or not for ever.

use std::{sync::Arc, time::Duration};

use super::{
    Route, Router,
    fanout::Outgoing,
    room::{Busy, Room},
};
use crate::{
    dialect::Now,
    id::Serial,
    message::Message,
    recorder::{Traced, What},
    topic::TopicKind,
};

impl Router {
    /// Delivers a message that another member has published. Says how many sessions it is on its way
    /// to.
    ///
    /// # Errors
    ///
    /// [`Busy`] if a shard that it concerns has no room.
    pub fn deliver_remote(&self, message: Message, now: Now) -> Result<usize, Busy> {
        if message.has_expired(now.unix_ms) {
            self.stats.expired.add(1);
            self.recorder
                .note(&message, || What::Expired { place: "bus" });
            return Ok(0);
        }
        let route = self.route(&message.topic);
        if let Some(shard) = self.without_room(&route) {
            return Err(self.busy(message, Room::Shard(shard)));
        }
        // Of a user, other members may have sessions; a session is here or nowhere.
        if message.topic.kind() == TopicKind::Session && matches!(route, Route::Nobody) {
            self.note_undeliverable(&message);
        }
        let traced = self.recorder.follow(&message);
        Ok(self.deliver(message, route, traced, now))
    }

    /// Keeps a message of another member for those who subscribe later.
    pub fn retain(&self, message: Message, now: Now) {
        let outgoing = self.outgoing(message, None, now);
        let evicted = self.retained.keep(&outgoing, now.unix_ms);
        self.stats.retained_evicted.add(evicted as u64);
    }

    /// Every message that is kept for those who subscribe later.
    pub fn retained(&self, now: Now) -> Vec<Arc<Outgoing>> {
        self.retained.all(now.unix_ms)
    }

    /// A message on its way to the local sessions.
    pub(super) fn outgoing(
        &self,
        message: Message,
        traced: Option<Traced>,
        now: Now,
    ) -> Arc<Outgoing> {
        if message.expires_ms.is_none() && message.except.is_none() {
            return Outgoing::new(message, traced, now);
        }
        let left = |expires_ms: u64| Duration::from_millis(expires_ms.saturating_sub(now.unix_ms));
        let lasts = message.expires_ms.map(left);
        let except = message.except.as_ref().map(|except| {
            let me = self.member();
            let own = except.iter().filter(|session| session.member == me);
            own.map(|session| session.serial).collect::<Box<[Serial]>>()
        });
        let except = except.filter(|except| !except.is_empty());
        Outgoing::limited(message, traced, now, lasts, except)
    }
}
