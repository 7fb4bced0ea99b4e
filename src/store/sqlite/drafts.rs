//! What waits for a wall's word in live rooms, in SQLite.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{Database, messages::signed};
use crate::{
    sayings::{DRAFTS_KEPT, DRAFTS_MAX, Draft, Drafts},
    store::Pending,
};

/// Rooms that are forgotten with each draft that is added.
const SWEEP: usize = 16;

pub(super) const COUNT_DRAFTS: &str = "SELECT COUNT(*) FROM live_draft WHERE code = ?1";
pub(super) const SELECT_SILENT: &str =
    "SELECT code FROM live_room WHERE last_ms < ?1 ORDER BY last_ms LIMIT ?2";
pub(super) const SELECT_DRAFT: &str = "SELECT name, user_id, nickname, say, time_ms FROM live_draft
    WHERE code = ?1 AND name = ?2";
pub(super) const SELECT_DRAFTS: &str = "SELECT name, user_id, nickname, say, time_ms
    FROM live_draft WHERE code = ?1 ORDER BY id LIMIT ?2";

/// The drafts of a node that has no Redis.
#[derive(Clone, Debug)]
pub struct SqliteDrafts(Database);

impl SqliteDrafts {
    /// Drafts in this database.
    pub const fn new(database: Database) -> Self {
        Self(database)
    }

    /// Takes one out that is approved or is not. Says whether it was there.
    async fn remove(
        &self,
        code: String,
        id: String,
        is_approved: bool,
    ) -> Result<bool, crate::store::StoreError> {
        let removing = self.0.transact(move |connection| {
            let mut delete = connection.prepare_cached(
                "DELETE FROM live_draft WHERE code = ?1 AND name = ?2 AND is_approved = ?3",
            )?;
            delete.execute(params![code, id, is_approved])
        });
        Ok(removing.await? == 1)
    }
}

impl Drafts for SqliteDrafts {
    fn add<'a>(&'a self, code: &'a str, draft: Draft) -> Pending<'a, bool> {
        let code = code.to_owned();
        let adding = self
            .0
            .transact(move |connection| add(connection, &code, &draft));
        Box::pin(async move { Ok(adding.await?) })
    }

    fn approve<'a>(&'a self, code: &'a str, id: &'a str) -> Pending<'a, Option<Draft>> {
        let (code, id) = (code.to_owned(), id.to_owned());
        let approving = self.0.transact(move |connection| {
            let mut update = connection.prepare_cached(
                "UPDATE live_draft SET is_approved = 1 WHERE code = ?1 AND name = ?2",
            )?;
            update.execute([&code, &id])?;
            let mut select = connection.prepare_cached(SELECT_DRAFT)?;
            select.query_one([&code, &id], draft).optional()
        });
        Box::pin(async move { Ok(approving.await?) })
    }

    fn take<'a>(&'a self, code: &'a str, id: &'a str) -> Pending<'a, bool> {
        Box::pin(self.remove(code.to_owned(), id.to_owned(), true))
    }

    fn reject<'a>(&'a self, code: &'a str, id: &'a str) -> Pending<'a, bool> {
        Box::pin(self.remove(code.to_owned(), id.to_owned(), false))
    }

    fn list<'a>(&'a self, code: &'a str, max: usize) -> Pending<'a, Vec<Draft>> {
        let code = code.to_owned();
        let reading = self.0.read(move |connection| {
            let mut select = connection.prepare_cached(SELECT_DRAFTS)?;
            let rows = select.query_map(params![code, max as i64], draft)?;
            rows.collect()
        });
        Box::pin(async move { Ok(reading.await?) })
    }

    fn clear<'a>(&'a self, code: &'a str) -> Pending<'a, u64> {
        let code = code.to_owned();
        let clearing = self.0.transact(move |connection| {
            let mut delete = connection
                .prepare_cached("DELETE FROM live_draft WHERE code = ?1 AND is_approved = 0")?;
            delete.execute([code])
        });
        Box::pin(async move { Ok(clearing.await? as u64) })
    }
}

fn add(connection: &Connection, code: &str, draft: &Draft) -> rusqlite::Result<bool> {
    forget(connection, draft.time_ms)?;
    let mut count = connection.prepare_cached(COUNT_DRAFTS)?;
    let count: i64 = count.query_one([code], |row| row.get(0))?;
    if DRAFTS_MAX as i64 <= count {
        return Ok(false);
    }
    let mut insert = connection.prepare_cached(
        "INSERT INTO live_draft (code, name, user_id, nickname, say, time_ms)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
    )?;
    insert.execute(params![
        code,
        draft.id,
        draft.user_id,
        draft.nickname,
        draft.say,
        signed(draft.time_ms),
    ])?;
    let mut note = connection.prepare_cached(
        "INSERT INTO live_room (code, last_ms) VALUES (?1, ?2)
        ON CONFLICT (code) DO UPDATE SET last_ms = max(last_ms, ?2)",
    )?;
    note.execute(params![code, signed(draft.time_ms)])?;
    Ok(true)
}

/// Rooms in which nothing was said for too long.
fn forget(connection: &Connection, now_ms: u64) -> rusqlite::Result<()> {
    let kept_ms = DRAFTS_KEPT.as_millis() as u64;
    let before = signed(now_ms.saturating_sub(kept_ms));
    let mut select = connection.prepare_cached(SELECT_SILENT)?;
    let silent = select.query_map(params![before, SWEEP as i64], |row| row.get(0))?;
    let silent: Vec<String> = silent.collect::<Result<_, _>>()?;
    for code in silent {
        for delete in [
            "DELETE FROM live_draft WHERE code = ?1",
            "DELETE FROM live_room WHERE code = ?1",
        ] {
            connection.prepare_cached(delete)?.execute([&code])?;
        }
    }
    Ok(())
}

fn draft(row: &Row<'_>) -> rusqlite::Result<Draft> {
    let time_ms: i64 = row.get(4)?;
    Ok(Draft {
        id: row.get(0)?,
        user_id: row.get(1)?,
        nickname: row.get(2)?,
        say: row.get(3)?,
        time_ms: time_ms.cast_unsigned(),
    })
}
