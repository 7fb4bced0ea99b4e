//! One client, from upgrade to close.
//!
//! A session has no task: the poller of its shard gives it a turn when there is something to read. What is
//! to be written goes through its outbox to the flusher of its shard; its deadlines stand in the shard's
//! wheel. So an idle session holds no buffer, no timer and no stack.
//!
//! **Invariant:** everything that happens to a conversation happens under the lock of its session's
//! core, in one call without an `.await`: a message, a deadline, an answer, and what the outside has done
//! with it.

pub mod flusher;
pub mod frames;
pub mod poller;
pub mod slots;
pub mod socket;
pub mod timers;

mod bucket;
mod core;
mod noted;
mod reading;
mod utf8;

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::time;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{
    core::Core,
    poller::Poller,
    slots::{Slot, Slots},
    socket::Socket,
    timers::{TICK_MS, Timers},
};
use crate::{
    clock::Clock,
    close::CloseReason,
    dialect::{Conversation, DialectId},
    router::{
        Router,
        seat::{Joining, Seat},
        shard::Shard,
        subscriber::Subscriber,
        transport::End,
    },
    services::{Caller, Services},
    topic::Topic,
    witness::Witness,
};

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
    /// Their sockets.
    pub poller: Poller,
    /// Their deadlines.
    pub timers: Timers,
    /// Where they have their places; all shards share them.
    pub slots: Arc<Slots>,
    /// Owns what they wait for, and what is done for them.
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
    /// Its place is also one among those of its client's address.
    has_address_slot: bool,
    core: Mutex<Core>,
}

/// A client that is about to be served.
pub struct Upgraded {
    /// What it is in the router.
    pub subscriber: Arc<Subscriber>,
    /// Its connection.
    pub socket: Arc<Socket>,
    /// Its side of the dialect.
    pub conversation: Box<dyn Conversation>,
    /// What was read behind the request.
    pub read_ahead: Vec<u8>,
    /// Its place, which is given back when the session has ended.
    pub slot: Slot,
}

impl std::fmt::Debug for Upgraded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upgraded")
            .field("subscriber", &self.subscriber)
            .finish_non_exhaustive()
    }
}

/// Serves a client; returns at once. Must run on the shard's own thread.
pub fn spawn(context: &Arc<Context>, upgraded: Upgraded) {
    let ending = Ending(build(context, upgraded));
    ending.0.begin();
    context.poller.enter(ending);
}

/// A session that nobody reads for yet.
fn build(context: &Arc<Context>, upgraded: Upgraded) -> Arc<Session> {
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
        has_address_slot: slot.hand_over(),
        core: Mutex::new(Core::new(conversation, read_ahead)),
    });
    let seat: Arc<dyn Seat> = Arc::clone(&session) as Arc<_>;
    session.subscriber.set_seat(Arc::downgrade(&seat));
    session
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
        let counted_for = session.has_address_slot.then_some(subscriber.remote);
        session.context.slots.give_back(counted_for);
    }
}

#[cfg(test)]
mod tests;
