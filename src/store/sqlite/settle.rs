//! Settling: puts what has arrived into its tables, much at a time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::{sync::Notify, time};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use super::{
    Database, DatabaseError,
    arrivals::{Arrivals, Writing},
    messages::Inserts,
    repeats::{Sweep, remember},
};
use crate::{clock::Clock, journal::REPEATS_MS, record::RecordId, stats::ArchiveStats};

/// How long a record waits for others, at most. Whoever reads the tables past this program sees it so
/// much later.
const PATIENCE: Duration = Duration::from_secs(1);

/// Has arrivals settled when there are enough of them, or some time after the first.
#[derive(Debug)]
pub(super) struct Settler {
    inner: Arc<Inner>,
    /// Owns the task.
    tasks: TaskTracker,
    /// Ends it.
    _stop: DropGuard,
}

#[derive(Debug)]
struct Inner {
    database: Database,
    clock: Clock,
    stats: Arc<ArchiveStats>,
    sweep: Mutex<Sweep>,
    /// There are enough.
    full: Notify,
    /// A task will settle what has arrived by now.
    has_task: AtomicBool,
    /// The last attempt came to nothing: the next one has time.
    is_failing: AtomicBool,
    stop: CancellationToken,
}

/// Says that there is no task any more, however it ends.
struct Task<'a>(&'a AtomicBool);

// === impl Settler ===

impl Settler {
    pub(super) fn new(database: Database, clock: Clock, stats: Arc<ArchiveStats>) -> Self {
        let stop = CancellationToken::new();
        Self {
            inner: Arc::new(Inner {
                database,
                clock,
                stats,
                sweep: Mutex::default(),
                full: Notify::new(),
                has_task: AtomicBool::new(false),
                is_failing: AtomicBool::new(false),
                stop: stop.clone(),
            }),
            tasks: TaskTracker::new(),
            _stop: stop.drop_guard(),
        }
    }

    /// Whether the last attempt came to nothing.
    pub(super) fn is_failing(&self) -> bool {
        self.inner.is_failing.load(SeqCst)
    }

    /// Something has arrived.
    pub(super) fn wake(&self, is_full: bool) {
        if is_full {
            self.inner.full.notify_one();
        }
        if !self.inner.has_task.load(SeqCst) {
            let inner = Arc::clone(&self.inner);
            self.tasks.spawn(async move {
                let stop = inner.stop.clone();
                stop.run_until_cancelled(inner.run()).await;
            });
        }
    }
}

// === impl Inner ===

impl Inner {
    /// Settles what has arrived, and tries until it is done.
    async fn run(self: Arc<Self>) {
        while !self.has_task.swap(true, SeqCst) {
            let task = Task(&self.has_task);
            let is_full = tokio::select! {
                () = time::sleep(PATIENCE) => false,
                () = self.full.notified(), if !self.is_failing.load(SeqCst) => true,
            };
            // What arrives from now on may come too late for this time.
            drop(task);
            let settled = self.settle(is_full).await;
            self.is_failing.store(settled.is_err(), SeqCst);
            match settled {
                Ok(true) => return,
                Ok(false) => {}
                Err(error) => {
                    self.stats.errors.add(1);
                    tracing::warn!(%error, "messages cannot be put into their tables; they wait");
                }
            }
        }
    }

    /// Says whether what had arrived is settled: if that is to be done for the number of records,
    /// another turn may have settled most.
    async fn settle(self: &Arc<Self>, is_full: bool) -> Result<bool, DatabaseError> {
        let inner = Arc::clone(self);
        let settling = self.database.transact_arrivals(move |arrivals, on| {
            if is_full && !arrivals.write(on)?.is_full() {
                return Ok(None);
            }
            let now_ms = inner.clock.now().unix_ms;
            let settled = settle(arrivals, on)?;
            let oldest = RecordId::at(now_ms.saturating_sub(REPEATS_MS));
            inner.sweep.lock().turn(on, oldest, settled)?;
            note(&inner.stats, &arrivals.write(on)?, now_ms);
            Ok(Some(settled))
        });
        let settled = settling.await?;
        self.stats.stored.add(settled.unwrap_or_default() as u64);
        Ok(settled.is_some())
    }
}

impl Drop for Task<'_> {
    fn drop(&mut self) {
        self.0.store(false, SeqCst);
    }
}

/// Takes note of what has arrived and was not settled.
pub(super) fn note(stats: &ArchiveStats, writing: &Writing<'_>, now_ms: u64) {
    let (records, oldest_ms) = writing.waiting();
    let age_ms = oldest_ms.map_or(0, |oldest_ms| now_ms.saturating_sub(oldest_ms));
    stats.set_waiting(records as u64, Duration::from_millis(age_ms));
}

/// Puts everything that has arrived into its tables. Says how much.
pub(super) fn settle(arrivals: &Arrivals, connection: &Connection) -> rusqlite::Result<usize> {
    let mut writing = arrivals.write(connection)?;
    let batches = writing.batches();
    let records = || batches.iter().flat_map(|batch| &**batch);
    let count = records().count();
    if count == 0 {
        return Ok(0);
    }
    let mut inserts = Inserts::new(connection)?;
    records().try_for_each(|record| inserts.insert(record))?;
    remember(
        connection,
        records().map(|record| (&record.content, record.id)),
    )?;
    writing.clear()?;
    Ok(count)
}
