//! The pushers: threads that stand for programs of an application.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::receivers::Ledger;
use super::way::{Pipe, Pushed, Way};
use crate::cli::PushArgs;
use crate::clock;
use crate::scenario::RunError;
use crate::scenario::schedule::Schedule;

/// Longest sleep, so that the end comes soon.
const SLEEP_MAX: Duration = Duration::from_millis(100);
/// How long to wait when too much is under way.
const FULL_PAUSE: Duration = Duration::from_micros(200);

/// All of them.
#[derive(Debug)]
pub(super) struct Pushers {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Result<(), RunError>>>,
}

/// One of them.
#[derive(Debug)]
struct Pusher {
    pipe: Pipe,
    ledger: Arc<Ledger>,
    stop: Arc<AtomicBool>,
    /// Users who are its own, so that nobody else pushes to them.
    users: Vec<usize>,
    /// Calls per second.
    rate: Option<f64>,
    batch: usize,
    bytes: usize,
    under_way_max: usize,
}

impl Pushers {
    /// Starts them; each has users of its own.
    pub(super) fn start(
        arguments: &PushArgs,
        ways: Vec<Way>,
        ledger: &Arc<Ledger>,
    ) -> Result<Self, RunError> {
        let stop = Arc::new(AtomicBool::new(false));
        let count = ways.len();
        let pusher = |(number, way): (usize, Way)| {
            let (first, users) = (arguments.common.first, arguments.common.connections);
            let users = (first + number..first + users).step_by(count);
            Ok(Pusher {
                pipe: way.open(arguments.common.patience)?,
                ledger: Arc::clone(ledger),
                stop: Arc::clone(&stop),
                users: users.collect(),
                rate: arguments.rate.map(|rate| rate / count as f64),
                batch: arguments.batch,
                bytes: arguments.bytes,
                under_way_max: arguments.under_way,
            })
        };
        let pushers = ways.into_iter().enumerate().map(pusher);
        let pushers = pushers.collect::<Result<Vec<_>, RunError>>()?;
        let threads = pushers
            .into_iter()
            .map(|pusher| thread::spawn(|| pusher.run()));
        Ok(Self {
            threads: threads.collect(),
            stop,
        })
    }

    /// Has them end, soon.
    pub(super) fn stop(&self) {
        self.stop.store(true, Relaxed);
    }

    pub(super) fn have_ended(&self) -> bool {
        self.threads.iter().all(JoinHandle::is_finished)
    }

    /// Ends them.
    ///
    /// # Errors
    /// A call that got no answer, or was refused.
    pub(super) fn finish(mut self) -> Result<(), RunError> {
        self.stop();
        let mut threads = self.threads.drain(..);
        threads.try_for_each(|thread| {
            let ended = thread.join();
            ended.unwrap_or_else(|_| Err(RunError::Failed("a pusher panicked".to_owned())))
        })
    }
}

impl Drop for Pushers {
    fn drop(&mut self) {
        self.stop();
        for thread in self.threads.drain(..) {
            // What it says no longer matters.
            let _ = thread.join();
        }
    }
}

impl Pusher {
    fn run(mut self) -> Result<(), RunError> {
        let mut schedule = self.rate.map(Schedule::new);
        let mut refused: BTreeMap<u16, u64> = BTreeMap::new();
        let mut turn = 0;
        while !self.stop.load(Relaxed) {
            if self.under_way_max <= self.ledger.under_way() {
                thread::sleep(FULL_PAUSE);
                continue;
            }
            let mut due = clock::now();
            if let Some(schedule) = &mut schedule {
                let next = schedule.next().unwrap_or(due);
                let wait = next.saturating_duration_since(due);
                if !wait.is_zero() {
                    thread::sleep(wait.min(SLEEP_MAX));
                    continue;
                }
                due = schedule.take_next().unwrap_or(due);
            }
            let users: Vec<usize> = (0..self.batch)
                .map(|place| self.users[(turn + place) % self.users.len()])
                .collect();
            turn = (turn + self.batch) % self.users.len();
            self.ledger.enter(&users, due);
            if let Pushed::Refused(status) = self.pipe.push(&users, self.bytes)? {
                self.ledger.take_back(&users);
                *refused.entry(status).or_default() += 1;
            }
        }
        match refused.is_empty() {
            true => Ok(()),
            false => Err(RunError::Failed(format!(
                "calls were refused, by status: {refused:?}"
            ))),
        }
    }
}
