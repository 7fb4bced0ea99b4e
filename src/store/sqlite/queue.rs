//! Queues in SQLite.

use std::time::Duration;

use rusqlite::{Connection, params};
use tokio::{
    sync::Notify,
    time::{self, Instant},
};

use super::{Database, DatabaseError};
use crate::{
    clock::Clock,
    queue::{DEAD_MAX, Entry, EntryId, Pending, Queue, QueueError, Taken},
};

pub(super) const INSERT: &str = "INSERT INTO queue (name, due_ms, body) VALUES (?1, ?2, ?3)";
/// Between two looks for entries whose time has come.
const LOOK: Duration = Duration::from_millis(500);

/// One queue of a node that has no Redis.
#[derive(Debug)]
pub struct SqliteQueue {
    database: Database,
    clock: Clock,
    name: &'static str,
    claim_after: Duration,
    pushed: Notify,
}

impl SqliteQueue {
    /// The queue of this name. What was taken and is not done is given again after `claim_after`.
    pub fn new(
        database: Database,
        name: &'static str,
        claim_after: Duration,
        clock: Clock,
    ) -> Self {
        Self {
            database,
            clock,
            name,
            claim_after,
            pushed: Notify::new(),
        }
    }

    /// A queue that ends with the test.
    #[cfg(test)]
    pub fn of_test() -> std::sync::Arc<Self> {
        let database = Database::of_test();
        let claim_after = Duration::from_secs(30);
        std::sync::Arc::new(Self::new(database, "test", claim_after, Clock::start()))
    }

    async fn take_now(&self, max: usize) -> Result<Vec<Taken>, DatabaseError> {
        let (name, now_ms) = (self.name, self.clock.now().unix_ms);
        let again_ms = now_ms + self.claim_after.as_millis() as u64;
        let taking = self
            .database
            .transact(move |connection| take(connection, name, now_ms, again_ms, max));
        taking.await
    }

    async fn take_within(&self, max: usize, wait: Duration) -> Result<Vec<Taken>, DatabaseError> {
        let until = Instant::now() + wait;
        loop {
            let pushed = self.pushed.notified();
            let taken = self.take_now(max).await?;
            if !taken.is_empty() || until <= Instant::now() {
                return Ok(taken);
            }
            let look = until.min(Instant::now() + LOOK);
            let _ = time::timeout_at(look, pushed).await;
        }
    }
}

impl Queue for SqliteQueue {
    fn push(&self, entries: Vec<Entry>) -> Pending<'_, ()> {
        let (name, now_ms) = (self.name, self.clock.now().unix_ms);
        let pushing = self.database.transact(move |connection| {
            let mut insert = connection.prepare_cached(INSERT)?;
            for Entry { body, at_ms } in &entries {
                let due_ms = at_ms.unwrap_or(now_ms).cast_signed();
                insert.execute(params![name, due_ms, &body[..]])?;
            }
            Ok(())
        });
        Box::pin(async move {
            pushing.await.map_err(queue_error)?;
            self.pushed.notify_waiters();
            Ok(())
        })
    }

    fn take(&self, max: usize, wait: Duration) -> Pending<'_, Vec<Taken>> {
        Box::pin(async move { self.take_within(max, wait).await.map_err(queue_error) })
    }

    fn done(&self, entries: Vec<EntryId>) -> Pending<'_, ()> {
        let removing = self.database.transact(move |connection| {
            for EntryId(id) in &entries {
                remove(connection, id)?;
            }
            Ok(())
        });
        Box::pin(async move { removing.await.map_err(queue_error) })
    }

    fn bury(&self, entry: Taken, reason: String) -> Pending<'_, ()> {
        let name = self.name;
        let burying = self.database.transact(move |connection| {
            let mut insert = connection.prepare_cached(
                "INSERT OR REPLACE INTO queue_dead (id, name, reason, body) VALUES (?1, ?2, ?3, ?4)",
            )?;
            insert.execute(params![&*entry.id.0, name, reason, &entry.body[..]])?;
            let mut trim = connection.prepare_cached(
                "DELETE FROM queue_dead WHERE name = ?1 AND id <=
                    (SELECT id FROM queue_dead WHERE name = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
            )?;
            trim.execute(params![name, DEAD_MAX as i64])?;
            remove(connection, &entry.id.0)
        });
        Box::pin(async move { burying.await.map_err(queue_error) })
    }
}

/// Gives what is due, and puts it off until it is given again.
fn take(
    connection: &Connection,
    name: &str,
    now_ms: u64,
    again_ms: u64,
    max: usize,
) -> rusqlite::Result<Vec<Taken>> {
    let mut select = connection.prepare_cached(
        "SELECT id, body, attempts FROM queue WHERE name = ?1 AND due_ms <= ?2
            ORDER BY due_ms, id LIMIT ?3",
    )?;
    let rows = select.query_map(params![name, now_ms.cast_signed(), max as i64], |row| {
        Ok(Taken {
            id: EntryId(row.get::<_, i64>(0)?.to_string().into()),
            body: row.get::<_, Vec<u8>>(1)?.into(),
            attempts: row.get::<_, i64>(2)?.cast_unsigned() + 1,
        })
    })?;
    let taken = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    let mut put_off = connection
        .prepare_cached("UPDATE queue SET due_ms = ?2, attempts = attempts + 1 WHERE id = ?1")?;
    for entry in &taken {
        put_off.execute(params![&*entry.id.0, again_ms.cast_signed()])?;
    }
    Ok(taken)
}

fn remove(connection: &Connection, id: &str) -> rusqlite::Result<()> {
    let mut delete = connection.prepare_cached("DELETE FROM queue WHERE id = ?1")?;
    delete.execute([id]).map(drop)
}

fn queue_error(error: DatabaseError) -> QueueError {
    QueueError(error.to_string().into())
}
