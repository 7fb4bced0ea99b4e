//! A shard: the sessions that one thread serves, and what waits for its flusher.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::{
    id::Serial,
    recorder::Recorder,
    router::{fanout::Delivery, list::List, subscriber::Subscriber},
    stats::ShardStats,
};

/// Most deliveries that wait on a shard before publishers have to.
pub const DELIVERIES_MAX: usize = 4096;

/// One thread's sessions, and the queues between everybody and that thread's flusher.
#[derive(Debug)]
pub struct Shard {
    number: u16,
    sessions: AtomicU64,
    /// Every session of the shard: the topic `all`, and the way to a single one.
    pub roster: Arc<List>,
    /// What it counts.
    pub stats: ShardStats,
    queue: Mutex<Queue>,
    /// The flusher has something to do.
    work: Notify,
    /// Publishers may go on.
    room: Notify,
    /// Deliveries that were queued and not walked to their end.
    waiting: AtomicUsize,
    outbox_bytes: AtomicUsize,
    limits: Arc<Limits>,
    recorder: Arc<Recorder>,
}

/// What others have left for the flusher.
#[derive(Debug, Default)]
pub struct Queue {
    /// Messages to be put into outboxes, in order.
    pub deliveries: VecDeque<Delivery>,
    /// Sessions with something to write.
    pub dirty: VecDeque<Arc<Subscriber>>,
    /// Sessions that were told to end and may need to be made to.
    pub closing: Vec<Weak<Subscriber>>,
}

/// Bounds of outboxes; they can change while sessions live.
#[derive(Debug)]
pub struct Limits {
    outbox_bytes_max: AtomicUsize,
    outboxes_bytes_max: AtomicUsize,
}

// === impl Shard ===

impl Shard {
    /// An empty shard.
    pub fn new(number: u16, limits: Arc<Limits>, recorder: Arc<Recorder>) -> Arc<Self> {
        Arc::new(Self {
            number,
            sessions: AtomicU64::new(0),
            roster: Arc::default(),
            stats: ShardStats::default(),
            queue: Mutex::default(),
            work: Notify::new(),
            room: Notify::new(),
            waiting: AtomicUsize::new(0),
            outbox_bytes: AtomicUsize::new(0),
            limits,
            recorder,
        })
    }

    /// What takes note of what happens to its messages and sessions.
    pub fn recorder(&self) -> &Arc<Recorder> {
        &self.recorder
    }

    /// Which of the node's shards.
    pub fn number(&self) -> u16 {
        self.number
    }

    /// A number for a new session.
    pub fn next_serial(&self) -> Serial {
        Serial::new(self.number, self.sessions.fetch_add(1, Relaxed) + 1)
    }

    /// The bounds of its outboxes.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Bytes that wait in all outboxes of the shard.
    pub fn outbox_bytes(&self) -> usize {
        self.outbox_bytes.load(Relaxed)
    }

    /// Deliveries that wait for the flusher.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Relaxed)
    }

    /// Whether publishers may go on. A hint: those who asked at the same time all may.
    pub fn has_room(&self) -> bool {
        self.waiting() < DELIVERIES_MAX
    }

    /// Waits until publishers may go on. Cancel safe.
    pub async fn room(&self) {
        loop {
            let room = self.room.notified();
            if self.has_room() {
                return;
            }
            room.await;
        }
    }

    /// Waits until the flusher has something to do. Cancel safe.
    pub async fn work(&self) {
        self.work.notified().await;
    }

    /// Queues a delivery.
    pub fn deliver(&self, delivery: Delivery) {
        self.waiting.fetch_add(1, Relaxed);
        self.queue.lock().deliveries.push_back(delivery);
        self.work.notify_one();
    }

    /// Takes note that `count` deliveries were walked to their end.
    pub fn delivered(&self, count: usize) {
        let before = self.waiting.fetch_sub(count, Relaxed);
        if DELIVERIES_MAX <= before {
            self.room.notify_waiters();
        }
    }

    /// Queues a session for the flusher; the session has taken note of it.
    pub fn mark_dirty(&self, subscriber: Arc<Subscriber>) {
        self.queue.lock().dirty.push_back(subscriber);
        self.work.notify_one();
    }

    /// Has the flusher watch that a session that was told to end does so.
    pub fn watch_closing(&self, subscriber: &Arc<Subscriber>) {
        self.queue.lock().closing.push(Arc::downgrade(subscriber));
        self.work.notify_one();
    }

    /// Moves what waits behind what the flusher has.
    pub fn take(&self, into: &mut Queue) {
        let mut queue = self.queue.lock();
        into.deliveries.append(&mut queue.deliveries);
        into.dirty.append(&mut queue.dirty);
        into.closing.append(&mut queue.closing);
    }

    /// Takes note that an outbox has changed its size.
    pub fn account(&self, before: usize, after: usize) {
        if before < after {
            self.outbox_bytes.fetch_add(after - before, Relaxed);
        } else if after < before {
            self.outbox_bytes.fetch_sub(before - after, Relaxed);
        }
    }
}

// === impl Limits ===

impl Limits {
    /// `outbox_bytes_max` for one session, `outboxes_bytes_max` for all of one shard together.
    pub fn new(outbox_bytes_max: usize, outboxes_bytes_max: usize) -> Self {
        Self {
            outbox_bytes_max: AtomicUsize::new(outbox_bytes_max),
            outboxes_bytes_max: AtomicUsize::new(outboxes_bytes_max),
        }
    }

    /// Changes the bounds; what waits already stays.
    pub fn set(&self, outbox_bytes_max: usize, outboxes_bytes_max: usize) {
        self.outbox_bytes_max.store(outbox_bytes_max, Relaxed);
        self.outboxes_bytes_max.store(outboxes_bytes_max, Relaxed);
    }

    /// Most bytes that wait for one session.
    pub fn outbox_bytes_max(&self) -> usize {
        self.outbox_bytes_max.load(Relaxed)
    }

    /// Most bytes that wait for all sessions of one shard.
    pub fn outboxes_bytes_max(&self) -> usize {
        self.outboxes_bytes_max.load(Relaxed)
    }
}
