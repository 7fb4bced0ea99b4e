//! Contacts in Redis: the application's own sets, under its own names, and who took which order.

use std::time::Duration;

use redis::cmd;

use super::{
    errors::from_value,
    journal::store_error,
    keys::{self, COURIERS, Keys, POSITIONS},
    servers::Servers,
};
use crate::{
    cluster::streams::StreamsError,
    contacts::{Contacts, Position},
    id::Person,
    store::Pending,
};

/// How long it is known who took an order: a month at least.
const TAKEN: Duration = Duration::from_secs(31 * 24 * 60 * 60);
/// Nobody: persons count from 1.
const NOBODY: &str = "0";

/// The contacts of a cluster.
#[derive(Debug)]
pub struct RedisContacts {
    servers: Servers,
    keys: Keys,
}

// === impl RedisContacts ===

impl RedisContacts {
    pub(super) fn new(servers: Servers, keys: Keys) -> Self {
        Self { servers, keys }
    }

    /// Whether we may do with the application's keys what we do; nothing is changed.
    ///
    /// # Errors
    ///
    /// [`StreamsError::Refused`] if we may not; [`StreamsError::Unavailable`] if it cannot be asked.
    pub async fn check(&self) -> Result<(), StreamsError> {
        let friends = format!("URS:{NOBODY}");
        let mut commands = Vec::new();
        for key in [&*friends, COURIERS] {
            for name in ["SISMEMBER", "SREM"] {
                commands.push((key.to_owned(), cmd(name).arg(key).arg(NOBODY).take()));
            }
        }
        let mut locate = cmd("GEOADD");
        // Only changes what is there, which is not.
        locate.arg(&[POSITIONS, "XX", "0", "0", NOBODY]);
        commands.push((POSITIONS.to_owned(), locate));
        self.servers.call_in_time(commands).await.map(drop)
    }

    async fn members(&self, set: &str) -> Result<Vec<Person>, StreamsError> {
        let answer = self
            .servers
            .call_one(set, cmd("SMEMBERS").arg(set).take())
            .await?;
        let members: Vec<Vec<u8>> = from_value(answer)?;
        let mut persons: Vec<Person> = members.iter().filter_map(|text| person(text)).collect();
        persons.sort_unstable();
        Ok(persons)
    }

    async fn set(&self, set: &str, who: Person, is_in: bool) -> Result<(), StreamsError> {
        let mut change = cmd(if is_in { "SADD" } else { "SREM" });
        change.arg(set).arg(who.number());
        self.servers.call_one(set, change).await.map(drop)
    }

    async fn place(&self, courier: Person, position: Position) -> Result<bool, StreamsError> {
        let mut ask = cmd("SISMEMBER");
        ask.arg(COURIERS).arg(courier.number());
        if !from_value::<bool>(self.servers.call_one(COURIERS, ask).await?)? {
            return Ok(false);
        }
        let mut add = cmd("GEOADD");
        // Of another slot of a Cluster than the set: both in one step there is not.
        add.arg(POSITIONS)
            .arg(position.longitude.to_string())
            .arg(position.latitude.to_string())
            .arg(courier.number());
        self.servers.call_one(POSITIONS, add).await?;
        Ok(true)
    }

    async fn find_taker(&self, key: &str) -> Result<Option<Person>, StreamsError> {
        let answer = self
            .servers
            .call_one(key, cmd("GET").arg(key).take())
            .await?;
        let taker: Option<Vec<u8>> = from_value(answer)?;
        Ok(taker.as_deref().and_then(person))
    }

    async fn note_taker(&self, key: &str, by: Person) -> Result<(), StreamsError> {
        let mut set = cmd("SET");
        set.arg(key).arg(by.number());
        set.arg("PX").arg(TAKEN.as_millis() as u64);
        self.servers.call_one(key, set).await.map(drop)
    }
}

impl Contacts for RedisContacts {
    fn friends(&self, of: Person) -> Pending<'_, Vec<Person>> {
        Box::pin(async move {
            let set = keys::friends(of);
            self.members(&set).await.map_err(store_error)
        })
    }

    fn set_friend(&self, of: Person, friend: Person, is_friend: bool) -> Pending<'_, ()> {
        Box::pin(async move {
            let set = keys::friends(of);
            let set = self.set(&set, friend, is_friend);
            set.await.map_err(store_error)
        })
    }

    fn couriers(&self) -> Pending<'_, Vec<Person>> {
        Box::pin(async move { self.members(COURIERS).await.map_err(store_error) })
    }

    fn set_courier(&self, courier: Person, is_courier: bool) -> Pending<'_, ()> {
        Box::pin(async move {
            let set = self.set(COURIERS, courier, is_courier);
            set.await.map_err(store_error)
        })
    }

    fn locate(&self, courier: Person, position: Position) -> Pending<'_, bool> {
        Box::pin(async move { self.place(courier, position).await.map_err(store_error) })
    }

    fn taken_by(&self, order: &str) -> Pending<'_, Option<Person>> {
        let key = self.keys.taken(order);
        Box::pin(async move { self.find_taker(&key).await.map_err(store_error) })
    }

    fn set_taken(&self, order: &str, by: Person) -> Pending<'_, ()> {
        let key = self.keys.taken(order);
        Box::pin(async move { self.note_taker(&key, by).await.map_err(store_error) })
    }
}

/// The person that a member of a set names, if it does; by one text only, as Redis looks for members.
fn person(text: &[u8]) -> Option<Person> {
    let text = str::from_utf8(text).ok()?;
    let person: Person = text.parse().ok()?;
    (person.to_string() == text).then_some(person)
}
