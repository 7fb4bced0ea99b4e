//! The deciding part of `check`: takes what happened, and says of every message what became of it. Pure: no clock, no
//! sockets, times are those since the start of the run.
//!
//! The promise that is checked is "at most once, in order, to whoever is connected, and no loss in silence". So a
//! message that did not arrive is *excused* when the sender's or the receiver's connection ended while it could have
//! been under way. That time ends at the deadline, or earlier when a later message of the same pair has arrived: with
//! the order kept, nothing that comes after can explain the gap.
//!
//! Durable messages have a promise of their own, which [`kept`] decides about.

mod event;
mod kept;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::time::Duration;

use super::outcome::{Counts, Fault, Offence, Verdict};
pub use event::{Event, Letter};
use kept::Kept;

/// Offending messages that are told in full.
const OFFENCES_MAX: usize = 20;

/// One client, by its number.
pub type Client = u32;

/// How much time a message has.
#[derive(Clone, Copy, Debug)]
pub struct Tolerance {
    /// A connection that ended so shortly before the sending may have taken the message with it.
    pub before: Duration,
    /// A message that has not come so long after its sending will not come any more.
    pub deadline: Duration,
    /// The end of a connection is noticed so long after it has cost messages.
    pub after: Duration,
    /// An announcement is read so long after the message could not come any more.
    pub announced: Duration,
    /// A durable message is with whoever has been connected for that time, even if a fault has just been repaired.
    pub overdue: Duration,
}

impl Default for Tolerance {
    fn default() -> Self {
        Self {
            before: Duration::from_millis(100),
            // A Redis that stood still for 10 s, and the pauses of those that try to reach it again.
            deadline: Duration::from_secs(20),
            after: Duration::from_millis(500),
            // A node may stand still between counting and being asked.
            announced: Duration::from_secs(10),
            // Longer than the nodes' second look at who is where, and their longest pause.
            overdue: Duration::from_secs(6),
        }
    }
}

/// What has happened so far.
#[derive(Debug, Default)]
pub struct Ledger {
    tolerance: Tolerance,
    pairs: HashMap<(Client, Client), Pair>,
    /// When the connections of each client ended, in order.
    ends: HashMap<Client, Vec<Duration>>,
    /// In order.
    announced: Vec<(Duration, u64)>,
    offences: Vec<Offence>,
    unknown: u64,
    out_of_order: u64,
    kept: Kept,
}

#[derive(Debug, Default)]
struct Pair {
    messages: Vec<Message>,
    /// The highest number that has come.
    newest: Option<usize>,
}

#[derive(Debug)]
struct Message {
    sent: Duration,
    received: Option<Duration>,
    copies: u32,
}

/// A message that has not come and that no connection's end excuses. In order of the times up to which an announcement
/// may be about it.
#[derive(Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Missing {
    /// From then on it could not come any more.
    until: Duration,
    sent: Duration,
    sender: Client,
    receiver: Client,
    number: usize,
}

impl Ledger {
    /// An empty one.
    #[must_use]
    pub fn new(tolerance: Tolerance) -> Self {
        Self {
            tolerance,
            ..Self::default()
        }
    }

    /// The number that the next message of a pair has.
    #[must_use]
    pub fn next_number(&self, sender: Client, receiver: Client) -> usize {
        let pair = self.pairs.get(&(sender, receiver));
        pair.map_or(0, |pair| pair.messages.len())
    }

    /// Takes note of something. What clients see comes in the order of its times; the rest may come later.
    pub fn note(&mut self, event: Event) {
        match event {
            Event::Sent {
                sender,
                receiver,
                at,
            } => {
                let pair = self.pairs.entry((sender, receiver)).or_default();
                pair.messages.push(Message {
                    sent: at,
                    received: None,
                    copies: 0,
                });
            }
            Event::Received {
                sender,
                receiver,
                number,
                at,
            } => self.receive(sender, receiver, number, at),
            Event::Opened { client, at } => self.kept.open(client, at),
            Event::Ended { client, at } => {
                self.kept.end(client, at);
                self.ends.entry(client).or_default().push(at);
            }
            Event::Announced { count, at } => self.announced.push((at, count)),
            Event::Pushed { letter, at } => self.kept.push(letter, at),
            Event::Promised { letter, at } => self.kept.promise(letter, at),
            Event::Came { letter, at } => self.kept.come(letter, at),
            Event::Interrupted {
                pusher,
                from,
                until,
            } => self.kept.interrupt(pusher, from, until),
            Event::Wiped { from, until } => self.kept.wipe(from, until),
        }
    }

    fn receive(&mut self, sender: Client, receiver: Client, number: usize, at: Duration) {
        let pair = self.pairs.entry((sender, receiver)).or_default();
        let Some(message) = pair.messages.get_mut(number) else {
            self.unknown += 1;
            let offence = Offence::new(Fault::Unknown, sender, receiver, number);
            return self.tell(offence.received(at));
        };
        message.copies += 1;
        let is_older = pair.newest.is_some_and(|newest| number < newest);
        pair.newest = pair.newest.max(Some(number));
        let fault = if 1 < message.copies {
            Fault::Doubled
        } else {
            message.received = Some(at);
            if !is_older {
                return;
            }
            self.out_of_order += 1;
            Fault::OutOfOrder
        };
        let offence = Offence::new(fault, sender, receiver, number);
        let offence = offence.sent(message.sent).received(at);
        self.tell(offence);
    }

    /// Keeps an offence, if there are not enough of them.
    fn tell(&mut self, offence: Offence) {
        if self.offences.len() < OFFENCES_MAX {
            self.offences.push(offence);
        }
    }

    /// Messages that may still come at `now`.
    #[must_use]
    pub fn undecided(&self, now: Duration) -> usize {
        let missing = self.missing(&mut Counts::default());
        let missing = missing.iter().filter(|one| now < one.until).count();
        missing + self.kept.undecided(now, &self.tolerance)
    }

    /// What became of every message. What has not come by now is lost.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let mut counts = Counts {
            unknown: self.unknown,
            out_of_order: self.out_of_order,
            announced_by_nodes: self.announced.iter().map(|(_, count)| count).sum(),
            ended: self.ends.values().map(|ends| ends.len() as u64).sum(),
            ..Counts::default()
        };
        let missing = self.missing(&mut counts);
        let silent = self.unannounced(&missing);
        counts.silent = silent.len() as u64;
        counts.announced = (missing.len() - silent.len()) as u64;
        let mut offences: Vec<Offence> = silent.into_iter().map(Missing::offence).collect();
        offences.extend(self.offences.iter().cloned());
        let (kept, mut kept_offences) = self.kept.verdict(self.tolerance.overdue);
        counts.kept = kept;
        // Neither kind hides the other.
        let room = OFFENCES_MAX.saturating_sub(offences.len());
        kept_offences.truncate(room.max(OFFENCES_MAX / 2));
        offences.truncate(OFFENCES_MAX - kept_offences.len());
        offences.extend(kept_offences);
        offences.truncate(OFFENCES_MAX);
        Verdict { counts, offences }
    }

    /// Counts what came and what is excused; gives the rest.
    fn missing(&self, counts: &mut Counts) -> Vec<Missing> {
        let mut missing = Vec::new();
        for (&(sender, receiver), pair) in &self.pairs {
            // The arrival of a later message, seen from the end.
            let mut later: Option<Duration> = None;
            for (number, message) in pair.messages.iter().enumerate().rev() {
                counts.sent += 1;
                let deadline = message.sent + self.tolerance.deadline;
                if let Some(received) = message.received {
                    counts.delivered += u64::from(message.copies <= 1);
                    counts.doubled += u64::from(1 < message.copies);
                    counts.late += u64::from(deadline < received);
                    later = Some(later.map_or(received, |at| at.min(received)));
                    continue;
                }
                let until = later.map_or(deadline, |at| at.min(deadline));
                let ended = |client| self.ended(client, message.sent, until);
                if ended(sender) || ended(receiver) {
                    counts.excused += 1;
                    continue;
                }
                missing.push(Missing {
                    sender,
                    receiver,
                    number,
                    sent: message.sent,
                    until,
                });
            }
        }
        missing
    }

    /// Whether a connection of `client` ended while something sent at `sent` could be under way.
    fn ended(&self, client: Client, sent: Duration, until: Duration) -> bool {
        let Some(ends) = self.ends.get(&client) else {
            return false;
        };
        let from = sent.saturating_sub(self.tolerance.before);
        let first = ends.partition_point(|at| *at < from);
        let end = ends.get(first);
        end.is_some_and(|at| *at <= until + self.tolerance.after)
    }

    /// Those that no announcement accounts for. An announcement accounts for as many messages as it counts, each of
    /// which must have been sent before and not be long gone: other losses in the run, announced in plenty, must not
    /// hide a silent one.
    fn unannounced<'a>(&self, missing: &'a [Missing]) -> Vec<&'a Missing> {
        let mut coming: Vec<&Missing> = missing.iter().collect();
        coming.sort_by_key(|one| Reverse((one.sent, one.sender, one.receiver)));
        let mut announced = self.announced.clone();
        announced.sort_unstable();
        // Those that were sent before the announcement at hand; the one that cannot wait for a later one comes first.
        let mut waiting = BinaryHeap::new();
        let mut silent = Vec::new();
        for (at, count) in announced {
            while let Some(one) = coming.pop_if(|one| one.sent <= at) {
                waiting.push(Reverse(one));
            }
            let mut left = count;
            while let Some(Reverse(one)) = waiting.peek() {
                if one.until + self.tolerance.announced < at {
                    silent.push(*one);
                } else if let Some(rest) = left.checked_sub(1) {
                    left = rest;
                } else {
                    break;
                }
                waiting.pop();
            }
        }
        silent.extend(waiting.into_iter().map(|Reverse(one)| one));
        silent.extend(coming);
        silent.sort_by_key(|one| (one.sent, one.sender, one.receiver));
        silent
    }
}

impl Missing {
    fn offence(&self) -> Offence {
        let offence = Offence::new(Fault::Silent, self.sender, self.receiver, self.number);
        Offence {
            until: Some(self.until.as_secs_f64()),
            ..offence.sent(self.sent)
        }
    }
}
