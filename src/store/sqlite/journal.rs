//! The journal of a node that has no Redis.

use std::sync::Arc;

use rusqlite::{CachedStatement, Connection, params};

use super::{
    Database,
    arrivals::Writing,
    messages::{history, signed},
    repeats::Repeats,
    settle::{Settler, note},
};
use crate::{
    clock::Clock,
    id::Person,
    journal::{
        Accepted, Journal, REPEATS_MS,
        gather::{Done, Gatherer, Together},
    },
    stats::ArchiveStats,
    store::{Content, Pending, Query, Record, RecordId, StoreError},
};

/// The greatest id that was given out. What was accepted last is in one of these tables, also if it was
/// removed from the others since.
pub(super) const SELECT_LAST: &str = "SELECT max(coalesce((SELECT max(id) FROM message), 0),
    coalesce((SELECT max(id) FROM topic_message), 0),
    coalesce((SELECT max(id) FROM accepted), 0),
    coalesce((SELECT max(last) FROM arrived), 0))";
pub(super) const SELECT_FRIEND: &str = "SELECT 1 FROM im_friend WHERE of = ?1 AND friend = ?2";

/// Messages that stay in the database in which they are accepted.
#[derive(Debug)]
pub struct SqliteJournal {
    database: Database,
    gatherer: Gatherer<Acceptor>,
    stats: Arc<ArchiveStats>,
}

/// Accepts what has come while the last commit was under way.
#[derive(Debug)]
struct Acceptor {
    database: Database,
    settler: Settler,
    clock: Clock,
    stats: Arc<ArchiveStats>,
}

/// What came of all calls of a transaction.
struct Made {
    done: Vec<Done>,
    /// There is much to be settled.
    is_full: bool,
}

/// Accepts contents in a transaction.
struct Accepting<'w, 'a> {
    writing: &'w mut Writing<'a>,
    friends: Friends<'a>,
    repeats: Repeats<'a>,
    last: RecordId,
    /// What was accepted before is repeated by nothing.
    oldest: RecordId,
    now_ms: u64,
    records: Vec<Record>,
}

/// Looks friendships up. Clients send several messages to one receiver.
struct Friends<'a> {
    select: CachedStatement<'a>,
    before: Option<((Person, Person), bool)>,
}

impl SqliteJournal {
    /// The journal in this database.
    pub fn new(database: Database, clock: Clock) -> Self {
        let stats = Arc::<ArchiveStats>::default();
        let acceptor = Acceptor {
            database: database.clone(),
            settler: Settler::new(database.clone(), clock, Arc::clone(&stats)),
            clock,
            stats: Arc::clone(&stats),
        };
        Self {
            database,
            gatherer: Gatherer::new(acceptor),
            stats,
        }
    }

    /// What it counts on the way of messages into their tables.
    pub fn stats(&self) -> &Arc<ArchiveStats> {
        &self.stats
    }
}

impl Together for Acceptor {
    /// All or none: what is in the way of one call is in the way of every other.
    fn accept(&self, calls: Vec<Vec<Content>>) -> Pending<'_, Vec<Done>> {
        let (clock, stats) = (self.clock, Arc::clone(&self.stats));
        let is_stuck = self.settler.is_failing();
        let accepting = self
            .database
            .transact_arrivals(move |arrivals, connection| {
                let mut writing = arrivals.write(connection)?;
                // By now others have been given theirs.
                let now_ms = clock.now().unix_ms;
                if is_stuck && writing.is_overfull() {
                    return Ok(refuse_all(calls.len()));
                }
                let made = accept_all(&mut writing, connection, calls, now_ms)?;
                note(&stats, &writing, now_ms);
                Ok(made)
            });
        Box::pin(async move {
            let made = accepting.await?;
            self.settler.wake(made.is_full);
            Ok(made.done)
        })
    }
}

impl Journal for SqliteJournal {
    fn accept(&self, contents: Vec<Content>) -> Pending<'_, Vec<Accepted>> {
        Box::pin(self.gatherer.accept(contents))
    }

    fn history(&self, query: Query) -> Pending<'_, Vec<Record>> {
        let arrivals = self.database.arrivals();
        let reading = self
            .database
            .read(move |connection| history(connection, &query, &arrivals.read(connection)?));
        Box::pin(async move { Ok(reading.await?) })
    }
}

fn refuse_all(calls: usize) -> Made {
    let reason = "what was accepted cannot be settled";
    Made {
        done: vec![Err(StoreError::Unavailable(reason.into())); calls],
        // It is being tried.
        is_full: false,
    }
}

fn accept_all<'a>(
    writing: &mut Writing<'a>,
    connection: &'a Connection,
    calls: Vec<Vec<Content>>,
    now_ms: u64,
) -> rusqlite::Result<Made> {
    let oldest = RecordId::at(now_ms.saturating_sub(REPEATS_MS));
    let mut accepting = Accepting {
        writing,
        friends: Friends {
            select: connection.prepare_cached(SELECT_FRIEND)?,
            before: None,
        },
        repeats: Repeats::since(oldest, connection)?,
        last: last(connection)?,
        oldest,
        now_ms,
        records: Vec::with_capacity(calls.iter().map(Vec::len).sum()),
    };
    let mut done = Vec::with_capacity(calls.len());
    for contents in calls {
        let accepted = contents
            .into_iter()
            .map(|content| accepting.accept(content));
        done.push(Ok(accepted.collect::<rusqlite::Result<Vec<_>>>()?));
    }
    let Accepting {
        writing, records, ..
    } = accepting;
    writing.add(records)?;
    Ok(Made {
        done,
        is_full: writing.is_full(),
    })
}

fn last(connection: &Connection) -> rusqlite::Result<RecordId> {
    let mut select = connection.prepare_cached(SELECT_LAST)?;
    let last: i64 = select.query_one([], |row| row.get(0))?;
    Ok(RecordId(last.cast_unsigned()))
}

// === impl Accepting ===

impl Accepting<'_, '_> {
    fn accept(&mut self, content: Content) -> rusqlite::Result<Accepted> {
        if let Content::Chat(chat) = &content
            && !self.friends.are(chat.from, chat.to)?
        {
            return Ok(Accepted::NotFriends);
        }
        let digest = content.digest();
        if let Some(digest) = &digest
            && let Some(id) = self.repeated(&content, digest)?
        {
            return Ok(Accepted::Kept {
                id,
                is_repeat: true,
            });
        }
        let id = self.last.next(self.now_ms);
        self.last = id;
        if let Some(digest) = digest {
            self.writing.remember(digest, id);
        }
        self.records.push(Record {
            id,
            time_ms: id.time_ms(),
            content,
        });
        Ok(Accepted::Kept {
            id,
            is_repeat: false,
        })
    }

    fn repeated(
        &mut self,
        content: &Content,
        digest: &[u8; 16],
    ) -> rusqlite::Result<Option<RecordId>> {
        match self.writing.repeated(digest) {
            Some(id) if self.oldest <= id => Ok(Some(id)),
            _ => self.repeats.find(content, digest),
        }
    }
}

// === impl Friends ===

impl Friends<'_> {
    fn are(&mut self, from: Person, to: Person) -> rusqlite::Result<bool> {
        if let Some((pair, are)) = self.before
            && pair == (from, to)
        {
            return Ok(are);
        }
        let pair = params![signed(from.number()), signed(to.number())];
        let are = self.select.exists(pair)?;
        self.before = Some(((from, to), are));
        Ok(are)
    }
}
