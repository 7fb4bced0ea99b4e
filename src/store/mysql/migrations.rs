//! The tables, and how those that are there already become what they have to be.
//!
//! The table `tidegate_migration` says which steps were made, and how new the newest row is that is
//! older than Tidegate: who asks for what is newer need not look among them. One node at a time makes them, whoever
//! has the lock; a node that is killed loses it. The server commits each statement that changes a table
//! by itself: so every step can be made again from wherever it was left.

use std::time::Duration;

use parking_lot::Mutex;
use sqlx::{MySqlConnection, Row as _, mysql::MySqlPool};
use tokio::{sync::watch, time};
use tokio_util::task::TaskTracker;

use super::{
    CALL_TIMEOUT, Lease,
    errors::{Failure, NO_SUCH_TABLE, number},
};
use crate::store::RecordId;

/// Longest time of all steps. To change a table of a million rows takes half a minute.
const MIGRATION_TIMEOUT: Duration = Duration::from_secs(60 * 60);
/// Seconds of one attempt to get the lock from another node that makes the steps.
const LOCK_SECONDS: i32 = 5;
/// How many steps this version knows.
const KNOWN: u32 = 3;

const VERSIONS: &str = "CREATE TABLE IF NOT EXISTS tidegate_migration (
    version INT UNSIGNED NOT NULL PRIMARY KEY,
    made TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    legacy_ms BIGINT UNSIGNED NOT NULL DEFAULT 0
) ENGINE=InnoDB";

/// As the original program has it, but for the time, which has milliseconds and is not set anew when a
/// row changes; for texts, of which every byte counts; and for the packet id. A `timestamp` is right
/// for whoever reads it in a zone of its own, as the original does, where a `datetime` would not be;
/// that it ends in 2038 is no matter, since the id of a row tells when it was accepted.
const MESSAGE: &str = "CREATE TABLE IF NOT EXISTS message (
    id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    `from` BIGINT UNSIGNED NOT NULL,
    `to` BIGINT UNSIGNED NOT NULL,
    type CHAR(1) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    msg VARCHAR(1023) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    send BIT(1) NOT NULL DEFAULT b'0',
    `timestamp` TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
    packet_id VARBINARY(512) NULL,
    INDEX message_from (`from`, id),
    INDEX message_to (`to`, id),
    INDEX message_between (`from`, `to`, id)
) ENGINE=InnoDB";

/// In one statement, which the server makes as a whole or not at all. Ids of an application's own making
/// may be narrower than those that are given out now.
const LEGACY: &str = "ALTER TABLE message
    MODIFY id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    MODIFY `from` BIGINT UNSIGNED NOT NULL,
    MODIFY `to` BIGINT UNSIGNED NOT NULL,
    MODIFY type CHAR(1) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    MODIFY msg VARCHAR(1023) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    MODIFY send BIT(1) NOT NULL DEFAULT b'0',
    MODIFY `timestamp` TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
    ADD COLUMN packet_id VARBINARY(512) NULL,
    ADD INDEX message_from (`from`, id),
    ADD INDEX message_to (`to`, id),
    ADD INDEX message_between (`from`, `to`, id)";

/// Topics and names are bytes: every collation of texts passes over blanks at their ends.
const TOPIC_MESSAGE: &str = "CREATE TABLE IF NOT EXISTS topic_message (
    id BIGINT UNSIGNED NOT NULL PRIMARY KEY,
    topic VARBINARY(1100) NOT NULL,
    name VARBINARY(1024) NOT NULL,
    event VARCHAR(1023) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    data MEDIUMBLOB NOT NULL,
    sender VARBINARY(1024) NULL,
    `timestamp` TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
    INDEX topic_message_topic (topic, id)
) ENGINE=InnoDB";

/// What was published in live rooms. A name is that of a draft, and what a wall has said has none.
const LIVE_MESSAGE: &str = "CREATE TABLE IF NOT EXISTS live_message (
    id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    code VARBINARY(400) NOT NULL,
    kind VARBINARY(8) NOT NULL,
    name VARBINARY(64) NULL,
    nickname VARCHAR(2048) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    say TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    user_id VARBINARY(1024) NOT NULL,
    status TINYINT UNSIGNED NOT NULL,
    create_time BIGINT UNSIGNED NOT NULL,
    update_time BIGINT UNSIGNED NOT NULL,
    UNIQUE INDEX live_message_name (name),
    INDEX live_message_of_room (code, kind, status, id),
    INDEX live_message_by_time (create_time)
) ENGINE=InnoDB";

/// Columns of the original table.
const LEGACY_COLUMNS: [&str; 7] = ["from", "id", "msg", "send", "timestamp", "to", "type"];
/// The one that it does not have.
const NEW_COLUMN: &str = "packet_id";

/// Makes the steps once, for all who need the tables.
#[derive(Debug, Default)]
pub(super) struct Migrations {
    /// How the last attempt ended, or that it has not.
    last: Mutex<Option<watch::Receiver<Attempt>>>,
    tasks: TaskTracker,
}

#[derive(Clone, Debug, Default)]
enum Attempt {
    #[default]
    UnderWay,
    Done(u64),
    Away(Box<str>),
    Refused(Box<str>),
}

impl Migrations {
    /// Waits until the tables are there. An attempt goes on when nobody waits for it; one that failed
    /// is made again by the next call. Says how new the newest row is that is older than Tidegate.
    pub(super) async fn done(&self, pool: &MySqlPool) -> Result<u64, Failure> {
        let mut attempt = self.attempt(pool);
        let ended = attempt.wait_for(|attempt| !matches!(attempt, Attempt::UnderWay));
        match ended.await.as_deref() {
            Ok(Attempt::Done(legacy_ms)) => Ok(*legacy_ms),
            Ok(Attempt::Refused(text)) => Err(Failure::Refused(text.clone())),
            Ok(Attempt::Away(text)) => Err(Failure::Away(text.clone())),
            Ok(Attempt::UnderWay) | Err(_) => Err(Failure::Away("it was broken off".into())),
        }
    }

    fn attempt(&self, pool: &MySqlPool) -> watch::Receiver<Attempt> {
        let mut last = self.last.lock();
        if let Some(attempt) = &*last {
            let is_over = attempt.has_changed().is_err();
            let is_good = match &*attempt.borrow() {
                Attempt::Done(_) => true,
                Attempt::UnderWay => !is_over,
                Attempt::Away(_) | Attempt::Refused(_) => false,
            };
            if is_good {
                return attempt.clone();
            }
        }
        let (ended, attempt) = watch::channel(Attempt::UnderWay);
        let pool = pool.clone();
        self.tasks.spawn(async move {
            let made = time::timeout(MIGRATION_TIMEOUT, make_all(&pool)).await;
            ended.send_replace(match made {
                Ok(Ok(legacy_ms)) => Attempt::Done(legacy_ms),
                Ok(Err(Failure::Refused(text))) => Attempt::Refused(text),
                Ok(Err(Failure::Away(text) | Failure::Again(text) | Failure::Data(text))) => {
                    Attempt::Away(text)
                }
                Ok(Err(Failure::Poison(..))) | Err(_) => Attempt::Away("no end in time".into()),
            });
        });
        *last = Some(attempt.clone());
        attempt
    }
}

async fn make_all(pool: &MySqlPool) -> Result<u64, Failure> {
    let mut lease = Lease::of(pool).await?;
    let connection = lease.connection();
    let mut had = soon(versions(connection)).await?;
    if !had.is_new_enough()? {
        lock(connection).await?;
        // A lease that is not given back is closed, and the lock is free.
        make_steps(connection).await?;
        let unlock = sqlx::query("SELECT RELEASE_LOCK(CONCAT('tidegate:', SHA1(DATABASE())))");
        unlock.execute(&mut *connection).await?;
        had = versions(connection).await?;
    }
    lease.give_back();
    Ok(had.legacy_ms)
}

/// What is noted of the steps that were made.
#[derive(Debug, Default)]
struct Versions {
    last: u32,
    legacy_ms: u64,
}

impl Versions {
    fn is_new_enough(&self) -> Result<bool, Failure> {
        let last = self.last;
        if KNOWN < last {
            let text = format!(
                "a newer version has made its tables: they are of version {last}, and this one \
                 knows {KNOWN}"
            );
            return Err(Failure::Refused(text.into()));
        }
        Ok(last == KNOWN)
    }
}

async fn versions(connection: &mut MySqlConnection) -> Result<Versions, Failure> {
    let select = "SELECT CAST(COALESCE(MAX(version), 0) AS UNSIGNED),
        CAST(COALESCE(MAX(legacy_ms), 0) AS UNSIGNED) FROM tidegate_migration";
    match sqlx::query(select).fetch_one(connection).await {
        Ok(row) => {
            let last: u64 = row.try_get_unchecked(0)?;
            Ok(Versions {
                last: u32::try_from(last).unwrap_or(u32::MAX),
                legacy_ms: row.try_get_unchecked(1)?,
            })
        }
        Err(error) if number(&error) == Some(NO_SUCH_TABLE) => Ok(Versions::default()),
        Err(error) => Err(error.into()),
    }
}

/// Waits until no other node has the lock. Its name holds for all databases of a server, and may be 64
/// characters long.
async fn lock(connection: &mut MySqlConnection) -> Result<(), Failure> {
    loop {
        let lock = "SELECT GET_LOCK(CONCAT('tidegate:', SHA1(DATABASE())), ?)";
        let asking = async {
            let row = sqlx::query(lock).bind(LOCK_SECONDS);
            let row = row.fetch_one(&mut *connection).await?;
            Ok(row.try_get_unchecked::<Option<i64>, _>(0)?)
        };
        match soon(asking).await? {
            Some(1) => return Ok(()),
            Some(_) => tracing::info!("another node is making the tables of the store"),
            None => return Err(Failure::Away("it gives no lock".into())),
        }
    }
}

/// What takes no long time: a connection on which it does is none any more.
async fn soon<T>(call: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let called = time::timeout(CALL_TIMEOUT, call).await;
    called.unwrap_or_else(|_| Err(Failure::Away("no answer in time".into())))
}

async fn make_steps(connection: &mut MySqlConnection) -> Result<(), Failure> {
    let had = versions(connection).await?;
    if had.is_new_enough()? {
        return Ok(());
    }
    sqlx::raw_sql(VERSIONS).execute(&mut *connection).await?;
    for step in had.last + 1..=KNOWN {
        let mut legacy_ms = 0;
        match step {
            1 => {
                make_message(connection).await?;
                legacy_ms = newest_legacy(connection).await?;
            }
            2 => make(connection, TOPIC_MESSAGE).await?,
            _ => make(connection, LIVE_MESSAGE).await?,
        }
        let note = "INSERT INTO tidegate_migration (version, legacy_ms) VALUES (?, ?)";
        let note = sqlx::query(note).bind(step).bind(legacy_ms);
        note.execute(&mut *connection).await?;
        tracing::info!(step, "the tables of the store were changed");
    }
    Ok(())
}

async fn make(connection: &mut MySqlConnection, table: &'static str) -> Result<(), Failure> {
    sqlx::raw_sql(table).execute(connection).await?;
    Ok(())
}

async fn newest_legacy(connection: &mut MySqlConnection) -> Result<u64, Failure> {
    let select = "SELECT CAST(COALESCE(UNIX_TIMESTAMP(MAX(`timestamp`)), 0) * 1000 AS UNSIGNED)
        FROM message WHERE id < ?";
    let select = sqlx::query(select).bind(RecordId::FIRST.0);
    Ok(select.fetch_one(connection).await?.try_get_unchecked(0)?)
}

async fn make_message(connection: &mut MySqlConnection) -> Result<(), Failure> {
    let columns = columns(connection).await?;
    let has = |column: &str| columns.iter().any(|other| other == column);
    let statement = match LEGACY_COLUMNS.iter().all(|column| has(column)) {
        _ if columns.is_empty() => MESSAGE,
        true if has(NEW_COLUMN) => return Ok(()),
        true => LEGACY,
        false => {
            let text = "it has a table `message` that is not the one of the original program";
            return Err(Failure::Refused(text.into()));
        }
    };
    sqlx::raw_sql(statement).execute(connection).await?;
    Ok(())
}

/// Those of the table `message`, if it is there.
async fn columns(connection: &mut MySqlConnection) -> Result<Vec<String>, Failure> {
    let select = "SELECT CAST(LOWER(column_name) AS CHAR) FROM information_schema.columns
        WHERE table_schema = DATABASE() AND table_name = 'message'";
    let rows = sqlx::query(select).fetch_all(connection).await?;
    let columns = rows.iter().map(|row| row.try_get_unchecked(0));
    Ok(columns.collect::<Result<_, _>>()?)
}
