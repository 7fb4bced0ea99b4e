//! The roster: which members are known, their numbers in the table, and who was removed.
//!
//! **Invariant:** a slot is given to a member only when no entry of the table names it. A reader that
//! holds a shard and finds a slot there may therefore take the names as they are at that moment: they
//! say the member that the entry means, or that it is gone.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use arc_swap::{ArcSwap, Guard};
use parking_lot::RwLock;

use super::{holding::Slot, table::Table, tracked::Tracked};
use crate::id::Member;

/// How many removed members are remembered.
const REMOVED_MAX: usize = 1024;

/// The members by slot, where there is one that lives.
pub(super) type Names = Vec<Option<Member>>;

/// Who is known. Changes of it are rare.
#[derive(Debug, Default)]
pub(super) struct Roster {
    /// Read by every lookup; written with `known` locked for writing.
    names: ArcSwap<Names>,
    /// Never locked by whoever holds a member's state.
    known: RwLock<Known>,
}

#[derive(Debug, Default)]
struct Known {
    members: HashMap<Member, Arc<Tracked>>,
    /// The latest ones; the oldest is the first.
    removed: VecDeque<Member>,
    /// Slots that had a member, and nothing names any more.
    vacant: Vec<Slot>,
}

// === impl Roster ===

impl Roster {
    /// The members by slot.
    pub(super) fn names(&self) -> Guard<Arc<Names>> {
        self.names.load()
    }

    /// A member that is known.
    pub(super) fn find(&self, member: &Member) -> Option<Arc<Tracked>> {
        self.known.read().members.get(member).cloned()
    }

    /// A member that is known, from now on if need be. None if it was removed, or if there is no slot
    /// for it.
    pub(super) fn find_or_add(&self, member: &Member) -> Option<Arc<Tracked>> {
        if let Some(tracked) = self.find(member) {
            return Some(tracked);
        }
        let mut known = self.known.write();
        if let Some(tracked) = known.members.get(member) {
            return Some(Arc::clone(tracked));
        }
        if known.removed.contains(member) {
            return None;
        }
        let mut names = Names::clone(&self.names.load());
        let slot = match known.vacant.pop() {
            Some(slot) => slot,
            None => {
                let slot = Slot::try_from(names.len()).ok()?;
                names.push(None);
                slot
            }
        };
        names[usize::from(slot)] = Some(member.clone());
        self.names.store(Arc::new(names));
        let tracked = Arc::new(Tracked::new(slot));
        let added = Arc::clone(&tracked);
        known.members.insert(member.clone(), added);
        Some(tracked)
    }

    /// Forgets a member, except that it was removed. Its slot has to be given back by
    /// [`Self::release`].
    pub(super) fn remove(&self, member: &Member) -> Option<Arc<Tracked>> {
        let mut known = self.known.write();
        if !known.removed.contains(member) {
            if known.removed.len() == REMOVED_MAX {
                known.removed.pop_front();
            }
            known.removed.push_back(member.clone());
        }
        let tracked = known.members.remove(member)?;
        let mut names = Names::clone(&self.names.load());
        names[usize::from(tracked.slot)] = None;
        self.names.store(Arc::new(names));
        Some(tracked)
    }

    /// Whether a member was removed.
    pub(super) fn is_removed(&self, member: &Member) -> bool {
        self.known.read().removed.contains(member)
    }

    /// Gives a slot back that no entry of the table names.
    pub(super) fn release(&self, slot: Slot) {
        self.known.write().vacant.push(slot);
    }

    /// Forgets everyone, and empties the table. Slots that are being swept stay with their sweepers.
    pub(super) fn clear(&self, table: &Table) {
        let mut known = self.known.write();
        self.names
            .store(Arc::new(vec![None; self.names.load().len()]));
        known.removed.clear();
        let members = std::mem::take(&mut known.members);
        for tracked in members.values() {
            tracked.end();
        }
        // Nobody can be added before the end of it, so that all there is belongs to those who are
        // gone.
        table.clear();
        let slots = members.values().map(|tracked| tracked.slot);
        known.vacant.extend(slots);
    }

    /// The members of which the table may not have everything.
    pub(super) fn stale(&self) -> Vec<Member> {
        let known = self.known.read();
        let stale = known
            .members
            .iter()
            .filter(|(_, tracked)| !tracked.is_synced());
        stale.map(|(member, _)| member.clone()).collect()
    }
}
