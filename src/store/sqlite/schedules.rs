//! Schedules in SQLite: a row for each.

use rusqlite::{OptionalExtension as _, Params, Row, params};

use super::{Database, DatabaseError, queue};
use crate::{
    clock::Clock,
    schedules::{
        Added, Due, Entry, Firing, PAGE_MAX, Pending, SCHEDULES_MAX, Schedules, SchedulesError,
    },
};

/// The schedules of a node that has no Redis.
#[derive(Debug)]
pub struct SqliteSchedules {
    database: Database,
    clock: Clock,
    /// The name of the queue of pushes.
    pushes: &'static str,
}

impl SqliteSchedules {
    /// The schedules in a database, which push into its queue of this name.
    pub fn new(database: Database, pushes: &'static str, clock: Clock) -> Self {
        Self {
            database,
            clock,
            pushes,
        }
    }

    async fn select(
        &self,
        which: &'static str,
        bounds: impl Params + Send + 'static,
    ) -> Result<Vec<Entry>, DatabaseError> {
        let reading = self.database.read(move |connection| {
            let mut select = connection
                .prepare_cached(&format!("SELECT id, next_ms, body FROM schedule {which}"))?;
            let rows = select.query_map(bounds, entry)?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        });
        reading.await
    }
}

impl Schedules for SqliteSchedules {
    fn add(&self, new: Entry) -> Pending<'_, Added> {
        let adding = self.database.transact(move |connection| {
            let mut select = connection
                .prepare_cached("SELECT id, next_ms, body FROM schedule WHERE id = ?1")?;
            if let Some(known) = select.query_row([&*new.id], entry).optional()? {
                return Ok(Added::Known(known));
            }
            let mut count = connection.prepare_cached("SELECT count(*) FROM schedule")?;
            let count: i64 = count.query_one([], |row| row.get(0))?;
            if SCHEDULES_MAX as i64 <= count {
                return Ok(Added::Full);
            }
            let mut insert = connection
                .prepare_cached("INSERT INTO schedule (id, next_ms, body) VALUES (?1, ?2, ?3)")?;
            insert.execute(params![&*new.id, new.next_ms.cast_signed(), &new.body[..]])?;
            Ok(Added::New)
        });
        Box::pin(async move { adding.await.map_err(schedules_error) })
    }

    fn due(&self, max: usize) -> Pending<'_, Due> {
        let now_ms = self.clock.now().unix_ms;
        Box::pin(async move {
            let which = "WHERE next_ms <= ?1 ORDER BY next_ms, id LIMIT ?2";
            let due = self.select(which, (now_ms.cast_signed(), max as i64));
            let entries = due.await.map_err(schedules_error)?;
            Ok(Due { now_ms, entries })
        })
    }

    fn fire(&self, occurrence: Firing) -> Pending<'_, bool> {
        let (pushes, now_ms) = (self.pushes, self.clock.now().unix_ms.cast_signed());
        let firing = self.database.transact(move |connection| {
            let Firing {
                entry,
                next_ms,
                push,
            } = &occurrence;
            let (at_ms, body) = (entry.next_ms.cast_signed(), &entry.body[..]);
            let changed = match next_ms.map(u64::cast_signed) {
                Some(next_ms) => connection
                    .prepare_cached(
                        "UPDATE schedule SET next_ms = ?4
                            WHERE id = ?1 AND next_ms = ?2 AND body = ?3",
                    )?
                    .execute(params![&*entry.id, at_ms, body, next_ms])?,
                None => connection
                    .prepare_cached(
                        "DELETE FROM schedule WHERE id = ?1 AND next_ms = ?2 AND body = ?3",
                    )?
                    .execute(params![&*entry.id, at_ms, body])?,
            };
            if let Some(push) = push.as_ref().filter(|_| 0 < changed) {
                let mut insert = connection.prepare_cached(queue::INSERT)?;
                insert.execute(params![pushes, now_ms, &push[..]])?;
            }
            Ok(0 < changed)
        });
        Box::pin(async move { firing.await.map_err(schedules_error) })
    }

    fn find<'a>(&'a self, id: &'a str) -> Pending<'a, Option<Entry>> {
        let id = id.to_owned();
        let finding = self.database.read(move |connection| {
            let mut select = connection
                .prepare_cached("SELECT id, next_ms, body FROM schedule WHERE id = ?1")?;
            select.query_row([id], entry).optional()
        });
        Box::pin(async move { finding.await.map_err(schedules_error) })
    }

    fn list(&self, offset: usize) -> Pending<'_, Vec<Entry>> {
        let offset = i64::try_from(offset).unwrap_or(i64::MAX);
        Box::pin(async move {
            let which = "ORDER BY next_ms, id LIMIT ?1 OFFSET ?2";
            let listed = self.select(which, (PAGE_MAX as i64, offset)).await;
            listed.map_err(schedules_error)
        })
    }

    fn remove<'a>(&'a self, id: &'a str) -> Pending<'a, bool> {
        let id = id.to_owned();
        let removing = self.database.transact(move |connection| {
            let mut delete = connection.prepare_cached("DELETE FROM schedule WHERE id = ?1")?;
            delete.execute([id])
        });
        Box::pin(async move { Ok(0 < removing.await.map_err(schedules_error)?) })
    }

    fn now_ms(&self) -> Pending<'_, u64> {
        let now_ms = self.clock.now().unix_ms;
        Box::pin(async move { Ok(now_ms) })
    }
}

fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    Ok(Entry {
        id: row.get::<_, String>(0)?.into(),
        next_ms: row.get::<_, i64>(1)?.cast_unsigned(),
        body: row.get::<_, Vec<u8>>(2)?.into(),
    })
}

fn schedules_error(error: DatabaseError) -> SchedulesError {
    SchedulesError(error.to_string().into())
}
