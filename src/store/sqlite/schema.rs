//! The tables, and how a file of an older version gets those that it does not have.
//!
//! `PRAGMA user_version` says how many of the steps a file has had. They are made in one transaction
//! that begins as one that writes, so that of several who open a file one makes them and the others
//! find them made.

use std::{thread, time::Duration};

use rusqlite::{Connection, ErrorCode, TransactionBehavior};

use super::{DatabaseError, LOCK_TIMEOUT, failed};

/// The steps, in order. One that was released is never changed.
const STEPS: [&str; 8] = [MAIL, MESSAGES, HOOKS, DUES, WORK, SERVICE, LIVE, ARRIVED];
/// Pause between two attempts at what others are in the way of.
const PAUSE: Duration = Duration::from_millis(10);

/// Mail and queues. Files that are older than the steps have these already.
const MAIL: &str = "
CREATE TABLE IF NOT EXISTS mail (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user TEXT NOT NULL,
    put_ms INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS mail_of_user ON mail (user, id);
CREATE TABLE IF NOT EXISTS queue (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    due_ms INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    body BLOB NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS queue_by_time ON queue (name, due_ms, id);
CREATE TABLE IF NOT EXISTS queue_dead (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    reason TEXT NOT NULL,
    body BLOB NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS queue_dead_by_name ON queue_dead (name, id);
";

/// Messages, contacts, and the orders of whoever has no table of them elsewhere. Every index ends with
/// the id, since that is the row's own.
const MESSAGES: &str = "
CREATE TABLE message (
    id INTEGER PRIMARY KEY,
    \"from\" INTEGER NOT NULL,
    \"to\" INTEGER NOT NULL,
    type TEXT NOT NULL,
    msg TEXT NOT NULL,
    send INTEGER NOT NULL,
    timestamp INTEGER NOT NULL,
    packet_id TEXT
) STRICT;
CREATE INDEX message_from ON message (\"from\");
CREATE INDEX message_to ON message (\"to\");
CREATE INDEX message_between ON message (\"from\", \"to\");
CREATE TABLE topic_message (
    id INTEGER PRIMARY KEY,
    topic TEXT NOT NULL,
    name TEXT NOT NULL,
    event TEXT NOT NULL,
    data BLOB NOT NULL,
    sender TEXT,
    timestamp INTEGER NOT NULL
) STRICT;
CREATE INDEX topic_message_topic ON topic_message (topic);
CREATE TABLE accepted (
    digest BLOB PRIMARY KEY,
    id INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX accepted_by_id ON accepted (id);
CREATE TABLE im_friend (
    of INTEGER NOT NULL,
    friend INTEGER NOT NULL,
    PRIMARY KEY (of, friend)
) STRICT, WITHOUT ROWID;
CREATE TABLE im_courier (
    id INTEGER PRIMARY KEY
) STRICT;
CREATE TABLE im_taken (
    order_id TEXT PRIMARY KEY,
    courier INTEGER NOT NULL,
    taken_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX im_taken_by_time ON im_taken (taken_ms);
CREATE TABLE IF NOT EXISTS orders (
    id TEXT PRIMARY KEY,
    customer_id INTEGER NOT NULL,
    courier_id INTEGER
);
";

/// What endpoints are still to be told, and what they could not be told.
const HOOKS: &str = "
CREATE TABLE hook (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    url TEXT NOT NULL,
    lane TEXT NOT NULL,
    event TEXT NOT NULL,
    happening TEXT NOT NULL,
    since_ms INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT;
CREATE TABLE hook_dead (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    url TEXT NOT NULL,
    lane TEXT NOT NULL,
    event TEXT NOT NULL,
    happening TEXT NOT NULL,
    since_ms INTEGER NOT NULL,
    body BLOB NOT NULL,
    reason TEXT NOT NULL
) STRICT;
";

/// What sessions owe, and who is in which room.
const DUES: &str = "
CREATE TABLE due_member (
    member TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;
CREATE TABLE due_session (
    member TEXT NOT NULL,
    session TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (member, session)
) STRICT, WITHOUT ROWID;
CREATE TABLE due_room (
    room TEXT NOT NULL,
    member TEXT NOT NULL,
    state INTEGER NOT NULL,
    occupied INTEGER NOT NULL,
    vacated INTEGER NOT NULL,
    PRIMARY KEY (room, member)
) STRICT, WITHOUT ROWID;
CREATE INDEX due_room_by_member ON due_room (member);
";

/// Jobs and schedules.
const WORK: &str = "
CREATE TABLE job (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    body BLOB NOT NULL,
    state TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    due_ms INTEGER NOT NULL,
    is_taken INTEGER NOT NULL DEFAULT 0,
    turn INTEGER NOT NULL DEFAULT 0,
    failures INTEGER NOT NULL DEFAULT 0,
    reason TEXT,
    answer BLOB
) STRICT;
CREATE INDEX job_by_time ON job (state, kind, due_ms);
CREATE INDEX job_by_age ON job (state, created_ms);
CREATE INDEX job_by_end ON job (due_ms) WHERE state = 'done';
CREATE TABLE schedule (
    id TEXT PRIMARY KEY,
    next_ms INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT;
CREATE INDEX schedule_by_time ON schedule (next_ms, id);
";

/// Customers, and what is to be told of them.
const SERVICE: &str = "
CREATE TABLE service (
    customer TEXT PRIMARY KEY,
    body BLOB NOT NULL
) STRICT;
";

/// What is said in live rooms.
const LIVE: &str = "
CREATE TABLE live_message (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    code TEXT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT UNIQUE,
    nickname TEXT NOT NULL,
    say TEXT NOT NULL,
    user_id TEXT NOT NULL,
    status INTEGER NOT NULL,
    create_time INTEGER NOT NULL,
    update_time INTEGER NOT NULL
) STRICT;
CREATE INDEX live_message_of_room ON live_message (code, kind, status, id);
CREATE INDEX live_message_by_time ON live_message (create_time);
CREATE TABLE live_draft (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    code TEXT NOT NULL,
    name TEXT NOT NULL,
    user_id TEXT NOT NULL,
    nickname TEXT NOT NULL,
    say TEXT NOT NULL,
    time_ms INTEGER NOT NULL,
    is_approved INTEGER NOT NULL DEFAULT 0,
    UNIQUE (code, name)
) STRICT;
CREATE INDEX live_draft_of_room ON live_draft (code, id);
CREATE TABLE live_room (
    code TEXT PRIMARY KEY,
    last_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX live_room_by_time ON live_room (last_ms);
";

/// What was accepted and is not in its table yet, and by what repeats are known after that. Nothing new
/// comes to `accepted`: a process of an older version that still has the file would give out ids that
/// have been given, so that it accepts nothing from then on.
const ARRIVED: &str = "
CREATE TABLE arrived (
    last INTEGER PRIMARY KEY,
    body BLOB NOT NULL
) STRICT;
CREATE TABLE repeat (
    key BLOB PRIMARY KEY,
    id INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TRIGGER accepted_is_over BEFORE INSERT ON accepted
    BEGIN SELECT RAISE(ABORT, 'a newer version has this file'); END;
";

/// Makes the steps that a file has not had.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), DatabaseError> {
    let known = STEPS.len() as i64;
    if version(connection).map_err(failed)? == known {
        return Ok(());
    }
    let begun = connection.transaction_with_behavior(TransactionBehavior::Immediate);
    let transaction = begun.map_err(failed)?;
    // Somebody else may have been at it.
    let found = version(&transaction).map_err(failed)?;
    if known < found {
        return Err(DatabaseError::Newer { found, known });
    }
    let had = usize::try_from(found).unwrap_or(0);
    for step in &STEPS[had..] {
        transaction.execute_batch(step).map_err(failed)?;
    }
    let set = transaction.pragma_update(None, "user_version", known);
    set.map_err(failed)?;
    transaction.commit().map_err(failed)
}

/// Does what is refused at once, and not waited for, while others open the same file.
pub(super) fn in_time(mut work: impl FnMut() -> rusqlite::Result<()>) -> rusqlite::Result<()> {
    let mut attempts = LOCK_TIMEOUT.as_millis() / PAUSE.as_millis();
    loop {
        match work() {
            Err(rusqlite::Error::SqliteFailure(error, _))
                if error.code == ErrorCode::DatabaseBusy && 0 < attempts =>
            {
                attempts -= 1;
                thread::sleep(PAUSE);
            }
            done => return done,
        }
    }
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}
