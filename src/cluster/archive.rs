//! The archive: what the journal of a cluster has accepted is moved to the database.
//!
//! Every node does it. An entry is given to one of them, stored, and removed; what a node had taken when
//! it died is given to another one, which may store it once more: a store passes over what it has. So
//! there are no double rows, and none is missing.
//!
//! **Invariant:** an entry is removed after it is in the database, or among the dead ones.

mod legacy;

use std::{sync::Arc, time::Duration};

use tokio::time;
use tokio_util::sync::CancellationToken;

pub use self::legacy::drain;
use super::{
    life::pauses,
    redis::{RedisBacklog, Unmoved, Unreadable},
    streams::StreamsError,
};
use crate::{
    stats::ArchiveStats,
    store::{MessageStore, Record, StoreError},
};

/// What a node that died had taken is given to another one so long after.
pub const CLAIM_AFTER: Duration = Duration::from_secs(30);
/// Most entries that are stored at once.
const BATCH_MAX: usize = 500;
/// How long to wait for entries before it is looked whether the node ends.
const WAIT: Duration = Duration::from_millis(500);
/// Between two looks at how far the database is behind.
const LOOK: Duration = Duration::from_secs(1);

/// Moves what is in the backlog to the store until `stop` fires, and takes note of how far that is
/// behind. Ends after the batch that is under way; whatever is dropped in the middle is done again by
/// another node.
pub async fn run(
    backlog: RedisBacklog,
    store: Arc<dyn MessageStore>,
    stats: Arc<ArchiveStats>,
    stop: CancellationToken,
) {
    let archiver = Archiver {
        backlog,
        store,
        stats,
        stop,
    };
    tokio::join!(archiver.work(), archiver.watch());
}

struct Archiver {
    backlog: RedisBacklog,
    store: Arc<dyn MessageStore>,
    stats: Arc<ArchiveStats>,
    stop: CancellationToken,
}

/// What keeps an archiver from its work.
#[derive(Debug, thiserror::Error)]
enum Hindrance {
    #[error(transparent)]
    Backlog(#[from] StreamsError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

// === impl Archiver ===

impl Archiver {
    async fn work(&self) {
        let mut pauses = pauses();
        // Kept over failures: nobody else is given it so soon.
        let mut batch = Vec::new();
        while !self.stop.is_cancelled() {
            let Err(error) = self.work_once(&mut batch).await else {
                pauses.reset();
                continue;
            };
            self.stats.errors.add(1);
            tracing::debug!(%error, "messages wait for the database");
            tokio::select! {
                () = self.stop.cancelled() => {}
                () = pauses.wait() => {}
            }
        }
    }

    async fn work_once(&self, batch: &mut Vec<Unmoved>) -> Result<(), Hindrance> {
        if batch.is_empty() {
            *batch = self.backlog.take(BATCH_MAX, WAIT).await?;
        }
        self.sort_out(batch).await?;
        let records = batch.iter().filter_map(|entry| entry.record.clone().ok());
        let records: Vec<Record> = records.collect();
        if records.is_empty() {
            return Ok(());
        }
        let (poison, reason) = match self.store.insert(records).await {
            Ok(()) => {
                let settled = self.backlog.settle(batch).await?;
                self.stats.stored.add(settled);
                batch.clear();
                return Ok(());
            }
            Err(StoreError::Poison { id, reason }) => (id, reason),
            Err(error) => return Err(error.into()),
        };
        let is_poison = |entry: &Unmoved| entry.record.as_ref().is_ok_and(|it| it.id == poison);
        let Some(at) = batch.iter().position(is_poison) else {
            return Err(StoreError::Poison { id: poison, reason }.into());
        };
        self.bury(&batch[at], &reason).await?;
        batch.remove(at);
        Ok(())
    }

    /// Leaves those in the batch that can be read.
    async fn sort_out(&self, batch: &mut Vec<Unmoved>) -> Result<(), StreamsError> {
        while let Some(at) = batch.iter().position(|entry| entry.record.is_err()) {
            match &batch[at].record {
                Err(Unreadable::Never(reason)) => self.bury(&batch[at], reason).await?,
                // It stays, and is given again until a node comes that can read it.
                _ => tracing::warn!("a message of a newer node waits for one"),
            }
            batch.remove(at);
        }
        Ok(())
    }

    async fn bury(&self, entry: &Unmoved, reason: &str) -> Result<(), StreamsError> {
        self.backlog.bury(entry, reason).await?;
        self.stats.dead.add(1);
        tracing::warn!(%reason, "a message cannot be stored and is with the dead ones");
        Ok(())
    }

    async fn watch(&self) {
        while !self.stop.is_cancelled() {
            match self.backlog.lag().await {
                Ok(lag) => self.stats.set_waiting(lag.entries, lag.oldest),
                Err(error) => tracing::debug!(%error, "it is not known what waits"),
            }
            tokio::select! {
                () = self.stop.cancelled() => {}
                () = time::sleep(LOOK) => {}
            }
        }
    }
}
