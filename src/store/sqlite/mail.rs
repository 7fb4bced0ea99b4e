//! Mail in SQLite.

use std::sync::Arc;

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::{Database, DatabaseError};
use crate::{
    clock::Clock,
    mail::{Bounds, Letter, LetterId, Mail, MailError, PAGE, Pending, Posted, Put},
    topic::Topic,
};

/// Expired letters that are looked for with each call that puts some, at the old end.
const SWEEP: usize = 64;

/// The mail of a node that has no Redis.
#[derive(Debug)]
pub struct SqliteMail {
    database: Database,
    bounds: Bounds,
    clock: Clock,
}

impl SqliteMail {
    /// Mail in this database.
    pub fn new(database: Database, bounds: Bounds, clock: Clock) -> Self {
        Self {
            database,
            bounds,
            clock,
        }
    }

    /// Mail that ends with the test.
    #[cfg(test)]
    pub fn of_test() -> Arc<Self> {
        let database = Database::of_test();
        let bounds = Bounds {
            letters_max: 10,
            keep: std::time::Duration::from_secs(60),
        };
        Arc::new(Self::new(database, bounds, Clock::start()))
    }

    /// Letters that were put before have expired, in milliseconds since the Unix epoch.
    fn expired_before(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.bounds.keep.as_millis() as u64)
    }
}

impl Mail for SqliteMail {
    fn put(&self, letters: Vec<(Topic, Bytes)>) -> Pending<'_, Vec<Put>> {
        let now_ms = self.clock.now().unix_ms;
        let expired_before = self.expired_before(now_ms);
        let letters_max = self.bounds.letters_max;
        let recipients = Arc::clone(&self.database.recipients);
        let putting = self.database.transact(move |connection| {
            sweep(connection, expired_before)?;
            let put = letters.iter().map(|(user, body)| {
                recipients.add(user.id());
                put(connection, user.id(), body, now_ms, letters_max)
            });
            put.collect()
        });
        Box::pin(async move { putting.await.map_err(mail_error) })
    }

    fn read(&self, users: Vec<Topic>) -> Pending<'_, Vec<Vec<Letter>>> {
        let expired_before = self.expired_before(self.clock.now().unix_ms);
        let recipients = Arc::clone(&self.database.recipients);
        let reading = self.database.transact(move |connection| {
            let pages = users.iter().map(|user| {
                let page = read(connection, user.id(), expired_before)?;
                if page.is_empty() {
                    recipients.remove(user.id());
                }
                Ok(page)
            });
            pages.collect()
        });
        Box::pin(async move { reading.await.map_err(mail_error) })
    }

    fn may_have(&self, user: &Topic) -> bool {
        self.database.recipients.contains(user.id())
    }

    fn remove(&self, letters: Vec<(Topic, Vec<LetterId>)>) -> Pending<'_, ()> {
        let removing = self.database.transact(move |connection| {
            let mut delete =
                connection.prepare_cached("DELETE FROM mail WHERE id = ?1 AND user = ?2")?;
            for (user, ids) in &letters {
                for LetterId(id, _) in ids {
                    delete.execute(params![id.cast_signed(), user.id()])?;
                }
            }
            Ok(())
        });
        Box::pin(async move { removing.await.map_err(mail_error) })
    }
}

fn put(
    connection: &Connection,
    user: &str,
    body: &[u8],
    now_ms: u64,
    letters_max: usize,
) -> rusqlite::Result<Put> {
    let mut newest =
        connection.prepare_cached("SELECT coalesce(max(id), 0) FROM mail WHERE user = ?1")?;
    let after: i64 = newest.query_row([user], |row| row.get(0))?;
    let mut insert =
        connection.prepare_cached("INSERT INTO mail (user, put_ms, body) VALUES (?1, ?2, ?3)")?;
    insert.execute(params![user, now_ms.cast_signed(), body])?;
    let id = connection.last_insert_rowid();
    // The newest that has to go, if one has.
    let mut find = connection
        .prepare_cached("SELECT id FROM mail WHERE user = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2")?;
    let last = find.query_row(params![user, letters_max as i64], |row| {
        row.get::<_, i64>(0)
    });
    let dropped = match last.optional()? {
        Some(last) => {
            let mut delete =
                connection.prepare_cached("DELETE FROM mail WHERE user = ?1 AND id <= ?2")?;
            delete.execute(params![user, last])? as u64
        }
        None => 0,
    };
    Ok(Put {
        posted: Posted {
            id: LetterId(id.cast_unsigned(), 0),
            after: LetterId(after.cast_unsigned(), 0),
        },
        dropped,
    })
}

fn read(connection: &Connection, user: &str, expired_before: u64) -> rusqlite::Result<Vec<Letter>> {
    let mut select = connection.prepare_cached(
        "SELECT id, body FROM mail WHERE user = ?1 AND ?2 <= put_ms ORDER BY id LIMIT ?3",
    )?;
    let rows = select.query_map(
        params![user, expired_before.cast_signed(), PAGE as i64],
        |row| {
            Ok(Letter {
                id: LetterId(row.get::<_, i64>(0)?.cast_unsigned(), 0),
                body: row.get::<_, Vec<u8>>(1)?.into(),
            })
        },
    )?;
    rows.collect()
}

/// Removes expired letters at the old end.
fn sweep(connection: &Connection, expired_before: u64) -> rusqlite::Result<()> {
    let mut delete = connection.prepare_cached(
        "DELETE FROM mail WHERE id IN (SELECT id FROM
            (SELECT id, put_ms FROM mail ORDER BY id LIMIT ?1) WHERE put_ms < ?2)",
    )?;
    delete.execute(params![SWEEP as i64, expired_before.cast_signed()])?;
    Ok(())
}

fn mail_error(error: DatabaseError) -> MailError {
    MailError(error.to_string().into())
}
