//! One client, from upgrade to close.
//!
//! A session has one task, which reads. What is to be written goes through its outbox to the
//! flusher of its shard; its deadlines stand in the shard's wheel. So an idle session holds no
//! buffer, no timer and no second task.
//!
//! **Invariant:** everything that happens to a conversation happens under the lock of its session's
//! core, in one call without an `.await`: a message, a deadline, an answer, and what the outside has done
//! with it.

pub mod flusher;
pub mod frames;
pub mod socket;
pub mod timers;

mod bucket;
mod core;
mod noted;
mod utf8;

use std::{
    cell::RefCell,
    io,
    sync::{Arc, Weak},
    time::Duration,
};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::{
    sync::Notify,
    task,
    time::{self, Instant},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{
    core::{Core, Pause},
    socket::{Read, Socket},
    timers::{TICK_MS, Timers},
};
use crate::{
    clock::Clock,
    close::CloseReason,
    dialect::{Conversation, DialectId},
    router::{
        Room, Router,
        seat::{Joining, Seat},
        shard::Shard,
        subscriber::Subscriber,
        transport::End,
    },
    services::{Caller, Services},
    topic::Topic,
    witness::Witness,
};

/// Size of the buffer that all sessions of a thread read into, in bytes.
const SCRATCH_BYTES: usize = 64 * 1024;
/// A session that read this much at a time lets others go first.
const TURN_BYTES: usize = 16 * 1024;
/// Longest wait for room for what a client publishes.
const ROOM_TIMEOUT: Duration = Duration::from_secs(10);

thread_local! {
    /// One buffer for all sessions of a thread: what they read is consumed before they wait.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH_BYTES].into());
}

/// What the sessions of one shard share.
#[derive(Debug)]
pub struct Context {
    /// Where messages go.
    pub router: Arc<Router>,
    /// The shard that serves them.
    pub shard: Arc<Shard>,
    /// Who sees what happens to them.
    pub witness: Arc<Witness>,
    /// Who answers their questions.
    pub services: Arc<dyn Services>,
    /// Limits; they can change while sessions live.
    pub settings: Arc<ArcSwap<Settings>>,
    /// The time.
    pub clock: Clock,
    /// Their deadlines.
    pub timers: Timers,
    /// Owns their tasks.
    pub tracker: TaskTracker,
}

/// Limits of a session.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Longest time without a complete frame of the client.
    pub idle: Duration,
    /// Longest message of a client, in bytes, joined from its fragments.
    pub message_bytes_max: usize,
    /// Longest time from the first byte of a message to its last.
    pub message_timeout: Duration,
    /// Messages of one client per second in the long run; 0 is no limit.
    pub messages_per_second: u32,
    /// Messages at once after a pause.
    pub messages_burst: u32,
    /// Most topics of one session.
    pub topics_max: usize,
    /// Most method calls of one session under way.
    pub method_calls_max: u16,
    /// After how long a silence the server sends a Ping, by dialect; `None` is never.
    pub pings: [Option<Duration>; DialectId::ALL.len()],
}

/// One client after its upgrade.
#[derive(Debug)]
pub struct Session {
    context: Arc<Context>,
    subscriber: Arc<Subscriber>,
    socket: Arc<Socket>,
    core: Mutex<Core>,
}

/// A client that is about to be served.
pub struct Upgraded<S> {
    /// What it is in the router.
    pub subscriber: Arc<Subscriber>,
    /// Its connection.
    pub socket: Arc<Socket>,
    /// Its side of the dialect.
    pub conversation: Box<dyn Conversation>,
    /// What was read behind the request.
    pub read_ahead: Vec<u8>,
    /// Held until the session has ended; gives back its place among the connections.
    pub slot: S,
}

impl<S> std::fmt::Debug for Upgraded<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upgraded")
            .field("subscriber", &self.subscriber)
            .finish_non_exhaustive()
    }
}

/// What the reading task does next.
enum Turn {
    /// Let others go first.
    Again,
    /// The connection is over.
    End,
    /// Do not read before this.
    Pause(Pause),
    /// Wait for the socket.
    Wait,
}

/// Serves a client; returns at once. Must run on the shard's own thread.
pub fn spawn<S: Send + 'static>(context: &Arc<Context>, upgraded: Upgraded<S>) {
    let Upgraded {
        subscriber,
        socket,
        conversation,
        read_ahead,
        slot,
    } = upgraded;
    let session = Arc::new(Session {
        context: Arc::clone(context),
        subscriber,
        socket,
        core: Mutex::new(Core::new(conversation, read_ahead)),
    });
    let seat: Arc<dyn Seat> = Arc::clone(&session) as Arc<_>;
    session.subscriber.set_seat(Arc::downgrade(&seat));
    context.tracker.spawn(async move {
        let ending = Ending(session);
        ending.0.begin();
        ending.0.read().await;
        drop(ending);
        drop(slot);
    });
}

/// Fires the deadlines of a shard's sessions until `stop` does. Must run on the shard's own thread.
pub async fn run_timers(context: Arc<Context>, stop: CancellationToken) {
    let mut ticks = time::interval(Duration::from_millis(TICK_MS));
    ticks.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stop.cancelled() => return,
        }
        let now = tick(context.clock.uptime());
        for session in context.timers.due(now) {
            if let Some(session) = session.upgrade() {
                session.fire();
            }
        }
    }
}

/// The tick that a time falls into.
fn tick(uptime: Duration) -> u32 {
    u32::try_from(uptime.as_millis() / u128::from(TICK_MS)).unwrap_or(u32::MAX)
}

/// The tick in which a time has passed.
fn tick_after(uptime: Duration) -> u32 {
    tick(uptime).saturating_add(1)
}

// === impl Session ===

impl Session {
    /// The client is here: it is counted, reachable, and may be spoken to.
    fn begin(self: &Arc<Self>) {
        let now = self.context.clock.now();
        self.subscriber.see(tick(now.uptime));
        self.stats().opened.add(1);
        self.context.router.attach(&self.subscriber);
        self.note_opened();
        let mut core = self.core.lock();
        core.open(self, now);
        self.schedule(&mut core);
    }

    /// Reads until the connection is over.
    async fn read(self: &Arc<Self>) {
        loop {
            match self.turn() {
                Ok(Turn::Again) => task::yield_now().await,
                // Boxed: the wait would be most of what an idle session's task takes.
                Ok(Turn::Pause(pause)) => Box::pin(self.wait(pause)).await,
                Ok(Turn::Wait) => {
                    if self.socket.readable().await.is_err() {
                        return;
                    }
                }
                Ok(Turn::End) => return,
                Err(_) => {
                    self.subscriber.close(CloseReason::TransportError);
                    return;
                }
            }
        }
    }

    /// Reads once and consumes what was read.
    fn turn(self: &Arc<Self>) -> io::Result<Turn> {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut core = self.core.lock();
            if let Some(pause) = core.take_pause(self) {
                return Ok(Turn::Pause(pause));
            }
            if core.has_rest() {
                let pause = core.consume_rest(self);
                self.schedule(&mut core);
                return Ok(pause.map_or(Turn::Again, Turn::Pause));
            }
            let (count, drained) = match self.socket.try_read(scratch)? {
                Read::Bytes { count, drained } => (count, drained),
                Read::Nothing => return Ok(Turn::Wait),
                Read::End => return Ok(Turn::End),
            };
            self.stats().bytes_in.add(count as u64);
            let pause = core.consume(self, &mut scratch[..count]);
            self.schedule(&mut core);
            Ok(match pause {
                Some(pause) => Turn::Pause(pause),
                None if TURN_BYTES <= count => Turn::Again,
                None if drained => Turn::Wait,
                // There is more, or TLS holds it: read again without waiting.
                None => Turn::Again,
            })
        })
    }

    /// Waits until reading may go on. The idle clock stands still meanwhile.
    async fn wait(self: &Arc<Self>, pause: Pause) {
        match pause {
            Pause::Answer(answer) => {
                let answer = answer.await;
                self.core.lock().answered(self, answer);
            }
            Pause::Call(returned) => self.wait_for_return(returned).await,
            Pause::Room(room) => self.wait_for_room(room).await,
            Pause::Until(until) => time::sleep_until(until).await,
        }
        let mut core = self.core.lock();
        core.resume();
        self.subscriber.see(tick(self.context.clock.uptime()));
        self.schedule(&mut core);
    }

    /// Waits until what the client published has found room, or ends the session.
    async fn wait_for_room(self: &Arc<Self>, mut room: Room) {
        let until = Instant::now() + ROOM_TIMEOUT;
        loop {
            if time::timeout_at(until, room.wait()).await.is_err() {
                self.subscriber.close(CloseReason::Overloaded);
                return;
            }
            let is_full = |pause: &Pause| matches!(pause, Pause::Room(_));
            match self.core.lock().try_again(self, is_full) {
                Some(Pause::Room(next)) => room = next,
                _ => return,
            }
        }
    }

    /// Waits until a call has returned and others may begin. Each has a time limit of its own.
    async fn wait_for_return(self: &Arc<Self>, returned: Arc<Notify>) {
        loop {
            returned.notified().await;
            let is_full = |pause: &Pause| matches!(pause, Pause::Call(_));
            if self.core.lock().try_again(self, is_full).is_none() {
                return;
            }
        }
    }

    /// A deadline of the session may have passed.
    fn fire(self: &Arc<Self>) {
        let mut core = self.core.lock();
        core.fire(self);
        self.schedule(&mut core);
    }

    /// Enters the earliest deadline into the wheel, unless an earlier one stands there.
    fn schedule(self: &Arc<Self>, core: &mut Core) {
        let due = core.due(self);
        if due < core.entered {
            let weak: Weak<Self> = Arc::downgrade(self);
            core.entered = self.context.timers.enter(due, weak);
        }
    }

    /// Whose questions and requests those of the client are.
    fn caller(&self) -> Caller {
        let subscriber = &self.subscriber;
        Caller {
            dialect: subscriber.dialect_id(),
            session: self.context.router.session_id(subscriber.serial),
            remote: subscriber.remote,
            user: subscriber.user().cloned(),
            rooms: Vec::new(),
        }
    }

    fn stats(&self) -> &crate::stats::DialectStats {
        self.context
            .shard
            .stats
            .dialect(self.subscriber.dialect_id())
    }
}

impl Seat for Session {
    fn join(&self, topic: &Topic) -> Joining {
        self.core.lock().join(self, topic)
    }

    fn quit(&self, topic: &Topic) -> bool {
        self.core.lock().quit(self, topic)
    }

    fn topics(&self) -> Vec<Topic> {
        self.core.lock().topics()
    }
}

/// Does what must be done exactly once when a session ends, however it does.
struct Ending(Arc<Session>);

impl Drop for Ending {
    fn drop(&mut self) {
        let session = &self.0;
        let subscriber = &session.subscriber;
        subscriber.close(CloseReason::ClientGone);
        let reason = subscriber.closed().unwrap_or(CloseReason::ClientGone);
        session.context.router.note_closed(subscriber, reason);
        let rooms = session.core.lock().leave(session);
        session.context.router.detach(subscriber);
        let witness = &session.context.witness;
        if witness.minds_ends() {
            witness.ended(subscriber, reason, rooms);
        }
        subscriber.forget();
        subscriber.end(End::Both);
        session.stats().closed[reason as usize].add(1);
        let dialect = subscriber.dialect_id().label();
        let number = subscriber.serial;
        if reason.is_notable() {
            tracing::info!(%number, dialect, reason = reason.label(), "session ended");
        } else {
            tracing::debug!(%number, dialect, reason = reason.label(), "session ended");
        }
    }
}
