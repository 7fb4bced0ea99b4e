//! Customer service of a node that has no Redis: decided in memory, and kept in a row for each customer
//! before it is answered for.

use std::{collections::HashMap, fmt, sync::Arc};

use bytes::Bytes;
use parking_lot::Mutex;
use rusqlite::{Connection, params};

use super::{Database, DatabaseError, jobs::Steady};
use crate::{
    clock::Clock,
    id::{SessionId, UserId},
    office::{
        Ahead, Customer, Decided, Done, End, EntryId, Look, Office, OfficeError, Party, Pending,
        Rules, Turn, View,
        entry::Entry,
        state::{Row, State},
    },
};

/// The office of a node that is alone.
#[derive(Clone)]
pub struct SqliteOffice {
    database: Database,
    clock: Steady,
    ahead: Ahead,
    held: Arc<Mutex<Held>>,
}

/// What is known, and what of it is not known to be on disk.
#[derive(Default)]
struct Held {
    /// Absent: it is not read yet.
    state: Option<State>,
    /// Customers, and the last call that has changed them.
    unsaved: HashMap<UserId, u64>,
    calls: u64,
}

// === impl SqliteOffice ===

impl SqliteOffice {
    /// In this database.
    pub fn new(database: Database, clock: Clock, ahead: Ahead) -> Self {
        Self {
            database,
            clock: Steady::new(clock),
            ahead,
            held: Arc::default(),
        }
    }

    /// Has work done, which is answered for when what it has changed is on disk. With an error it is done
    /// all the same, perhaps, and kept with the next call.
    async fn carry_out<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut State, u64) -> T + Send + 'static,
    ) -> Result<T, OfficeError> {
        let now_ms = self.clock.now_ms() + self.ahead.ms();
        let held = Arc::clone(&self.held);
        // On the thread of the database, so that what is changed later is written later.
        let done = self.database.transact(move |on| {
            let mut held = held.lock();
            let held = &mut *held;
            let state = match &mut held.state {
                Some(state) => state,
                None => held.state.insert(load(on, now_ms)?),
            };
            let made = work(state, now_ms);
            held.calls += 1;
            let changed = state.take_changed().into_iter();
            held.unsaved
                .extend(changed.map(|customer| (customer, held.calls)));
            let rows = held.unsaved.keys().map(|customer| state.row(customer));
            save(on, rows)?;
            Ok((made, held.calls))
        });
        let (made, call) = done.await?;
        self.held.lock().unsaved.retain(|_, last| call < *last);
        Ok(made)
    }
}

impl Office for SqliteOffice {
    fn sit(&self, agent: Party, session: SessionId, rules: Rules) -> Pending<'_, Decided> {
        Box::pin(self.carry_out(move |state, now_ms| state.sit(agent, session, rules, now_ms)))
    }

    fn rise(&self, session: SessionId, end: End) -> Pending<'_, Done> {
        Box::pin(self.carry_out(move |state, now_ms| state.rise(session, end, now_ms)))
    }

    fn ask(&self, customer: Party, data: Bytes, rules: Rules) -> Pending<'_, Decided> {
        Box::pin(self.carry_out(move |state, now_ms| state.ask(customer, data, rules, now_ms)))
    }

    fn transfer(&self, by: Option<UserId>, customer: UserId, to: UserId) -> Pending<'_, Decided> {
        Box::pin(
            self.carry_out(move |state, now_ms| {
                state.transfer(by.as_ref(), &customer, &to, now_ms)
            }),
        )
    }

    fn release(&self, by: Option<UserId>, customer: UserId) -> Pending<'_, Decided> {
        Box::pin(self.carry_out(move |state, now_ms| state.release(by.as_ref(), &customer, now_ms)))
    }

    fn look(&self, rules: Rules) -> Pending<'_, Look> {
        Box::pin(self.carry_out(move |state, now_ms| state.look(rules, now_ms)))
    }

    fn next(&self, turn: Turn, told: Vec<EntryId>) -> Pending<'_, Option<Vec<(EntryId, Entry)>>> {
        Box::pin(self.carry_out(move |state, now_ms| state.next(&turn, &told, now_ms)))
    }

    fn view(&self, after: u64, max: usize) -> Pending<'_, View> {
        Box::pin(self.carry_out(move |state, _| state.view(after, max)))
    }

    fn find(&self, customer: UserId) -> Pending<'_, Option<Customer>> {
        Box::pin(self.carry_out(move |state, _| state.find(&customer)))
    }
}

impl fmt::Debug for SqliteOffice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteOffice").finish_non_exhaustive()
    }
}

fn load(on: &Connection, now_ms: u64) -> rusqlite::Result<State> {
    let mut state = State::default();
    let mut select = on.prepare("SELECT customer, body FROM service")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let (customer, body) = (row.get::<_, String>(0)?, row.get::<_, Vec<u8>>(1)?);
        let parsed = customer.parse::<UserId>().ok();
        let loaded = parsed.and_then(|customer| state.load(&customer, &body, now_ms).ok());
        if loaded.is_none() {
            tracing::warn!("what is kept of a customer cannot be read");
        }
    }
    Ok(state)
}

fn save(on: &Connection, rows: impl Iterator<Item = Row>) -> rusqlite::Result<()> {
    for Row { customer, body } in rows {
        let customer = customer.as_str();
        match body {
            Some(body) => on
                .prepare_cached("INSERT OR REPLACE INTO service (customer, body) VALUES (?1, ?2)")?
                .execute(params![customer, body])?,
            None => on
                .prepare_cached("DELETE FROM service WHERE customer = ?1")?
                .execute([customer])?,
        };
    }
    Ok(())
}

impl From<DatabaseError> for OfficeError {
    fn from(error: DatabaseError) -> Self {
        Self(error.to_string().into())
    }
}
