//! Sets: the holdings of hashes that several members have, packed by size.
//!
//! Sets of one capacity lie side by side in one arena, without a header: a cell of 0 is vacant. A
//! freed set waits in its arena for the next one of the same capacity; [`Sets::is_loose`] says when
//! it pays to copy all sets over.

use super::{
    holding::{Holding, Slot},
    room::room,
};

/// Bits of a set's place in its arena; the capacity takes the other 5 of 31.
const INDEX_BITS: u32 = 26;
/// Vacated cells that are never worth the copying.
const LOOSE_CELLS_MIN: usize = 64;

/// The sets of one shard.
#[derive(Debug, Default)]
pub(super) struct Sets {
    /// By class of capacity.
    arenas: Vec<Arena>,
}

/// Where a set is; valid until the next change of it. Less than 2^31.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct SetId(u32);

/// What is left of a set after a holding was taken out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Rest {
    /// One holding; there is no set any more.
    One(Holding),
    /// A set, maybe in another place.
    Set(SetId),
}

/// Sets of one capacity.
#[derive(Debug, Default)]
struct Arena {
    cells: Vec<u32>,
    /// The place of the last freed set plus 1, and 0 for none. Its first cell leads on.
    free: u32,
    /// How many sets are free.
    vacant: usize,
}

// === impl Sets ===

impl Sets {
    /// Makes a set of two members.
    pub(super) fn make(&mut self, one: Holding, other: Holding) -> SetId {
        self.insert(&[one.bits(), other.bits()])
    }

    /// The cells of a set; vacant ones are 0.
    pub(super) fn cells(&self, set: SetId) -> &[u32] {
        let (class, range) = set.locate();
        &self.arenas[class].cells[range]
    }

    /// Puts a copy of a set of other sets into these.
    pub(super) fn adopt(&mut self, cells: &[u32]) -> SetId {
        let held: Vec<u32> = cells.iter().copied().filter(|cell| *cell != 0).collect();
        self.insert(&held)
    }

    /// Changes the holding of a member in place; says what it is now. None if it has none.
    pub(super) fn change(
        &mut self,
        set: SetId,
        slot: Slot,
        change: impl FnOnce(Holding) -> Holding,
    ) -> Option<Holding> {
        let cells = self.cells_mut(set);
        let (place, held) = find(cells, slot)?;
        let changed = change(held);
        cells[place] = changed.bits();
        Some(changed)
    }

    /// Adds a holding of a member that has none in the set.
    pub(super) fn add(&mut self, set: SetId, holding: Holding) -> SetId {
        let cells = self.cells_mut(set);
        if let Some(vacant) = cells.iter_mut().find(|cell| **cell == 0) {
            *vacant = holding.bits();
            return set;
        }
        let mut cells = cells.to_vec();
        cells.push(holding.bits());
        self.free(set);
        self.insert(&cells)
    }

    /// Takes the holding of a member out of the set; nothing changes if it has none.
    pub(super) fn remove(&mut self, set: SetId, slot: Slot) -> Rest {
        let cells = self.cells_mut(set);
        let Some((place, _)) = find(cells, slot) else {
            return Rest::Set(set);
        };
        cells[place] = 0;
        let mut held = cells.iter().copied().filter_map(Holding::of_bits);
        let (first, second) = (held.next(), held.next());
        if let (Some(one), None) = (first, second) {
            self.free(set);
            return Rest::One(one);
        }
        let len = 2 + held.count();
        // Two classes down, so that one who comes and goes does not move the set each time.
        if capacity(set.class().saturating_sub(2)) < len {
            return Rest::Set(set);
        }
        if set.class() < 2 {
            return Rest::Set(set);
        }
        let cells = self.cells(set).to_vec();
        self.free(set);
        Rest::Set(self.adopt(&cells))
    }

    /// Whether most of the memory is vacant.
    pub(super) fn is_loose(&self) -> bool {
        let arenas = self.arenas.iter().enumerate();
        let vacant: usize = arenas
            .map(|(class, arena)| arena.vacant * capacity(class))
            .sum();
        let all: usize = self.arenas.iter().map(|arena| arena.cells.len()).sum();
        LOOSE_CELLS_MIN < vacant && all < 2 * vacant
    }

    /// Bytes on the heap.
    pub(super) fn bytes(&self) -> usize {
        let cells = self.arenas.iter().map(|arena| arena.cells.capacity());
        cells.sum::<usize>() * size_of::<u32>() + self.arenas.capacity() * size_of::<Arena>()
    }

    fn cells_mut(&mut self, set: SetId) -> &mut [u32] {
        let (class, range) = set.locate();
        &mut self.arenas[class].cells[range]
    }

    fn insert(&mut self, held: &[u32]) -> SetId {
        let class = class(held.len());
        while self.arenas.len() <= class {
            self.arenas.reserve_exact(1);
            self.arenas.push(Arena::default());
        }
        let index = self.arenas[class].take(capacity(class));
        let set = SetId::new(class, index);
        let cells = self.cells_mut(set);
        cells[..held.len()].copy_from_slice(held);
        cells[held.len()..].fill(0);
        set
    }

    fn free(&mut self, set: SetId) {
        let (class, range) = set.locate();
        let arena = &mut self.arenas[class];
        arena.cells[range.start] = arena.free;
        arena.free = set.index() as u32 + 1;
        arena.vacant += 1;
    }
}

// === impl Arena ===

impl Arena {
    /// The place of a set that nobody uses.
    fn take(&mut self, capacity: usize) -> usize {
        if let Some(index) = self.free.checked_sub(1) {
            self.free = self.cells[index as usize * capacity];
            self.vacant -= 1;
            return index as usize;
        }
        let start = self.cells.len();
        let end = start + capacity;
        if self.cells.capacity() < end {
            let bytes = room(end * size_of::<u32>());
            self.cells.reserve_exact(bytes / size_of::<u32>() - start);
        }
        self.cells.resize(end, 0);
        start / capacity
    }
}

// === impl SetId ===

impl SetId {
    /// What [`Self::bits`] gave.
    pub(super) fn of_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// Less than 2^31.
    pub(super) fn bits(self) -> u32 {
        self.0
    }

    fn new(class: usize, index: usize) -> Self {
        // A shard would need hundreds of gigabytes to have more.
        debug_assert!(index < 1 << INDEX_BITS);
        Self((class << INDEX_BITS | index) as u32)
    }

    fn class(self) -> usize {
        (self.0 >> INDEX_BITS) as usize
    }

    fn index(self) -> usize {
        (self.0 & ((1 << INDEX_BITS) - 1)) as usize
    }

    fn locate(self) -> (usize, std::ops::Range<usize>) {
        let (class, index) = (self.class(), self.index());
        let capacity = capacity(class);
        (class, index * capacity..(index + 1) * capacity)
    }
}

/// Where the holding of a member stands, and what it is.
fn find(cells: &[u32], slot: Slot) -> Option<(usize, Holding)> {
    let mut held = cells.iter().enumerate();
    held.find_map(|(place, cell)| {
        let holding = Holding::of_bits(*cell)?;
        (holding.slot() == slot).then_some((place, holding))
    })
}

/// Cells of a set of this class: 2, 3, 4, 6, 8, 12 and so on. Class 30 has all slots.
fn capacity(class: usize) -> usize {
    (2 + class % 2) << (class / 2)
}

/// The first class with room for `len`.
fn class(len: usize) -> usize {
    let mut class = 0;
    while capacity(class) < len {
        class += 1;
    }
    class
}
