//! Contacts in SQLite.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use rusqlite::{Connection, OptionalExtension as _, Params, params};

use super::{
    Database, DatabaseError,
    messages::{person, signed},
};
use crate::{
    clock::Clock,
    contacts::{Contacts, Position},
    id::Person,
    store::Pending,
};

/// How long it is known that an order was taken, in milliseconds: a month, and some days for whoever
/// counts them otherwise.
const TAKEN_MS: u64 = 35 * 24 * 60 * 60 * 1000;
/// Expired ones that are removed with each that is added.
const SWEEP: usize = 16;

pub(super) const SELECT_FRIENDS: &str =
    "SELECT friend FROM im_friend WHERE of = ?1 ORDER BY friend";
pub(super) const SELECT_COURIER: &str = "SELECT 1 FROM im_courier WHERE id = ?1";
pub(super) const SELECT_TAKEN: &str = "SELECT courier FROM im_taken WHERE order_id = ?1";
pub(super) const SWEEP_TAKEN: &str = "DELETE FROM im_taken WHERE order_id IN
    (SELECT order_id FROM im_taken WHERE taken_ms < ?1 ORDER BY taken_ms LIMIT ?2)";

/// The contacts of a node that has no Redis. Where couriers are is in memory, one place for each.
#[derive(Clone, Debug)]
pub struct SqliteContacts {
    database: Database,
    clock: Clock,
    places: Arc<Mutex<HashMap<Person, Located>>>,
}

/// Where somebody was last.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Located {
    /// There.
    pub position: Position,
    /// When that was, in milliseconds since the Unix epoch.
    pub time_ms: u64,
}

impl SqliteContacts {
    /// Contacts in this database.
    pub fn new(database: Database, clock: Clock) -> Self {
        Self {
            database,
            clock,
            places: Arc::default(),
        }
    }

    /// Where a courier was last.
    pub fn located(&self, courier: Person) -> Option<Located> {
        self.places.lock().get(&courier).copied()
    }

    async fn people<P: Params + Send + 'static>(
        &self,
        select: &'static str,
        values: P,
    ) -> Result<Vec<Person>, DatabaseError> {
        let reading = self.database.read(move |connection| {
            let mut select = connection.prepare_cached(select)?;
            let people = select.query_map(values, |row| person(row, 0))?;
            people.collect()
        });
        reading.await
    }

    async fn change<P: Params + Send + 'static>(
        &self,
        change: &'static str,
        values: P,
    ) -> Result<(), DatabaseError> {
        let changing = self
            .database
            .transact(move |connection| connection.prepare_cached(change)?.execute(values));
        changing.await.map(|_| ())
    }
}

impl Contacts for SqliteContacts {
    fn friends(&self, of: Person) -> Pending<'_, Vec<Person>> {
        let of = signed(of.number());
        Box::pin(async move { Ok(self.people(SELECT_FRIENDS, [of]).await?) })
    }

    fn set_friend(&self, of: Person, friend: Person, is_friend: bool) -> Pending<'_, ()> {
        let change = match is_friend {
            true => "INSERT OR IGNORE INTO im_friend (of, friend) VALUES (?1, ?2)",
            false => "DELETE FROM im_friend WHERE of = ?1 AND friend = ?2",
        };
        let values = [signed(of.number()), signed(friend.number())];
        Box::pin(async move { Ok(self.change(change, values).await?) })
    }

    fn couriers(&self) -> Pending<'_, Vec<Person>> {
        let select = "SELECT id FROM im_courier ORDER BY id";
        Box::pin(async move { Ok(self.people(select, []).await?) })
    }

    fn set_courier(&self, courier: Person, is_courier: bool) -> Pending<'_, ()> {
        let change = match is_courier {
            true => "INSERT OR IGNORE INTO im_courier (id) VALUES (?1)",
            false => "DELETE FROM im_courier WHERE id = ?1",
        };
        Box::pin(async move {
            self.change(change, [signed(courier.number())]).await?;
            if !is_courier {
                self.places.lock().remove(&courier);
            }
            Ok(())
        })
    }

    fn locate(&self, courier: Person, position: Position) -> Pending<'_, bool> {
        Box::pin(async move {
            let number = signed(courier.number());
            let reading = self.database.read(move |connection| {
                connection.prepare_cached(SELECT_COURIER)?.exists([number])
            });
            let is_courier = reading.await?;
            let mut places = self.places.lock();
            match is_courier {
                true => {
                    let time_ms = self.clock.now().unix_ms;
                    places.insert(courier, Located { position, time_ms });
                }
                // Somebody else may have changed it in the file.
                false => drop(places.remove(&courier)),
            }
            Ok(is_courier)
        })
    }

    fn taken_by(&self, order: &str) -> Pending<'_, Option<Person>> {
        let order = order.to_owned();
        let reading = self.database.read(move |connection| {
            let mut select = connection.prepare_cached(SELECT_TAKEN)?;
            select.query_one([order], |row| person(row, 0)).optional()
        });
        Box::pin(async move { Ok(reading.await?) })
    }

    fn set_taken(&self, order: &str, by: Person) -> Pending<'_, ()> {
        let (order, by) = (order.to_owned(), signed(by.number()));
        let now_ms = self.clock.now().unix_ms;
        let taking = self.database.transact(move |connection| {
            let mut insert = connection.prepare_cached(
                "INSERT INTO im_taken (order_id, courier, taken_ms) VALUES (?1, ?2, ?3)
                ON CONFLICT (order_id) DO UPDATE SET courier = ?2, taken_ms = ?3",
            )?;
            insert.execute(params![order, by, signed(now_ms)])?;
            forget(connection, now_ms.saturating_sub(TAKEN_MS))
        });
        Box::pin(async move { Ok(taking.await?) })
    }
}

fn forget(connection: &Connection, before_ms: u64) -> rusqlite::Result<()> {
    let mut delete = connection.prepare_cached(SWEEP_TAKEN)?;
    delete.execute(params![signed(before_ms), SWEEP as i64])?;
    Ok(())
}
