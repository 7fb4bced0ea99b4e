//! Arrivals: what was accepted, in the form in which it is on the disk soonest, until it is settled.
//!
//! A message has a place in its table, in three indices and among the repeats, each far from that of the
//! message before. To put a commit of a thousand there writes thousands of pages, so a commit writes one
//! batch, and by the ten thousand messages of the same people come to the same pages.
//!
//! **Invariant:** a record that was accepted is in `arrived` or in its table, and one transaction moves
//! it from there to here. What is in memory is a copy of rows, by which nobody has to read them again.

use std::{
    collections::{BTreeMap, HashMap, btree_map::Entry},
    mem,
    sync::Arc,
};

use parking_lot::{Mutex, MutexGuard};
use rusqlite::{Connection, params};

use super::batch;
use crate::record::{Content, Record, RecordId};

/// So many records are settled together.
pub(super) const SETTLE_RECORDS: usize = 16 * 1024;
/// Or so many bytes of what they say.
const SETTLE_BYTES: usize = 16 * 1024 * 1024;
/// Or those of so many commits: who reads a history looks at each.
const SETTLE_BATCHES: usize = 256;
/// How many times as much may wait, while settling fails, before nothing more is accepted.
const WAITING_MAX: usize = 4;
/// A batch that has so many bytes ends: the server has a limit for a value.
const BATCH_BYTES: usize = 16 * 1024 * 1024;

/// Not the row that only keeps an id: in some states of the database its batch is there under that id,
/// and in later ones it is settled.
pub(super) const SELECT_ARRIVED: &str =
    "SELECT last FROM arrived WHERE ?1 < last AND 0 < length(body) ORDER BY last";
const SELECT_BATCH: &str = "SELECT body FROM arrived WHERE last = ?1";
const INSERT_BATCH: &str = "INSERT INTO arrived (last, body) VALUES (?1, ?2)";
pub(super) const DELETE_ARRIVED: &str = "DELETE FROM arrived WHERE last <= ?1";
/// The newest id that was given out stays.
const KEEP_LAST: &str = "INSERT INTO arrived (last, body)
    SELECT ?1, x'' WHERE NOT EXISTS (SELECT 1 FROM arrived)";

/// The records of one commit, in their order.
pub(super) type Batch = Arc<[Record]>;

/// What has arrived in one database, as this process knows it.
#[derive(Default)]
pub(super) struct Arrivals {
    /// By the last id of each; for readers too, who need those that they see in their state of the
    /// database, be they a few more or less.
    batches: Mutex<BTreeMap<i64, Batch>>,
    /// Of whoever writes.
    tail: Mutex<Tail>,
}

/// What whoever writes knows of the batches.
#[derive(Default)]
struct Tail {
    /// Counts commits of others; absent: nothing is known.
    version: Option<i64>,
    /// Records by what their repeats have in common.
    repeats: HashMap<[u8; 16], RecordId>,
    records: usize,
    bytes: usize,
    batches: usize,
    oldest: Option<RecordId>,
}

/// What has arrived, for whoever is in a transaction that writes.
pub(super) struct Writing<'a> {
    arrivals: &'a Arrivals,
    tail: MutexGuard<'a, Tail>,
    connection: &'a Connection,
}

// === impl Arrivals ===

impl Arrivals {
    /// Looks whether others have changed anything, and reads what they have.
    pub(super) fn write<'a>(&'a self, connection: &'a Connection) -> rusqlite::Result<Writing<'a>> {
        let version: i64 = connection
            .prepare_cached("PRAGMA data_version")?
            .query_one([], |row| row.get(0))?;
        let mut tail = self.tail.lock();
        if tail.version != Some(version) {
            tail.forget();
            let batches = self.read(connection)?;
            batches.values().for_each(|batch| tail.add(batch));
            *self.batches.lock() = batches;
            tail.version = Some(version);
        }
        Ok(Writing {
            arrivals: self,
            tail,
            connection,
        })
    }

    /// What was done in a transaction has come to nothing.
    pub(super) fn undone(&self) {
        self.tail.lock().version = None;
        self.batches.lock().clear();
    }

    /// The batches that are in this state of the database, oldest first; none is empty.
    pub(super) fn read(&self, connection: &Connection) -> rusqlite::Result<BTreeMap<i64, Batch>> {
        let mut select = connection.prepare_cached(SELECT_ARRIVED)?;
        let lasts = select.query_map([0], |row| row.get(0))?;
        let lasts = lasts.collect::<rusqlite::Result<Vec<i64>>>()?;
        let mut found = BTreeMap::new();
        {
            let batches = self.batches.lock();
            let known = lasts.iter().filter_map(|last| batches.get_key_value(last));
            found.extend(known.map(|(last, batch)| (*last, Arc::clone(batch))));
        }
        for last in lasts {
            if let Entry::Vacant(place) = found.entry(last) {
                let mut select = connection.prepare_cached(SELECT_BATCH)?;
                let body: Vec<u8> = select.query_one([last], |row| row.get(0))?;
                place.insert(batch::read(&body)?.into());
            }
        }
        Ok(found)
    }
}

// === impl Writing ===

impl Writing<'_> {
    /// The record of which another one with this digest is a repeat, if it has not been settled.
    pub(super) fn repeated(&self, digest: &[u8; 16]) -> Option<RecordId> {
        self.tail.repeats.get(digest).copied()
    }

    /// Repeats of this record are known from now on. It has to be added before the end of the
    /// transaction.
    pub(super) fn remember(&mut self, digest: [u8; 16], id: RecordId) {
        self.tail.repeats.insert(digest, id);
    }

    /// Puts records of which repeats are known behind all others.
    pub(super) fn add(&mut self, records: Vec<Record>) -> rusqlite::Result<()> {
        let mut body = Vec::with_capacity(128 * records.len());
        let mut part = Vec::with_capacity(records.len());
        for record in records {
            batch::write(&mut body, &record);
            part.push(record);
            if BATCH_BYTES <= body.len() {
                self.add_batch(mem::take(&mut part), &body)?;
                body.clear();
            }
        }
        self.add_batch(part, &body)
    }

    fn add_batch(&mut self, records: Vec<Record>, body: &[u8]) -> rusqlite::Result<()> {
        let Some(last) = records.last().map(|record| record.id.0.cast_signed()) else {
            return Ok(());
        };
        let mut insert = self.connection.prepare_cached(INSERT_BATCH)?;
        insert.execute(params![last, body])?;
        self.tail.count(&records);
        self.arrivals.batches.lock().insert(last, records.into());
        Ok(())
    }

    /// Whether so much has arrived that it should be settled.
    pub(super) fn is_full(&self) -> bool {
        self.tail.has(1)
    }

    /// Whether so much has arrived that, if settling fails, no more should.
    pub(super) fn is_overfull(&self) -> bool {
        self.tail.has(WAITING_MAX)
    }

    /// How many records have arrived and were not settled, and when the oldest of them was accepted, in
    /// milliseconds since the Unix epoch.
    pub(super) fn waiting(&self) -> (usize, Option<u64>) {
        (self.tail.records, self.tail.oldest.map(RecordId::time_ms))
    }

    /// What has arrived and was not settled, oldest first.
    pub(super) fn batches(&self) -> Vec<Batch> {
        self.arrivals.batches.lock().values().cloned().collect()
    }

    /// Takes away all batches, whose records are in their tables.
    pub(super) fn clear(&mut self) -> rusqlite::Result<()> {
        let last = self.arrivals.batches.lock().keys().next_back().copied();
        let Some(last) = last else {
            return Ok(());
        };
        let connection = self.connection;
        connection.prepare_cached(DELETE_ARRIVED)?.execute([last])?;
        connection.prepare_cached(KEEP_LAST)?.execute([last])?;
        self.arrivals.batches.lock().clear();
        self.tail.forget();
        Ok(())
    }
}

// === impl Tail ===

impl Tail {
    fn add(&mut self, batch: &[Record]) {
        for record in batch {
            if let Some(digest) = record.content.digest() {
                self.repeats.insert(digest, record.id);
            }
        }
        self.count(batch);
    }

    fn count(&mut self, batch: &[Record]) {
        let bytes = |record: &Record| match &record.content {
            Content::Chat(chat) => chat.msg.len(),
            Content::Push(push) => push.data.len(),
        };
        self.records += batch.len();
        self.bytes += batch.iter().map(bytes).sum::<usize>();
        self.batches += 1;
        self.oldest = self.oldest.or(batch.first().map(|record| record.id));
    }

    /// There are no batches; the room for repeats is kept.
    fn forget(&mut self) {
        self.repeats.clear();
        (self.records, self.bytes, self.batches) = (0, 0, 0);
        self.oldest = None;
    }

    fn has(&self, times: usize) -> bool {
        times * SETTLE_RECORDS <= self.records
            || times * SETTLE_BYTES <= self.bytes
            || times * SETTLE_BATCHES <= self.batches
    }
}

#[cfg(test)]
mod tests;
