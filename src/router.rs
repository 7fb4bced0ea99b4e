//! The router: which sessions a topic reaches, and how a message gets into their outboxes.
//!
//! Contract:
//!
//! - **It never awaits.** Publishing queues a delivery per shard; each shard's flusher walks its own.
//! - **Order**: what one publisher publishes reaches each subscriber in that order, except messages
//!   of class `latest`, which may be replaced where they wait.
//! - **Others**: a message that is published here goes to the members that have subscribers of its
//!   topic, by the [`Bus`], before it is delivered here; one that came from there is only delivered.
//! - **Backpressure**: [`Busy`] means that nothing happened; the publisher waits for [`Busy::room`] and
//!   tries again.
//! - **Loss**: a subscriber whose outbox is full is closed, never skipped.

pub mod announcer;
pub mod claims;
pub mod fanout;
pub mod index;
mod inquiry;
pub mod letters;
pub mod list;
pub mod lives;
mod mail;
mod recent;
mod remote;
pub mod retained;
pub mod room;
pub mod seat;
pub mod shard;
pub mod slowest;
pub mod subscriber;
mod traced;
pub mod transport;
mod witnessed;

#[cfg(test)]
mod tests;

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
};

use arc_swap::ArcSwap;

pub use self::room::{Busy, Room};
use self::{
    claims::Claims,
    fanout::{Delivery, Target},
    index::{Edge, Index, Subscribers},
    retained::Retained,
    shard::{Limits, Shard},
    subscriber::Subscriber,
};
use crate::{
    bus::{Bus, Full},
    clock::Clock,
    close::CloseReason,
    dialect::{ClaimKey, Now},
    id::{Member, Serial, SessionId},
    mail::Doorbell,
    message::{Message, MessageId},
    presence::Presence,
    recorder::{Recorder, Traced},
    stats::RouterStats,
    topic::{Topic, TopicKind},
    witness::Witness,
};

/// Topics, sessions and deliveries of one node.
#[derive(Debug)]
pub struct Router {
    member: ArcSwap<Member>,
    cluster: OnceLock<Links>,
    doorbell: OnceLock<Arc<dyn Doorbell>>,
    witness: OnceLock<Arc<Witness>>,
    index: Index,
    claims: Claims,
    retained: Retained,
    shards: Box<[Arc<Shard>]>,
    limits: Arc<Limits>,
    numbers: AtomicU64,
    /// Whether sessions may begin.
    is_open: AtomicBool,
    recorder: Arc<Recorder>,
    /// What it counts.
    pub stats: RouterStats,
}

/// The ways to the other members.
#[derive(Debug)]
struct Links {
    bus: Arc<dyn Bus>,
    presence: Arc<dyn Presence>,
}

/// How many subscribers a message is on its way to.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Reached {
    /// Local sessions.
    pub sessions: usize,
    /// Other members.
    pub members: usize,
}

// === impl Router ===

impl Router {
    /// A router for `shards` threads. The bound of all outboxes is shared out among them.
    pub fn new(member: Member, shards: u16, outbox_max: usize, outboxes_max: usize) -> Arc<Self> {
        let limits = Arc::new(Limits::new(outbox_max, outboxes_max / usize::from(shards)));
        let recorder = Recorder::new(member.clone(), Clock::start());
        let shard = |number| Shard::new(number, Arc::clone(&limits), Arc::clone(&recorder));
        let shards = (0..shards).map(shard).collect();
        Arc::new(Self {
            member: ArcSwap::from_pointee(member),
            cluster: OnceLock::new(),
            doorbell: OnceLock::new(),
            witness: OnceLock::new(),
            index: Index::default(),
            claims: Claims::default(),
            retained: Retained::default(),
            shards,
            limits,
            numbers: AtomicU64::new(0),
            is_open: AtomicBool::new(true),
            recorder,
            stats: RouterStats::default(),
        })
    }

    /// Makes the node one of several. At most once, before there are sessions.
    pub fn join(&self, bus: Arc<dyn Bus>, presence: Arc<dyn Presence>) {
        let is_first = self.cluster.set(Links { bus, presence }).is_ok();
        debug_assert!(is_first, "a node is a member of one cluster");
    }

    /// Who is where in the cluster, if the node is one of several.
    pub fn presence(&self) -> Option<&Arc<dyn Presence>> {
        self.cluster.get().map(|links| &links.presence)
    }

    /// The shards, one per thread.
    pub fn shards(&self) -> &[Arc<Shard>] {
        &self.shards
    }

    /// Changes the bounds of outboxes.
    pub fn set_limits(&self, outbox_bytes_max: usize, outboxes_bytes_max: usize) {
        self.limits
            .set(outbox_bytes_max, outboxes_bytes_max / self.shards.len());
    }

    /// The whole id of a local session.
    pub fn session_id(&self, serial: Serial) -> SessionId {
        SessionId {
            member: self.member(),
            serial,
        }
    }

    /// Makes a session reachable by its own topic and by `all`.
    pub fn attach(&self, subscriber: &Arc<Subscriber>) {
        subscriber.shard().roster.insert(subscriber);
    }

    /// Undoes [`Self::attach`].
    pub fn detach(&self, subscriber: &Subscriber) {
        subscriber.shard().roster.remove(subscriber.serial);
    }

    /// Subscribes a session, and sends it what is retained for the topic.
    pub fn subscribe(&self, topic: &Topic, subscriber: &Arc<Subscriber>, now: Now) -> Edge {
        let edge = self.index.subscribe(topic, subscriber);
        self.note_joined(topic, subscriber);
        self.tell(topic, edge);
        for outgoing in self.retained.of(topic, now.unix_ms) {
            subscriber.shard().deliver(Delivery {
                outgoing,
                target: Target::One(Arc::clone(subscriber)),
            });
        }
        edge
    }

    /// Undoes the subscription of this session, and of no other.
    pub fn unsubscribe(&self, topic: &Topic, subscriber: &Subscriber) -> Edge {
        let edge = self.index.unsubscribe(topic, subscriber);
        self.note_left(topic, subscriber);
        self.tell(topic, edge);
        edge
    }

    /// Whether a topic has local subscribers.
    pub fn has_subscribers(&self, topic: &Topic) -> bool {
        self.index.contains(topic)
    }

    /// Gives `claim` to a session and ends the one that held it.
    pub fn claim(&self, claim: ClaimKey, subscriber: &Arc<Subscriber>) {
        if let Some(presence) = self.presence() {
            presence.claimed(claim, subscriber.serial);
        }
        if let Some(before) = self.claims.take(claim, subscriber) {
            before.close(CloseReason::Superseded);
        }
    }

    /// Gives up the claim of this session; one that a newer session took stays with it.
    pub fn release(&self, claim: ClaimKey, subscriber: &Subscriber) {
        if let Some(presence) = self.presence() {
            presence.released(claim, subscriber.serial);
        }
        self.claims.release(claim, subscriber);
    }

    /// Publishes a message: numbers it, keeps it if it asks for that, hands it to the other members that
    /// it concerns, and delivers it here. Says whom it is on its way to.
    ///
    /// # Errors
    ///
    /// [`Busy`] if there is no room somewhere.
    pub fn publish(&self, mut message: Message, now: Now) -> Result<Reached, Busy> {
        let route = self.route(&message.topic);
        if let Some(shard) = self.without_room(&route) {
            return Err(self.busy(message, Room::Shard(shard)));
        }
        if message.id == MessageId::Number(0) {
            message.id = self.next_id(now);
        }
        message.time_ms = now.unix_ms;
        let sent = self.cluster.get().map(|links| links.bus.send(&message));
        let members = match sent.transpose() {
            Ok(members) => members.unwrap_or(0),
            Err(Full { gate }) => return Err(self.busy(message, Room::Bus(gate))),
        };
        self.stats.published[message.topic.kind() as usize].add(1);
        let traced = self.recorder.follow(&message);
        let is_for_nobody = members == 0 && matches!(route, Route::Nobody);
        if let Some(traced) = &traced {
            self.note_published(traced, &message, members, is_for_nobody);
        }
        if is_for_nobody {
            self.note_undeliverable(&message);
        }
        let sessions = self.deliver(message, route, traced, now);
        Ok(Reached { sessions, members })
    }

    /// How many local sessions a topic reaches.
    pub fn count(&self, topic: &Topic) -> usize {
        self.reach(&self.route(topic))
    }

    fn reach(&self, route: &Route) -> usize {
        match route {
            Route::Everyone => self.sessions(),
            Route::Nobody => 0,
            Route::Topic(subscribers) => subscribers.len(),
        }
    }

    /// Up to `max` of the local sessions that a topic reaches.
    pub fn members(&self, topic: &Topic, max: usize) -> Vec<Arc<Subscriber>> {
        match self.route(topic) {
            Route::Everyone => {
                let mut members = Vec::new();
                for shard in &self.shards {
                    members.extend(shard.roster.sample(max - members.len()));
                }
                members
            }
            Route::Nobody => Vec::new(),
            Route::Topic(subscribers) => subscribers.sample(max),
        }
    }

    /// A local session.
    pub fn find(&self, serial: Serial) -> Option<Arc<Subscriber>> {
        self.shards
            .get(usize::from(serial.shard()))?
            .roster
            .find(serial)
    }

    /// How many sessions the node has.
    pub fn sessions(&self) -> usize {
        self.shards.iter().map(|shard| shard.roster.len()).sum()
    }

    /// How many topics have local subscribers.
    pub fn topics(&self) -> usize {
        self.index.len()
    }

    /// Bytes charged for retained messages.
    pub fn retained_bytes(&self) -> usize {
        self.retained.bytes()
    }

    /// The one function in which every message meets the local sessions. Says how many.
    fn deliver(&self, message: Message, route: Route, traced: Option<Traced>, now: Now) -> usize {
        if let Some(traced) = &traced {
            self.note_routed(traced, &route);
        }
        let outgoing = &self.outgoing(message, traced, now);
        let evicted = self.retained.keep(outgoing, now.unix_ms);
        self.stats.retained_evicted.add(evicted as u64);
        let to = |shard: &Arc<Shard>, target: Target| {
            shard.deliver(Delivery {
                outgoing: Arc::clone(outgoing),
                target,
            });
        };
        let mut reached = 0;
        match route {
            Route::Nobody => {}
            Route::Everyone => {
                for shard in self.shards.iter().filter(|shard| !shard.roster.is_empty()) {
                    reached += shard.roster.len();
                    to(shard, Target::List(Arc::clone(&shard.roster)));
                }
            }
            Route::Topic(Subscribers::One(one)) => {
                reached = 1;
                let shard = Arc::clone(one.shard());
                to(&shard, Target::One(one));
            }
            Route::Topic(Subscribers::Many(lists)) => {
                for (number, list) in lists.iter() {
                    reached += list.len();
                    let shard = &self.shards[usize::from(*number)];
                    to(shard, Target::List(Arc::clone(list)));
                }
            }
        }
        reached
    }

    fn route(&self, topic: &Topic) -> Route {
        match topic.kind() {
            TopicKind::All => Route::Everyone,
            TopicKind::Session => {
                let id = topic
                    .session_id()
                    .filter(|id| id.member == **self.member.load());
                let found = id.and_then(|id| self.find(id.serial));
                found.map_or(Route::Nobody, |one| Route::Topic(Subscribers::One(one)))
            }
            TopicKind::Node | TopicKind::Room | TopicKind::User => {
                self.index.find(topic).map_or(Route::Nobody, Route::Topic)
            }
        }
    }

    fn without_room(&self, route: &Route) -> Option<Arc<Shard>> {
        let full = |shard: &&Arc<Shard>| !shard.has_room();
        match route {
            Route::Nobody => None,
            Route::Everyone => self.shards.iter().find(full).cloned(),
            Route::Topic(Subscribers::One(one)) => Some(one.shard()).filter(full).cloned(),
            Route::Topic(Subscribers::Many(lists)) => {
                let mut shards = lists
                    .iter()
                    .map(|(number, _)| &self.shards[usize::from(*number)]);
                shards.find(full).cloned()
            }
        }
    }

    /// A number for a message, for whoever must know it before it is published.
    ///
    /// Grows with time, also over restarts as long as a member numbers fewer than 1,024 messages a
    /// millisecond on average; below 2^53 for the next centuries, so that JavaScript reads it exactly.
    pub fn next_id(&self, now: Now) -> MessageId {
        let floor = now.unix_ms << 10;
        let step = |last: u64| Some(last.max(floor) + 1);
        let last = self.numbers.fetch_update(Relaxed, Relaxed, step);
        MessageId::Number(last.map_or(floor, |last| last.max(floor) + 1))
    }
}

/// Which local sessions a topic reaches.
enum Route {
    Everyone,
    Nobody,
    Topic(Subscribers),
}
