//! Inquiries: what this member answers about its own sessions, whoever asks.

use std::{net::SocketAddr, sync::Arc};

use super::{Route, Router, index, seat::Joining, subscriber::Subscriber};
use crate::{
    close::CloseReason,
    dialect::Now,
    envelope::Speech,
    id::SessionId,
    peer::{DataChange, DataOutcome, Joined, NodeInfo, PageQuery, SessionDetails, SessionInfo},
    topic::{Topic, TopicKind},
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
            speech: Speech::OWN,
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

    /// Puts the local sessions that a topic reaches into a room. Those that end meanwhile do not count.
    pub fn join_members(&self, topic: &Topic, room: &Topic) -> Joined {
        let mut joined = Joined::default();
        for subscriber in self.members(topic, usize::MAX) {
            match subscriber.seat().map(|seat| seat.join(room)) {
                Some(Joining::In) => joined.joined += 1,
                Some(Joining::Overfull) => joined.refused += 1,
                Some(Joining::Gone) | None => {}
            }
        }
        joined
    }

    /// Takes the local sessions that a topic reaches out of a room, and says how many were in it.
    pub fn quit_members(&self, topic: &Topic, room: &Topic) -> usize {
        let members = self.members(topic, usize::MAX);
        let seats = members.iter().filter_map(|member| member.seat());
        seats.filter(|seat| seat.quit(room)).count()
    }

    /// The first `max` rooms in alphabetical order that have local members, behind `after`.
    pub fn rooms(&self, after: Option<&Topic>, max: usize) -> Vec<Topic> {
        self.index.rooms(after, max)
    }

    /// A page of the local sessions, with what they have and are in.
    pub fn describe_page(&self, query: &PageQuery, now: Now) -> Vec<SessionDetails> {
        let PageQuery {
            topic,
            dialect,
            after,
            max,
        } = query;
        let is_wanted =
            |one: &Subscriber| dialect.is_none_or(|dialect| one.dialect_id() == dialect);
        let max = *max as usize;
        let page = match self.route(topic) {
            Route::Nobody => Vec::new(),
            Route::Everyone => {
                let lists = self.shards.iter().map(|shard| &shard.roster);
                index::page(lists, *after, max, is_wanted)
            }
            Route::Topic(subscribers) => subscribers.page(*after, max, is_wanted),
        };
        page.iter()
            .map(|subscriber| self.describe_whole(subscriber, now))
            .collect()
    }

    /// Reads or changes what is kept with a local session.
    pub fn change_data(&self, session: &SessionId, change: &DataChange) -> DataOutcome {
        let found = self.members(&Topic::session(session), 1);
        let one = found.first();
        one.map_or(DataOutcome::Gone, |one| one.change_data(change))
    }

    fn describe_whole(&self, subscriber: &Arc<Subscriber>, now: Now) -> SessionDetails {
        let seat = subscriber.seat();
        let mut rooms = seat.map_or_else(Vec::new, |seat| seat.topics());
        rooms.retain(|topic| topic.kind() == TopicKind::Room);
        rooms.sort_unstable();
        SessionDetails {
            session: self.describe(subscriber, now),
            rooms,
            data: subscriber.data(),
        }
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
