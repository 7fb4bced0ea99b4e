//! What was published in live rooms, in SQLite.

use rusqlite::{Connection, OptionalExtension as _, Row, params, types::Type};

use super::{Database, messages::signed};
use crate::{
    sayings::{DEPTH_MAX, Found, Page, Saying, Sayings, Voice},
    store::{Pending, Prunes},
};

/// What is published, and what was withdrawn.
const PUBLISHED: i64 = 1;
const WITHDRAWN: i64 = 0;

pub(super) const SELECT_PAGE: &str = "SELECT id, code, kind, name, user_id, nickname, say,
    create_time FROM live_message WHERE code = ?1 AND kind = ?2 AND status = 1
    ORDER BY id DESC LIMIT ?3 OFFSET ?4";
pub(super) const SELECT_NAMED: &str = "SELECT id FROM live_message WHERE name = ?1";
const COUNT: &str = "SELECT COUNT(*) FROM (SELECT 1 FROM live_message
    WHERE code = ?1 AND kind = ?2 AND status = 1 LIMIT ?3)";
pub(super) const PRUNE: &str = "DELETE FROM live_message WHERE id IN
    (SELECT id FROM live_message WHERE create_time < ?1 ORDER BY create_time LIMIT ?2)";

/// The sayings of a node that has no Redis, or of nodes that share a file.
#[derive(Clone, Debug)]
pub struct SqliteSayings(Database);

impl SqliteSayings {
    /// Sayings in this database.
    pub const fn new(database: Database) -> Self {
        Self(database)
    }
}

impl Sayings for SqliteSayings {
    fn publish(&self, saying: Saying) -> Pending<'_, u64> {
        let publishing = self
            .0
            .transact(move |connection| insert(connection, &saying));
        Box::pin(async move { Ok(publishing.await?.cast_unsigned()) })
    }

    fn recall<'a>(&'a self, code: &'a str, id: u64, now_ms: u64) -> Pending<'a, bool> {
        let code = code.to_owned();
        let recalling = self.0.transact(move |connection| {
            let mut update = connection.prepare_cached(
                "UPDATE live_message SET status = ?1, update_time = ?2
                WHERE id = ?3 AND code = ?4 AND kind = ?5 AND status = ?6",
            )?;
            let wall = Voice::Wall.label();
            let (id, now) = (signed(id), signed(now_ms));
            update.execute(params![WITHDRAWN, now, id, code, wall, PUBLISHED])
        });
        Box::pin(async move { Ok(recalling.await? == 1) })
    }

    fn history(&self, wanted: Page) -> Pending<'_, Found> {
        let reading = self.0.read(move |connection| read(connection, &wanted));
        Box::pin(async move { Ok(reading.await?) })
    }
}

impl Prunes for SqliteSayings {
    fn prune(&self, before_ms: u64, max: usize) -> Pending<'_, u64> {
        let pruning = self.0.transact(move |connection| {
            let mut delete = connection.prepare_cached(PRUNE)?;
            delete.execute(params![signed(before_ms), max as i64])
        });
        Box::pin(async move { Ok(pruning.await? as u64) })
    }
}

fn insert(connection: &Connection, saying: &Saying) -> rusqlite::Result<i64> {
    if let Some(name) = &saying.name {
        let mut known = connection.prepare_cached(SELECT_NAMED)?;
        if let Some(id) = known.query_one([&**name], |row| row.get(0)).optional()? {
            return Ok(id);
        }
    }
    let mut insert = connection.prepare_cached(
        "INSERT INTO live_message (code, kind, name, user_id, nickname, say, status, create_time,
        update_time) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8)",
    )?;
    insert.insert(params![
        saying.code,
        saying.kind.label(),
        saying.name,
        saying.user_id,
        saying.nickname,
        saying.say,
        PUBLISHED,
        signed(saying.time_ms),
    ])
}

fn read(connection: &Connection, wanted: &Page) -> rusqlite::Result<Found> {
    let kind = wanted.kind.label();
    let mut count = connection.prepare_cached(COUNT)?;
    let count: i64 = count.query_one(params![wanted.code, kind, DEPTH_MAX as i64], |row| {
        row.get(0)
    })?;
    let mut select = connection.prepare_cached(SELECT_PAGE)?;
    let (max, skip) = (wanted.max as i64, wanted.skip as i64);
    let rows = select.query_map(params![wanted.code, kind, max, skip], saying)?;
    Ok(Found {
        sayings: rows.collect::<Result<_, _>>()?,
        count: count.cast_unsigned(),
    })
}

fn saying(row: &Row<'_>) -> rusqlite::Result<(u64, Saying)> {
    let (id, time_ms): (i64, i64) = (row.get(0)?, row.get(7)?);
    let kind: String = row.get(2)?;
    let unreadable = || {
        let error = format!("{kind:?} is no kind").into();
        rusqlite::Error::FromSqlConversionFailure(2, Type::Text, error)
    };
    let saying = Saying {
        code: row.get(1)?,
        kind: Voice::of_label(&kind).ok_or_else(unreadable)?,
        name: row.get(3)?,
        user_id: row.get(4)?,
        nickname: row.get(5)?,
        say: row.get(6)?,
        time_ms: time_ms.cast_unsigned(),
    };
    Ok((id.cast_unsigned(), saying))
}
