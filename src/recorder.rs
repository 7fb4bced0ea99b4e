//! The flight recorder: what happened to messages lately on this node, for whoever asks afterwards, and for
//! whoever follows a topic while it happens.
//!
//! - **What is remembered**: every step of messages of applications and of the gateway, and of durable ones;
//!   of those of clients, a share. Within a bound in bytes: the oldest steps give way to new ones.
//! - **What it costs**: a message that nobody wants to know of costs a look at one number where it is
//!   published, and its deliveries cost nothing.
//! - **What is private**: no step holds what a message says. Whoever follows a topic can be shown its
//!   beginning. Log lines show no user either.

mod mark;
mod ring;
mod watch;
mod what;

#[cfg(test)]
mod tests;

use std::{
    mem,
    sync::{
        Arc,
        atomic::{
            AtomicU64, AtomicUsize,
            Ordering::{AcqRel, Relaxed},
        },
    },
};

use arc_swap::ArcSwap;
use bytes::Bytes;
use parking_lot::Mutex;

pub use self::{
    mark::{Fate, Group, Mark},
    watch::WATCH_LEASE,
    what::What,
};
use self::{
    ring::{Remembered, Ring},
    watch::{Told, Watches},
};
use crate::{
    clock::Clock,
    id::{Member, Serial, SessionId},
    message::Message,
    stats::Count,
    topic::Topic,
    trace::{Explained, TraceId},
};

/// Threads that deliver seldom meet in one of so many rings. All steps of a message are in the same one.
const RINGS: usize = 8;

/// Most steps of one answer: about a hundred kilobytes.
const EXPLAINED_MAX: usize = 1000;

/// Somebody follows a topic.
const WATCHING: u64 = 1 << 32;
/// Steps are remembered.
const REMEMBERING: u64 = 1 << 33;
/// How many of a million messages of clients are sampled.
const SAMPLE: u64 = WATCHING - 1;

/// Remembers and tells what happens to messages.
#[derive(Debug)]
pub struct Recorder {
    /// [`SAMPLE`], [`REMEMBERING`] and [`WATCHING`]: all that is looked at for most messages. 0: nothing is
    /// wanted.
    gate: AtomicU64,
    bytes_max: AtomicUsize,
    clock: Clock,
    /// Whose sessions the numbers in steps are of: steps outlive a life of the node.
    lives: ArcSwap<Vec<Member>>,
    rings: [Mutex<Ring>; RINGS],
    watches: Watches,
    /// What it counts.
    pub stats: RecorderStats,
}

/// What the recorder counts.
#[derive(Debug, Default)]
pub struct RecorderStats {
    /// Steps that were remembered.
    pub steps: Count,
    /// Of these, those that had to give way.
    pub overwritten: Count,
    /// Events for which a follower had no room.
    pub left_out: Count,
}

/// How much is wanted.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Settings {
    /// How many of a million messages and sessions of clients are sampled.
    pub sample: u32,
    /// Most bytes of steps; 0: nothing is remembered.
    pub bytes_max: usize,
}

/// A message somebody wants to know of. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Traced {
    recorder: Arc<Recorder>,
    id: TraceId,
    is_sampled: bool,
    is_remembered: bool,
    /// For those who follow; absent if nobody follows anything.
    told: Option<Told>,
}

// === impl Recorder ===

impl Recorder {
    /// One of which nothing is wanted.
    pub fn new(member: Member, clock: Clock) -> Arc<Self> {
        let since_ms = clock.now().unix_ms;
        Arc::new(Self {
            gate: AtomicU64::new(0),
            bytes_max: AtomicUsize::new(0),
            clock,
            lives: ArcSwap::from_pointee(vec![member]),
            rings: std::array::from_fn(|_| Mutex::new(Ring::new(since_ms))),
            watches: Watches::default(),
            stats: RecorderStats::default(),
        })
    }

    /// Changes how much is wanted. What is remembered beyond that gives way at once.
    pub fn set(&self, settings: Settings) {
        let Settings { sample, bytes_max } = settings;
        self.bytes_max.store(bytes_max, Relaxed);
        let remembering = if bytes_max == 0 { 0 } else { REMEMBERING };
        let change = |gate: u64| Some(gate & WATCHING | remembering | u64::from(sample));
        // Cannot fail: it always says what comes next.
        let _ = self.gate.fetch_update(AcqRel, Relaxed, change);
        let now_ms = self.clock.now().unix_ms;
        for ring in &self.rings {
            let overwritten = ring.lock().shrink(bytes_max / RINGS, now_ms);
            self.stats.overwritten.add(overwritten);
        }
    }

    /// The node begins another life.
    pub fn begin_life(&self, member: Member) {
        self.lives.rcu(|lives| {
            let mut lives = Vec::clone(lives);
            lives.push(member.clone());
            lives
        });
    }

    /// A message, if somebody wants to know of it.
    pub fn follow(self: &Arc<Self>, message: &Message) -> Option<Traced> {
        let gate = self.gate.load(Relaxed);
        if gate == 0 {
            return None;
        }
        self.look_at(message, gate)
    }

    fn look_at(self: &Arc<Self>, message: &Message, gate: u64) -> Option<Traced> {
        let id = message.trace();
        let is_sampled = id.is_sampled((gate & SAMPLE) as u32);
        let is_remembered = gate & REMEMBERING != 0 && (is_sampled || message.is_remembered());
        let is_watching = gate & WATCHING != 0;
        (is_sampled || is_remembered || is_watching).then(|| Traced {
            recorder: Arc::clone(self),
            id,
            is_sampled,
            is_remembered,
            told: is_watching.then(|| Told::of(message)),
        })
    }

    /// Takes note of a step of a message, if somebody wants to know of it.
    pub fn note(self: &Arc<Self>, message: &Message, what: impl FnOnce() -> What) {
        if let Some(traced) = self.follow(message) {
            traced.note(what());
        }
    }

    /// Takes note of a step of a message that is not there yet, or not any more, and of which every step is
    /// remembered.
    pub fn note_remembered(self: &Arc<Self>, id: TraceId, what: What) {
        let gate = self.gate.load(Relaxed);
        if gate == 0 {
            return;
        }
        let traced = Traced {
            recorder: Arc::clone(self),
            id,
            is_sampled: id.is_sampled((gate & SAMPLE) as u32),
            is_remembered: gate & REMEMBERING != 0,
            told: None,
        };
        traced.note(what);
    }

    /// Whether what happens to a session may be wanted.
    pub fn minds_sessions(&self) -> bool {
        self.gate.load(Relaxed) & (SAMPLE | WATCHING) != 0
    }

    /// Takes note of a step of a session: in the log if it is sampled, and for those who follow it.
    /// `data` is what it has said or been told.
    pub fn note_session(&self, session: Serial, what: What, data: &[u8]) {
        let gate = self.gate.load(Relaxed);
        let id = TraceId::of_session(&self.session_id(session));
        if id.is_sampled((gate & SAMPLE) as u32) {
            what.log(id, &self.me());
        }
        if gate & WATCHING != 0 {
            self.tell(id, None, Some(data), &what);
        }
    }

    /// What is remembered of a message.
    pub fn explain(&self, id: TraceId) -> Explained {
        let lives = self.lives.load();
        let ring = self.ring(id).lock();
        let all = ring.steps(id).count();
        let steps = ring.steps(id).take(EXPLAINED_MAX);
        let gate = self.gate.load(Relaxed);
        let remembers = gate & REMEMBERING != 0;
        Explained {
            steps: steps.map(|step| step.report(&lives)).collect(),
            left_out: all.saturating_sub(EXPLAINED_MAX) as u64,
            since_ms: if remembers {
                ring.since_ms()
            } else {
                Explained::NEVER
            },
            sample: (gate & SAMPLE) as u32,
        }
    }

    /// Bytes that steps take.
    pub fn bytes(&self) -> usize {
        self.rings.iter().map(|ring| ring.lock().bytes()).sum()
    }

    /// Since when everything is remembered, in milliseconds since the Unix epoch.
    pub fn since_ms(&self) -> u64 {
        let since = self.rings.iter().map(|ring| ring.lock().since_ms());
        since.max().unwrap_or_default()
    }

    fn ring(&self, id: TraceId) -> &Mutex<Ring> {
        &self.rings[(id.number() % RINGS as u64) as usize]
    }

    fn me(&self) -> Member {
        let lives = self.lives.load();
        lives.last().expect("there is one at least").clone()
    }

    fn session_id(&self, serial: Serial) -> SessionId {
        SessionId {
            member: self.me(),
            serial,
        }
    }

    fn take(&self, traced: &Traced, what: What) {
        if traced.is_sampled {
            what.log(traced.id, &self.me());
        }
        if let Some(told) = &traced.told {
            self.tell(traced.id, Some(told), None, &what);
        }
        if traced.is_remembered {
            let step = Remembered {
                time_ms: self.clock.now().unix_ms,
                trace: traced.id,
                life: (self.lives.load().len() - 1) as u32,
                what,
            };
            let bytes_max = self.bytes_max.load(Relaxed) / RINGS;
            let overwritten = self.ring(traced.id).lock().push(step, bytes_max);
            self.stats.steps.add(1);
            self.stats.overwritten.add(overwritten);
        }
    }
}

// === impl Traced ===

impl Traced {
    /// Takes note of a step.
    pub fn note(&self, what: What) {
        self.recorder.take(self, what);
    }

    /// Whether its steps are remembered, or stand in the log.
    pub fn is_noted(&self) -> bool {
        self.is_remembered || self.is_sampled
    }

    /// Whether somebody follows anything.
    pub fn is_told(&self) -> bool {
        self.told.is_some()
    }
}

impl Told {
    fn of(message: &Message) -> Self {
        Self {
            topic: Topic::clone(&message.topic),
            data: Bytes::clone(&message.data),
        }
    }
}

/// What a step takes in a ring, without what hangs on it.
const STEP_BYTES: usize = mem::size_of::<Remembered>();
