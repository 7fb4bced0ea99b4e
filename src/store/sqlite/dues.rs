//! Dues and occupancy in SQLite, for a node that has no Redis: a row for each member that may keep
//! anything, for each session that owes something, and for each room that a member is in.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::{Database, DatabaseError};
use crate::{
    clock::Clock,
    dues::{Cursor, Dues, DuesError, Page, Pending},
    duty::Record,
    id::{Member, SessionId},
    occupancy::{Left, Occupancy},
    topic::Topic,
};

/// Most records of a page.
const PAGE: i64 = 256;
/// Set in the column `state` of a room: the member is in it.
const IS_IN: i64 = 1;

/// What is owed on a node that is alone.
#[derive(Clone, Debug)]
pub struct SqliteDues {
    database: Database,
    clock: Clock,
}

/// What stands of a member in a room.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    state: i64,
    /// Numbers that are not told yet; 0 is none.
    occupied: i64,
    vacated: i64,
}

impl SqliteDues {
    /// In this database.
    pub fn new(database: Database, clock: Clock) -> Self {
        Self { database, clock }
    }

    /// Has work done, if the member is open; none if it is not.
    async fn if_open<T: Send + 'static>(
        &self,
        member: String,
        work: impl FnOnce(&Connection, &str) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, DuesError> {
        let done = self
            .database
            .transact(move |on| match is_open(on, &member)? {
                true => work(on, &member).map(Some),
                false => Ok(None),
            });
        done.await?.ok_or(DuesError::Lost)
    }
}

impl Dues for SqliteDues {
    fn open(&self, me: &Member) -> Pending<'_, ()> {
        let me = me.as_str().to_owned();
        Box::pin(async move {
            let opening = self.database.transact(move |on| {
                on.execute(
                    "INSERT OR IGNORE INTO due_member (member) VALUES (?1)",
                    [&me],
                )
            });
            opening.await?;
            Ok(())
        })
    }

    fn members(&self) -> Pending<'_, Vec<Member>> {
        Box::pin(async move {
            let reading = self.database.transact(|on| {
                let mut select = on.prepare("SELECT member FROM due_member ORDER BY member")?;
                let rows = select.query_map([], |row| row.get::<_, String>(0))?;
                rows.collect::<rusqlite::Result<Vec<_>>>()
            });
            let members = reading.await?;
            Ok(members
                .iter()
                .filter_map(|text| text.parse().ok())
                .collect())
        })
    }

    fn is_open(&self, member: &Member) -> Pending<'_, bool> {
        let member = member.as_str().to_owned();
        Box::pin(async move {
            let looking = self.database.transact(move |on| is_open(on, &member));
            Ok(looking.await?)
        })
    }

    fn write(&self, records: Vec<Record>) -> Pending<'_, ()> {
        Box::pin(async move {
            let Some(first) = records.first() else {
                return Ok(());
            };
            let member = first.session.member.as_str().to_owned();
            let writing = self.if_open(member, move |on, member| {
                let mut insert = on.prepare_cached(
                    "INSERT OR REPLACE INTO due_session (member, session, body) VALUES (?1, ?2, ?3)",
                )?;
                for record in &records {
                    let serial = record.session.serial.to_string();
                    insert.execute(params![member, serial, &record.encode()[..]])?;
                }
                Ok(())
            });
            writing.await
        })
    }

    fn remove(&self, records: Vec<Record>) -> Pending<'_, ()> {
        Box::pin(async move {
            let removing = self.database.transact(move |on| {
                let mut delete = on
                    .prepare_cached("DELETE FROM due_session WHERE member = ?1 AND session = ?2")?;
                for record in &records {
                    let serial = record.session.serial.to_string();
                    delete.execute(params![record.session.member.as_str(), serial])?;
                }
                Ok(())
            });
            Ok(removing.await?)
        })
    }

    fn read(&self, member: &Member, from: Cursor) -> Pending<'_, Page> {
        let name = member.as_str().to_owned();
        Box::pin(async move {
            let reading = self.database.transact(move |on| page(on, &name, &from));
            Ok(reading.await?)
        })
    }

    fn close(&self, member: &Member) -> Pending<'_, bool> {
        let member = member.as_str().to_owned();
        Box::pin(async move {
            let closing = self.database.transact(move |on| {
                let left: i64 = on.query_one(
                    "SELECT EXISTS (SELECT 1 FROM due_session WHERE member = ?1)
                        OR EXISTS (SELECT 1 FROM due_room WHERE member = ?1)",
                    [&member],
                    |row| row.get(0),
                )?;
                if left != 0 {
                    return Ok(false);
                }
                on.execute("DELETE FROM due_member WHERE member = ?1", [&member])?;
                Ok(true)
            });
            Ok(closing.await?)
        })
    }
}

impl Occupancy for SqliteDues {
    fn enter(
        &self,
        me: &Member,
        rooms: Vec<Topic>,
        is_quiet: bool,
    ) -> Pending<'_, Vec<Option<u64>>> {
        let now = self.number();
        let me = me.as_str().to_owned();
        Box::pin(self.if_open(me, move |on, me| {
            let entered = rooms.iter().map(|room| {
                let mut place = place(on, room, me)?;
                if place.state != IS_IN {
                    let is_first = !is_occupied(on, room)?;
                    place.state = IS_IN;
                    if is_first && !is_quiet {
                        place.occupied = next_number(on, room, now)?;
                    }
                    place.put(on, room, me)?;
                }
                Ok(number(place.occupied))
            });
            entered.collect()
        }))
    }

    fn leave(&self, member: &Member, rooms: Vec<Topic>) -> Pending<'_, Vec<Left>> {
        let now = self.number();
        let member = member.as_str().to_owned();
        Box::pin(async move {
            let leaving = self.database.transact(move |on| {
                let lefts = rooms.iter().map(|room| {
                    let mut place = place(on, room, &member)?;
                    if place.state == IS_IN {
                        place.state = 0;
                        place.put(on, room, &member)?;
                        if !is_occupied(on, room)? {
                            place.vacated = next_number(on, room, now)?;
                            place.put(on, room, &member)?;
                        }
                    }
                    Ok(Left {
                        occupied: number(place.occupied),
                        vacated: number(place.vacated),
                    })
                });
                lefts.collect::<rusqlite::Result<Vec<_>>>()
            });
            Ok(leaving.await?)
        })
    }

    fn told(&self, member: &Member, rooms: Vec<Topic>) -> Pending<'_, ()> {
        let member = member.as_str().to_owned();
        Box::pin(async move {
            let telling = self.database.transact(move |on| {
                for room in &rooms {
                    let told = Place {
                        state: place(on, room, &member)?.state,
                        ..Place::default()
                    };
                    if told.state == IS_IN {
                        told.put(on, room, &member)?;
                        continue;
                    }
                    let mut delete =
                        on.prepare_cached("DELETE FROM due_room WHERE room = ?1 AND member = ?2")?;
                    delete.execute(params![room.id(), member])?;
                }
                Ok(())
            });
            Ok(telling.await?)
        })
    }
}

impl SqliteDues {
    /// Microseconds.
    fn number(&self) -> i64 {
        (self.clock.now().unix_ms * 1000).cast_signed()
    }
}

// === impl Place ===

impl Place {
    fn put(self, on: &Connection, room: &Topic, member: &str) -> rusqlite::Result<()> {
        let mut insert = on.prepare_cached(
            "INSERT OR REPLACE INTO due_room (room, member, state, occupied, vacated)
                VALUES (?1, ?2, ?3, ?4, ?5)",
        )?;
        let Self {
            state,
            occupied,
            vacated,
        } = self;
        insert.execute(params![room.id(), member, state, occupied, vacated])?;
        Ok(())
    }
}

fn is_open(on: &Connection, member: &str) -> rusqlite::Result<bool> {
    let mut select = on.prepare_cached("SELECT 1 FROM due_member WHERE member = ?1")?;
    select.exists([member])
}

fn place(on: &Connection, room: &Topic, member: &str) -> rusqlite::Result<Place> {
    let mut select = on.prepare_cached(
        "SELECT state, occupied, vacated FROM due_room WHERE room = ?1 AND member = ?2",
    )?;
    let place = select.query_row(params![room.id(), member], |row| {
        Ok(Place {
            state: row.get(0)?,
            occupied: row.get(1)?,
            vacated: row.get(2)?,
        })
    });
    Ok(place.optional()?.unwrap_or_default())
}

fn is_occupied(on: &Connection, room: &Topic) -> rusqlite::Result<bool> {
    let mut select = on.prepare_cached("SELECT 1 FROM due_room WHERE room = ?1 AND state = ?2")?;
    select.exists(params![room.id(), IS_IN])
}

/// The time, or one more than what stands of the room, whatever the clock does.
fn next_number(on: &Connection, room: &Topic, now: i64) -> rusqlite::Result<i64> {
    let mut select = on.prepare_cached(
        "SELECT max(?2, 1 + coalesce(max(max(occupied, vacated)), 0)) FROM due_room WHERE room = ?1",
    )?;
    select.query_row(params![room.id(), now], |row| row.get(0))
}

fn number(column: i64) -> Option<u64> {
    (column != 0).then_some(column.cast_unsigned())
}

/// First all rooms, then the records page by page.
fn page(on: &Connection, member: &str, from: &Cursor) -> rusqlite::Result<Page> {
    let mut page = Page::default();
    if from.0.is_empty() {
        let mut select = on.prepare_cached("SELECT room FROM due_room WHERE member = ?1")?;
        let rooms = select.query_map([member], |row| row.get::<_, String>(0))?;
        for room in rooms {
            page.rooms.extend(Topic::room(&room?).ok());
        }
    }
    let mut select = on.prepare_cached(
        "SELECT session, body FROM due_session WHERE member = ?1 AND session > ?2
            ORDER BY session LIMIT ?3",
    )?;
    let rows = select.query_map(params![member, &*from.0, PAGE], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, Vec<u8>>(1)?))
    })?;
    let rows = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    if rows.len() as i64 == PAGE {
        let last = rows
            .last()
            .map(|(serial, _)| Cursor(serial.as_str().into()));
        page.next = last;
    }
    for (serial, body) in rows {
        let session = format!("{member}.{serial}").parse::<SessionId>().ok();
        let record = session.and_then(|session| Record::decode(session, &body).ok());
        match record {
            Some(record) => page.records.push(record),
            None => tracing::warn!(member, serial, "what is owed cannot be read"),
        }
    }
    Ok(page)
}

impl From<DatabaseError> for DuesError {
    fn from(error: DatabaseError) -> Self {
        Self::Unavailable(error.to_string().into())
    }
}
