//! Removes messages that are older than they have to be.
//!
//! **Invariant:** a store is never busy with it for long: it removes little at a time, and pauses.

use std::{sync::Arc, time::Duration};

use tokio::time;
use tokio_util::sync::CancellationToken;

use super::{MessageStore, StoreError};
use crate::{clock::Clock, stats::RetentionStats};

/// Between two looks for old messages.
const LOOK: Duration = Duration::from_secs(60 * 60);
/// Most messages that are removed in one call.
const BATCH: usize = 500;
/// Between two calls: others have the store for ten times as long.
const PAUSE: Duration = Duration::from_millis(200);

/// What is removed, and where.
#[derive(Debug)]
pub struct Retention {
    /// The store.
    pub store: Arc<dyn MessageStore>,
    /// How long messages are kept; zero: for ever.
    pub keep: Duration,
    /// The time.
    pub clock: Clock,
    /// What is counted.
    pub stats: Arc<RetentionStats>,
}

impl Retention {
    /// Removes what is too old, every hour, until it is stopped. Several nodes may do it at once.
    ///
    /// Cancel safe.
    pub async fn run(self, stop: CancellationToken) {
        if self.keep.is_zero() {
            return;
        }
        let working = async {
            loop {
                if let Err(error) = self.look().await {
                    self.stats.errors.add(1);
                    tracing::warn!(%error, "old messages could not be removed");
                }
                time::sleep(LOOK).await;
            }
        };
        stop.run_until_cancelled(working).await;
    }

    async fn look(&self) -> Result<(), StoreError> {
        let now_ms = self.clock.now().unix_ms;
        let before_ms = now_ms.saturating_sub(self.keep.as_millis() as u64);
        loop {
            let removed = self.store.prune(before_ms, BATCH).await?;
            self.stats.removed.add(removed);
            if removed < BATCH as u64 {
                return Ok(());
            }
            time::sleep(PAUSE).await;
        }
    }
}
