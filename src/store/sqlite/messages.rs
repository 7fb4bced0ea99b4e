//! Messages in SQLite.

use std::collections::BTreeMap;

use rusqlite::{CachedStatement, Connection, Row, ToSql, params, types::Type};

use super::{Database, arrivals::Batch};
use crate::{
    id::Person,
    store::{
        Chat, Content, MessageStore, Pending, Prunes, Push, Query, Record, RecordId,
        parts::{Part, Range, newest, parts, ranges},
    },
};

/// The messages of a node that has no Redis, or of nodes that share a file.
#[derive(Clone, Debug)]
pub struct SqliteMessages(Database);

impl SqliteMessages {
    /// Messages in this database.
    pub const fn new(database: Database) -> Self {
        Self(database)
    }
}

impl MessageStore for SqliteMessages {
    fn insert(&self, records: Vec<Record>) -> Pending<'_, ()> {
        let inserting = self.0.transact(move |connection| {
            let mut inserts = Inserts::new(connection)?;
            let mut inserted = records.iter().map(|record| inserts.insert(record));
            inserted.try_for_each(|inserted| inserted)
        });
        Box::pin(async move { Ok(inserting.await?) })
    }

    fn history(&self, query: Query) -> Pending<'_, Vec<Record>> {
        // Of a life without Redis something may be left that could not be settled.
        let arrivals = self.0.arrivals();
        let reading = self
            .0
            .read(move |connection| history(connection, &query, &arrivals.read(connection)?));
        Box::pin(async move { Ok(reading.await?) })
    }
}

impl Prunes for SqliteMessages {
    fn prune(&self, before_ms: u64, max: usize) -> Pending<'_, u64> {
        let pruning = self
            .0
            .transact(move |connection| prune(connection, before_ms, max));
        Box::pin(async move { Ok(pruning.await?) })
    }
}

/// Stores records one after the other.
pub(super) struct Inserts<'a> {
    chat: CachedStatement<'a>,
    push: CachedStatement<'a>,
}

impl<'a> Inserts<'a> {
    pub(super) fn new(connection: &'a Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            chat: connection.prepare_cached(
                "INSERT INTO message (id, \"from\", \"to\", type, msg, send, timestamp, packet_id)
                VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (id) DO NOTHING",
            )?,
            push: connection.prepare_cached(
                "INSERT INTO topic_message (id, topic, name, event, data, sender, timestamp)
                VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (id) DO NOTHING",
            )?,
        })
    }

    /// Stores a record, if its id is not there.
    pub(super) fn insert(&mut self, record: &Record) -> rusqlite::Result<()> {
        let (id, time) = (signed(record.id.0), signed(record.time_ms));
        match &record.content {
            Content::Chat(chat) => self.chat.execute(params![
                id,
                signed(chat.from.number()),
                signed(chat.to.number()),
                &*chat.kind.encode_utf8(&mut [0; 4]),
                chat.msg,
                chat.is_online,
                time,
                chat.packet_id.as_deref()
            ]),
            Content::Push(push) => self.push.execute(params![
                id,
                push.topic.as_str(),
                push.name,
                push.event,
                &push.data[..],
                push.sender.as_ref().map(|sender| sender.as_str()),
                time
            ]),
        }
        .map(|_| ())
    }
}

/// The newest records that a query asks for, newest first.
pub(super) fn history(
    connection: &Connection,
    query: &Query,
    arrived: &BTreeMap<i64, Batch>,
) -> rusqlite::Result<Vec<Record>> {
    let newer = arrived.values().rev().flat_map(|batch| batch.iter().rev());
    let newer = newer.filter(|record| query.asks_for(record));
    let mut found: Vec<_> = newer.take(query.max).cloned().collect();
    for range in ranges(query) {
        if query.max <= found.len() {
            break;
        }
        for part in parts(query) {
            found.extend(read(connection, &part, range, query.max)?);
        }
    }
    Ok(newest(found, query.max))
}

/// What finds a part, and the two values that it is found by.
pub(super) fn statement(part: &Part) -> (String, [Box<dyn ToSql>; 2]) {
    let number = |person: &Person| -> Box<dyn ToSql> { Box::new(signed(person.number())) };
    let none = || -> Box<dyn ToSql> { Box::new(0) };
    let chat =
        "id, timestamp, \"from\", \"to\", type, msg, send, packet_id FROM message INDEXED BY";
    let push = "id, timestamp, topic, name, event, data, sender FROM topic_message INDEXED BY";
    let (what, values) = match part {
        Part::From(from) => (
            format!("{chat} message_from WHERE \"from\" = ?1 AND 0 = ?2"),
            [number(from), none()],
        ),
        Part::To(to) => (
            format!("{chat} message_to WHERE \"to\" = ?1 AND \"from\" <> ?1 AND 0 = ?2"),
            [number(to), none()],
        ),
        Part::Between { from, to } => (
            format!("{chat} message_between WHERE \"from\" = ?1 AND \"to\" = ?2"),
            [number(from), number(to)],
        ),
        Part::Pushed(topic) => (
            format!("{push} topic_message_topic WHERE topic = ?1 AND 0 = ?2"),
            [Box::new(topic.as_str().to_owned()), none()],
        ),
    };
    let statement = format!(
        "SELECT {what} AND ?3 < id AND id < ?4 AND ?5 <= timestamp ORDER BY id DESC LIMIT ?6"
    );
    (statement, values)
}

fn read(
    connection: &Connection,
    part: &Part,
    range: Range,
    max: usize,
) -> rusqlite::Result<Vec<Record>> {
    let (statement, [one, two]) = statement(part);
    let mut select = connection.prepare_cached(&statement)?;
    let (after, before) = (signed(range.after), signed(range.before));
    let since = signed(range.since_ms);
    let max = i64::try_from(max).unwrap_or(i64::MAX);
    let is_push = matches!(part, Part::Pushed(_));
    let values = params![one, two, after, before, since, max];
    let rows = select.query_map(values, |row| match is_push {
        true => push(row),
        false => chat(row),
    })?;
    rows.collect()
}

fn chat(row: &Row<'_>) -> rusqlite::Result<Record> {
    let kind: String = row.get(4)?;
    let chat = Chat {
        from: person(row, 2)?,
        to: person(row, 3)?,
        kind: kind.chars().next().unwrap_or('t'),
        msg: row.get(5)?,
        is_online: row.get(6)?,
        packet_id: row.get(7)?,
    };
    record(row, Content::Chat(chat))
}

fn push(row: &Row<'_>) -> rusqlite::Result<Record> {
    let (topic, sender): (String, Option<String>) = (row.get(2)?, row.get(6)?);
    let push = Push {
        topic: topic.parse().map_err(|error| unreadable(2, error))?,
        name: row.get(3)?,
        event: row.get(4)?,
        data: row.get::<_, Vec<u8>>(5)?.into(),
        sender: match sender {
            Some(sender) => Some(sender.parse().map_err(|error| unreadable(6, error))?),
            None => None,
        },
    };
    record(row, Content::Push(push))
}

fn record(row: &Row<'_>, content: Content) -> rusqlite::Result<Record> {
    Ok(Record {
        id: RecordId(row.get::<_, i64>(0)?.cast_unsigned()),
        time_ms: row.get::<_, i64>(1)?.cast_unsigned(),
        content,
    })
}

/// A user in a column.
pub(super) fn person(row: &Row<'_>, column: usize) -> rusqlite::Result<Person> {
    let number: i64 = row.get(column)?;
    let person = u64::try_from(number).ok().and_then(Person::new);
    person.ok_or(rusqlite::Error::IntegralValueOutOfRange(column, number))
}

fn unreadable(
    column: usize,
    error: impl std::error::Error + Send + Sync + 'static,
) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
}

fn prune(connection: &Connection, before_ms: u64, max: usize) -> rusqlite::Result<u64> {
    let mut removed = 0;
    let (first, end) = (signed(RecordId::FIRST.0), signed(RecordId::at(before_ms).0));
    for (table, condition, value) in [
        ("message", "id < ?1 AND timestamp < ?2", signed(before_ms)),
        ("message", "?1 <= id AND id < ?2", end),
        (
            "topic_message",
            "id < ?1 AND timestamp < ?2",
            signed(before_ms),
        ),
        ("topic_message", "?1 <= id AND id < ?2", end),
    ] {
        let mut delete = connection.prepare_cached(&format!(
            "DELETE FROM {table} WHERE id IN
                (SELECT id FROM {table} WHERE {condition} ORDER BY id LIMIT ?3)"
        ))?;
        let rest = i64::try_from(max - removed).unwrap_or(i64::MAX);
        removed += delete.execute(params![first, value, rest])?;
    }
    Ok(removed as u64)
}

/// As SQLite has it, which has no numbers without a sign. What is too great stands for the end.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
