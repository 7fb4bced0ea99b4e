//! What endpoints are still to be told, in SQLite.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use tokio::{
    sync::Notify,
    time::{self, Instant},
};

use super::{Database, DatabaseError};
use crate::dispatch::{
    DEAD_MAX, Dead, Dispatch, DispatchError, DispatchId, Dispatches, Graveyard, Pending,
};

pub(super) const SELECT_NEXT: &str =
    "SELECT id, url, lane, event, happening, since_ms, body FROM hook
    WHERE ?1 < id ORDER BY id LIMIT ?2";
pub(super) const SELECT_ONE: &str =
    "SELECT id, url, lane, event, happening, since_ms, body FROM hook WHERE id = ?1";
pub(super) const DELETE: &str = "DELETE FROM hook WHERE id = ?1";
pub(super) const SELECT_DEAD: &str =
    "SELECT id, url, lane, event, happening, since_ms, body, reason
    FROM hook_dead WHERE ?1 <= id AND id <= ?2 ORDER BY id LIMIT ?3";
pub(super) const DELETE_DEAD: &str = "DELETE FROM hook_dead WHERE id = ?1";
pub(super) const TRIM_DEAD: &str = "DELETE FROM hook_dead WHERE id <=
    (SELECT id FROM hook_dead ORDER BY id DESC LIMIT 1 OFFSET ?1)";

/// What a node that has no Redis is to tell endpoints, and what it could not tell them.
#[derive(Debug)]
pub struct SqliteHooks {
    database: Database,
    added: Notify,
}

// === impl SqliteHooks ===

impl SqliteHooks {
    /// In this database.
    pub fn new(database: Database) -> Self {
        Self {
            database,
            added: Notify::new(),
        }
    }

    async fn next_within(
        &self,
        after: DispatchId,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<(DispatchId, Dispatch)>, DatabaseError> {
        let until = Instant::now() + wait;
        loop {
            let added = self.added.notified();
            let reading = self.database.read(move |connection| {
                let mut select = connection.prepare_cached(SELECT_NEXT)?;
                let rows = select.query_map(params![number(after), max as i64], dispatch)?;
                rows.collect::<rusqlite::Result<Vec<_>>>()
            });
            let found = reading.await?;
            if !found.is_empty() || until <= Instant::now() {
                return Ok(found);
            }
            let _ = time::timeout_at(until, added).await;
        }
    }
}

impl Dispatches for SqliteHooks {
    fn add(&self, dispatches: Vec<Dispatch>) -> Pending<'_, ()> {
        let adding = self.database.transact(move |connection| {
            let mut insert = connection.prepare_cached(
                "INSERT INTO hook (url, lane, event, happening, since_ms, body)
                    VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?;
            for Dispatch {
                url,
                lane,
                event,
                id,
                since_ms,
                body,
            } in &dispatches
            {
                let since_ms = since_ms.cast_signed();
                insert.execute(params![url, lane, event, id, since_ms, &body[..]])?;
            }
            Ok(())
        });
        Box::pin(async move {
            adding.await.map_err(dispatch_error)?;
            self.added.notify_waiters();
            Ok(())
        })
    }

    fn next(
        &self,
        after: DispatchId,
        max: usize,
        wait: Duration,
    ) -> Pending<'_, Vec<(DispatchId, Dispatch)>> {
        Box::pin(async move {
            let reading = self.next_within(after, max, wait);
            reading.await.map_err(dispatch_error)
        })
    }

    fn read(&self, id: DispatchId) -> Pending<'_, Option<Dispatch>> {
        let reading = self.database.read(move |connection| {
            let mut select = connection.prepare_cached(SELECT_ONE)?;
            select.query_row([number(id)], dispatch).optional()
        });
        Box::pin(async move {
            let read = reading.await.map_err(dispatch_error)?;
            Ok(read.map(|(_, dispatch)| dispatch))
        })
    }

    fn done(&self, ids: Vec<DispatchId>) -> Pending<'_, ()> {
        let removing = self
            .database
            .transact(move |connection| delete(connection, DELETE, &ids));
        Box::pin(async move { removing.await.map(drop).map_err(dispatch_error) })
    }

    fn bury(&self, id: DispatchId, dispatch: Dispatch, reason: String) -> Pending<'_, ()> {
        let burying = self.database.transact(move |connection| {
            // Whoever does not know whether it has worked does it again.
            if delete(connection, DELETE, &[id])? == 0 {
                return Ok(());
            }
            let mut insert = connection.prepare_cached(
                "INSERT INTO hook_dead (url, lane, event, happening, since_ms, body, reason)
                    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?;
            let Dispatch {
                url,
                lane,
                event,
                id,
                since_ms,
                body,
            } = &dispatch;
            let since_ms = since_ms.cast_signed();
            insert.execute(params![url, lane, event, id, since_ms, &body[..], reason])?;
            let mut trim = connection.prepare_cached(TRIM_DEAD)?;
            trim.execute([DEAD_MAX as i64]).map(drop)
        });
        Box::pin(async move { burying.await.map_err(dispatch_error) })
    }
}

impl Graveyard for SqliteHooks {
    fn list(&self, after: DispatchId, max: usize) -> Pending<'_, Vec<Dead>> {
        let first = number(after).saturating_add(1);
        Box::pin(self.dead(first, i64::MAX, max))
    }

    fn find(&self, id: DispatchId) -> Pending<'_, Option<Dead>> {
        let finding = self.dead(number(id), number(id), 1);
        Box::pin(async move { Ok(finding.await?.pop()) })
    }

    fn remove(&self, ids: Vec<DispatchId>) -> Pending<'_, u64> {
        let removing = self
            .database
            .transact(move |connection| delete(connection, DELETE_DEAD, &ids));
        Box::pin(async move { removing.await.map_err(dispatch_error) })
    }
}

impl SqliteHooks {
    async fn dead(&self, first: i64, last: i64, max: usize) -> Result<Vec<Dead>, DispatchError> {
        let reading = self.database.read(move |connection| {
            let mut select = connection.prepare_cached(SELECT_DEAD)?;
            let rows = select.query_map(params![first, last, max as i64], |row| {
                let (id, dispatch) = dispatch(row)?;
                let reason = row.get::<_, String>(7)?.into();
                Ok(Dead {
                    id,
                    reason,
                    dispatch,
                })
            })?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        });
        reading.await.map_err(dispatch_error)
    }
}

fn delete(connection: &Connection, statement: &str, ids: &[DispatchId]) -> rusqlite::Result<u64> {
    let mut delete = connection.prepare_cached(statement)?;
    let mut count = 0;
    for id in ids {
        count += delete.execute([number(*id)])? as u64;
    }
    Ok(count)
}

fn dispatch(row: &Row<'_>) -> rusqlite::Result<(DispatchId, Dispatch)> {
    let text = |place: usize| row.get::<_, String>(place).map(Into::into);
    let id = DispatchId(row.get::<_, i64>(0)?.cast_unsigned(), 0);
    Ok((
        id,
        Dispatch {
            url: text(1)?,
            lane: text(2)?,
            event: text(3)?,
            id: text(4)?,
            since_ms: row.get::<_, i64>(5)?.cast_unsigned(),
            body: row.get::<_, Vec<u8>>(6)?.into(),
        },
    ))
}

/// The number of a row; one that no row has if that is what it names.
fn number(DispatchId(number, _): DispatchId) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn dispatch_error(error: DatabaseError) -> DispatchError {
    DispatchError::Unavailable(error.to_string().into())
}
