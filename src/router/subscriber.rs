//! A session in its role as a receiver: its outbox, and the socket behind it.

mod closing;
mod mail;
mod outside;
mod queueing;

use std::{
    fmt,
    io::{self, IoSlice},
    net::IpAddr,
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    },
    task::{Context, Poll},
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

/// Most slices of one vectored write.
const SLICES_MAX: usize = 64;
/// Most bytes of one turn of one session, so that a session with a full outbox does not delay others.
const TURN_BYTES_MAX: usize = 64 * 1024;

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
    /// Of the user's mail; absent for most.
    letters: Option<Box<Letters>>,
    unread: Unread,
    /// Of what may come again and is no letter; absent for most.
    recent: Option<Box<Recent>>,
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
    /// What the application keeps with the session: the text of a JSON object; absent for most.
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
    /// The socket is full: wait for it, then [`Subscriber::unblock`].
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
        let mut state = self.state.lock();
        state.outbox.push_control(frame);
        self.wake(state);
    }

    /// Writes one turn of what waits, with one call of the system.
    pub fn flush(self: &Arc<Self>) -> Flushed {
        let mut state = self.state.lock();
        let state = &mut *state;
        self.ask_for_letters(state);
        if state.outbox.is_empty() && !self.transport.is_pending() {
            state.dirty = false;
            return state.finished().map_or(Flushed::Done, Flushed::Finished);
        }
        match self.write(state) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return state.block(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Flushed::More,
            Err(_) => {
                self.close_locked(state, CloseReason::TransportError);
                self.abandon(state);
                return Flushed::Finished(End::Reset);
            }
        }
        if self.transport.is_pending() {
            return state.block();
        }
        self.ask_for_letters(state);
        if !state.outbox.is_empty() {
            return Flushed::More;
        }
        state.dirty = false;
        state.finished().map_or(Flushed::Done, Flushed::Finished)
    }

    /// One call of the system. Says how many bytes have left the outbox.
    fn write(&self, state: &mut State) -> io::Result<usize> {
        let written = match state.outbox.single() {
            Some(bytes) => self.transport.try_write(&[IoSlice::new(bytes)]),
            None => {
                let mut slices = [IoSlice::new(&[]); SLICES_MAX];
                let filled = state.outbox.slices(&mut slices, TURN_BYTES_MAX);
                self.transport.try_write(&slices[..filled])
            }
        }?;
        let before = state.outbox.bytes();
        let advanced = state.outbox.advance(written);
        self.shard.account(before, state.outbox.bytes());
        self.shard
            .stats
            .written(self.dialect_id, written, advanced.frames);
        Ok(written)
    }

    /// Writes ahead of the session's turn, since its outbox is full. Says whether that helped: if not,
    /// it is the client who is slow, and not the flusher's turn that comes late.
    fn relieve(&self, state: &mut State) -> bool {
        // What has failed shows at the session's turn.
        !state.blocked
            && !state.outbox.is_empty()
            && self.write(state).is_ok_and(|written| 0 < written)
    }

    /// The socket takes bytes again: stands in line for the flusher.
    pub fn unblock(self: &Arc<Self>) {
        let mut state = self.state.lock();
        state.blocked = false;
        self.wake(state);
    }

    /// Waits until the socket takes bytes again.
    pub fn poll_writable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.transport.poll_writable(context)
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

    fn block(&mut self) -> Flushed {
        self.dirty = false;
        self.blocked = true;
        Flushed::Blocked
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
