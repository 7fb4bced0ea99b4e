//! Messages in MySQL or MariaDB.

mod rows;

use std::time::Duration;

use sqlx::{AssertSqlSafe, MySqlConnection, Row as _};
use tokio::time;

use super::{MysqlError, Server, errors::Failure, in_time};
use crate::store::{
    Content, MessageStore, Pending, Prunes, Query, Record, RecordId, StoreError,
    parts::{newest, parts, ranges},
};

/// Most rows of one statement. Statements have a power of two of them, so that the server has prepared
/// each after a while.
const ROWS_MAX: usize = 128;
/// Most bytes of the texts of one statement that has more than one row. Every server takes a MiB.
const BYTES_MAX: usize = 1 << 19;
/// Bytes of a statement that are no texts, and more.
const OTHER_BYTES: usize = 1024;
/// How often a call is tried again that other transactions are in the way of, and the pause before the
/// first time; the next ones are longer.
const ATTEMPTS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(20);
/// How long the start of a node waits for a database.
const CHECK_TIMEOUT: Duration = Duration::from_secs(8);
/// What needs the rights that a store needs, and changes nothing.
const TRIES: [&str; 9] = [
    "SELECT id FROM message WHERE FALSE UNION ALL SELECT id FROM topic_message WHERE FALSE",
    "INSERT INTO message SELECT there.* FROM message there WHERE FALSE \
     ON DUPLICATE KEY UPDATE message.id = message.id",
    "INSERT INTO topic_message SELECT there.* FROM topic_message there WHERE FALSE \
     ON DUPLICATE KEY UPDATE topic_message.id = topic_message.id",
    "DELETE FROM message WHERE FALSE",
    "DELETE FROM topic_message WHERE FALSE",
    "SELECT id FROM live_message WHERE FALSE",
    "INSERT INTO live_message SELECT there.* FROM live_message there WHERE FALSE \
     ON DUPLICATE KEY UPDATE live_message.id = live_message.id",
    "UPDATE live_message SET status = status WHERE FALSE",
    "DELETE FROM live_message WHERE FALSE",
];

/// The messages of nodes that share a database.
#[derive(Clone, Debug)]
pub struct MysqlMessages(Server);

impl MysqlMessages {
    /// Messages in this database.
    pub const fn new(server: Server) -> Self {
        Self(server)
    }

    /// Messages in the database at this address. See [`Server::connect`].
    ///
    /// # Errors
    ///
    /// [`MysqlError::Url`].
    pub fn connect(url: &str) -> Result<Self, MysqlError> {
        Server::connect(url).map(Self)
    }

    /// Makes the tables, and tries what the user may do. A server that is away is none of the
    /// configuration's mistakes, and only warned of.
    ///
    /// # Errors
    ///
    /// [`MysqlError::Refused`]: a password, a database, a certificate or rights that are not right, or
    /// tables of a newer version.
    pub async fn check(&self) -> Result<(), MysqlError> {
        let failure = match time::timeout(CHECK_TIMEOUT, self.try_rights()).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(Failure::Refused(text))) => return Err(MysqlError::Refused(text)),
            Ok(Err(failure)) => StoreError::from(failure),
            Err(_) => StoreError::Unavailable("no answer in time".into()),
        };
        tracing::warn!(error = %failure, "the database cannot be reached; messages wait for it");
        Ok(())
    }

    async fn try_rights(&self) -> Result<(), Failure> {
        self.0.migrated().await?;
        let mut lease = self.0.lease().await?;
        for statement in TRIES {
            let tried = sqlx::raw_sql(statement).execute(lease.connection());
            tried.await?;
        }
        lease.give_back();
        Ok(())
    }

    async fn insert_all(&self, records: &[Record]) -> Result<(), Failure> {
        if records.is_empty() {
            return Ok(());
        }
        self.0.migrated().await?;
        let legacy = records.iter().filter(|one| one.id < RecordId::FIRST);
        if let Some(newest_ms) = legacy.map(|one| one.time_ms).max() {
            self.0.has_legacy(newest_ms);
        }
        let mut attempts = 0;
        loop {
            let mut lease = self.0.lease().await?;
            let failure = match insert(lease.connection(), records).await {
                Ok(()) => {
                    lease.give_back();
                    return Ok(());
                }
                Err(failure) => failure,
            };
            // What it has begun is undone with its connection.
            drop(lease);
            match failure {
                Failure::Data(reason) => return Err(self.culprit(records, reason).await),
                Failure::Again(_) if attempts < ATTEMPTS => {
                    attempts += 1;
                    time::sleep(PAUSE * attempts).await;
                }
                failure => return Err(failure),
            }
        }
    }

    /// Tries them one by one, until one is refused, and keeps none.
    async fn culprit(&self, records: &[Record], reason: Box<str>) -> Failure {
        let finding = async {
            let mut lease = self.0.lease().await?;
            begin(lease.connection()).await?;
            for record in records {
                let one = std::slice::from_ref(record);
                match rows::insert(lease.connection(), one).await {
                    Err(Failure::Data(reason)) => return Err(Failure::Poison(record.id, reason)),
                    other => other?,
                }
            }
            Err(Failure::Data(reason))
        };
        let found: Result<(), Failure> = finding.await;
        found.expect_err("it gives nothing but errors")
    }

    async fn read(&self, query: &Query) -> Result<Vec<Record>, Failure> {
        let legacy_ms = self.0.migrated().await?;
        let mut lease = self.0.lease().await?;
        let mut found = Vec::new();
        for range in ranges(query) {
            if query.max <= found.len() || legacy_ms < range.since_ms {
                break;
            }
            for part in parts(query) {
                let read = rows::read(lease.connection(), &part, range, query.max);
                found.extend(read.await?);
            }
        }
        lease.give_back();
        Ok(newest(found, query.max))
    }

    async fn remove(&self, before_ms: u64, max: usize) -> Result<u64, Failure> {
        self.0.migrated().await?;
        let mut lease = self.0.lease().await?;
        let mut rest = max as u64;
        let (RecordId(first), RecordId(end)) = (RecordId::FIRST, RecordId::at(before_ms));
        let by_time = "id < ? AND `timestamp` < FROM_UNIXTIME(? * 0.001)";
        let by_id = "? <= id AND id < ?";
        for (table, condition, value) in [
            ("message", by_time, before_ms),
            ("message", by_id, end),
            ("topic_message", by_time, before_ms),
            ("topic_message", by_id, end),
        ] {
            let delete = format!("DELETE FROM {table} WHERE {condition} ORDER BY id LIMIT ?");
            let deleting = sqlx::query(AssertSqlSafe(delete))
                .bind(first)
                .bind(value)
                .bind(rest)
                .execute(lease.connection());
            rest -= deleting.await?.rows_affected();
        }
        lease.give_back();
        Ok(max as u64 - rest)
    }
}

impl MessageStore for MysqlMessages {
    fn insert(&self, records: Vec<Record>) -> Pending<'_, ()> {
        Box::pin(in_time(async move { self.insert_all(&records).await }))
    }

    fn history(&self, query: Query) -> Pending<'_, Vec<Record>> {
        Box::pin(in_time(async move { self.read(&query).await }))
    }
}

impl Prunes for MysqlMessages {
    fn prune(&self, before_ms: u64, max: usize) -> Pending<'_, u64> {
        Box::pin(in_time(self.remove(before_ms, max)))
    }
}

/// In one transaction, in the order of their ids: several who insert the same are one behind the
/// other.
async fn insert(connection: &mut MySqlConnection, records: &[Record]) -> Result<(), Failure> {
    let mut chats: Vec<_> = records.iter().collect();
    chats.sort_unstable_by_key(|record| record.id);
    let is_chat = |record: &&Record| matches!(record.content, Content::Chat(_));
    let pushes: Vec<_> = chats
        .extract_if(.., |record| !is_chat(&&**record))
        .collect();
    fit(connection, records).await?;
    begin(connection).await?;
    for mut rest in [&chats[..], &pushes[..]] {
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rows_of_one_statement(rest));
            rows::insert(connection, now).await?;
            rest = later;
        }
    }
    sqlx::raw_sql("COMMIT").execute(connection).await?;
    Ok(())
}

async fn begin(connection: &mut MySqlConnection) -> Result<(), Failure> {
    sqlx::raw_sql("START TRANSACTION")
        .execute(connection)
        .await?;
    Ok(())
}

/// A server that is sent more than it takes does not say so, but ends the connection, as one does that
/// is killed.
async fn fit(connection: &mut MySqlConnection, records: &[Record]) -> Result<(), Failure> {
    let longest = records.iter().max_by_key(|record| bytes(record));
    let Some(longest) = longest.filter(|record| BYTES_MAX < bytes(record)) else {
        return Ok(());
    };
    let most = sqlx::query("SELECT CAST(@@max_allowed_packet AS UNSIGNED)");
    let most: u64 = most.fetch_one(connection).await?.try_get_unchecked(0)?;
    if most < (bytes(longest) + OTHER_BYTES) as u64 {
        let reason = format!("it is longer than the server takes, max_allowed_packet = {most}");
        return Err(Failure::Poison(longest.id, reason.into()));
    }
    Ok(())
}

fn rows_of_one_statement(records: &[&Record]) -> usize {
    let mut sum = 0;
    let fitting = records.iter().take_while(|record| {
        sum += bytes(record);
        sum <= BYTES_MAX
    });
    let count = fitting.count().clamp(1, ROWS_MAX);
    1 << count.ilog2()
}

/// Those of its texts.
fn bytes(record: &Record) -> usize {
    match &record.content {
        Content::Chat(chat) => chat.msg.len() + chat.packet_id.as_ref().map_or(0, |id| id.len()),
        Content::Push(push) => {
            let sender = push
                .sender
                .as_ref()
                .map_or(0, |sender| sender.as_str().len());
            push.topic.as_str().len()
                + push.name.len()
                + push.event.len()
                + push.data.len()
                + sender
        }
    }
}
