//! The witness: sees what happens on this node, and has it told and done.
//!
//! Sessions, the router and the HTTP API say what happens and go on; one task writes what sessions owe,
//! has happenings kept by the herald, and does what the ended ones have owed, in this order:
//!
//! - a session's record is kept before it is told that the session has begun: whoever hears of the
//!   beginning hears of the end, also if the node dies;
//! - the end is kept, then what was owed is done, then the record is removed: what dies in between is
//!   repeated, under the same ids.
//!
//! Contract:
//!
//! - **Blocking**: nothing that a session or the router calls waits or does I/O. What nobody wants to
//!   hear of costs a look at the herald.
//! - **Bounds**: [`ITEMS_MAX`] happenings and [`BYTES_MAX`] wait; beyond, what is new is dropped and
//!   counted. Ends and duties of sessions whose beginning was taken note of are never dropped; there are
//!   at most [`SESSIONS_MAX`] of these.
//! - **Order**: happenings of one session, and of one room on one node, are kept in the order in which
//!   they happened.

mod attach;
mod book;
mod heir;
mod rooms;
mod settle;
mod stats;
mod teller;

#[cfg(test)]
mod tests;

use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use self::{book::Book, rooms::Rooms};
pub use self::{
    stats::{DeedKind, DutyOutcome, WitnessStats},
    teller::Watch,
};
use crate::{
    clock::Clock,
    close::CloseReason,
    dialect::{DialectId, Incoming, json},
    dues::{Deeds, Dues},
    duty::Record,
    farewell::Farewells,
    happening::{Happening, Herald, Kind, Party, What},
    message::Message,
    occupancy::Occupancy,
    router::{Router, subscriber::Subscriber},
    topic::{Topic, TopicKind},
};

/// Most happenings that wait.
pub const ITEMS_MAX: usize = 65_536;
/// Most bytes of messages among them.
pub const BYTES_MAX: usize = 64 * 1024 * 1024;
/// Most sessions that owe something, those included that have ended and are not settled yet. A node has
/// fewer sessions; while Redis is away, ended ones wait.
pub const SESSIONS_MAX: usize = 1 << 20;

/// What the witness works with.
#[derive(Debug)]
pub struct Parts {
    /// The sessions and topics of the node.
    pub router: Arc<Router>,
    /// The node's clock.
    pub clock: Clock,
    /// Who tells applications.
    pub herald: Arc<dyn Herald>,
    /// Where it is kept what sessions owe.
    pub dues: Arc<dyn Dues>,
    /// Who changes keys of applications.
    pub deeds: Arc<dyn Deeds>,
    /// Who knows which rooms are occupied.
    pub occupancy: Arc<dyn Occupancy>,
    /// How long a room stays occupied after its last subscriber.
    pub linger: Duration,
}

/// Sees what happens. See the module's documentation for the contract.
pub struct Witness {
    parts: Parts,
    /// Set when the node is up.
    farewells: OnceLock<Arc<dyn Farewells>>,
    book: Mutex<Book>,
    rooms: Mutex<Rooms>,
    /// Sessions in the book.
    owing: AtomicUsize,
    numbers: AtomicU64,
    /// How often everything had to be kept anew.
    doubts: AtomicU64,
    work: Notify,
    /// Something was kept.
    kept: Notify,
    stop: CancellationToken,
    /// There is no time left.
    give_up: CancellationToken,
    /// What it counts.
    pub stats: WitnessStats,
}

// === impl Witness ===

impl Witness {
    /// One that sees nothing yet; the router is told of it by [`Router::set_witness`].
    pub fn new(parts: Parts) -> Arc<Self> {
        let linger = parts.linger;
        Arc::new(Self {
            parts,
            farewells: OnceLock::new(),
            book: Mutex::default(),
            rooms: Mutex::new(Rooms::new(linger)),
            owing: AtomicUsize::new(0),
            numbers: AtomicU64::new(0),
            doubts: AtomicU64::new(0),
            work: Notify::new(),
            kept: Notify::new(),
            stop: CancellationToken::new(),
            give_up: CancellationToken::new(),
            stats: WitnessStats::default(),
        })
    }

    /// Has what the gateway itself owes done by these, once and for all; before, it waits.
    pub fn set_farewells(&self, farewells: Arc<dyn Farewells>) {
        let is_first = self.farewells.set(farewells).is_ok();
        debug_assert!(is_first, "a node has one");
    }

    /// Changes how long a room stays occupied after its last subscriber.
    pub fn set_linger(&self, linger: Duration) {
        self.rooms.lock().announcer.set_linger(linger);
    }

    /// Sessions that owe something.
    pub fn owing(&self) -> usize {
        self.owing.load(Relaxed)
    }

    /// How often everything of this node had to be kept anew, since what keeps it had lost it, or this is another
    /// life.
    pub fn doubts(&self) -> u64 {
        self.doubts.load(Relaxed)
    }

    /// Happenings that wait to be kept.
    pub fn waiting(&self) -> usize {
        self.book.lock().len()
    }

    /// A client has been let in, and is in these rooms. Says whether [`Self::moved`] is to be told of its
    /// moves. Every end is to be told to [`Self::ended`].
    pub fn opened(&self, subscriber: &Subscriber, rooms: impl FnOnce() -> Vec<Topic>) -> bool {
        let herald = &self.parts.herald;
        let dialect = Some(subscriber.dialect_id());
        let is_told = herald.wants(Kind::SessionClosed, dialect);
        let is_news = herald.wants(Kind::SessionOpened, dialect);
        if !is_told && !is_news {
            return false;
        }
        let record = self.record(subscriber);
        let news = is_news.then(|| {
            let remote = subscriber.remote;
            let who = party(&record);
            let id = format!("opened:{}", record.session);
            self.happening(id, What::SessionOpened { who, remote })
        });
        if !is_told {
            news.into_iter().for_each(|news| self.note(news));
            return false;
        }
        let record = Record {
            rooms: rooms(),
            is_told,
            ..record
        };
        let noted = self.book.lock().open(record, news);
        match noted {
            Some(is_new) => {
                self.owing.fetch_add(usize::from(is_new), Relaxed);
                self.work.notify_one();
            }
            None => self.stats.dropped(Kind::SessionOpened),
        }
        noted.is_some()
    }

    /// A session is in other rooms now.
    pub fn moved(&self, subscriber: &Subscriber, rooms: Vec<Topic>) {
        let mut book = self.book.lock();
        if book.change(subscriber.serial, |record| record.rooms = rooms) {
            self.work.notify_one();
        }
    }

    /// Whether the end of a session matters. Who adds a duty counts it before it looks whether the
    /// session is there; so this is to be asked when the router has it no more.
    pub fn minds_ends(&self) -> bool {
        0 < self.owing()
    }

    /// A session has ended and is none of the router's any more; it was in these rooms.
    pub fn ended(&self, subscriber: &Subscriber, reason: CloseReason, rooms: Vec<Topic>) {
        let last = Record {
            rooms,
            ..self.record(subscriber)
        };
        let ended = book::Ended {
            reason: reason.label(),
            at_ms: self.parts.clock.now().unix_ms,
        };
        if self.book.lock().end(&last, ended) {
            self.work.notify_one();
        }
    }

    /// Whether anybody wants to hear of messages of this dialect.
    pub fn hears(&self, dialect: DialectId) -> bool {
        let herald = &self.parts.herald;
        herald.wants(Kind::MessageReceived, Some(dialect))
    }

    /// A client that was let in has sent a message.
    pub fn received(&self, subscriber: &Subscriber, message: Incoming<'_>) {
        let dialect = subscriber.dialect_id();
        let Some(text) = message.text() else { return };
        let Some(kind) = subscriber.dialect().kind_of(text) else {
            return;
        };
        if !self.parts.herald.wants_message(dialect, &kind) {
            return;
        }
        let record = self.record(subscriber);
        let what = What::MessageReceived {
            who: party(&record),
            kind: (&*kind).into(),
            data: value_of(text),
        };
        let id = self.unique("message");
        self.note(self.happening(id, what));
    }

    /// A topic may have got its first local subscriber, or lost its last one.
    pub fn room_changed(&self, topic: &Topic) {
        if topic.kind() == TopicKind::Room && self.wants_rooms() {
            self.book.lock().changed.insert(topic.clone());
            self.work.notify_one();
        }
    }

    /// Whether anybody wants to hear of messages that reach nobody.
    pub fn wants_undeliverable(&self) -> bool {
        self.parts.herald.wants(Kind::Undeliverable, None)
    }

    /// A message that is not kept reaches nobody.
    pub fn undeliverable(&self, message: &Message) {
        let sender = message.sender.as_ref();
        let what = What::Undeliverable {
            topic: message.topic.clone(),
            message: message.id.clone(),
            event: message.event.clone(),
            sender: sender.and_then(|sender| sender.user.clone()),
        };
        let id = self.unique("undeliverable");
        self.note(self.happening(id, what));
    }

    fn wants_rooms(&self) -> bool {
        let herald = &self.parts.herald;
        herald.wants(Kind::RoomOccupied, None) || herald.wants(Kind::RoomVacated, None)
    }

    fn note(&self, happening: Happening) {
        let kind = happening.what.kind();
        if self.book.lock().note(happening) {
            self.work.notify_one();
        } else {
            self.stats.dropped(kind);
        }
    }

    fn happening(&self, id: String, what: What) -> Happening {
        Happening {
            id: id.into(),
            time_ms: self.parts.clock.now().unix_ms,
            member: self.parts.router.member(),
            what,
        }
    }

    /// A name that no other happening has, on any member.
    fn unique(&self, kind: &str) -> String {
        let number = self.numbers.fetch_add(1, Relaxed);
        format!("{kind}:{}:{number}", self.parts.router.member())
    }

    /// A session that owes nothing.
    fn record(&self, subscriber: &Subscriber) -> Record {
        Record {
            session: self.parts.router.session_id(subscriber.serial),
            user: subscriber.user().cloned(),
            dialect: subscriber.dialect_id(),
            remote: subscriber.remote,
            since_ms: subscriber.since_ms,
            rooms: Vec::new(),
            is_told: false,
            duties: Vec::new(),
        }
    }
}

impl fmt::Debug for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Witness").finish_non_exhaustive()
    }
}

/// A session, as applications know it.
/// A message as one JSON value: as it came, or as a text if it is none.
fn value_of(text: &str) -> Bytes {
    match json::parse(text) {
        Some(_) => Bytes::copy_from_slice(text.as_bytes()),
        None => serde_json::to_vec(text)
            .expect("memory takes every write")
            .into(),
    }
}

fn party(record: &Record) -> Party {
    Party {
        session: record.session.clone(),
        user: record.user.clone(),
        dialect: record.dialect,
    }
}
