//! The task that reads what is kept, and has endpoints told.

use std::{
    future::pending,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    sync::Notify,
    task::JoinSet,
    time::{self, Instant},
};

use super::{
    Hooks, Inner,
    attempt::{Attempt, Outcome, attempt},
};
use crate::dispatch::{DispatchId, Dispatches};

/// Most that is read at once. With the longest bodies these are some megabytes.
const READ_MAX: usize = 128;
/// How long to wait for something to read.
const READ_WAIT: Duration = Duration::from_secs(1);
/// Pause after a call of Redis or of the database that has failed.
pub(super) const PAUSE: Duration = Duration::from_millis(500);
/// Most that is removed at once.
const REMOVED_MAX: usize = 1000;
/// Between two looks whether everything was told.
const LOOK: Duration = Duration::from_millis(10);

/// One life of the node, in which endpoints are told what it keeps.
struct Life {
    inner: Arc<Inner>,
    dispatches: Arc<dyn Dispatches>,
    /// What is to be removed, since it was told. What waits here is held by the lanes, too.
    told: Mutex<Vec<DispatchId>>,
    /// There is something to be removed.
    removal: Notify,
}

// === impl Hooks ===

impl Hooks {
    /// Has endpoints told what is kept, in one life of the node after the other. Never ends: what is
    /// left when it is dropped is kept for other nodes, or for the next start.
    pub async fn run(self) {
        let mut current = self.0.current.clone();
        loop {
            let dispatches = current.borrow_and_update().clone();
            let living = async {
                match dispatches {
                    Some(dispatches) => Life::new(&self.0, dispatches).live().await,
                    None => pending().await,
                }
            };
            let next_life = async {
                if current.changed().await.is_err() {
                    // Nobody could begin another one.
                    pending().await
                }
            };
            tokio::select! {
                () = next_life => {}
                () = living => {}
            }
        }
    }

    /// Waits until endpoints have been told everything, or nothing more can be told before `until`.
    pub async fn told(&self, until: Instant) {
        while Instant::now() < until && !self.is_told(until) {
            time::sleep(LOOK).await;
        }
    }

    fn is_told(&self, until: Instant) -> bool {
        let rest = until.saturating_duration_since(Instant::now());
        let until = self.0.clock.uptime() + rest;
        self.0.unread.load(Relaxed) <= 0 && self.0.lanes.lock().rest_until(until)
    }
}

// === impl Life ===

impl Life {
    fn new(inner: &Arc<Inner>, dispatches: Arc<dyn Dispatches>) -> Self {
        inner.lanes.lock().clear();
        inner.unread.store(0, Relaxed);
        Self {
            inner: Arc::clone(inner),
            dispatches,
            told: Mutex::default(),
            removal: Notify::new(),
        }
    }

    async fn live(&self) {
        tokio::join!(self.read_on(), self.tell_on(), self.remove_on());
    }

    /// Reads what is kept, in its order.
    async fn read_on(&self) {
        let mut after = DispatchId::NONE;
        loop {
            let read = self.dispatches.next(after, READ_MAX, READ_WAIT).await;
            let read = match read {
                Ok(read) => read,
                Err(error) => {
                    self.inner.stats.errors.add(1);
                    tracing::debug!(%error, "what is kept for endpoints cannot be read");
                    time::sleep(PAUSE).await;
                    continue;
                }
            };
            if read.is_empty() {
                self.inner.unread.store(0, Relaxed);
                continue;
            }
            self.inner.unread.fetch_sub(read.len() as i64, Relaxed);
            let mut lanes = self.inner.lanes.lock();
            for (id, dispatch) in read {
                after = after.max(id);
                lanes.add(id, dispatch);
            }
            drop(lanes);
            self.inner.news.notify_one();
        }
    }

    /// Has endpoints told what may be told.
    async fn tell_on(&self) {
        let mut attempts = JoinSet::new();
        loop {
            let news = self.inner.news.notified();
            let wake = self.start(&mut attempts);
            let waking = async {
                match wake {
                    Some(at) => time::sleep_until(at).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                Some(ended) = attempts.join_next() => match ended {
                    Ok(attempt) => self.take_note(attempt),
                    Err(error) => tracing::error!(%error, "an attempt to tell an endpoint has failed"),
                },
                () = news => {}
                () = waking => {}
            }
        }
    }

    /// Begins whatever may begin. Says when there is more to be begun.
    fn start(&self, attempts: &mut JoinSet<Attempt>) -> Option<Instant> {
        let now = self.inner.clock.now();
        let mut lanes = self.inner.lanes.lock();
        while let Some(step) = lanes.next(now) {
            let (inner, dispatches) = (Arc::clone(&self.inner), Arc::clone(&self.dispatches));
            attempts.spawn(attempt(inner, dispatches, step));
        }
        let wake = lanes.next_at()?;
        Some(Instant::now() + wake.saturating_sub(now.uptime))
    }

    fn take_note(&self, attempt: Attempt) {
        let Attempt {
            place,
            outcome,
            took,
        } = attempt;
        let stats = &self.inner.stats;
        if let Some(took) = took {
            stats.attempt.record(took);
        }
        let endpoint = place.url.split('?').next().unwrap_or_default();
        let mut lanes = self.inner.lanes.lock();
        let now = self.inner.clock.now();
        match outcome {
            Outcome::Told => {
                stats.delivered.add(1);
                if lanes.told(&place) {
                    tracing::info!(endpoint, "an endpoint is back");
                }
                self.remove(place.id);
            }
            Outcome::Buried => {
                stats.dead.add(1);
                lanes.given_up(&place);
                lanes.removed(&[place.id]);
            }
            Outcome::Gone => {
                stats.gone.add(1);
                lanes.given_up(&place);
                self.remove(place.id);
            }
            Outcome::Failed(failure) => {
                stats.retried.add(1);
                let error = failure.error.clone();
                if lanes.failed(&place, failure, now) {
                    tracing::warn!(endpoint, error, "an endpoint fails");
                }
            }
            Outcome::Unread => lanes.put_off(&place, now.uptime + PAUSE),
        }
    }

    fn remove(&self, id: DispatchId) {
        self.told.lock().push(id);
        self.removal.notify_one();
    }

    /// Removes what was told, all together that has been told during the last removal.
    async fn remove_on(&self) {
        loop {
            let removal = self.removal.notified();
            let ids: Vec<DispatchId> = {
                let mut told = self.told.lock();
                let count = told.len().min(REMOVED_MAX);
                told.drain(..count).collect()
            };
            if ids.is_empty() {
                removal.await;
                continue;
            }
            while let Err(error) = self.dispatches.done(ids.clone()).await {
                self.inner.stats.errors.add(1);
                tracing::debug!(%error, "what endpoints were told cannot be removed");
                time::sleep(PAUSE).await;
            }
            self.inner.lanes.lock().removed(&ids);
        }
    }
}
