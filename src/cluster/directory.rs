//! The directory: on this member, which other members have subscribers of which topic, for the whole
//! cluster and in memory.
//!
//! Contract:
//!
//! - **What is known**: topics are known by their keyed hash only. Two topics with one hash are
//!   counted, so that the member stays as long as it has one of them; a message for the other one
//!   reaches nobody there.
//! - **In step**: a member is synced from the last part of a complete snapshot to the next gap in its
//!   sequence numbers. Then it is named exactly where it has subscribers, as of its last entry.
//! - **Out of step**: a stale member is named at least where it is known to have had subscribers. It
//!   stays stale until a snapshot is complete. The request for it, or a part of it, can be lost like
//!   any entry: whoever owns the directory asks again for as long as it is among
//!   [`Directory::stale_members`].
//! - **Order**: entries of one member are applied in the order of the log, one after the other.
//!   Different members, and everything else, need no order.
//! - **Blocking**: lookups wait at most for the work on one shard of 1,024. [`Directory::remove`],
//!   [`Directory::clear`] and the last part of a snapshot take time that grows with the number of
//!   topics, about a tenth of a second where there are millions. Nothing awaits.

mod build;
mod hasher;
mod holding;
mod room;
mod roster;
mod sets;
mod shard;
mod table;
mod tracked;

#[cfg(test)]
mod tests;

use std::fmt;

pub use self::hasher::TopicHasher;
use self::{holding::Holding, roster::Roster, table::Table};
use crate::{envelope::Delta, id::Member, presence::Members};

/// Which other members have subscribers of which topic. See the module's documentation for the
/// contract.
pub struct Directory {
    roster: Roster,
    table: Table,
}

/// What became of a log entry.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Applied {
    /// It is the first entry that was seen of the member, which is stale until a snapshot of it is
    /// complete.
    First,
    /// Entries of the member are missing before it. It is applied as far as it can be, and the member
    /// is stale: a snapshot is needed.
    Gap {
        /// The sequence number of the first one that is missing.
        expected: u64,
        /// That of the entry.
        got: u64,
    },
    /// It is the next one of the member.
    Next,
    /// The member was removed, or there are 65,536 others; nothing is applied.
    Refused,
    /// It was applied before; nothing is applied.
    Repeated,
}

// === impl Directory ===

impl Directory {
    /// Without any member.
    pub fn new() -> Self {
        Self {
            roster: Roster::default(),
            table: Table::new(),
        }
    }

    /// The living members that have subscribers of a topic with this hash.
    pub fn members(&self, hash: u64) -> Members {
        let mut members = Members::new();
        self.for_each_member(hash, |member| members.push(member.clone()));
        members
    }

    /// Visits the living members that have subscribers of a topic with this hash; allocates nothing.
    /// A shard is locked meanwhile: `visit` must be short, and must not call the directory.
    pub fn for_each_member(&self, hash: u64, mut visit: impl FnMut(&Member)) {
        self.table.read(hash, |cells| {
            if cells.is_empty() {
                return;
            }
            let names = self.roster.names();
            for holding in cells.iter().filter_map(|cell| Holding::of_bits(*cell)) {
                if let Some(Some(member)) = names.get(usize::from(holding.slot())) {
                    visit(member);
                }
            }
        });
    }

    /// Applies a log entry of a member, in the order of the log. Of its deltas, only topics and
    /// snapshots matter here; for [`Delta::Down`] and [`Delta::Reaped`], call [`Self::remove`].
    pub fn apply(&self, member: &Member, sequence: u64, deltas: &[Delta]) -> Applied {
        match self.roster.find_or_add(member) {
            Some(tracked) => tracked.apply(&self.table, sequence, deltas),
            None => Applied::Refused,
        }
    }

    /// Removes a member that is dead or has left, known or not. It is in no answer from now on, and
    /// what it still sends is refused; the memory is free when this returns. Says whether it was
    /// known.
    pub fn remove(&self, member: &Member) -> bool {
        let Some(tracked) = self.roster.remove(member) else {
            return false;
        };
        tracked.end();
        self.table.sweep(tracked.slot);
        self.roster.release(tracked.slot);
        true
    }

    /// Whether a member was removed; of the latest 1,024 that were.
    pub fn is_removed(&self, member: &Member) -> bool {
        self.roster.is_removed(member)
    }

    /// Forgets everything, removed members included: a new life of the server's data has begun. No
    /// entry from the log of the old one may be applied afterwards.
    pub fn clear(&self) {
        self.roster.clear(&self.table);
    }

    /// Whether a member is known, and everything that it has.
    pub fn is_synced(&self, member: &Member) -> bool {
        let tracked = self.roster.find(member);
        tracked.is_some_and(|tracked| tracked.is_synced())
    }

    /// The known members of which a snapshot is needed, or is on its way.
    pub fn stale_members(&self) -> Vec<Member> {
        self.roster.stale()
    }

    /// How many hashes have members.
    pub fn topics(&self) -> usize {
        self.table.len()
    }

    /// Bytes on the heap for the topics, free room included. Snapshots on their way do not count.
    pub fn bytes(&self) -> usize {
        self.table.bytes()
    }
}

impl Default for Directory {
    fn default() -> Self {
        Self::new()
    }
}

/// Without the topics, of which there may be millions.
impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Directory").finish_non_exhaustive()
    }
}
