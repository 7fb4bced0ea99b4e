//! A session in its role as a receiver: its outbox, and the socket behind it.

mod closing;
mod mail;
mod outside;
mod queueing;
mod writing;

use std::{
    fmt,
    net::IpAddr,
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    },
};

use parking_lot::Mutex;

pub use self::mail::Confirmed;
use self::mail::Unread;
use crate::{
    close::CloseReason,
    dialect::{Dialect, DialectId},
    frame::Frame,
    id::{Serial, UserId},
    outbox::Outbox,
    router::{
        letters::Letters,
        recent::Recent,
        seat::Seat,
        shard::Shard,
        transport::{End, Transport},
    },
};

/// One session, as the router sees it.
pub struct Subscriber {
    /// Its number on this member.
    pub serial: Serial,
    /// The client's address.
    pub remote: IpAddr,
    /// When it was upgraded, in milliseconds since the Unix epoch.
    pub since_ms: u64,
    dialect: Arc<dyn Dialect>,
    dialect_id: DialectId,
    shard: Arc<Shard>,
    transport: Arc<dyn Transport>,
    /// Who serves it.
    seat: OnceLock<Weak<dyn Seat>>,
    user: OnceLock<UserId>,
    /// Deciseconds of uptime at the last complete frame of the client.
    seen: AtomicU32,
    /// Whether there are letters that its client has not confirmed: asked for with every frame.
    has_letters: AtomicBool,
    /// Somebody may follow it.
    is_watched: AtomicBool,
    /// A blocking mutex: held for a push or one write, never across an `.await`.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    outbox: Outbox,
    unread: Unread,
    /// Absent for most.
    rare: Option<Box<Rare>>,
    /// Has been sent something that newer things replace, so that its socket takes little ahead.
    has_latest: bool,
    /// Stands in a queue of the flusher.
    dirty: bool,
    /// Waits until the socket takes bytes again.
    blocked: bool,
    /// The client has said goodbye: nothing more will come from it.
    client_closed: bool,
    /// It was sent a Close, and may answer: whoever ends the connection before would take the answer, and what
    /// is on its way, for an error at a proxy or a client.
    awaits_answer: bool,
    /// Ends for this reason with the last call that is under way.
    leaving: Option<CloseReason>,
    /// What its client has called for and was not answered.
    calls: u16,
}

/// What few sessions have.
#[derive(Debug, Default)]
struct Rare {
    /// Of the user's mail.
    letters: Option<Box<Letters>>,
    /// Of what may come again and is no letter.
    recent: Option<Box<Recent>>,
    /// What the application keeps with the session: the text of a JSON object.
    data: Option<Box<str>>,
}

/// Whether a session still does what its client says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    /// It was closed.
    Closed,
    /// It ends as soon as its client is answered.
    Leaving,
    /// It does.
    Open,
}

/// Whether what a client calls for is to be done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Begun {
    /// It is.
    Call,
    /// Nobody would be told of it.
    ForNobody,
    /// Not before another one has its answer.
    TooMany,
}

/// What a flush led to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Flushed {
    /// The socket is full; [`Subscriber::unblock`] when it takes bytes again.
    Blocked,
    /// Everything is written.
    Done,
    /// The last byte that will ever be written is written, or the socket has failed.
    Finished(End),
    /// There is more; it is another session's turn.
    More,
}

// === impl Subscriber ===

impl Subscriber {
    /// A session with an empty outbox.
    pub fn new(
        serial: Serial,
        shard: Arc<Shard>,
        dialect: Arc<dyn Dialect>,
        transport: Arc<dyn Transport>,
        remote: IpAddr,
        since_ms: u64,
    ) -> Arc<Self> {
        Arc::new(Self {
            serial,
            remote,
            since_ms,
            dialect_id: dialect.id(),
            dialect,
            shard,
            transport,
            seat: OnceLock::new(),
            user: OnceLock::new(),
            seen: AtomicU32::new(0),
            has_letters: AtomicBool::new(false),
            is_watched: AtomicBool::new(false),
            state: Mutex::default(),
        })
    }

    /// The dialect it speaks.
    pub fn dialect(&self) -> &Arc<dyn Dialect> {
        &self.dialect
    }

    /// The name of the dialect it speaks.
    pub fn dialect_id(&self) -> DialectId {
        self.dialect_id
    }

    /// The shard that serves it.
    pub fn shard(&self) -> &Arc<Shard> {
        &self.shard
    }

    /// Who it is, once it has been authenticated as a user.
    pub fn user(&self) -> Option<&UserId> {
        self.user.get()
    }

    /// Makes it a session of `user`. Says whether it was nobody's before.
    pub fn authenticate(&self, user: UserId) -> bool {
        self.user.set(user).is_ok()
    }

    /// Deciseconds of uptime at the last complete frame of the client.
    pub fn seen(&self) -> u32 {
        self.seen.load(Relaxed)
    }

    /// Takes note of a complete frame of the client.
    pub fn see(&self, deciseconds: u32) {
        self.seen.store(deciseconds, Relaxed);
    }

    /// Sends a Ping or Pong, before the data that waits.
    pub fn send_control(self: &Arc<Self>, frame: Frame) {
        if self.push_control(frame) {
            self.shard.mark_dirty(Arc::clone(self));
        }
    }

    /// Queues a Ping or Pong, before the data that waits. Says whether the caller must have it flushed.
    pub fn push_control(&self, frame: Frame) -> bool {
        let mut state = self.state.lock();
        state.outbox.push_control(frame);
        state.mark()
    }

    fn wake(self: &Arc<Self>, mut state: parking_lot::MutexGuard<'_, State>) {
        let marked = state.mark();
        drop(state);
        if marked {
            self.shard.mark_dirty(Arc::clone(self));
        }
    }
}

impl fmt::Debug for Subscriber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriber")
            .field("serial", &self.serial)
            .field("dialect", &self.dialect_id)
            .finish_non_exhaustive()
    }
}

// === impl State ===

impl State {
    fn data(&self) -> Option<&str> {
        self.rare.as_ref()?.data.as_deref()
    }

    fn standing(&self) -> Standing {
        match self.leaving {
            _ if self.outbox.closed().is_some() => Standing::Closed,
            Some(_) => Standing::Leaving,
            None => Standing::Open,
        }
    }

    /// Says whether the session must be put into a queue of the flusher, and takes it for done.
    fn mark(&mut self) -> bool {
        !self.blocked && !std::mem::replace(&mut self.dirty, true)
    }

    /// How the connection ends, if its outbox has come to its end.
    fn finished(&self) -> Option<End> {
        if !self.outbox.is_finished() {
            return None;
        }
        match (self.client_closed, self.awaits_answer) {
            (true, _) => Some(End::Both),
            (false, false) => Some(End::Write),
            (false, true) => None,
        }
    }
}
