//! The worker of one kind: takes as many jobs as it may do at a time, and holds them until they end.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::{
    task::{AbortHandle, Id, JoinSet},
    time::{self, Instant, MissedTickBehavior},
};
use tokio_util::sync::CancellationToken;

use super::{Parts, duty::Duty};
use crate::{
    config::Job as Kind,
    jobs::{JobsError, LEASE, PutOff, Turn},
    pauses::Pauses,
};

/// Between two looks for jobs that nobody on this node has added.
const LOOK: Duration = Duration::from_millis(500);
/// Between two times that jobs which run are held.
const HOLD: Duration = Duration::from_millis(LEASE.as_millis() as u64 / 4);
/// First pause after a look that has failed.
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// Longest pause between looks that fail.
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// Does the jobs of one kind.
#[derive(Debug)]
pub(super) struct Worker {
    duty: Arc<Duty>,
    kind: String,
    concurrency_max: usize,
    hands: Hands,
    /// When to look for jobs.
    look: Instant,
    pauses: Pauses,
}

/// The jobs that run.
#[derive(Debug, Default)]
struct Hands {
    tasks: JoinSet<()>,
    turns: HashMap<Id, (Turn, AbortHandle)>,
}

// === impl Worker ===

impl Worker {
    pub(super) fn new(parts: &Parts, kind: &Kind) -> Self {
        Self {
            duty: Arc::new(Duty::new(parts.clone(), kind)),
            kind: kind.kind.clone(),
            concurrency_max: kind.concurrency_max as usize,
            hands: Hands::default(),
            look: Instant::now(),
            pauses: Pauses::new(PAUSE_MIN, PAUSE_MAX),
        }
    }

    /// Works until `stop` fires, and then until what runs has ended, or `cut` fires: that is given back.
    pub(super) async fn run(mut self, stop: CancellationToken, cut: CancellationToken) {
        let mut holding = time::interval(HOLD);
        holding.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let duty = Arc::clone(&self.duty);
        loop {
            if stop.is_cancelled() && self.hands.tasks.is_empty() {
                return;
            }
            // From before the look on, so that no job is added in between.
            let mut added = std::pin::pin!(duty.board.added());
            added.as_mut().enable();
            if self.is_free() && !stop.is_cancelled() && self.look <= Instant::now() {
                self.take().await;
            }
            let is_free = self.is_free() && !stop.is_cancelled();
            // A take that is dropped half-way has others wait for its jobs: none is among these.
            tokio::select! {
                () = stop.cancelled(), if !stop.is_cancelled() => {}
                () = cut.cancelled() => return self.give_back().await,
                Some(ended) = self.hands.tasks.join_next_with_id() => {
                    let id = ended.map_or_else(|error| error.id(), |(id, ())| id);
                    self.hands.turns.remove(&id);
                    self.look = self.look.min(Instant::now());
                }
                _ = holding.tick() => self.hold().await,
                () = added, if is_free => self.look = Instant::now(),
                () = time::sleep_until(self.look), if is_free => {}
            }
        }
    }

    fn is_free(&self) -> bool {
        self.hands.tasks.len() < self.concurrency_max
    }

    /// Takes what it may.
    async fn take(&mut self) {
        let free = self.concurrency_max - self.hands.tasks.len();
        let taken = self.duty.board.jobs().take(&self.kind, free).await;
        let pause = match &taken {
            Ok(_) => {
                self.pauses.reset();
                LOOK
            }
            Err(_) => self.pauses.take(),
        };
        self.look = Instant::now() + pause;
        let taken = taken.unwrap_or_else(|error| {
            self.failed(&error);
            Vec::new()
        });
        for job in taken {
            let turn = job.turn.clone();
            let task = self.hands.tasks.spawn(Arc::clone(&self.duty).perform(job));
            self.hands.turns.insert(task.id(), (turn, task));
        }
    }

    /// Holds what runs. What somebody else has taken meanwhile ends here.
    async fn hold(&self) {
        if self.hands.turns.is_empty() {
            return;
        }
        let turns = self.hands.turns.values();
        let turns = turns.map(|(turn, _)| turn.clone()).collect();
        let lost = match self.duty.board.jobs().hold(turns).await {
            Ok(lost) => lost,
            Err(error) => return self.failed(&error),
        };
        let running = self.hands.turns.values();
        for (turn, task) in running.filter(|(turn, _)| lost.contains(turn)) {
            // One that has ended just now is no loss.
            if !task.is_finished() {
                task.abort();
                self.duty.board.stats().lost.add(1);
                tracing::warn!(job = %turn.id, "a job was taken by another node, or dropped");
            }
        }
    }

    /// Gives back what runs, for another node to go on with.
    async fn give_back(mut self) {
        self.hands.tasks.shutdown().await;
        for (turn, _) in self.hands.turns.values() {
            let why = PutOff {
                delay: Duration::ZERO,
                failure: None,
            };
            match self.duty.board.jobs().put_off(turn, why).await {
                Ok(true) => self.duty.board.stats().given_back.add(1),
                Ok(false) => {}
                // It is taken when nobody holds it any more.
                Err(error) => return self.failed(&error),
            }
        }
    }

    fn failed(&self, error: &JobsError) {
        self.duty.board.stats().errors.add(1);
        tracing::debug!(%error, kind = self.kind, "jobs wait");
    }
}
