//! One member, as its log entries show it.
//!
//! **Invariant:** while a member is synced, the table has exactly what the member has said up to its
//! last entry, saturated counts aside. While it is stale, the table has at least every topic that it
//! had when the gap opened or that was joined in an entry since:
//!
//! - A join is applied. If the topic was there already, its count is too high now, and the member may
//!   be named for longer than it has subscribers. That costs a message to it.
//! - A leave is not applied. It may be the end of a join that was lost, of another topic with the
//!   same hash: to take it off the count of the topic that is known, and still there, would lose
//!   subscribers.
//!
//! The snapshot that ends this replaces all counts, so that neither error outlasts it.

use std::sync::atomic::{
    AtomicBool,
    Ordering::{Acquire, Release},
};

use parking_lot::Mutex;

use super::{Applied, build::Build, holding::Slot, table::Table};
use crate::envelope::Delta;

/// A known member.
#[derive(Debug)]
pub(super) struct Tracked {
    /// Its number in the table.
    pub(super) slot: Slot,
    /// Written with the state locked. Apart from it, so that nobody who asks waits for a switch.
    synced: AtomicBool,
    /// A blocking mutex: held for one entry, never across an `.await`.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    is_gone: bool,
    /// The sequence number of the next entry; none before the first one.
    expected: Option<u64>,
    /// Whether there are counts that are not known any more.
    is_saturated: bool,
    build: Option<Build>,
}

/// A part of a snapshot.
#[derive(Clone, Copy, Debug)]
struct Part<'a> {
    number: u64,
    part: u32,
    last: bool,
    topics: &'a [u64],
}

// === impl Tracked ===

impl Tracked {
    /// A member of which no entry was seen.
    pub(super) fn new(slot: Slot) -> Self {
        Self {
            slot,
            synced: AtomicBool::new(false),
            state: Mutex::default(),
        }
    }

    /// Whether the table has exactly what the member has.
    pub(super) fn is_synced(&self) -> bool {
        self.synced.load(Acquire)
    }

    /// Has nothing of the member come into the table any more when it returns.
    pub(super) fn end(&self) {
        let mut state = self.state.lock();
        state.is_gone = true;
        state.build = None;
    }

    /// Applies the next entry of the member.
    pub(super) fn apply(&self, table: &Table, sequence: u64, deltas: &[Delta]) -> Applied {
        let mut state = self.state.lock();
        if state.is_gone {
            return Applied::Refused;
        }
        let applied = match state.expected {
            None => Applied::First,
            Some(expected) if sequence < expected => return Applied::Repeated,
            Some(expected) if expected < sequence => {
                self.synced.store(false, Release);
                state.build = None;
                Applied::Gap {
                    expected,
                    got: sequence,
                }
            }
            Some(_) => Applied::Next,
        };
        state.expected = Some(sequence.saturating_add(1));
        for delta in deltas {
            match delta {
                Delta::Topics { joined, left } => self.change(&mut state, table, joined, left),
                Delta::Snapshot {
                    number,
                    part,
                    last,
                    topics,
                } => {
                    let part = Part {
                        number: *number,
                        part: *part,
                        last: *last,
                        topics,
                    };
                    self.extend(&mut state, table, part);
                }
                Delta::Claims(_) | Delta::Down | Delta::Reaped(_) | Delta::Up | Delta::Want(_) => {}
            }
        }
        applied
    }

    /// Joins come first: of two topics with one hash, one may have come as the other went.
    fn change(&self, state: &mut State, table: &Table, joined: &[u64], left: &[u64]) {
        let is_synced = self.is_synced();
        for hash in joined {
            state.is_saturated |= table.add(*hash, self.slot);
            if let Some(build) = &mut state.build {
                build.add(*hash);
            }
        }
        for hash in left {
            if is_synced {
                table.take(*hash, self.slot);
            }
            if let Some(build) = &mut state.build {
                build.take(*hash);
            }
        }
    }

    fn extend(&self, state: &mut State, table: &Table, part: Part<'_>) {
        if part.part == 0 {
            // Others ask for snapshots as well. One that says what is known is not worth its memory.
            let is_wanted = !self.is_synced() || state.is_saturated;
            state.build = is_wanted.then(|| Build::new(self.slot, part.number));
        }
        let Some(mut build) = state.build.take() else {
            return;
        };
        if !build.extend(part.number, part.part, part.topics) {
            return;
        }
        if part.last {
            state.is_saturated = build.is_saturated();
            table.replace(self.slot, build.finish());
            self.synced.store(true, Release);
        } else {
            state.build = Some(build);
        }
    }
}
