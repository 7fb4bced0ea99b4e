//! What was published in live rooms, in MySQL or MariaDB.

use std::time::Duration;

use sqlx::{Row as _, mysql::MySqlRow};
use tokio::time;

use super::{Server, errors::Failure, in_time};
use crate::{
    sayings::{DEPTH_MAX, Found, Page, Saying, Sayings, Voice},
    store::{Pending, Prunes},
};

/// How often an insertion is tried again that other transactions are in the way of, and the pause before
/// the first time; the next ones are longer.
const ATTEMPTS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(20);
/// Passes over what is there, and gives its id.
const INSERT: &str = "INSERT INTO live_message
    (code, kind, name, user_id, nickname, say, status, create_time, update_time)
    VALUES (?, ?, ?, ?, ?, ?, 1, ?, ?) ON DUPLICATE KEY UPDATE id = LAST_INSERT_ID(id)";
const RECALL: &str = "UPDATE live_message SET status = 0, update_time = ?
    WHERE id = ? AND code = ? AND kind = 'wall' AND status = 1";
const SELECT: &str = "SELECT id, code, kind, name, user_id, nickname, say, create_time
    FROM live_message WHERE code = ? AND kind = ? AND status = 1
    ORDER BY id DESC LIMIT ? OFFSET ?";
const COUNT: &str = "SELECT CAST(COUNT(*) AS UNSIGNED) FROM (SELECT 1 FROM live_message
    WHERE code = ? AND kind = ? AND status = 1 LIMIT ?) published";
const PRUNE: &str = "DELETE FROM live_message WHERE create_time < ? ORDER BY create_time LIMIT ?";

/// The sayings of nodes that share a database.
#[derive(Clone, Debug)]
pub struct MysqlSayings(Server);

impl MysqlSayings {
    /// Sayings in this database.
    pub const fn new(server: Server) -> Self {
        Self(server)
    }

    /// Again, if other transactions are in the way.
    async fn insert(&self, saying: &Saying) -> Result<u64, Failure> {
        self.0.migrated().await?;
        let mut attempts = 0;
        loop {
            match self.try_insert(saying).await {
                Err(Failure::Again(_)) if attempts < ATTEMPTS => {
                    attempts += 1;
                    time::sleep(PAUSE * attempts).await;
                }
                done => return done,
            }
        }
    }

    async fn try_insert(&self, saying: &Saying) -> Result<u64, Failure> {
        let mut lease = self.0.lease().await?;
        let inserting = sqlx::query(INSERT)
            .bind(saying.code.as_bytes())
            .bind(saying.kind.label().as_bytes())
            .bind(saying.name.as_deref().map(str::as_bytes))
            .bind(saying.user_id.as_bytes())
            .bind(&*saying.nickname)
            .bind(&*saying.say)
            .bind(saying.time_ms)
            .bind(saying.time_ms)
            .execute(lease.connection());
        let id = inserting.await?.last_insert_id();
        lease.give_back();
        Ok(id)
    }

    async fn withdraw(&self, code: &str, id: u64, now_ms: u64) -> Result<bool, Failure> {
        self.0.migrated().await?;
        let mut lease = self.0.lease().await?;
        let updating = sqlx::query(RECALL)
            .bind(now_ms)
            .bind(id)
            .bind(code.as_bytes())
            .execute(lease.connection());
        let changed = updating.await?.rows_affected();
        lease.give_back();
        Ok(changed == 1)
    }

    async fn read(&self, wanted: &Page) -> Result<Found, Failure> {
        self.0.migrated().await?;
        let mut lease = self.0.lease().await?;
        let (code, kind) = (wanted.code.as_bytes(), wanted.kind.label().as_bytes());
        let counting = sqlx::query(COUNT)
            .bind(code)
            .bind(kind)
            .bind(DEPTH_MAX as u64)
            .fetch_one(lease.connection());
        let count = counting.await?.try_get_unchecked(0)?;
        let reading = sqlx::query(SELECT)
            .bind(code)
            .bind(kind)
            .bind(wanted.max as u64)
            .bind(wanted.skip as u64)
            .fetch_all(lease.connection());
        let rows = reading.await?;
        lease.give_back();
        let sayings = rows.iter().map(saying);
        Ok(Found {
            sayings: sayings.collect::<Result<_, _>>()?,
            count,
        })
    }

    async fn remove(&self, before_ms: u64, max: usize) -> Result<u64, Failure> {
        self.0.migrated().await?;
        let mut lease = self.0.lease().await?;
        let deleting = sqlx::query(PRUNE)
            .bind(before_ms)
            .bind(max as u64)
            .execute(lease.connection());
        let removed = deleting.await?.rows_affected();
        lease.give_back();
        Ok(removed)
    }
}

impl Sayings for MysqlSayings {
    fn publish(&self, saying: Saying) -> Pending<'_, u64> {
        Box::pin(in_time(async move { self.insert(&saying).await }))
    }

    fn recall<'a>(&'a self, code: &'a str, id: u64, now_ms: u64) -> Pending<'a, bool> {
        Box::pin(in_time(self.withdraw(code, id, now_ms)))
    }

    fn history(&self, wanted: Page) -> Pending<'_, Found> {
        Box::pin(in_time(async move { self.read(&wanted).await }))
    }
}

impl Prunes for MysqlSayings {
    fn prune(&self, before_ms: u64, max: usize) -> Pending<'_, u64> {
        Box::pin(in_time(self.remove(before_ms, max)))
    }
}

fn saying(row: &MySqlRow) -> Result<(u64, Saying), Failure> {
    let kind = text(row, 2)?;
    let no_kind = || Failure::Away("live_message has a row whose kind is none".into());
    let saying = Saying {
        code: text(row, 1)?,
        kind: Voice::of_label(&kind).ok_or_else(no_kind)?,
        name: match row.try_get_unchecked::<Option<Vec<u8>>, _>(3)? {
            Some(name) => Some(readable(name)?),
            None => None,
        },
        user_id: text(row, 4)?,
        nickname: text(row, 5)?,
        say: text(row, 6)?,
        time_ms: row.try_get_unchecked(7)?,
    };
    Ok((row.try_get_unchecked(0)?, saying))
}

fn text(row: &MySqlRow, column: usize) -> Result<Box<str>, Failure> {
    readable(row.try_get_unchecked(column)?)
}

fn readable(bytes: Vec<u8>) -> Result<Box<str>, Failure> {
    let text = String::from_utf8(bytes);
    let no_text = |_| Failure::Away("live_message has a row that is no text".into());
    Ok(text.map_err(no_text)?.into())
}
