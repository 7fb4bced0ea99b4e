//! Jobs in SQLite: a row for each. To take a job is to put off the time from which on it may be taken.

use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Duration,
};

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension as _, Params, Row, params};

use super::{Database, DatabaseError};
use crate::{
    clock::Clock,
    jobs::{
        Added, DEAD_MAX, Figures, Job, Jobs, JobsError, LEASE, NewJob, OPEN_MAX, PAGE_MAX, Pending,
        PutOff, State, Taken, Turn, Which,
    },
};

/// What a list and [`Jobs::find`] select.
const COLUMNS: &str = "id, kind, body, state, is_taken, turn, reason, answer, created_ms, due_ms";

/// Changes the job of a turn, if that is good: its id is `?1` and its number `?2`.
macro_rules! of_turn {
    ($set:literal) => {
        concat!(
            "UPDATE job SET ",
            $set,
            " WHERE id = ?1 AND turn = ?2 AND state = 'open'"
        )
    };
}

pub(super) const SELECT_DUE: &str =
    "SELECT id, body, answer, failures, created_ms, turn + 1 FROM job
        WHERE state = 'open' AND kind = ?1 AND due_ms <= ?2 ORDER BY due_ms LIMIT ?3";
/// By its own index: in the other one kinds stand between the state and the time.
pub(super) const DELETE_OLD: &str =
    "DELETE FROM job INDEXED BY job_by_end WHERE state = 'done' AND due_ms <= ?1";

/// The jobs of a node that has no Redis. Origins are not known here: lists are in Redis.
#[derive(Debug)]
pub struct SqliteJobs {
    database: Database,
    clock: Steady,
    keep: Duration,
    /// What was taken before the clock was set back can be taken again.
    is_repaired: AtomicBool,
}

/// A clock that jumps of the system's do not move: what was taken stays so for as long as it should.
#[derive(Clone, Copy, Debug)]
pub(super) struct Steady {
    clock: Clock,
    begin_ms: u64,
    begin: Duration,
}

// === impl Steady ===

impl Steady {
    pub(super) fn new(clock: Clock) -> Self {
        let now = clock.now();
        Self {
            clock,
            begin_ms: now.unix_ms,
            begin: now.uptime,
        }
    }

    pub(super) fn now_ms(&self) -> u64 {
        let since = self.clock.uptime().saturating_sub(self.begin);
        self.begin_ms + millis(since)
    }
}

// === impl SqliteJobs ===

impl SqliteJobs {
    /// The jobs in a database. Those that are done are known for `keep`.
    pub fn new(database: Database, keep: Duration, clock: Clock) -> Self {
        Self {
            database,
            clock: Steady::new(clock),
            keep,
            is_repaired: AtomicBool::new(false),
        }
    }

    async fn take_some(&self, kind: &str, max: usize) -> Result<Vec<Taken>, DatabaseError> {
        let (kind, now_ms) = (kind.to_owned(), self.clock.now_ms());
        let until_ms = now_ms + millis(LEASE);
        let is_repaired = self.is_repaired.load(Relaxed);
        let taking = self.database.transact(move |connection| {
            if !is_repaired {
                repair(connection, now_ms)?;
            }
            let mut select = connection.prepare_cached(SELECT_DUE)?;
            let bounds = params![kind, signed(now_ms), max as i64];
            let taken = select.query_map(bounds, |row| {
                Ok(Taken {
                    turn: Turn {
                        id: row.get::<_, String>(0)?.into(),
                        kind: kind.as_str().into(),
                        number: unsigned(row, 5)?,
                    },
                    body: row.get::<_, Vec<u8>>(1)?.into(),
                    answer: row.get::<_, Option<Vec<u8>>>(2)?.map(Bytes::from),
                    failures: unsigned(row, 3)?,
                    created_ms: unsigned(row, 4)?,
                })
            })?;
            let taken = taken.collect::<rusqlite::Result<Vec<_>>>()?;
            let mut put_off = connection.prepare_cached(
                "UPDATE job SET due_ms = ?2, is_taken = 1, turn = turn + 1 WHERE id = ?1",
            )?;
            for job in &taken {
                put_off.execute(params![&*job.turn.id, signed(until_ms)])?;
            }
            Ok(taken)
        });
        let taken = taking.await?;
        self.is_repaired.store(true, Relaxed);
        Ok(taken)
    }

    /// Says whether a statement has changed anything.
    async fn change(
        &self,
        sql: &'static str,
        values: impl Params + Send + 'static,
    ) -> Result<bool, DatabaseError> {
        let changing = self
            .database
            .transact(move |connection| connection.prepare_cached(sql)?.execute(values));
        Ok(0 < changing.await?)
    }

    async fn finish(&self, turn: &Turn) -> Result<bool, DatabaseError> {
        let (id, number) = named(turn);
        let now_ms = self.clock.now_ms();
        let old_ms = signed(now_ms.saturating_sub(millis(self.keep)));
        let finishing = self.database.transact(move |connection| {
            let mut update = connection.prepare_cached(of_turn!(
                "state = 'done', is_taken = 0, reason = NULL, due_ms = ?3"
            ))?;
            let count = update.execute(params![id, number, signed(now_ms)])?;
            connection.prepare_cached(DELETE_OLD)?.execute([old_ms])?;
            Ok(0 < count)
        });
        finishing.await
    }

    async fn bury_one(&self, turn: &Turn, reason: String) -> Result<bool, DatabaseError> {
        let ((id, number), now_ms) = (named(turn), signed(self.clock.now_ms()));
        let burying = self.database.transact(move |connection| {
            let mut update = connection.prepare_cached(of_turn!(
                "state = 'dead', is_taken = 0, reason = ?3, due_ms = ?4"
            ))?;
            let count = update.execute(params![id, number, reason, now_ms])?;
            trim(connection).map(|()| 0 < count)
        });
        burying.await
    }

    async fn select(
        &self,
        behind: &'static str,
        values: impl Params + Send + 'static,
    ) -> Result<Vec<Job>, DatabaseError> {
        let now_ms = self.clock.now_ms();
        let reading = self.database.read(move |connection| {
            let mut select =
                connection.prepare_cached(&format!("SELECT {COLUMNS} FROM job {behind}"))?;
            let rows = select.query_map(values, |row| job(row, now_ms))?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        });
        reading.await
    }
}

impl Jobs for SqliteJobs {
    fn add(&self, job: NewJob) -> Pending<'_, Added> {
        let now_ms = signed(self.clock.now_ms());
        let adding = self.database.transact(move |on| add(on, &job, now_ms));
        Box::pin(async move { adding.await.map_err(jobs_error) })
    }

    fn add_dead(&self, job: NewJob, reason: String) -> Pending<'_, ()> {
        let now_ms = signed(self.clock.now_ms());
        let adding = self.database.transact(move |connection| {
            let mut insert = connection.prepare_cached(
                "INSERT OR IGNORE INTO job (id, kind, body, state, created_ms, due_ms, reason)
                    VALUES (?1, ?2, ?3, 'dead', ?4, ?4, ?5)",
            )?;
            insert.execute(params![&*job.id, &*job.kind, &job.body[..], now_ms, reason])?;
            trim(connection)
        });
        Box::pin(async move { adding.await.map_err(jobs_error) })
    }

    fn take<'a>(&'a self, kind: &'a str, max: usize) -> Pending<'a, Vec<Taken>> {
        Box::pin(async move { self.take_some(kind, max).await.map_err(jobs_error) })
    }

    fn hold(&self, turns: Vec<Turn>) -> Pending<'_, Vec<Turn>> {
        let until_ms = signed(self.clock.now_ms() + millis(LEASE));
        let holding = self.database.transact(move |connection| {
            let mut hold = connection.prepare_cached(of_turn!("due_ms = ?3"))?;
            let mut lost = Vec::new();
            for turn in turns {
                let held = hold.execute(params![&*turn.id, signed(turn.number), until_ms])?;
                if held == 0 {
                    lost.push(turn);
                }
            }
            Ok(lost)
        });
        Box::pin(async move { holding.await.map_err(jobs_error) })
    }

    fn answer<'a>(&'a self, turn: &'a Turn, answer: Bytes) -> Pending<'a, bool> {
        let until_ms = signed(self.clock.now_ms() + millis(LEASE));
        let (id, number) = named(turn);
        let change = self.change(
            of_turn!("due_ms = ?3, answer = ?4"),
            (id, number, until_ms, Vec::from(answer)),
        );
        Box::pin(async move { change.await.map_err(jobs_error) })
    }

    fn put_off<'a>(&'a self, turn: &'a Turn, why: PutOff) -> Pending<'a, bool> {
        let at_ms = signed(self.clock.now_ms() + millis(why.delay));
        let (id, number) = named(turn);
        let change = self.change(
            of_turn!(
                "due_ms = ?3, is_taken = 0, failures = failures + (?4 IS NOT NULL),
                reason = ifnull(?4, reason)"
            ),
            (id, number, at_ms, why.failure),
        );
        Box::pin(async move { change.await.map_err(jobs_error) })
    }

    fn done<'a>(&'a self, turn: &'a Turn) -> Pending<'a, bool> {
        Box::pin(async move { self.finish(turn).await.map_err(jobs_error) })
    }

    fn bury<'a>(&'a self, turn: &'a Turn, reason: String) -> Pending<'a, bool> {
        Box::pin(async move { self.bury_one(turn, reason).await.map_err(jobs_error) })
    }

    fn find<'a>(&'a self, id: &'a str) -> Pending<'a, Option<Job>> {
        Box::pin(async move {
            let found = self.select("WHERE id = ?1", (id.to_owned(),));
            Ok(found.await.map_err(jobs_error)?.pop())
        })
    }

    fn list(&self, which: Which, offset: usize) -> Pending<'_, Vec<Job>> {
        let state = match which {
            Which::Open => "open",
            Which::Dead => "dead",
        };
        let offset = i64::try_from(offset).unwrap_or(i64::MAX);
        let behind = "WHERE state = ?1 ORDER BY created_ms DESC, id DESC LIMIT ?2 OFFSET ?3";
        Box::pin(async move {
            let rows = self.select(behind, (state, PAGE_MAX as i64, offset));
            rows.await.map_err(jobs_error)
        })
    }

    fn retry<'a>(&'a self, id: &'a str) -> Pending<'a, bool> {
        let now_ms = signed(self.clock.now_ms());
        let change = self.change(
            "UPDATE job SET state = 'open', failures = 0, reason = NULL, answer = NULL,
                created_ms = ?2, due_ms = ?2 WHERE id = ?1 AND state = 'dead'",
            (id.to_owned(), now_ms),
        );
        Box::pin(async move { change.await.map_err(jobs_error) })
    }

    fn forget<'a>(&'a self, id: &'a str) -> Pending<'a, bool> {
        let change = self.change("DELETE FROM job WHERE id = ?1", (id.to_owned(),));
        Box::pin(async move { change.await.map_err(jobs_error) })
    }

    fn figures(&self) -> Pending<'_, Figures> {
        let now_ms = self.clock.now_ms();
        let counting = self.database.read(move |connection| {
            let mut count = connection
                .prepare_cached("SELECT count(*), min(created_ms) FROM job WHERE state = ?1")?;
            let (open, oldest_ms) = count.query_one(["open"], |row| {
                Ok((unsigned(row, 0)?, row.get::<_, Option<i64>>(1)?))
            })?;
            let dead = count.query_one(["dead"], |row| unsigned(row, 0))?;
            let age_ms = oldest_ms.map_or(0, |at_ms| now_ms.saturating_sub(at_ms.cast_unsigned()));
            Ok(Figures {
                open,
                dead,
                oldest: Duration::from_millis(age_ms),
            })
        });
        Box::pin(async move { counting.await.map_err(jobs_error) })
    }
}

fn add(connection: &Connection, job: &NewJob, now_ms: i64) -> rusqlite::Result<Added> {
    let mut select = connection.prepare_cached("SELECT kind, body FROM job WHERE id = ?1")?;
    let known = select.query_row([&*job.id], |row| {
        Ok(row.get::<_, String>(0)? == *job.kind && row.get::<_, Vec<u8>>(1)? == job.body)
    });
    if let Some(is_same) = known.optional()? {
        return Ok(if is_same {
            Added::Known
        } else {
            Added::Conflict
        });
    }
    let mut count = connection.prepare_cached("SELECT count(*) FROM job WHERE state = 'open'")?;
    let open: i64 = count.query_one([], |row| row.get(0))?;
    if OPEN_MAX as i64 <= open {
        return Ok(Added::Full);
    }
    let mut insert = connection.prepare_cached(
        "INSERT INTO job (id, kind, body, state, created_ms, due_ms)
            VALUES (?1, ?2, ?3, 'open', ?4, ?4)",
    )?;
    insert.execute(params![&*job.id, &*job.kind, &job.body[..], now_ms])?;
    Ok(Added::New)
}

/// What is taken for longer than anybody takes a job was taken before the clock was set back: by a life of
/// the node that is over, since the clock of one goes on steadily.
fn repair(connection: &Connection, now_ms: u64) -> rusqlite::Result<()> {
    let mut update = connection.prepare_cached(
        "UPDATE job SET due_ms = ?1 WHERE state = 'open' AND is_taken AND ?2 < due_ms",
    )?;
    let too_far_ms = now_ms + 2 * millis(LEASE);
    update
        .execute([signed(now_ms), signed(too_far_ms)])
        .map(drop)
}

/// What names a turn in statements.
fn named(turn: &Turn) -> (String, i64) {
    (turn.id.to_string(), signed(turn.number))
}

/// Forgets the dead ones that are too many.
fn trim(connection: &Connection) -> rusqlite::Result<()> {
    let mut delete = connection.prepare_cached(
        "DELETE FROM job WHERE id IN (SELECT id FROM job WHERE state = 'dead'
            ORDER BY created_ms DESC LIMIT -1 OFFSET ?1)",
    )?;
    delete.execute([DEAD_MAX as i64]).map(drop)
}

fn job(row: &Row<'_>, now_ms: u64) -> rusqlite::Result<Job> {
    let attempts = unsigned(row, 5)?;
    let state: String = row.get(3)?;
    Ok(Job {
        id: row.get::<_, String>(0)?.into(),
        kind: row.get::<_, String>(1)?.into(),
        body: row.get::<_, Vec<u8>>(2)?.into(),
        state: match &*state {
            "done" => State::Done,
            "dead" => State::Dead,
            _ => State::of_open(row.get(4)?, attempts, unsigned(row, 9)?, now_ms),
        },
        attempts,
        reason: row.get::<_, Option<String>>(6)?.map(Into::into),
        answer: row.get::<_, Option<Vec<u8>>>(7)?.map(Bytes::from),
        created_ms: unsigned(row, 8)?,
    })
}

fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(i64::cast_unsigned)
}

fn signed(number: u64) -> i64 {
    number.cast_signed()
}

fn millis(duration: Duration) -> u64 {
    duration.as_millis() as u64
}

fn jobs_error(error: DatabaseError) -> JobsError {
    JobsError(error.to_string().into())
}
