//! Dispatches: happenings on their way to an endpoint, one for each endpoint that wants to hear.
//!
//! Contract, for every implementation of [`Dispatches`], which are those of one member:
//!
//! - **Order**: they are given in the order in which they were added, those of one call in its order.
//! - **Loss**: none before [`Dispatches::done`] or [`Dispatches::bury`]. What is buried is kept for
//!   people to look at, the newest [`DEAD_MAX`] at least.
//! - **Duplicates**: what was given may be given again, with the same id. When [`Dispatches::add`] fails it
//!   is not known whether they are there.
//! - **Absence**: where the member has none of its own any more, adding is an error.
//! - **Blocking**: [`Dispatches::next`] waits as long as it is told to, everything else ends within a
//!   limit of the implementation's own, with an error if need be.
//! - **Cancellation**: a call whose future is dropped may or may not be carried out. What a dropped
//!   `next` was about to give is given by the one that follows.

use std::{fmt, future::Future, pin::Pin};

use bytes::Bytes;

pub use crate::queue::DEAD_MAX;

/// What a call comes to.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, DispatchError>> + Send + 'a>>;

/// Keeps what endpoints are still to be told. See the module's documentation for the contract.
pub trait Dispatches: fmt::Debug + Send + Sync + 'static {
    /// Adds dispatches.
    fn add(&self, dispatches: Vec<Dispatch>) -> Pending<'_, ()>;

    /// The next ones, up to `max`; waits for the first one, up to `wait`. `after` is the last one that the
    /// caller was given, or [`DispatchId::NONE`].
    fn next(
        &self,
        after: DispatchId,
        max: usize,
        wait: std::time::Duration,
    ) -> Pending<'_, Vec<(DispatchId, Dispatch)>>;

    /// One that was given before, if it is still there.
    fn read(&self, id: DispatchId) -> Pending<'_, Option<Dispatch>>;

    /// Removes dispatches: their endpoints have been told. Those that are not there are passed over.
    fn done(&self, ids: Vec<DispatchId>) -> Pending<'_, ()>;

    /// Moves one to the dead, since its endpoint cannot be told.
    fn bury(&self, id: DispatchId, dispatch: Dispatch, reason: String) -> Pending<'_, ()>;
}

/// Keeps what endpoints could not be told, of all members, for people to look at.
pub trait Graveyard: fmt::Debug + Send + Sync + 'static {
    /// The dead, oldest first: those behind `after`, up to `max`.
    fn list(&self, after: DispatchId, max: usize) -> Pending<'_, Vec<Dead>>;

    /// One of the dead.
    fn find(&self, id: DispatchId) -> Pending<'_, Option<Dead>>;

    /// Removes these for good. Says how many were there.
    fn remove(&self, ids: Vec<DispatchId>) -> Pending<'_, u64>;
}

/// What an endpoint is to be told.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Dispatch {
    /// The endpoint.
    pub url: Box<str>,
    /// What it has to stay in order with, at this endpoint.
    pub lane: Box<str>,
    /// The kind of the happening, by its label.
    pub event: Box<str>,
    /// The id of the happening.
    pub id: Box<str>,
    /// Since when it waits, in milliseconds since the Unix epoch: the time of the happening, or of its
    /// last resurrection.
    pub since_ms: u64,
    /// The body of the request: one JSON value.
    pub body: Bytes,
}

/// Names a dispatch among those of its member, or a dead one; later ones are greater.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct DispatchId(pub u64, pub u64);

/// A dispatch that was given up.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Dead {
    /// Names it among the dead.
    pub id: DispatchId,
    /// Why.
    pub reason: Box<str>,
    /// What the endpoint was to be told.
    pub dispatch: Dispatch,
}

/// Why a call came to nothing.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum DispatchError {
    /// The member has none any more, or not yet.
    #[error("this node is no member now")]
    Absent,
    /// They cannot be used now.
    #[error("they cannot be used: {0}")]
    Unavailable(Box<str>),
}

// === impl DispatchId ===

impl DispatchId {
    /// Before every dispatch.
    pub const NONE: Self = Self(0, 0);
}

impl fmt::Display for DispatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(time_ms, number) = self;
        write!(f, "{time_ms}-{number}")
    }
}

impl std::str::FromStr for DispatchId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (time_ms, number) = text.split_once('-').unwrap_or((text, "0"));
        Ok(Self(time_ms.parse()?, number.parse()?))
    }
}
