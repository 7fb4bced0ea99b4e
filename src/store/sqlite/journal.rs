//! The journal of a node that has no Redis.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::{
    Database,
    messages::{history, insert, signed},
};
use crate::{
    clock::Clock,
    id::Person,
    journal::{
        Accepted, Journal, REPEATS_MS,
        gather::{Done, Gatherer, Together},
    },
    store::{Content, Pending, Query, Record, RecordId},
};

/// Expired entries that are removed with each call, and with each of its messages: more than come.
const SWEEP: usize = 16;

pub(super) const SELECT_LAST: &str = "SELECT max(coalesce((SELECT max(id) FROM message), 0),
    coalesce((SELECT max(id) FROM topic_message), 0),
    coalesce((SELECT max(id) FROM accepted), 0))";
pub(super) const SELECT_REPEAT: &str = "SELECT id FROM accepted WHERE digest = ?1 AND ?2 <= id";
pub(super) const SELECT_FRIEND: &str = "SELECT 1 FROM im_friend WHERE of = ?1 AND friend = ?2";
pub(super) const SWEEP_REPEATS: &str = "DELETE FROM accepted WHERE digest IN
    (SELECT digest FROM accepted WHERE id < ?1 ORDER BY id LIMIT ?2)";

/// Messages that stay in the database in which they are accepted.
#[derive(Debug)]
pub struct SqliteJournal {
    database: Database,
    gatherer: Gatherer<Acceptor>,
}

/// Accepts what has come while the last commit was under way.
#[derive(Debug)]
struct Acceptor {
    database: Database,
    clock: Clock,
}

impl SqliteJournal {
    /// The journal in this database.
    pub fn new(database: Database, clock: Clock) -> Self {
        let acceptor = Acceptor {
            database: database.clone(),
            clock,
        };
        Self {
            database,
            gatherer: Gatherer::new(acceptor),
        }
    }
}

impl Together for Acceptor {
    /// All or none: what is in the way of one call is in the way of every other.
    fn accept(&self, calls: Vec<Vec<Content>>) -> Pending<'_, Vec<Done>> {
        let clock = self.clock;
        let accepting = self.database.transact(move |connection| {
            // By now others have been given theirs.
            let now_ms = clock.now().unix_ms;
            let oldest = RecordId::at(now_ms.saturating_sub(REPEATS_MS));
            let mut last = last(connection)?;
            let count: usize = calls.iter().map(Vec::len).sum();
            let mut done = Vec::with_capacity(calls.len());
            for contents in calls {
                let accepted = contents
                    .into_iter()
                    .map(|content| accept(connection, content, &mut last, oldest, now_ms));
                done.push(accepted.collect::<rusqlite::Result<Vec<_>>>()?);
            }
            sweep(connection, oldest, SWEEP + 2 * count)?;
            Ok(done.into_iter().map(Ok).collect())
        });
        Box::pin(async move { Ok(accepting.await?) })
    }
}

impl Journal for SqliteJournal {
    fn accept(&self, contents: Vec<Content>) -> Pending<'_, Vec<Accepted>> {
        Box::pin(self.gatherer.accept(contents))
    }

    fn history(&self, query: Query) -> Pending<'_, Vec<Record>> {
        let reading = self
            .database
            .read(move |connection| history(connection, &query));
        Box::pin(async move { Ok(reading.await?) })
    }
}

/// The greatest id that was given out. What was accepted last is in one of three tables, also if it was
/// removed from the others since.
fn last(connection: &Connection) -> rusqlite::Result<RecordId> {
    let mut select = connection.prepare_cached(SELECT_LAST)?;
    let last: i64 = select.query_one([], |row| row.get(0))?;
    Ok(RecordId(last.cast_unsigned()))
}

fn accept(
    connection: &Connection,
    content: Content,
    last: &mut RecordId,
    oldest: RecordId,
    now_ms: u64,
) -> rusqlite::Result<Accepted> {
    if let Content::Chat(chat) = &content
        && !are_friends(connection, chat.from, chat.to)?
    {
        return Ok(Accepted::NotFriends);
    }
    let digest = content.digest();
    if let Some(digest) = &digest {
        let mut select = connection.prepare_cached(SELECT_REPEAT)?;
        let before = select.query_one(params![&digest[..], signed(oldest.0)], |row| {
            row.get::<_, i64>(0)
        });
        if let Some(id) = before.optional()? {
            let id = RecordId(id.cast_unsigned());
            return Ok(Accepted::Kept {
                id,
                is_repeat: true,
            });
        }
    }
    let id = last.next(now_ms);
    *last = id;
    let record = Record {
        id,
        time_ms: id.time_ms(),
        content,
    };
    insert(connection, &record)?;
    if let Some(digest) = &digest {
        let mut remember =
            connection.prepare_cached("REPLACE INTO accepted (digest, id) VALUES (?1, ?2)")?;
        remember.execute(params![&digest[..], signed(id.0)])?;
    }
    Ok(Accepted::Kept {
        id,
        is_repeat: false,
    })
}

fn are_friends(connection: &Connection, from: Person, to: Person) -> rusqlite::Result<bool> {
    let mut select = connection.prepare_cached(SELECT_FRIEND)?;
    select.exists(params![signed(from.number()), signed(to.number())])
}

/// Forgets what is no repeat any more, at the old end.
fn sweep(connection: &Connection, oldest: RecordId, max: usize) -> rusqlite::Result<()> {
    let mut delete = connection.prepare_cached(SWEEP_REPEATS)?;
    delete.execute(params![signed(oldest.0), max as i64])?;
    Ok(())
}
