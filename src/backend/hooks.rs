//! Webhooks: what has happened is kept, and endpoints of applications are told of it.
//!
//! Whatever tells the [`Hooks`] of a happening waits only until it is kept. From there one task of the
//! node reads it, in order, and has endpoints told; it alone decides when. What it knows of all that
//! waits is ids, so that a backlog costs little memory.

mod attempt;
mod body;
mod endpoints;
mod lanes;
mod report;
mod run;
mod sample;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use self::{endpoints::Endpoints, lanes::Lanes};
pub use self::{
    report::HookState,
    sample::{SampleError, Sampled},
};
use super::HttpClient;
use crate::{
    clock::Clock,
    config::Backend,
    dialect::DialectId,
    dispatch::{Dead, Dispatch, DispatchError, DispatchId, Dispatches, Graveyard},
    happening::{Happening, Herald, HeraldError, Kept, Kind, Pending, What},
    stats::{HookDrop, HooksStats},
};

/// How often it is said that something is dropped.
const COMPLAINT: Duration = Duration::from_secs(60);

/// What the node keeps for endpoints in its present life; absent while it cannot keep anything.
pub type Current = watch::Receiver<Option<Arc<dyn Dispatches>>>;

/// The webhooks of a node. Cheap to clone; clones are the same.
#[derive(Clone)]
pub struct Hooks(Arc<Inner>);

struct Inner {
    client: HttpClient,
    clock: Clock,
    current: Current,
    graveyard: Arc<dyn Graveyard>,
    endpoints: ArcSwap<Endpoints>,
    /// [`Endpoints::wanted`], for who asks often.
    wanted: AtomicU64,
    backlog_max: AtomicUsize,
    lanes: Mutex<Lanes>,
    /// What was kept and not read yet.
    unread: AtomicI64,
    /// The endpoints have changed, or something is ready.
    news: Notify,
    complaint: Mutex<Complaint>,
    /// Held by who has the dead told again, so that nobody has the same ones told again meanwhile.
    reviving: tokio::sync::Mutex<()>,
    stats: HooksStats,
}

/// What was dropped since it was last said.
#[derive(Debug, Default)]
struct Complaint {
    last: Option<Duration>,
    dropped: u64,
}

/// What webhooks are made of.
#[derive(Debug)]
pub struct Parts {
    /// Speaks to endpoints.
    pub client: HttpClient,
    /// The node's clock.
    pub clock: Clock,
    /// What is kept for endpoints.
    pub current: Current,
    /// What was given up.
    pub graveyard: Arc<dyn Graveyard>,
}

// === impl Parts ===

impl Parts {
    /// Everything is kept in one place, which is always there.
    pub fn of_one<K: Dispatches + Graveyard>(
        client: HttpClient,
        clock: Clock,
        kept: Arc<K>,
    ) -> Self {
        let current: Arc<dyn Dispatches> = Arc::clone(&kept) as Arc<_>;
        Self {
            client,
            clock,
            current: watch::Sender::new(Some(current)).subscribe(),
            graveyard: kept,
        }
    }
}

// === impl Hooks ===

impl Hooks {
    /// Nobody is told anything before [`Self::run`].
    pub fn new(parts: Parts, backend: &Backend) -> Self {
        let Parts {
            client,
            clock,
            current,
            graveyard,
        } = parts;
        let hooks = Self(Arc::new(Inner {
            client,
            clock,
            current,
            graveyard,
            endpoints: ArcSwap::default(),
            wanted: AtomicU64::new(0),
            backlog_max: AtomicUsize::new(0),
            lanes: Mutex::new(Lanes::new()),
            unread: AtomicI64::new(0),
            news: Notify::new(),
            complaint: Mutex::default(),
            reviving: tokio::sync::Mutex::default(),
            stats: HooksStats::default(),
        }));
        hooks.set(backend);
        hooks
    }

    /// These endpoints are told from now on.
    pub fn set(&self, backend: &Backend) {
        let inner = &*self.0;
        let endpoints = Endpoints::new(backend, &inner.client);
        inner.lanes.lock().configure(&endpoints.terms());
        inner.wanted.store(endpoints.wanted, Relaxed);
        inner.endpoints.store(Arc::new(endpoints));
        inner.backlog_max.store(backend.hooks_backlog_max, Relaxed);
        inner.news.notify_one();
    }

    /// What it counts.
    pub fn stats(&self) -> &HooksStats {
        &self.0.stats
    }

    /// How much waits.
    pub fn pending(&self) -> usize {
        self.0.lanes.lock().held()
    }

    /// How long the oldest one waits.
    pub fn oldest(&self) -> Duration {
        let oldest_ms = self.0.lanes.lock().oldest_ms();
        let now_ms = self.0.clock.now().unix_ms;
        Duration::from_millis(oldest_ms.map_or(0, |oldest_ms| now_ms.saturating_sub(oldest_ms)))
    }

    /// What was given up, oldest first: what stands behind `after`, up to `max`.
    ///
    /// # Errors
    ///
    /// It cannot be asked now.
    pub async fn dead(&self, after: DispatchId, max: usize) -> Result<Vec<Dead>, DispatchError> {
        self.0.graveyard.list(after, max).await
    }

    /// Has these told again, as if they had happened now. Says how many of them were among the dead.
    ///
    /// # Errors
    ///
    /// It cannot be done now; then some of them may be told again all the same.
    ///
    /// Not cancel safe, in the same way.
    pub async fn revive(&self, ids: &[DispatchId]) -> Result<u64, DispatchError> {
        let inner = &*self.0;
        let current = inner.current();
        let current = current.ok_or(DispatchError::Absent)?;
        let _alone = inner.reviving.lock().await;
        let mut count = 0_u64;
        for id in ids {
            let Some(dead) = inner.graveyard.find(*id).await? else {
                continue;
            };
            let since_ms = inner.clock.now().unix_ms;
            let dispatch = Dispatch {
                since_ms,
                ..dead.dispatch
            };
            // Before it is removed there: twice is better than nowhere.
            current.add(vec![dispatch]).await?;
            inner.graveyard.remove(vec![*id]).await?;
            count += 1;
        }
        inner.unread.fetch_add(count.cast_signed(), Relaxed);
        inner.stats.kept.add(count);
        Ok(count)
    }

    /// Removes these from the dead for good. Says how many of them were there.
    ///
    /// # Errors
    ///
    /// It cannot be done now; then they may be gone or not.
    pub async fn forget(&self, ids: Vec<DispatchId>) -> Result<u64, DispatchError> {
        self.0.graveyard.remove(ids).await
    }

    async fn keep_all(&self, happenings: Vec<Happening>) -> Result<Kept, DispatchError> {
        let inner = &*self.0;
        let (dispatches, kept) = inner.dispatches(&happenings);
        if dispatches.is_empty() {
            return Ok(kept);
        }
        let current = inner.current().ok_or(DispatchError::Absent)?;
        let count = dispatches.len();
        if let Err(error) = current.add(dispatches).await {
            inner.stats.errors.add(1);
            return Err(error);
        }
        inner.unread.fetch_add(count as i64, Relaxed);
        inner.stats.kept.add(count as u64);
        Ok(kept)
    }
}

impl Herald for Hooks {
    fn wants(&self, kind: Kind, dialect: Option<DialectId>) -> bool {
        self.0.wanted.load(Relaxed) & endpoints::bit(kind, dialect) != 0
    }

    fn wants_message(&self, dialect: DialectId, kind: &str) -> bool {
        self.wants(Kind::MessageReceived, Some(dialect))
            && self.0.endpoints.load().want_message(dialect, kind)
    }

    fn keep(&self, happenings: Vec<Happening>) -> Pending<'_, Kept> {
        Box::pin(async move {
            let keeping = self.keep_all(happenings);
            let error = |error: DispatchError| HeraldError(error.to_string().into());
            keeping.await.map_err(error)
        })
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks").finish_non_exhaustive()
    }
}

// === impl Inner ===

impl Inner {
    fn current(&self) -> Option<Arc<dyn Dispatches>> {
        self.current.borrow().clone()
    }

    /// What is to be kept of happenings, as far as there is room.
    fn dispatches(&self, happenings: &[Happening]) -> (Vec<Dispatch>, Kept) {
        let endpoints = self.endpoints.load();
        let unread = usize::try_from(self.unread.load(Relaxed)).unwrap_or(0);
        let waiting = self.lanes.lock().held() + unread;
        let mut room = self.backlog_max.load(Relaxed).saturating_sub(waiting);
        let mut dispatches = Vec::new();
        let mut kept = Kept::default();
        for happening in happenings {
            let mut body = None;
            let is_exempt = is_exempt(&happening.what);
            let mut dropped = 0;
            // A call may name what the configuration does not have: it waits there.
            for url in endpoints.of(&happening.what) {
                if room == 0 && !is_exempt {
                    dropped += 1;
                    continue;
                }
                room = room.saturating_sub(1);
                dispatches.push(Dispatch {
                    url: url.into(),
                    lane: happening.lane().as_str().into(),
                    event: happening.what.kind().label().into(),
                    id: happening.id.clone(),
                    since_ms: happening.time_ms,
                    body: body.get_or_insert_with(|| body::encode(happening)).clone(),
                });
            }
            kept.dropped += dropped;
            if 0 < dropped && body.is_none() {
                kept.untold[happening.what.kind() as usize] += 1;
            }
        }
        self.drop_some(HookDrop::Backlog, kept.dropped);
        (dispatches, kept)
    }

    /// Counts what is dropped, and says so once in a while.
    fn drop_some(&self, reason: HookDrop, count: u64) {
        if count == 0 {
            return;
        }
        self.stats.dropped[reason as usize].add(count);
        let now = self.clock.uptime();
        let mut complaint = self.complaint.lock();
        complaint.dropped += count;
        if complaint.last.is_none_or(|last| last + COMPLAINT <= now) {
            let dropped = std::mem::take(&mut complaint.dropped);
            complaint.last = Some(now);
            let reason = reason.label();
            tracing::warn!(dropped, reason, "endpoints are not told of everything");
        }
    }
}

/// Whether it is kept even if there is no room: there are only as many of these as there are sessions, and
/// each is the last word on one.
const fn is_exempt(what: &What) -> bool {
    matches!(what, What::CallDue { .. } | What::SessionClosed { .. })
}
