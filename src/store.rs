//! The store: where messages that were accepted stay, and the databases that are one.
//!
//! Contract, for every implementation of [`MessageStore`]:
//!
//! - **Durability**: records that [`MessageStore::insert`] has answered for survive the death of this
//!   process and of the database's.
//! - **Order**: records are read newest first, by their ids.
//! - **Duplicates**: a record whose id is there already is passed over, so that whoever does not know
//!   what became of a call repeats it, and several may insert the same at once.
//! - **Loss**: none but by [`Prunes::prune`]. A record that cannot be stored ever is named by
//!   [`StoreError::Poison`]; nothing of that call is stored.
//! - **Blocking**: every call ends within a limit of the implementation's own, with an error if need
//!   be.
//! - **Cancellation**: a call whose future is dropped may or may not be carried out.

mod found;
pub mod mysql;
mod parts;
pub mod retention;
pub mod sqlite;

use std::{fmt, future::Future, pin::Pin};

pub use crate::record::{Chat, Content, Of, Push, Query, Record, RecordId, TEXT_UNITS_MAX};

/// What a call comes to.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Forgets what is older than it has to be.
pub trait Prunes: fmt::Debug + Send + Sync + 'static {
    /// Removes what is older than this, at most `max` of it. Says how much.
    fn prune(&self, before_ms: u64, max: usize) -> Pending<'_, u64>;
}

/// Keeps records. See the module's documentation for the contract.
pub trait MessageStore: Prunes {
    /// Stores records.
    fn insert(&self, records: Vec<Record>) -> Pending<'_, ()>;

    /// The newest records that a query asks for, newest first.
    fn history(&self, query: Query) -> Pending<'_, Vec<Record>>;
}

/// Why a call came to nothing.
#[allow(missing_docs)] // The messages say it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum StoreError {
    /// Another time it may be different.
    #[error("the store cannot be used: {0}")]
    Unavailable(Box<str>),
    /// This record will never be stored.
    #[error("a record cannot be stored: {reason}")]
    Poison { id: RecordId, reason: Box<str> },
}
