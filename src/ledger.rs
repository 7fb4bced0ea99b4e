//! The ledger: how far the nodes of a cluster have got with what each of them may be told to do, by ids.
//!
//! Contract, for every implementation of [`Ledger`]:
//!
//! - **One at a time**: of all that begin with the same id, on whichever nodes, one works on it, until it
//!   has said how far it has got, or for [`PENDING`]: whoever has not ended by then has died, and the
//!   next one begins anew.
//! - **Content**: an id belongs to the content with which it came first, as long as it is remembered:
//!   [`KEPT`] from the last word about it.
//! - **Nodes**: who begins again on the node that works on it goes on.
//! - **Blocking**: every call ends within a limit of the implementation's own, with an error if need
//!   be.
//! - **Cancellation**: a call whose future is dropped may or may not be carried out.

use std::{fmt, future::Future, pin::Pin, time::Duration};

use bytes::Bytes;

/// How long a node may work on an id: longer than what it waits for together, a thousand topics aside.
pub const PENDING: Duration = Duration::from_secs(10);
/// How long an id is remembered.
pub const KEPT: Duration = Duration::from_secs(10 * 60);

/// What a call comes to.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, LedgerError>> + Send + 'a>>;

/// Keeps accounts. See the module's documentation for the contract.
pub trait Ledger: fmt::Debug + Send + Sync + 'static {
    /// Begins with an id, or goes on with it.
    fn begin(&self, name: Name) -> Pending<'_, Begun>;

    /// Says how far it has got, unless somebody else has begun meanwhile.
    fn end(&self, name: Name, progress: Progress) -> Pending<'_, ()>;
}

/// What is to be done once.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Name {
    /// Digest of the id.
    pub id: [u8; 16],
    /// Digest of the content.
    pub content: [u8; 16],
}

/// How far it has got.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Progress {
    /// Nothing is left to be done.
    pub is_done: bool,
    /// What has been done, in the words of whoever did it.
    pub what: Bytes,
}

/// Whose it is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Begun {
    /// The id came with other content.
    Conflict,
    /// It is done.
    Done(Bytes),
    /// Another node works on it.
    Elsewhere,
    /// This node's. With what was done before, if something was and it was said.
    Here(Option<Bytes>),
}

/// Why a call came to nothing.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the ledger cannot be used: {0}")]
pub struct LedgerError(pub Box<str>);
