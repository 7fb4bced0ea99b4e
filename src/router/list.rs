//! The subscribers of one topic on one shard: joined and left in constant time, walked in pieces.
//!
//! A walk over many subscribers pauses between pieces while others join and leave. It still reaches
//! everyone once who was there from its beginning to its end: it goes from the end of the list to
//! its beginning, new subscribers come in at the end behind it, and one that a removal moves down
//! into its way carries the mark of the walk that has been there.

use std::{
    collections::BinaryHeap,
    hash::{BuildHasherDefault, Hasher},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use indexmap::IndexMap;
use parking_lot::Mutex;

use crate::{id::Serial, router::subscriber::Subscriber};

/// The subscribers of one topic on one shard.
#[derive(Debug, Default)]
pub struct List {
    /// A blocking mutex: held for one piece of a walk at most, never across an `.await`.
    listed: Mutex<IndexMap<Serial, Listed, BuildHasherDefault<SerialHasher>>>,
    len: AtomicUsize,
}

#[derive(Debug)]
struct Listed {
    subscriber: Arc<Subscriber>,
    /// The last walk that was here.
    walk: u32,
}

/// Serials are numbers of our own and need no protection against chosen keys: one multiplication
/// spreads them.
#[derive(Debug, Default)]
pub struct SerialHasher(u64);

/// Where a walk stands. Walks of one list follow one another.
#[derive(Debug)]
pub struct Cursor {
    walk: u32,
    /// Entries before this position have not been visited.
    position: usize,
}

// === impl List ===

impl List {
    /// Adds a session. Says whether it is new.
    pub fn insert(&self, subscriber: &Arc<Subscriber>) -> bool {
        let listed = Listed {
            subscriber: Arc::clone(subscriber),
            walk: 0,
        };
        let mut entries = self.listed.lock();
        let new = entries.insert(subscriber.serial, listed).is_none();
        self.len.store(entries.len(), Relaxed);
        new
    }

    /// Removes a session. Says whether it was there.
    pub fn remove(&self, serial: Serial) -> bool {
        let mut entries = self.listed.lock();
        let removed = entries.swap_remove(&serial).is_some();
        if entries.len() < entries.capacity() / 4 {
            let len = entries.len();
            entries.shrink_to(2 * len);
        }
        self.len.store(entries.len(), Relaxed);
        removed
    }

    /// One of the sessions.
    pub fn find(&self, serial: Serial) -> Option<Arc<Subscriber>> {
        let entries = self.listed.lock();
        entries
            .get(&serial)
            .map(|listed| Arc::clone(&listed.subscriber))
    }

    /// How many sessions.
    pub fn len(&self) -> usize {
        self.len.load(Relaxed)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Up to `max` of the sessions.
    pub fn sample(&self, max: usize) -> Vec<Arc<Subscriber>> {
        let entries = self.listed.lock();
        let subscribers = entries
            .values()
            .map(|listed| Arc::clone(&listed.subscriber));
        subscribers.take(max).collect()
    }

    /// Up to `max` of the sessions, from this position on. Who leaves between two pieces moves others.
    pub fn piece(&self, position: usize, max: usize) -> Vec<Arc<Subscriber>> {
        let entries = self.listed.lock();
        let end = position.saturating_add(max).min(entries.len());
        let piece = entries.get_range(position..end);
        let piece = piece.into_iter().flat_map(|piece| piece.values());
        piece.map(|listed| Arc::clone(&listed.subscriber)).collect()
    }

    /// The first `max` of the wanted sessions in the order of their serials, behind `after`.
    pub fn page(
        &self,
        after: Option<Serial>,
        max: usize,
        is_wanted: impl Fn(&Subscriber) -> bool,
    ) -> Vec<Arc<Subscriber>> {
        let entries = self.listed.lock();
        let behind = entries.values().filter(|listed| {
            let subscriber = &listed.subscriber;
            after.is_none_or(|after| after < subscriber.serial) && is_wanted(subscriber)
        });
        let serials = behind.map(|listed| listed.subscriber.serial);
        let page = smallest(serials, max).into_iter();
        page.filter_map(|serial| entries.get(&serial))
            .map(|listed| Arc::clone(&listed.subscriber))
            .collect()
    }

    /// Begins a walk over everyone who is there now. `walk` is not 0 and not that of the walk before.
    pub fn begin(&self, walk: u32) -> Cursor {
        Cursor {
            walk,
            position: self.listed.lock().len(),
        }
    }

    /// Visits the next `max` sessions. Says whether any are left.
    pub fn advance(
        &self,
        cursor: &mut Cursor,
        max: usize,
        mut visit: impl FnMut(&Arc<Subscriber>),
    ) -> bool {
        let mut entries = self.listed.lock();
        // Who left may have made the list shorter than the way that was ahead.
        cursor.position = cursor.position.min(entries.len());
        let end = cursor.position.saturating_sub(max);
        while end < cursor.position {
            cursor.position -= 1;
            let Some((_, listed)) = entries.get_index_mut(cursor.position) else {
                continue;
            };
            if listed.walk != cursor.walk {
                listed.walk = cursor.walk;
                visit(&listed.subscriber);
            }
        }
        0 < cursor.position
    }
}

/// The `max` smallest of these, in order. Holds no more of them at a time.
pub(super) fn smallest<T: Ord>(items: impl Iterator<Item = T>, max: usize) -> Vec<T> {
    let mut heap = BinaryHeap::new();
    for item in items {
        if heap.len() < max {
            heap.push(item);
        } else if let Some(mut greatest) = heap.peek_mut()
            && item < *greatest
        {
            *greatest = item;
        }
    }
    heap.into_sorted_vec()
}

// === impl SerialHasher ===

impl Hasher for SerialHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        // The golden ratio in 64 bits; the upper half carries the spread.
        self.0 = (self.0 ^ number)
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            .rotate_left(32);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
