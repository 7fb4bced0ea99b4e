//! The verdict about durable messages.
//!
//! The promise is "at least once, however often nodes, connections and Redis fail in between, in order and once on
//! each connection". It holds for what a node has answered for. What a Redis without persistence had in its memory when
//! it died is *excused*, unless the receiver had been connected for long enough to have it by then: a message that was
//! lost before must not hide behind the death. The order is that of the messages that were pushed at the same node;
//! those that were given up without an answer are outside of it, as that node may still be at work on them. Nor does it
//! hold across the death or sleep of that node or the death of Redis: what was kept then and not sent is brought when
//! somebody notices, behind what came after it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use super::event::Letter;
use super::{Client, OFFENCES_MAX, Tolerance};
use crate::check::outcome::{Fault, KeptCounts, Offence};

/// A fault is over so long after its repair: a node finds out that it was declared dead.
const NOTICED: Duration = Duration::from_secs(2);
/// What is kept is on its way after that time, or goes down with the node.
const UNSENT: Duration = Duration::from_millis(500);

/// What has happened to durable messages so far.
#[derive(Debug, Default)]
pub(super) struct Kept {
    letters: BTreeMap<Letter, Push>,
    /// Of each client, in order.
    connections: HashMap<Client, Vec<Connection>>,
    wipes: Vec<Span>,
    /// With the node that it happened to.
    interruptions: Vec<(Client, Span)>,
}

#[derive(Debug)]
struct Push {
    at: Duration,
    promised: Option<Duration>,
}

#[derive(Debug)]
struct Connection {
    opened: Duration,
    ended: Option<Duration>,
    /// In order.
    came: Vec<(Letter, Duration)>,
}

/// From before a fault until after its repair.
#[derive(Clone, Copy, Debug)]
struct Span {
    from: Duration,
    until: Duration,
}

impl Kept {
    pub(super) fn open(&mut self, client: Client, at: Duration) {
        self.connections
            .entry(client)
            .or_default()
            .push(Connection {
                opened: at,
                ended: None,
                came: Vec::new(),
            });
    }

    pub(super) fn end(&mut self, client: Client, at: Duration) {
        let last = self.connections.entry(client).or_default().last_mut();
        if let Some(last) = last {
            last.ended = Some(at);
        }
    }

    pub(super) fn push(&mut self, letter: Letter, at: Duration) {
        let promised = None;
        self.letters.insert(letter, Push { at, promised });
    }

    pub(super) fn promise(&mut self, letter: Letter, at: Duration) {
        if let Some(push) = self.letters.get_mut(&letter) {
            push.promised = Some(at);
        }
    }

    pub(super) fn come(&mut self, letter: Letter, at: Duration) {
        let last = self.connections.entry(letter.receiver).or_default();
        if let Some(last) = last.last_mut() {
            last.came.push((letter, at));
        }
    }

    pub(super) fn wipe(&mut self, from: Duration, until: Duration) {
        self.wipes.push(Span { from, until });
    }

    pub(super) fn interrupt(&mut self, pusher: Client, from: Duration, until: Duration) {
        self.interruptions.push((pusher, Span { from, until }));
    }

    /// Messages that have to come and may still do so at `now`: their receivers have not been connected until the
    /// deadline, counted from the promise or from when they came back.
    pub(super) fn undecided(&self, now: Duration, tolerance: &Tolerance) -> usize {
        let missing = self.missing(&self.came(), tolerance.overdue);
        let may_come = |letter: &Letter, promised: Duration| {
            let last = self.connections(letter.receiver).last();
            last.is_some_and(|last| now < promised.max(last.opened) + tolerance.deadline)
        };
        let missing = missing.iter().filter(|missing| !missing.is_excused);
        missing
            .filter(|missing| may_come(&missing.letter, missing.promised))
            .count()
    }

    /// What became of every message, and the first offending ones.
    pub(super) fn verdict(&self, overdue: Duration) -> (KeptCounts, Vec<Offence>) {
        let promised = self.letters.values().filter(|push| push.promised.is_some());
        let kept = promised.count() as u64;
        let missing = self.missing(&self.came(), overdue);
        let excused = missing.iter().filter(|missing| missing.is_excused).count() as u64;
        let mut counts = KeptCounts {
            kept,
            unpromised: self.letters.len() as u64 - kept,
            delivered: kept - missing.len() as u64,
            excused,
            silent: missing.len() as u64 - excused,
            ..KeptCounts::default()
        };
        let silent = missing.iter().filter(|missing| !missing.is_excused);
        let mut offences: Vec<_> = silent
            .map(|missing| offence(Fault::KeptSilent, missing.letter).sent(missing.pushed))
            .collect();
        for connection in self.connections.values().flatten() {
            self.judge(connection, &mut counts, &mut offences);
        }
        offences.sort_by_key(|offence| Reverse(offence.fault == Fault::KeptSilent));
        offences.truncate(OFFENCES_MAX);
        (counts, offences)
    }

    /// Finds what came twice, late or out of nowhere on one connection.
    fn judge(&self, connection: &Connection, counts: &mut KeptCounts, offences: &mut Vec<Offence>) {
        let mut seen = HashSet::new();
        // The last one of each pusher that is part of the order.
        let mut newest = HashMap::<Client, (usize, Duration)>::new();
        for &(letter, at) in &connection.came {
            let Some(push) = self.letters.get(&letter) else {
                counts.unknown += 1;
                offences.push(offence(Fault::KeptUnknown, letter).received(at));
                continue;
            };
            let tell = |fault| offence(fault, letter).sent(push.at).received(at);
            if !seen.insert(letter) {
                counts.doubled += 1;
                offences.push(tell(Fault::KeptDoubled));
                continue;
            }
            if push.promised.is_none() {
                continue;
            }
            let newest = newest
                .entry(letter.pusher)
                .or_insert((letter.number, push.at));
            if letter.number < newest.0 && !self.is_interrupted(letter.pusher, push.at, newest.1) {
                counts.out_of_order += 1;
                offences.push(tell(Fault::KeptOutOfOrder));
            }
            *newest = (letter.number, push.at).max(*newest);
        }
    }

    /// Whether the order does not hold between two messages that were pushed at these times at one node.
    fn is_interrupted(&self, pusher: Client, one: Duration, next: Duration) -> bool {
        let own = self.interruptions.iter().filter(|(of, _)| *of == pusher);
        let mut spans = own.map(|(_, span)| span).chain(&self.wipes);
        spans.any(|span| one <= span.until + NOTICED && span.from <= next + UNSENT)
    }

    fn came(&self) -> HashSet<Letter> {
        let came = self.connections.values().flatten();
        came.flat_map(|connection| connection.came.iter().map(|(letter, _)| *letter))
            .collect()
    }

    /// What was promised and has not come.
    fn missing(&self, came: &HashSet<Letter>, overdue: Duration) -> Vec<Missing> {
        let missing = self.letters.iter().filter_map(|(letter, push)| {
            let promised = push.promised?;
            (!came.contains(letter)).then(|| Missing {
                letter: *letter,
                pushed: push.at,
                promised,
                is_excused: self.is_excused(letter, push.at, promised, overdue),
            })
        });
        missing.collect()
    }

    /// Whether it may have been nowhere but in a Redis that has lost it.
    fn is_excused(
        &self,
        letter: &Letter,
        pushed: Duration,
        promised: Duration,
        overdue: Duration,
    ) -> bool {
        self.wipes.iter().any(|wipe| {
            let is_overdue = self.connections(letter.receiver).iter().any(|connection| {
                let ended = connection.ended.unwrap_or(wipe.from).min(wipe.from);
                promised.max(connection.opened) + overdue <= ended
            });
            pushed <= wipe.until && !is_overdue
        })
    }

    fn connections(&self, client: Client) -> &[Connection] {
        self.connections.get(&client).map_or(&[], Vec::as_slice)
    }
}

/// A message that has not come.
#[derive(Debug)]
struct Missing {
    letter: Letter,
    pushed: Duration,
    promised: Duration,
    is_excused: bool,
}

fn offence(fault: Fault, letter: Letter) -> Offence {
    Offence::new(fault, letter.pusher, letter.receiver, letter.number)
}

#[cfg(test)]
mod tests;
