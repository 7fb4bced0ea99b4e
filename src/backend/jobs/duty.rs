//! One job, from its turn to its end.
//!
//! Its answer is kept before it is published, and published before the job is done. Whoever goes on with it after
//! a death in between finds the answer, and publishes it under the same id.

use std::{sync::Arc, time::Duration};

use super::{Parts, call::Client};
use crate::{
    backend::ingest::{NotPublished, Publish},
    clock::Clock,
    config::Job as Kind,
    jobs::{Pending, PutOff, Taken, board::Board},
    pauses::{Pauses, jittered},
    stats::JobStats,
};

/// First pause after a call that has failed.
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// Longest pause between calls that fail.
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// Longest reason that is kept, in characters.
const REASON_CHARS_MAX: usize = 500;

/// What is to be done with jobs of one kind.
#[derive(Debug)]
pub(super) struct Duty {
    pub(super) board: Board,
    client: Client,
    publisher: Arc<dyn Publish>,
    clock: Clock,
    attempts_max: u64,
    retry_min: Duration,
    retry_max: Duration,
}

/// Counts a job for as long as it runs.
struct Busy(Arc<JobStats>);

// === impl Duty ===

impl Duty {
    pub(super) fn new(parts: Parts, kind: &Kind) -> Self {
        let Parts {
            board,
            client,
            publisher,
            clock,
        } = parts;
        Self {
            client: Client::new(client, kind, Arc::clone(board.stats())),
            board,
            publisher,
            clock,
            attempts_max: u64::from(kind.attempts_max),
            retry_min: kind.retry_min,
            retry_max: kind.retry_max,
        }
    }

    /// Brings a job to its end, or to its next attempt.
    pub(super) async fn perform(self: Arc<Self>, job: Taken) {
        let _busy = Busy::new(self.board.stats());
        let (jobs, turn) = (self.board.jobs(), &job.turn);
        let answer = match &job.answer {
            Some(answer) => answer.clone(),
            None => {
                let unix_seconds = self.clock.now().unix_seconds();
                match self.client.call(&job, unix_seconds).await {
                    Ok(answer) => {
                        let is_kept = self.insist(|| jobs.answer(turn, answer.clone())).await;
                        if !is_kept {
                            return;
                        }
                        answer
                    }
                    Err(reason) => return self.fail(&job, &reason).await,
                }
            }
        };
        let publication = self.client.publication(&job, &answer);
        let published = match publication {
            Ok(publication) => self.publish(&job, &publication).await,
            Err(reason) => Err(reason),
        };
        match published {
            Ok(()) => {
                if self.insist(|| jobs.done(turn)).await {
                    self.board.stats().done.add(1);
                }
            }
            Err(reason) => {
                self.bury(&job, format!("the answer cannot be published: {reason}"))
                    .await
            }
        }
    }

    /// Publishes an answer, however long the node is busy.
    async fn publish(&self, job: &Taken, publication: &[u8]) -> Result<(), String> {
        let mut pauses = Pauses::new(PAUSE_MIN, PAUSE_MAX);
        loop {
            match self.publisher.publish(&job.turn.id, publication).await {
                Ok(()) => return Ok(()),
                Err(NotPublished::Invalid(reason)) => return Err(reason),
                Err(NotPublished::Busy(reason)) => {
                    tracing::debug!(%reason, job = %job.turn.id, "an answer waits");
                    pauses.wait().await;
                }
            }
        }
    }

    async fn fail(&self, job: &Taken, reason: &str) {
        let failures = job.failures + 1;
        let reason: String = reason.chars().take(REASON_CHARS_MAX).collect();
        if self.attempts_max <= failures {
            return self
                .bury(job, format!("was tried {failures} times: {reason}"))
                .await;
        }
        let why = PutOff {
            delay: self.backoff(job.failures),
            failure: Some(reason),
        };
        let jobs = self.board.jobs();
        if self.insist(|| jobs.put_off(&job.turn, why.clone())).await {
            self.board.stats().failed.add(1);
        }
    }

    async fn bury(&self, job: &Taken, reason: String) {
        let jobs = self.board.jobs();
        tracing::warn!(job = %job.turn.id, kind = %job.turn.kind, %reason, "a job is with the dead ones");
        if self.insist(|| jobs.bury(&job.turn, reason.clone())).await {
            self.board.stats().dead.add(1);
        }
    }

    /// Repeats a call until it has come through. False if the job is lost.
    async fn insist<'a>(&self, call: impl Fn() -> Pending<'a, bool>) -> bool {
        let mut pauses = Pauses::new(PAUSE_MIN, PAUSE_MAX);
        loop {
            match call().await {
                Ok(is_good) => return is_good,
                Err(error) => {
                    self.board.stats().errors.add(1);
                    tracing::debug!(%error, "a job waits");
                    pauses.wait().await;
                }
            }
        }
    }

    /// The pause after so many failures before this one: twice as long each time, and something between half
    /// and all of it, so that those which failed together do not come together again.
    fn backoff(&self, failures: u64) -> Duration {
        let doublings = u32::try_from(failures.min(20)).unwrap_or(20);
        let whole = self
            .retry_min
            .saturating_mul(1 << doublings)
            .min(self.retry_max);
        jittered(whole)
    }
}

// === impl Busy ===

impl Busy {
    fn new(stats: &Arc<JobStats>) -> Self {
        stats.running.add(1);
        Self(Arc::clone(stats))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.running.take(1);
    }
}
