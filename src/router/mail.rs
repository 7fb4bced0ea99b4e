//! Who reads whose mail, and who is told of it.

use std::sync::Arc;

use super::{
    Reached, Router,
    subscriber::{Confirmed, Subscriber},
};
use crate::{
    bus::Full,
    mail::Doorbell,
    topic::{Topic, TopicKind},
};

impl Router {
    /// Has somebody told of users who may have mail. At most once, before there are sessions.
    pub fn set_doorbell(&self, doorbell: Arc<dyn Doorbell>) {
        let is_first = self.doorbell.set(doorbell).is_ok();
        debug_assert!(is_first, "a node has one mail");
    }

    /// Has what is posted to the session's user from now on wait until [`Self::bring_mail`]. Says
    /// whether there is mail at all. Before the session subscribes to its user's topic.
    pub fn hold_mail(&self, subscriber: &Subscriber) -> bool {
        let has_mail = self.doorbell.get().is_some();
        if has_mail {
            subscriber.expect_mail();
        }
        has_mail
    }

    /// Has its user's mail brought to a session.
    pub fn bring_mail(&self, subscriber: &Arc<Subscriber>) {
        if let (Some(doorbell), Some(user)) = (self.doorbell.get(), subscriber.user()) {
            let user = Topic::user(user);
            // What was posted since it subscribed waits if there is nothing else.
            if doorbell.may_have_mail(&user) || subscriber.end_reading(true) {
                doorbell.ring(&user);
            }
        }
    }

    /// Has everybody look who has sessions of this user: there may be mail for them. Says whom.
    ///
    /// # Errors
    ///
    /// [`Full`] if there is no room on the way to the others; nothing has happened.
    pub fn ring(&self, user: &Topic) -> Result<Reached, Full> {
        let links = self.cluster.get();
        let members = links.map_or(Ok(0), |links| links.bus.ring(user))?;
        self.ring_here(user);
        Ok(Reached {
            sessions: self.count(user),
            members,
        })
    }

    /// There may be mail for local sessions of this user.
    pub fn ring_here(&self, user: &Topic) {
        if let Some(doorbell) = self.doorbell.get()
            && user.kind() == TopicKind::User
            && let readers = self.readers(user)
            && !readers.is_empty()
        {
            for reader in readers {
                reader.expect_mail();
            }
            doorbell.ring(user);
        }
    }

    /// The local sessions of this user itself.
    pub fn readers(&self, user: &Topic) -> Vec<Arc<Subscriber>> {
        let subscribers = self.index.find(user);
        let mut readers = subscribers.map_or_else(Vec::new, |all| all.sample(usize::MAX));
        readers.retain(|reader| reader.reads_mail_of(user));
        readers
    }

    /// There may be mail for any local session: it is not known what rang.
    pub fn ring_everywhere(&self) {
        for shard in &self.shards {
            for subscriber in shard.roster.sample(usize::MAX) {
                if let Some(user) = subscriber.user() {
                    self.ring_here(&Topic::user(user));
                }
            }
        }
    }

    /// The client of this session has letters of its mail.
    pub fn confirm(&self, subscriber: &Subscriber, confirmed: &Confirmed) {
        if let (Some(doorbell), Some(user)) = (self.doorbell.get(), subscriber.user()) {
            let topic = Topic::user(user);
            doorbell.confirm(&topic, &confirmed.letters);
            if confirmed.is_behind {
                doorbell.ring(&topic);
            }
        }
    }
}
