//! Who has mail, in memory, so that a login of somebody who has none costs no call of the database.

use std::{
    collections::HashSet,
    hash::{BuildHasher as _, RandomState},
};

use parking_lot::Mutex;
use rusqlite::Connection;

/// Users with letters, by a hash of their names of 64 bits: among a million, two share one in one of
/// 30 million cases, and then the mail of one waits for another login. Only the database's thread adds
/// and removes, so that it is never behind what was answered.
#[derive(Debug, Default)]
pub(super) struct Recipients {
    hasher: RandomState,
    users: Mutex<HashSet<u64>>,
}

impl Recipients {
    /// Those of a database that was opened.
    pub(super) fn load(connection: &Connection) -> rusqlite::Result<Self> {
        let all = Self::default();
        let mut select = connection.prepare("SELECT DISTINCT user FROM mail")?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            all.add(row.get_ref(0)?.as_str()?);
        }
        Ok(all)
    }

    pub(super) fn add(&self, user: &str) {
        self.users.lock().insert(self.hasher.hash_one(user));
    }

    pub(super) fn remove(&self, user: &str) {
        self.users.lock().remove(&self.hasher.hash_one(user));
    }

    pub(super) fn contains(&self, user: &str) -> bool {
        self.users.lock().contains(&self.hasher.hash_one(user))
    }
}
