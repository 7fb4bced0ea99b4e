//! The subscribers of one topic on one shard: joined and left in constant time, walked in pieces.
//!
//! A walk over many subscribers pauses between pieces while others join and leave. It still reaches
//! everyone once who was there from its beginning to its end: it goes from the end of the list to
//! its beginning, new subscribers come in at the end behind it, and one that a removal moves down
//! into its way carries the mark of the walk that has been there.

use std::{
    collections::BinaryHeap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use hashbrown::HashTable;
use parking_lot::Mutex;

use crate::{id::Serial, router::subscriber::Subscriber};

/// The subscribers of one topic on one shard.
#[derive(Debug, Default)]
pub struct List {
    /// A blocking mutex: held for one piece of a walk at most, never across an `.await`.
    listed: Mutex<Entries>,
    len: AtomicUsize,
}

/// Sessions in a row, and where each of them stands in it: every session stands in at least two lists, so
/// that neither repeats what the other, or the session, knows.
#[derive(Debug, Default)]
struct Entries {
    row: Vec<Listed>,
    places: HashTable<u32>,
}

#[derive(Debug)]
struct Listed {
    subscriber: Arc<Subscriber>,
    /// The lower half of its serial: what tells nearly all sessions apart, and where its place is found,
    /// without a look at the session itself.
    number: u32,
    /// The last walk that was here.
    walk: u32,
}

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
        let mut entries = self.listed.lock();
        let new = entries.insert(subscriber);
        self.len.store(entries.row.len(), Relaxed);
        new
    }

    /// Removes a session. Says whether it was there.
    pub fn remove(&self, serial: Serial) -> bool {
        let mut entries = self.listed.lock();
        let removed = entries.remove(serial);
        self.len.store(entries.row.len(), Relaxed);
        removed.is_some()
    }

    /// One of the sessions.
    pub fn find(&self, serial: Serial) -> Option<Arc<Subscriber>> {
        let entries = self.listed.lock();
        entries.find(serial).map(Arc::clone)
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
        let row = entries.row.iter().take(max);
        row.map(|listed| Arc::clone(&listed.subscriber)).collect()
    }

    /// Up to `max` of the sessions, from this position on. Who leaves between two pieces moves others.
    pub fn piece(&self, position: usize, max: usize) -> Vec<Arc<Subscriber>> {
        let entries = self.listed.lock();
        let piece = entries.row.iter().skip(position).take(max);
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
        let behind = entries.row.iter().filter(|listed| {
            let subscriber = &listed.subscriber;
            after.is_none_or(|after| after < subscriber.serial) && is_wanted(subscriber)
        });
        let serials = behind.map(|listed| listed.subscriber.serial);
        let page = smallest(serials, max).into_iter();
        page.filter_map(|serial| entries.find(serial).map(Arc::clone))
            .collect()
    }

    /// Begins a walk over everyone who is there now. `walk` is not 0 and not that of the walk before.
    pub fn begin(&self, walk: u32) -> Cursor {
        Cursor {
            walk,
            position: self.listed.lock().row.len(),
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
        cursor.position = cursor.position.min(entries.row.len());
        let end = cursor.position.saturating_sub(max);
        while end < cursor.position {
            cursor.position -= 1;
            let Some(listed) = entries.row.get_mut(cursor.position) else {
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

// === impl Entries ===

impl Entries {
    /// Says whether it is new.
    fn insert(&mut self, subscriber: &Arc<Subscriber>) -> bool {
        if self.place(subscriber.serial).is_some() {
            return false;
        }
        let number = lower(subscriber.serial);
        let place = self.row.len() as u32;
        self.row.push(Listed {
            subscriber: Arc::clone(subscriber),
            number,
            walk: 0,
        });
        let row = &self.row;
        let hasher = |place: &u32| hash(row[*place as usize].number);
        self.places.insert_unique(hash(number), place, hasher);
        true
    }

    fn remove(&mut self, serial: Serial) -> Option<Listed> {
        let found = self.find_place(serial)?;
        let (place, _) = found.remove();
        let removed = self.row.swap_remove(place as usize);
        if let Some(moved) = self.row.get(place as usize) {
            let before = self.row.len() as u32;
            let moved = self
                .places
                .find_mut(hash(moved.number), |place| *place == before);
            debug_assert!(moved.is_some(), "who stands in the row has a place");
            if let Some(moved) = moved {
                *moved = place;
            }
        }
        if self.row.len() < self.row.capacity() / 4 {
            let row = &self.row;
            let hasher = |place: &u32| hash(row[*place as usize].number);
            self.places.shrink_to(2 * row.len(), hasher);
            self.row.shrink_to(2 * self.row.len());
        }
        Some(removed)
    }

    fn find(&self, serial: Serial) -> Option<&Arc<Subscriber>> {
        self.place(serial)
            .map(|place| &self.row[place as usize].subscriber)
    }

    fn place(&self, serial: Serial) -> Option<u32> {
        let is_it = |place: &u32| self.row[*place as usize].is(serial);
        self.places.find(hash(lower(serial)), is_it).copied()
    }

    fn find_place(
        &mut self,
        serial: Serial,
    ) -> Option<hashbrown::hash_table::OccupiedEntry<'_, u32>> {
        let row = &self.row;
        let is_it = |place: &u32| row[*place as usize].is(serial);
        self.places.find_entry(hash(lower(serial)), is_it).ok()
    }
}

// === impl Listed ===

impl Listed {
    fn is(&self, serial: Serial) -> bool {
        self.number == lower(serial) && self.subscriber.serial == serial
    }
}

const fn lower(serial: Serial) -> u32 {
    serial.number() as u32
}

/// Serials are numbers of our own and need no protection against chosen keys: one multiplication by the
/// golden ratio spreads them.
const fn hash(number: u32) -> u64 {
    (number as u64)
        .wrapping_mul(0x9E37_79B9_7F4A_7C15)
        .rotate_left(32)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every session stands in two lists or more.
    #[test]
    fn a_place_in_a_list_takes_16_bytes_beside_its_mark() {
        assert_eq!(size_of::<Listed>(), 16);
    }
}
