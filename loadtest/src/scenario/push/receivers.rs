//! The users: what is on its way to each of them.
//!
//! Of what is pushed to one user by one pusher nothing overtakes, over HTTP: the one that comes is the oldest under way.
//! Entries of a queue have no order, so through Redis the times of neighbours may be taken for each other's, which
//! leaves their sum as it is.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::pushers::Pushers;
use super::way::{self, Way};
use crate::cli::PushArgs;
use crate::engine::{Handler, Io};
use crate::meter::{Kind, Meter};
use crate::scenario::RunError;
use crate::scenario::arrivals::Remainder;
use crate::scenario::traffic::Traffic;

/// What pushers and receivers share: when each push that is under way was due.
#[derive(Debug)]
pub(super) struct Ledger {
    /// Number of the first user.
    first: usize,
    due: Vec<Mutex<VecDeque<Instant>>>,
    under_way: AtomicUsize,
}

/// The users as receivers.
#[derive(Debug)]
pub(super) struct Receivers {
    ledger: Arc<Ledger>,
    /// Size of the probe that each has received; what else comes is a push.
    probes: Vec<Option<u64>>,
    received: u64,
    unexpected: u64,
    kind: Kind,
    arguments: PushArgs,
    /// How each of those who push does so, until they begin.
    ways: Vec<Way>,
    pushers: Option<Pushers>,
}

/// Probes are told from pushes by their size.
pub(super) fn probe_bytes(bytes: usize) -> usize {
    bytes + 1
}

impl Ledger {
    /// Nothing, to so many users from the first one on.
    pub(super) fn new(first: usize, users: usize) -> Self {
        Self {
            first,
            due: (0..users).map(|_| Mutex::default()).collect(),
            under_way: AtomicUsize::new(0),
        }
    }

    /// A push to each of them is about to leave, which was due then.
    pub(super) fn enter(&self, users: &[usize], due: Instant) {
        self.under_way.fetch_add(users.len(), Relaxed);
        for user in users {
            self.of(*user).push_back(due);
        }
    }

    /// The last push to each of them was refused.
    pub(super) fn take_back(&self, users: &[usize]) {
        for user in users {
            if self.of(*user).pop_back().is_some() {
                self.under_way.fetch_sub(1, Relaxed);
            }
        }
    }

    /// Pushes that have not come.
    pub(super) fn under_way(&self) -> usize {
        self.under_way.load(Relaxed)
    }

    fn of(&self, user: usize) -> MutexGuard<'_, VecDeque<Instant>> {
        self.due[user - self.first]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Receivers {
    /// The users of these options, to whom nobody pushes yet.
    pub(super) fn new(arguments: &PushArgs, ways: Vec<Way>, meter: &Meter) -> Self {
        let (first, users) = (arguments.common.first, arguments.common.connections);
        Self {
            ledger: Arc::new(Ledger::new(first, users)),
            probes: vec![None; users],
            received: 0,
            unexpected: 0,
            kind: meter.kind(way::kind(arguments)),
            arguments: arguments.clone(),
            ways,
            pushers: None,
        }
    }

    /// Users whom no probe has reached.
    pub(super) fn unreached(&self) -> impl Iterator<Item = usize> {
        let probes = self.probes.iter().enumerate();
        probes
            .filter(|(_, probe)| probe.is_none())
            .map(|(id, _)| self.user(id))
    }

    /// Who a connection is.
    fn user(&self, id: usize) -> usize {
        self.arguments.common.first + id
    }
}

impl Traffic for Receivers {
    fn stalled(&self) -> &'static str {
        "pushes are under way, and none arrives"
    }

    fn begin(&mut self, _: &mut Io) -> Result<(), RunError> {
        let ways = std::mem::take(&mut self.ways);
        let pushers = Pushers::start(&self.arguments, ways, &self.ledger)?;
        self.pushers = Some(pushers);
        Ok(())
    }

    fn end(&mut self) {
        if let Some(pushers) = &self.pushers {
            pushers.stop();
        }
    }

    /// Pushers have a time of their own.
    fn send_next(&mut self, _: &mut Io, _: Instant) {}

    fn progress(&self) -> u64 {
        self.received
    }

    fn under_way(&self) -> usize {
        self.ledger.under_way()
    }

    fn remainder(&self) -> Remainder {
        Remainder {
            missing: self.under_way() as u64,
            unexpected: self.unexpected,
        }
    }

    fn finish(&mut self) -> Result<(), RunError> {
        self.pushers.take().map_or(Ok(()), Pushers::finish)
    }

    fn is_complete(&self) -> bool {
        let have_ended = self.pushers.as_ref().is_none_or(Pushers::have_ended);
        have_ended && self.under_way() == 0
    }
}

impl Handler for Receivers {
    fn message(&mut self, id: usize, bytes: u64) {
        let probe = *self.probes[id].get_or_insert(bytes);
        if bytes == probe {
            return;
        }
        let Some(due) = self.ledger.of(self.user(id)).pop_front() else {
            self.unexpected += 1;
            return;
        };
        self.ledger.under_way.fetch_sub(1, Relaxed);
        self.received += 1;
        self.kind.received(1);
        self.kind.took_since(due);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cli, clock};

    #[test]
    fn what_comes_is_the_oldest_under_way_and_probes_are_no_pushes() {
        let line = "loadtest push --to 127.0.0.1:1 --admin 127.0.0.1:2 -n 2";
        let Ok(cli::Command::Push(mut arguments)) = cli::parse(line.split(' ').map(Into::into))
        else {
            panic!("{line}");
        };
        // Users of the processes before this one.
        arguments.common.first = 7;
        let mut receivers = Receivers::new(&arguments, Vec::new(), &Meter::default());
        let ledger = Arc::clone(&receivers.ledger);
        assert_eq!(receivers.unreached().collect::<Vec<_>>(), [7, 8]);
        receivers.message(1, 65);
        receivers.message(1, 65);
        assert_eq!(receivers.unreached().collect::<Vec<_>>(), [7]);
        ledger.enter(&[8, 8, 7], clock::now());
        ledger.take_back(&[7]);
        assert_eq!(receivers.under_way(), 2);
        for _ in 0..3 {
            receivers.message(1, 64);
        }
        let figures = (receivers.progress(), receivers.remainder().unexpected);
        assert_eq!((figures, receivers.under_way()), ((2, 1), 0));
    }
}
