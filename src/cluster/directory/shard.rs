//! A shard of the table: from hashes to holdings, in an open-addressed array of 12-byte entries.
//!
//! **Invariant** (Robin Hood): along a run of taken entries, an entry is never nearer to its home
//! than the one before it, plus one. A search ends at the first entry that is nearer to its home than
//! the hash that is looked for would be, so that a miss costs no more than a hit although the array
//! is nearly full. What is removed leaves no mark: the rest of the run moves up.

use super::{
    holding::{Holding, Slot},
    room::room,
    sets::{Rest, SetId, Sets},
};

/// How full the array becomes: 4 of 5.
const LOAD_MAX: (usize, usize) = (4, 5);
/// Set in a value that names a set; without it, the value is a holding.
const SET: u32 = 1 << 31;
/// Nobody's entry.
const VACANT: Entry = Entry([0; 3]);

/// Some hashes, and who has how many topics of each.
#[derive(Debug, Default)]
pub(super) struct Shard {
    entries: Box<[Entry]>,
    len: usize,
    sets: Sets,
}

/// Lower half and upper half of a hash, and a value that is 0 if there is none. Three words and not
/// a number of 64 bits, which would be aligned and take 16 bytes.
#[derive(Clone, Copy, Debug)]
struct Entry([u32; 3]);

// === impl Shard ===

impl Shard {
    /// Adds `count` topics to a member's. Says whether the sum is a count that is not known any more.
    pub(super) fn add(&mut self, hash: u64, slot: Slot, count: u32) -> bool {
        let new = Holding::new(slot, count);
        let Some(place) = self.find(hash) else {
            self.insert(Entry::new(hash, new.bits()));
            return new.is_saturated();
        };
        let value = self.entries[place].value();
        let (value, now) = match self.read(value) {
            Ok(one) if one.slot() == slot => {
                let now = one.plus(count);
                (now.bits(), now)
            }
            Ok(one) => (SET | self.sets.make(one, new).bits(), new),
            Err(set) => match self.sets.change(set, slot, |held| held.plus(count)) {
                Some(now) => (value, now),
                None => (SET | self.sets.add(set, new).bits(), new),
            },
        };
        self.entries[place].set_value(value);
        now.is_saturated()
    }

    /// Takes one topic off a member's. Says whether it had one.
    pub(super) fn take(&mut self, hash: u64, slot: Slot) -> bool {
        let Some(place) = self.find(hash) else {
            return false;
        };
        let mut cells = self.cells_at(place).iter().copied();
        let held = cells.find_map(|cell| Holding::of_bits(cell).filter(|held| held.slot() == slot));
        let Some(held) = held else { return false };
        match (held.minus_one(), self.read(self.entries[place].value())) {
            (Some(less), Ok(_)) => self.entries[place].set_value(less.bits()),
            (Some(less), Err(set)) => {
                self.sets.change(set, slot, |_| less);
            }
            (None, _) => {
                self.drop_at(place, slot);
                self.fit();
            }
        }
        true
    }

    /// The holdings of a hash, as bits; 0 is none.
    pub(super) fn cells(&self, hash: u64) -> &[u32] {
        self.find(hash).map_or(&[], |place| self.cells_at(place))
    }

    /// Takes everything off a member. Memory is given back by [`Self::fit`].
    pub(super) fn sweep(&mut self, slot: Slot) {
        let mut place = 0;
        while place < self.entries.len() {
            // What moves up into the place has not been looked at, unless it comes round from the
            // beginning, where everything has.
            if !self.drop_at(place, slot) {
                place += 1;
            }
        }
    }

    /// Every holding, with its hash.
    pub(super) fn holdings(&self) -> impl Iterator<Item = (u64, Holding)> + '_ {
        let taken = (0..self.entries.len()).filter(|place| self.entries[*place].value() != 0);
        taken.flat_map(move |place| {
            let cells = self.cells_at(place).iter();
            let held = cells.filter_map(|cell| Holding::of_bits(*cell));
            held.map(move |holding| (self.entries[place].hash(), holding))
        })
    }

    /// Gives back memory that is mostly vacant.
    pub(super) fn fit(&mut self) {
        if self.len == 0 {
            *self = Self::default();
            return;
        }
        if self.len < self.entries.len() / 2 {
            let capacity = capacity(self.len + self.len / 8);
            if capacity < self.entries.len() {
                self.resize(capacity);
            }
        }
        if self.sets.is_loose() {
            let mut packed = Sets::default();
            for entry in &mut self.entries {
                if entry.value() & SET != 0 {
                    let cells = self.sets.cells(SetId::of_bits(entry.value() & !SET));
                    entry.set_value(SET | packed.adopt(cells).bits());
                }
            }
            self.sets = packed;
        }
    }

    /// How many hashes.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Bytes on the heap.
    pub(super) fn bytes(&self) -> usize {
        self.entries.len() * size_of::<Entry>() + self.sets.bytes()
    }

    fn read(&self, value: u32) -> Result<Holding, SetId> {
        match Holding::of_bits(value) {
            Some(holding) if value & SET == 0 => Ok(holding),
            _ => Err(SetId::of_bits(value & !SET)),
        }
    }

    fn cells_at(&self, place: usize) -> &[u32] {
        let value = &self.entries[place].0[2];
        match value & SET {
            0 => std::slice::from_ref(value),
            _ => self.sets.cells(SetId::of_bits(value & !SET)),
        }
    }

    /// Takes the holding of a member out of the entry. Says whether the entry is gone, and another
    /// one may be in its place.
    fn drop_at(&mut self, place: usize, slot: Slot) -> bool {
        let value = self.entries[place].value();
        if value == 0 {
            return false;
        }
        match self.read(value) {
            Ok(one) if one.slot() == slot => {
                self.remove(place);
                return true;
            }
            Ok(_) => {}
            Err(set) => match self.sets.remove(set, slot) {
                Rest::One(one) => self.entries[place].set_value(one.bits()),
                Rest::Set(set) => self.entries[place].set_value(SET | set.bits()),
            },
        }
        false
    }

    fn find(&self, hash: u64) -> Option<usize> {
        if self.entries.is_empty() {
            return None;
        }
        let mut place = self.home(hash);
        let mut distance = 0;
        loop {
            let entry = self.entries[place];
            if entry.value() == 0 {
                return None;
            }
            if entry.hash() == hash {
                return Some(place);
            }
            if self.distance(place) < distance {
                return None;
            }
            place = self.next(place);
            distance += 1;
        }
    }

    /// Inserts an entry whose hash is not there.
    fn insert(&mut self, entry: Entry) {
        let len = self.len + 1;
        if self.entries.len() * LOAD_MAX.0 < len * LOAD_MAX.1 {
            self.resize(capacity(len));
        }
        self.place(entry);
        self.len = len;
    }

    /// Puts an entry where it belongs; there is room.
    fn place(&mut self, mut entry: Entry) {
        let mut place = self.home(entry.hash());
        let mut distance = 0;
        while self.entries[place].value() != 0 {
            let other = self.distance(place);
            if other < distance {
                std::mem::swap(&mut entry, &mut self.entries[place]);
                distance = other;
            }
            place = self.next(place);
            distance += 1;
        }
        self.entries[place] = entry;
    }

    fn remove(&mut self, mut place: usize) {
        loop {
            let next = self.next(place);
            if self.entries[next].value() == 0 || self.distance(next) == 0 {
                break;
            }
            self.entries[place] = self.entries[next];
            place = next;
        }
        self.entries[place] = VACANT;
        self.len -= 1;
    }

    fn resize(&mut self, capacity: usize) {
        let entries = vec![VACANT; capacity].into_boxed_slice();
        let before = std::mem::replace(&mut self.entries, entries);
        for entry in before {
            if entry.value() != 0 {
                self.place(entry);
            }
        }
    }

    /// Where the search for a hash begins: by its upper half, for the lower bits are the same in the
    /// whole shard.
    fn home(&self, hash: u64) -> usize {
        ((u64::from((hash >> 32) as u32) * self.entries.len() as u64) >> 32) as usize
    }

    /// How far the entry at this place is from its home.
    fn distance(&self, place: usize) -> usize {
        let home = self.home(self.entries[place].hash());
        match place.checked_sub(home) {
            Some(distance) => distance,
            None => place + self.entries.len() - home,
        }
    }

    fn next(&self, place: usize) -> usize {
        match place + 1 {
            end if end == self.entries.len() => 0,
            next => next,
        }
    }
}

// === impl Entry ===

impl Entry {
    fn new(hash: u64, value: u32) -> Self {
        Self([hash as u32, (hash >> 32) as u32, value])
    }

    fn hash(self) -> u64 {
        u64::from(self.0[1]) << 32 | u64::from(self.0[0])
    }

    fn value(self) -> u32 {
        self.0[2]
    }

    fn set_value(&mut self, value: u32) {
        self.0[2] = value;
    }
}

/// The length of the shortest array that holds `len` entries without being too full.
fn capacity(len: usize) -> usize {
    let entries = (len * LOAD_MAX.1).div_ceil(LOAD_MAX.0) + 1;
    room(entries * size_of::<Entry>()) / size_of::<Entry>()
}
