//! What the router has noted of messages and sessions that somebody wants to know of.

use std::sync::Arc;

use super::{Route, Router, subscriber::Subscriber};
use crate::{
    close::CloseReason,
    id::{Member, Serial},
    message::Message,
    recorder::{Recorder, Traced, What},
    topic::{Topic, TopicKind},
    trace::{Tailed, WatchQuery},
};

impl Router {
    /// What takes note of what happens to messages and sessions.
    pub fn recorder(&self) -> &Arc<Recorder> {
        &self.recorder
    }

    /// Where a message is published that somebody wants to know of, and where it goes.
    pub(super) fn note_published(
        &self,
        traced: &Traced,
        message: &Message,
        members: usize,
        is_for_nobody: bool,
    ) {
        traced.note(What::published(message));
        if 0 < members
            && let Some(presence) = self.presence()
        {
            let members: Box<[Member]> = match message.retain {
                // Every member keeps it.
                Some(_) => presence.members(&Topic::all()),
                None => presence.members(&message.topic),
            }
            .into_iter()
            .collect();
            traced.note(What::Sent { members });
        }
        if is_for_nobody {
            traced.note(What::Nobody);
        }
    }

    pub(super) fn note_routed(&self, traced: &Traced, route: &Route) {
        if !matches!(route, Route::Nobody) {
            let sessions = self.reach(route);
            traced.note(What::Routed { sessions });
        }
    }

    pub(super) fn note_joined(&self, topic: &Topic, subscriber: &Subscriber) {
        if self.recorder.is_watching() && self.recorder.covers(topic) {
            self.recorder.cover(topic, [subscriber.serial].into_iter());
            subscriber.watch();
        }
        self.note_moved(topic, subscriber, |session, topic| What::Joined {
            session,
            topic,
        });
    }

    pub(super) fn note_left(&self, topic: &Topic, subscriber: &Subscriber) {
        self.note_moved(topic, subscriber, |session, topic| What::Left {
            session,
            topic,
        });
        if subscriber.is_watched() {
            self.recorder.uncover(Some(topic), subscriber.serial);
        }
    }

    fn note_moved(
        &self,
        topic: &Topic,
        subscriber: &Subscriber,
        what: impl FnOnce(Serial, Topic) -> What,
    ) {
        if self.recorder.minds_sessions() && topic.kind() == TopicKind::Room {
            let what = what(subscriber.serial, topic.clone());
            self.recorder.note_session(subscriber.serial, what, &[]);
        }
    }

    /// Takes note of the end of a session, before it leaves its topics. Nobody follows it any more then.
    pub fn note_closed(&self, subscriber: &Subscriber, reason: CloseReason) {
        if !self.recorder.minds_sessions() {
            return;
        }
        let session = subscriber.serial;
        let what = What::Closed {
            session,
            dialect: subscriber.dialect_id(),
            reason,
        };
        self.recorder.note_session(session, what, &[]);
        if subscriber.is_watched() {
            self.recorder.uncover(None, session);
        }
    }

    /// What has happened to a topic since the last time that this watch has asked; begins it the first time.
    pub fn tail(&self, query: &WatchQuery) -> Tailed {
        match self.recorder.watch(query) {
            None => Tailed {
                is_refused: true,
                ..Tailed::default()
            },
            Some(is_new) => {
                if is_new {
                    // Whoever comes between is covered by coming.
                    let members = self.members(&query.topic, usize::MAX);
                    members.iter().for_each(|member| member.watch());
                    let sessions = members.iter().map(|member| member.serial);
                    self.recorder.cover(&query.topic, sessions);
                }
                self.recorder.fetch(query.watch)
            }
        }
    }
}
