//! Removes messages that are older than they have to be.
//!
//! **Invariant:** a store is never busy with it for long: it removes little at a time, and pauses.

use std::{sync::Arc, time::Duration};

use tokio::time;
use tokio_util::sync::CancellationToken;

use super::{Prunes, StoreError};
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
    pub store: Arc<dyn Prunes>,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        id::Person,
        store::{
            Chat, Content, MessageStore, Of, Query, Record, RecordId,
            sqlite::{Database, Place, SqliteMessages},
        },
    };

    /// One chat message a second, up to now.
    fn records(now_ms: u64, count: u64) -> Vec<Record> {
        let [from, to] = [1, 2].map(|number| Person::new(number).unwrap());
        let record = |ago: u64| {
            let time_ms = now_ms - ago * 1000;
            let chat = Chat {
                from,
                to,
                kind: 't',
                msg: "a".into(),
                packet_id: None,
                is_online: true,
            };
            Record {
                id: RecordId::at(time_ms),
                time_ms,
                content: Content::Chat(chat),
            }
        };
        (0..count).map(record).collect()
    }

    #[tokio::test]
    async fn what_is_too_old_is_removed_and_counted_until_it_is_stopped() {
        let (clock, count) = (Clock::start(), 3 * BATCH as u64);
        let database = Database::open(&Place::Memory).unwrap();
        let store = Arc::new(SqliteMessages::new(database));
        let now_ms = clock.now().unix_ms;
        store.insert(records(now_ms, count)).await.unwrap();
        let (stats, stop) = (
            Arc::new(RetentionStats::default()),
            CancellationToken::new(),
        );
        let retention = |keep: Duration| Retention {
            store: Arc::clone(&store) as Arc<dyn Prunes>,
            keep,
            clock,
            stats: Arc::clone(&stats),
        };
        // For ever: it ends at once.
        retention(Duration::ZERO).run(stop.clone()).await;
        let keep = Duration::from_millis(100_500);
        retention(keep).look().await.unwrap();
        let removed = stats.removed.load();
        assert!((count - 101..=count - 90).contains(&removed), "{removed}");
        let query = Query {
            of: Of::Chat(Person::new(1).unwrap()),
            after: RecordId::default(),
            before: None,
            since_ms: 0,
            from: None,
            max: usize::MAX,
        };
        let rest = store.history(query).await.unwrap().len() as u64;
        assert_eq!(rest + removed, count);
        stop.cancel();
        retention(keep).run(stop).await;
    }
}
