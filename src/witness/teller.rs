//! The teller: the one task that keeps what the witness has seen.

use std::{sync::Arc, time::Duration};

use tokio::time::{self, Instant};
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use super::{
    Witness,
    book::{Batch, News, Standing},
};
use crate::{
    dues::DuesError,
    duty::Record,
    happening::{Happening, HeraldError, What},
    id::Member,
    pauses::Pauses,
};

/// First pause after a call that has failed.
const PAUSE_MIN: Duration = Duration::from_millis(50);
/// Longest pause between calls that fail.
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// A look at what nobody announces: whether rooms are wanted by now.
const LOOK: Duration = Duration::from_secs(1);
/// What was dropped is logged so often at the most.
const COMPLAINT: Duration = Duration::from_secs(60);

/// Pauses between calls to where things are kept.
pub(super) const fn pauses() -> Pauses {
    Pauses::new(PAUSE_MIN, PAUSE_MAX)
}

/// The running task.
#[derive(Debug)]
pub struct Watch {
    witness: Arc<Witness>,
    task: AbortOnDropHandle<()>,
}

impl Witness {
    /// Keeps what happens, until [`Watch::end`]. `tasks` owns the task.
    pub fn begin(self: &Arc<Self>, tasks: &TaskTracker) -> Watch {
        let task = tasks.spawn(Arc::clone(self).tell());
        Watch {
            witness: Arc::clone(self),
            task: AbortOnDropHandle::new(task),
        }
    }

    async fn tell(self: Arc<Self>) {
        let mut complained = Instant::now();
        let mut dropped = 0;
        while !self.give_up.is_cancelled() {
            let work = self.work.notified();
            let has_done = self.turn().await;
            if COMPLAINT <= complained.elapsed() && dropped < self.stats.dropped_in_all() {
                let now = self.stats.dropped_in_all();
                let count = now - dropped;
                tracing::warn!(count, "there was no room for happenings");
                (complained, dropped) = (Instant::now(), now);
            }
            if has_done {
                continue;
            }
            if self.stop.is_cancelled() && self.is_done() {
                return;
            }
            let due = self.next_leave();
            let wait = due.map(|due| due.saturating_sub(self.parts.clock.uptime()));
            // A little more, so that it is due by then.
            let wait = wait.map_or(LOOK, |wait| LOOK.min(wait + Duration::from_millis(1)));
            tokio::select! {
                () = work => {}
                () = time::sleep(wait) => {}
                () = self.give_up.cancelled() => {}
                () = self.stop.cancelled(), if !self.stop.is_cancelled() => {}
            }
        }
    }

    fn is_done(&self) -> bool {
        self.book.lock().is_empty() && self.next_leave().is_none() && self.has_left_all()
    }

    /// Does some of what is to be done. Says whether there was anything.
    async fn turn(&self) -> bool {
        self.look_at_rooms();
        let batch = self.book.lock().take();
        let is_idle = batch.records.is_empty() && batch.news.is_empty();
        if !is_idle {
            // When there is no time left, it is given up with everything else.
            let _ = self.keep_batch(batch).await;
        }
        let has_walked = self.walk().await;
        !is_idle || has_walked
    }

    /// Nothing, if there was no time.
    async fn keep_batch(&self, batch: Batch) -> Option<()> {
        let Batch { records, news } = batch;
        self.write(&records).await?;
        self.book.lock().keep(&records);
        self.kept.notify_waiters();
        let settled = self.settled_elsewhere(&news).await?;
        let mut ended = Vec::new();
        let mut happenings = Vec::new();
        for news in news {
            match news {
                News::Happening(happening) => happenings.push(happening),
                News::Ended(record, end, standing) => {
                    let is_newest = standing == Standing::Newest;
                    if !is_newest || !settled.contains(&record.session.member) {
                        let duration_ms = end.at_ms.saturating_sub(record.since_ms);
                        let words = self.last_words(&record, end.reason, end.at_ms, duration_ms);
                        happenings.extend(words);
                    }
                    ended.push((record, standing != Standing::None));
                }
            }
        }
        self.keep_all(happenings).await?;
        self.settle_own(ended).await
    }

    /// Lives of this node that others have settled, of those whose sessions have ended: what was kept of
    /// these is told, in other words, and is not to be told again under the same ids.
    async fn settled_elsewhere(&self, news: &[News]) -> Option<Vec<Member>> {
        let mut lives: Vec<Member> = Vec::new();
        for news in news {
            if let News::Ended(record, _, Standing::Newest) = news
                && !lives.contains(&record.session.member)
            {
                lives.push(record.session.member.clone());
            }
        }
        let mut settled = Vec::new();
        for member in lives {
            if !self.until_open(&member).await? {
                settled.push(member);
            }
        }
        Some(settled)
    }

    /// Says whether a life is open, or over. It is neither for a while if Redis has lost everything, or if
    /// this node does not know yet that the others have reaped it.
    async fn until_open(&self, member: &Member) -> Option<bool> {
        let mut pauses = pauses();
        loop {
            let looking = || self.parts.dues.is_open(member);
            if let Ok(true) = self.until_done(looking).await? {
                return Some(true);
            }
            if self.parts.router.member() != *member {
                return Some(false);
            }
            tokio::select! {
                () = pauses.wait() => {}
                () = self.give_up.cancelled() => return None,
            }
        }
    }

    /// Keeps records: those of this life of the node, since what others have reaped is settled by them.
    async fn write(&self, records: &[(Record, u64)]) -> Option<()> {
        let mut pauses = pauses();
        loop {
            let me = self.parts.router.member();
            let mine = records.iter().map(|(record, _)| record);
            let mine: Vec<_> = mine
                .filter(|record| record.session.member == me)
                .cloned()
                .collect();
            if mine.is_empty() {
                return Some(());
            }
            let writing = self.parts.dues.write(mine);
            let written = tokio::select! {
                written = writing => written,
                () = self.give_up.cancelled() => return None,
            };
            match written {
                Ok(()) => return Some(()),
                // Also when it is lost: it is opened again soon, or this is another life.
                Err(error) => self.failed(&error, &mut pauses).await,
            }
        }
    }

    /// Keeps happenings in order, however long that takes; nothing if there is no time left.
    pub(super) async fn keep_all(&self, happenings: Vec<Happening>) -> Option<()> {
        if happenings.is_empty() {
            return Some(());
        }
        let mut pauses = pauses();
        loop {
            let keeping = self.parts.herald.keep(happenings.clone());
            let kept = tokio::select! {
                kept = keeping => kept,
                () = self.give_up.cancelled() => return None,
            };
            match kept {
                Ok(kept) => {
                    let kinds = happenings.iter().map(|happening| happening.what.kind());
                    self.stats.count(kinds, kept);
                    return Some(());
                }
                Err(error) => self.failed(&error, &mut pauses).await,
            }
        }
    }

    /// What is to be told of the end of a session: that it is over, and the calls that are due.
    pub(super) fn last_words(
        &self,
        record: &Record,
        reason: &str,
        at_ms: u64,
        duration_ms: impl Into<Option<u64>>,
    ) -> Vec<Happening> {
        let session = &record.session;
        let happening = |id: String, what: What| Happening {
            id: id.into(),
            time_ms: at_ms,
            member: session.member.clone(),
            what,
        };
        let closed = record.is_told.then(|| {
            let what = What::SessionClosed {
                who: super::party(record),
                reason: reason.into(),
                duration_ms: duration_ms.into(),
                rooms: record.rooms.clone(),
            };
            happening(format!("closed:{session}"), what)
        });
        let calls = record.duties.iter().filter_map(|duty| {
            let what = super::settle::call(record, duty)?;
            Some(happening(format!("due:{session}:{}", duty.id), what))
        });
        closed.into_iter().chain(calls).collect()
    }

    /// Repeats a call until Redis or the disk is there again: gives nothing when there is no time left,
    /// and [`DuesError::Lost`] if it is that.
    pub(super) async fn until_done<T, F>(
        &self,
        mut call: impl FnMut() -> F,
    ) -> Option<Result<T, DuesError>>
    where
        F: Future<Output = Result<T, DuesError>>,
    {
        let mut pauses = pauses();
        loop {
            let called = tokio::select! {
                called = call() => called,
                () = self.give_up.cancelled() => return None,
            };
            match called {
                Err(error @ DuesError::Unavailable(_)) => self.failed(&error, &mut pauses).await,
                done => return Some(done),
            }
        }
    }

    /// Takes note of a call that has failed, and waits before the next one.
    pub(super) async fn failed(&self, error: &impl std::fmt::Display, pauses: &mut Pauses) {
        self.stats.errors.add(1);
        tracing::debug!(%error, "what happened or is owed cannot be kept now");
        pauses.wait().await;
    }
}

impl Watch {
    /// Keeps what has happened until now and what is still to happen as rooms empty, and ends. Gives up
    /// what is not kept by then.
    pub async fn end(self, until: Instant) {
        let Self { witness, mut task } = self;
        witness.stop.cancel();
        if time::timeout_at(until, &mut task).await.is_err() {
            witness.give_up.cancel();
            let _ = task.await;
            let count = witness.waiting();
            tracing::warn!(count, "there was no time to keep what has happened");
        }
    }
}

impl From<HeraldError> for DuesError {
    fn from(error: HeraldError) -> Self {
        Self::Unavailable(error.0)
    }
}
