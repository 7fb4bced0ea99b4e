//! Queues: work that any node may do, at least once.
//!
//! Contract, for every implementation of [`Queue`]:
//!
//! - **Delivery**: an entry is given to one taker, and to another one if it is neither done nor
//!   buried so long after as the queue was told to wait.
//! - **Time**: an entry that is for later is not given before its time, and within two seconds after
//!   if somebody takes.
//! - **Order**: none is promised.
//! - **Duplicates**: a taker that is slow, or whose call of [`Queue::done`] failed, shares its entry
//!   with the next one. When [`Queue::push`] fails it is not known whether the entries are there.
//! - **Loss**: none before an entry is done. What is buried is kept for people to look at, the newest
//!   [`DEAD_MAX`] at least.
//! - **Blocking**: [`Queue::take`] waits as long as it is told to, everything else ends within a limit
//!   of the implementation's own, with an error if need be.
//! - **Cancellation**: a call whose future is dropped may or may not be carried out. What a dropped
//!   `take` was about to give is given again later.

use std::{fmt, future::Future, pin::Pin, time::Duration};

use bytes::Bytes;

/// What a call comes to.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, QueueError>> + Send + 'a>>;

/// Entries that were buried and are kept, at least.
pub const DEAD_MAX: usize = 10_000;

/// Holds work. See the module's documentation for the contract.
pub trait Queue: fmt::Debug + Send + Sync + 'static {
    /// Adds entries.
    fn push(&self, entries: Vec<Entry>) -> Pending<'_, ()>;

    /// Takes up to `max` entries; waits for the first one, up to `wait`.
    fn take(&self, max: usize, wait: Duration) -> Pending<'_, Vec<Taken>>;

    /// Removes entries: they are done. Those that are not there are passed over.
    fn done(&self, entries: Vec<EntryId>) -> Pending<'_, ()>;

    /// Moves an entry to the dead ones, since nothing can be done with it, or has been for too long.
    fn bury(&self, entry: Taken, reason: String) -> Pending<'_, ()>;
}

/// Work to be queued.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// What is to be done.
    pub body: Bytes,
    /// Not before that, in milliseconds since the Unix epoch.
    pub at_ms: Option<u64>,
}

/// Work that was taken.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Taken {
    /// Names it in its queue.
    pub id: EntryId,
    /// What is to be done.
    pub body: Bytes,
    /// How many times it was taken, this time included.
    pub attempts: u64,
}

/// Names an entry in its queue.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct EntryId(pub Box<str>);

/// When the entry of this id was added, in milliseconds since the Unix epoch, where ids say it as those of
/// streams do: `<time>-<number>`.
pub fn added_ms(id: &str) -> Option<u64> {
    let (time_ms, _) = id.split_once('-')?;
    time_ms.parse().ok()
}

/// Why a call came to nothing.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the queue cannot be used: {0}")]
pub struct QueueError(pub Box<str>);
