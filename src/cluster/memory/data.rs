//! What stands in the embedded server. Nothing here waits.

use std::collections::{BTreeMap, HashMap, VecDeque};

use bytes::Bytes;
use tokio::time::Instant;

use crate::{
    cluster::streams::{
        Entry, LEASE, LOG_ENTRIES, Position, Pulse, REAP, Sent, StreamsError, new_generation,
    },
    id::Member,
};

/// Most entries that are read at once.
const COUNT: usize = 256;

/// Everything that the server knows.
#[derive(Default)]
pub(super) struct Data {
    generation: Option<Box<str>>,
    /// Everybody who has enrolled, by name.
    members: BTreeMap<Box<str>, Member>,
    leases: HashMap<Member, Held<Bytes>>,
    /// Who may reap whom.
    reaping: HashMap<Member, Held<Member>>,
    log: VecDeque<(Position, Entry)>,
    /// What each member has read of the log.
    cursors: HashMap<Member, Position>,
    inboxes: HashMap<Member, Queue>,
    /// The newest position. It survives [`Self::wipe`]: positions never go back.
    last: Position,
}

/// Something that holds until its time is over.
struct Held<T> {
    value: T,
    until: Instant,
}

/// An inbox: what was not acknowledged, in order.
#[derive(Default)]
struct Queue {
    entries: VecDeque<(Position, Entry)>,
    /// The last entry that was given to a reader.
    given: Position,
}

// === impl Data ===

impl Data {
    pub(super) fn wipe(&mut self) {
        let last = self.last;
        *self = Self::default();
        self.last = last;
    }

    pub(super) fn beat(&mut self, me: &Member, info: Bytes) -> Pulse {
        let now = Instant::now();
        let until = now + LEASE;
        self.leases.retain(|_, lease| lease.holds(now));
        self.leases.insert(me.clone(), Held { value: info, until });
        let generation = self
            .generation
            .get_or_insert_with(|| new_generation().into());
        let inbox = self.inboxes.get(me);
        let members = self.members.values().map(|member| {
            let lease = self.leases.get(member).map(|lease| lease.value.clone());
            (member.clone(), lease)
        });
        Pulse {
            generation: generation.clone(),
            inbox_entries: inbox.map_or(0, |inbox| inbox.entries.len() as u64),
            members: members.collect(),
        }
    }

    pub(super) fn enroll(&mut self, me: &Member) {
        self.members.insert(me.as_str().into(), me.clone());
    }

    pub(super) fn resign(&mut self, me: &Member) {
        self.leases.remove(me);
    }

    pub(super) fn begin_reaping(&mut self, dead: &Member, me: &Member) -> bool {
        let now = Instant::now();
        self.reaping.retain(|_, right| right.holds(now));
        let right = self.reaping.entry(dead.clone()).or_insert_with(|| Held {
            value: me.clone(),
            until: now + REAP,
        });
        right.value == *me
    }

    pub(super) fn open_log(&mut self, me: &Member) {
        self.cursors.insert(me.clone(), self.last);
    }

    pub(super) fn append(&mut self, entries: Vec<Entry>) -> Vec<Position> {
        let mut positions = Vec::with_capacity(entries.len());
        for entry in entries {
            let position = self.next_position();
            self.log.push_back((position, entry));
            positions.push(position);
        }
        let excess = self.log.len().saturating_sub(LOG_ENTRIES);
        self.log.drain(..excess);
        positions
    }

    pub(super) fn read_log(&mut self, me: &Member) -> Result<Vec<(Position, Entry)>, StreamsError> {
        let cursor = self.cursors.get_mut(me).ok_or(StreamsError::Lost)?;
        let entries = behind(&self.log, *cursor);
        if let Some((last, _)) = entries.last() {
            *cursor = *last;
        }
        Ok(entries)
    }

    pub(super) fn open_inbox(&mut self, member: &Member) {
        self.inboxes.entry(member.clone()).or_default();
    }

    pub(super) fn send(&mut self, entries: Vec<(Member, Entry)>) -> Vec<Sent> {
        let sent = entries.into_iter().map(|(member, entry)| {
            if !self.inboxes.contains_key(&member) {
                return Sent::Gone;
            }
            let position = self.next_position();
            let queue = self.inboxes.entry(member).or_default();
            queue.entries.push_back((position, entry));
            Sent::Stored {
                waiting: queue.entries.len() as u64,
            }
        });
        sent.collect()
    }

    /// What was given out behind `after` and not acknowledged.
    pub(super) fn read_pending(
        &self,
        member: &Member,
        after: Position,
    ) -> Result<Vec<(Position, Entry)>, StreamsError> {
        let queue = self.inboxes.get(member).ok_or(StreamsError::Lost)?;
        let mut entries = behind(&queue.entries, after);
        entries.retain(|(position, _)| *position <= queue.given);
        Ok(entries)
    }

    /// What was given to nobody yet.
    pub(super) fn read_inbox(
        &mut self,
        member: &Member,
    ) -> Result<Vec<(Position, Entry)>, StreamsError> {
        let queue = self.inboxes.get_mut(member).ok_or(StreamsError::Lost)?;
        let entries = behind(&queue.entries, queue.given);
        if let Some((last, _)) = entries.last() {
            queue.given = *last;
        }
        Ok(entries)
    }

    pub(super) fn acknowledge(&mut self, member: &Member, positions: &[Position]) {
        let Some(queue) = self.inboxes.get_mut(member) else {
            return;
        };
        for position in positions {
            let place = queue.entries.binary_search_by_key(position, |(at, _)| *at);
            if let Ok(place) = place {
                queue.entries.remove(place);
            }
        }
    }

    pub(super) fn remove(&mut self, member: &Member) -> bool {
        let inbox = self.inboxes.get(member);
        if inbox.is_some_and(|inbox| !inbox.entries.is_empty()) {
            return false;
        }
        self.inboxes.remove(member);
        self.leases.remove(member);
        self.reaping.remove(member);
        self.cursors.remove(member);
        self.members.remove(member.as_str());
        true
    }

    fn next_position(&mut self) -> Position {
        self.last.number += 1;
        self.last
    }
}

// === impl Held ===

impl<T> Held<T> {
    fn holds(&self, now: Instant) -> bool {
        now < self.until
    }
}

/// The first entries behind a position.
fn behind(entries: &VecDeque<(Position, Entry)>, position: Position) -> Vec<(Position, Entry)> {
    let start = entries.partition_point(|(at, _)| *at <= position);
    entries.range(start..).take(COUNT).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_trimmed_and_a_slow_reader_misses_entries() {
        let member: Member = "a.1".parse().unwrap();
        let mut data = Data::default();
        data.open_log(&member);
        let entry = |sequence| Entry {
            from: member.clone(),
            lane: 0,
            sequence,
            body: Bytes::new(),
        };
        data.append((0..LOG_ENTRIES as u64 + 10).map(entry).collect());
        assert_eq!(data.log.len(), LOG_ENTRIES);
        let read = data.read_log(&member).unwrap();
        assert_eq!(read[0].1.sequence, 10);
    }
}
