//! A snapshot on its way: what a member had at the moment of part 0, and what has changed since.
//!
//! **Invariant:** a count is the number of topics in the parts that came, plus the joins and minus
//! the leaves since part 0. It is below 0 as long as the part that has the topic is still to come.

use std::collections::{HashMap, hash_map::Entry};

use super::{
    holding::Slot,
    shard::Shard,
    table::{SHARDS, shard_of},
};

/// A snapshot whose last part has not come.
#[derive(Debug)]
pub(super) struct Build {
    slot: Slot,
    number: u64,
    next_part: u32,
    /// Not in the table, where each topic would be there twice and look like one of two members.
    shards: Vec<Shard>,
    /// Counts below 0, as positive numbers.
    early: HashMap<u64, u32>,
    is_saturated: bool,
}

// === impl Build ===

impl Build {
    /// Before part 0 of snapshot `number`.
    pub(super) fn new(slot: Slot, number: u64) -> Self {
        Self {
            slot,
            number,
            next_part: 0,
            shards: (0..SHARDS).map(|_| Shard::default()).collect(),
            early: HashMap::new(),
            is_saturated: false,
        }
    }

    /// Takes the next part in. Says whether it was the next one.
    pub(super) fn extend(&mut self, number: u64, part: u32, topics: &[u64]) -> bool {
        if self.number != number || self.next_part != part {
            return false;
        }
        self.next_part = part.saturating_add(1);
        for hash in topics {
            self.add(*hash);
        }
        true
    }

    /// One topic more.
    pub(super) fn add(&mut self, hash: u64) {
        if let Entry::Occupied(mut early) = self.early.entry(hash) {
            *early.get_mut() -= 1;
            if *early.get() == 0 {
                early.remove();
            }
            return;
        }
        self.is_saturated |= self.shards[shard_of(hash)].add(hash, self.slot, 1);
    }

    /// One topic less.
    pub(super) fn take(&mut self, hash: u64) {
        if !self.shards[shard_of(hash)].take(hash, self.slot) {
            *self.early.entry(hash).or_default() += 1;
        }
    }

    /// Whether there are counts that are not known any more.
    pub(super) fn is_saturated(&self) -> bool {
        self.is_saturated
    }

    /// What the member has, by shard of the table.
    pub(super) fn finish(self) -> Vec<Shard> {
        self.shards
    }
}
