//! The table: every shard behind a lock of its own.
//!
//! **Invariant:** no two locks are held at once, and a writer holds one for the work on one shard
//! only: a reader never waits for more than that.

use parking_lot::RwLock;

use super::{holding::Slot, shard::Shard};

/// Shards; a power of two. Many, so that one is swept or grown in the time of a short wait.
pub(super) const SHARDS: usize = 1024;

/// From hashes to the slots of members that have topics of them.
#[derive(Debug)]
pub(super) struct Table {
    shards: Box<[Locked]>,
}

/// A shard on cache lines of its own, so that readers of two shards do not slow each other down.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Locked(RwLock<Shard>);

// === impl Table ===

impl Table {
    /// Without any hash.
    pub(super) fn new() -> Self {
        let shards = (0..SHARDS).map(|_| Locked::default());
        Self {
            shards: shards.collect(),
        }
    }

    /// Looks at the holdings of a hash, as bits; 0 is none. The shard stays as it is meanwhile.
    pub(super) fn read<T>(&self, hash: u64, look: impl FnOnce(&[u32]) -> T) -> T {
        look(self.shards[shard_of(hash)].0.read().cells(hash))
    }

    /// Adds one topic to a member's. Says whether its count is not known any more.
    pub(super) fn add(&self, hash: u64, slot: Slot) -> bool {
        self.shards[shard_of(hash)].0.write().add(hash, slot, 1)
    }

    /// Takes one topic off a member's. Says whether it had one.
    pub(super) fn take(&self, hash: u64, slot: Slot) -> bool {
        self.shards[shard_of(hash)].0.write().take(hash, slot)
    }

    /// Takes everything off a member.
    pub(super) fn sweep(&self, slot: Slot) {
        for Locked(shard) in &self.shards {
            let mut shard = shard.write();
            shard.sweep(slot);
            shard.fit();
        }
    }

    /// Puts `shards` in the place of everything that a member has. No reader sees a topic that is in
    /// both go and come.
    pub(super) fn replace(&self, slot: Slot, shards: Vec<Shard>) {
        for (Locked(shard), new) in self.shards.iter().zip(shards) {
            let mut shard = shard.write();
            shard.sweep(slot);
            for (hash, holding) in new.holdings() {
                shard.add(hash, slot, holding.count());
            }
            shard.fit();
        }
    }

    /// Takes everything off everyone.
    pub(super) fn clear(&self) {
        for Locked(shard) in &self.shards {
            let emptied = std::mem::take(&mut *shard.write());
            drop(emptied);
        }
    }

    /// How many hashes.
    pub(super) fn len(&self) -> usize {
        let shards = self.shards.iter();
        shards.map(|Locked(shard)| shard.read().len()).sum()
    }

    /// Bytes on the heap.
    pub(super) fn bytes(&self) -> usize {
        let shards = self.shards.iter();
        let inside: usize = shards.map(|Locked(shard)| shard.read().bytes()).sum();
        inside + self.shards.len() * size_of::<Locked>()
    }
}

/// The shard of a hash: by its lower bits, for the upper ones say where in the shard it is.
pub(super) fn shard_of(hash: u64) -> usize {
    hash as usize % SHARDS
}
