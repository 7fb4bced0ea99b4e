//! Counting what a scenario does.
//!
//! The engine is one thread, so a count is an addition to a cell of that thread, and nothing else happens per message.
//! Once a second, and at the end of every phase, the [`Recorder`] makes a [`Sample`] of what has come together.
//! Samples are whole histograms and differences of counts: those of several processes can be added up, and those of a
//! whole phase too, without anything being lost.

mod latencies;
mod recorder;
mod sample;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::clock;
pub use latencies::Latencies;
pub use recorder::Recorder;
pub use sample::{Sample, Tally};

/// What a scenario is doing.
#[derive(
    Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Connections are opened, and clients get ready.
    #[default]
    Connect,
    /// It runs, and is not measured yet.
    Warmup,
    /// It is measured.
    Hold,
    /// What is under way comes to its end.
    RampDown,
}

impl Phase {
    /// In words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Warmup => "warmup",
            Self::Hold => "hold",
            Self::RampDown => "ramp down",
        }
    }
}

/// The counters of a run. Clones are the same meter.
#[derive(Clone, Debug, Default)]
pub struct Meter {
    shared: Rc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    kinds: RefCell<BTreeMap<&'static str, Kind>>,
    errors: RefCell<BTreeMap<String, u64>>,
    handshakes: Kind,
    window: Rc<Cell<Window>>,
}

/// The time of the measurement.
#[derive(Clone, Copy, Debug, Default)]
struct Window {
    from: Option<Instant>,
    to: Option<Instant>,
}

impl Meter {
    /// The counter of one kind of message, which is made the first time. Clones are the same counter, to be kept by
    /// whoever counts.
    #[must_use]
    pub fn kind(&self, name: &'static str) -> Kind {
        let mut kinds = self.shared.kinds.borrow_mut();
        let kind = kinds.entry(name).or_insert_with(|| Kind {
            counts: Rc::default(),
            window: Rc::clone(&self.shared.window),
        });
        kind.clone()
    }

    /// Something went wrong; `what` is one of few names, not a text with details.
    pub fn error(&self, what: &str) {
        self.errors(what, 1);
    }

    /// So many times something went wrong.
    pub fn errors(&self, what: &str, count: u64) {
        let mut errors = self.shared.errors.borrow_mut();
        match errors.get_mut(what) {
            Some(before) => *before += count,
            None => drop(errors.insert(what.to_owned(), count)),
        }
    }

    /// A connection was opened, and that took so long.
    pub fn handshake(&self, took: Duration) {
        self.shared.handshakes.received(1);
        self.shared.handshakes.record(took);
    }

    /// From now on what is due is measured, or no longer.
    fn enter(&self, phase: Phase, now: Instant) {
        let mut window = self.shared.window.get();
        match phase {
            Phase::Connect | Phase::Warmup => {}
            Phase::Hold => window.from = Some(now),
            Phase::RampDown => window.to = Some(now),
        }
        self.shared.window.set(window);
    }

    /// Takes what has been counted since the last time: handshakes, messages by kind, errors.
    fn drain(&self) -> (Tally, BTreeMap<String, Tally>, BTreeMap<String, u64>) {
        let kinds = self.shared.kinds.borrow();
        let kinds = kinds
            .iter()
            .map(|(name, kind)| ((*name).to_owned(), kind.drain()));
        let errors = std::mem::take(&mut *self.shared.errors.borrow_mut());
        (self.shared.handshakes.drain(), kinds.collect(), errors)
    }
}

/// The counter of one kind of message. Clones are the same counter.
#[derive(Clone, Debug, Default)]
pub struct Kind {
    counts: Rc<Counts>,
    window: Rc<Cell<Window>>,
}

#[derive(Debug, Default)]
struct Counts {
    sent: Cell<u64>,
    received: Cell<u64>,
    latency: RefCell<Latencies>,
    late: RefCell<Latencies>,
}

impl Kind {
    /// So many were sent. Cheaper once for many than once for each.
    #[inline]
    pub fn sent(&self, count: u64) {
        self.counts.sent.set(self.counts.sent.get() + count);
    }

    /// So many were received, by everybody together. Cheaper once for many than once for each.
    #[inline]
    pub fn received(&self, count: u64) {
        self.counts.received.set(self.counts.received.get() + count);
    }

    /// One that was due then has come now. It is not counted by this, since not each one need have its time taken.
    #[inline]
    pub fn took_since(&self, due: Instant) {
        self.came(due, clock::now());
    }

    /// One that was due then has come at this time. Of the measurement is what was due while it ran: what is older
    /// when it begins is left out, and what comes after its end still belongs to it.
    #[inline]
    pub fn came(&self, due: Instant, now: Instant) {
        let Window { from, to } = self.window.get();
        let took = now.saturating_duration_since(due);
        if from.is_some_and(|from| due < from) {
            return;
        }
        if to.is_some_and(|to| due < to) {
            self.counts.late.borrow_mut().record(took);
        }
        self.record(took);
    }

    #[inline]
    fn record(&self, took: Duration) {
        self.counts.latency.borrow_mut().record(took);
    }

    fn drain(&self) -> Tally {
        Tally {
            sent: self.counts.sent.take(),
            received: self.counts.received.take(),
            latency: self.counts.latency.take(),
            late: self.counts.late.take(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_count_together_and_a_drain_begins_again() {
        let meter = Meter::default();
        meter.kind("a").sent(2);
        meter.clone().kind("a").received(3);
        meter.error("odd");
        meter.errors("odd", 2);
        let (_, kinds, errors) = meter.drain();
        assert_eq!((kinds["a"].sent, kinds["a"].received), (2, 3));
        assert_eq!(errors["odd"], 3);
        let (_, kinds, errors) = meter.drain();
        assert_eq!((kinds["a"].sent, errors.len()), (0, 0));
    }

    #[test]
    fn what_was_due_while_measuring_belongs_to_it_also_when_it_comes_later() {
        let meter = Meter::default();
        let kind = meter.kind("a");
        let second = Duration::from_secs(1);
        let begin = clock::now();
        let (hold, end) = (begin + 10 * second, begin + 20 * second);
        kind.came(begin, begin + second);
        assert_eq!(kind.drain().latency.len(), 1);
        meter.enter(Phase::Hold, hold);
        kind.came(begin, hold + second);
        kind.came(hold, hold + second);
        assert_eq!(kind.drain().latency.len(), 1);
        meter.enter(Phase::RampDown, end);
        kind.came(hold, end + second);
        kind.came(end, end + second);
        let tally = kind.drain();
        assert_eq!((tally.late.len(), tally.latency.len()), (1, 2));
    }
}
