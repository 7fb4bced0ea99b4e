//! Mail: what is kept for users until their clients have it.
//!
//! Contract, for every implementation of [`Mail`]:
//!
//! - **Durability**: a letter that [`Mail::put`] has answered for survives the death of every node; in
//!   Redis as far as Redis itself persists, embedded it is on disk.
//! - **Order**: a user's letters are read in the order in which they were put, oldest first; each knows
//!   the one before.
//! - **Duplicates**: when [`Mail::put`] fails it is not known whether the letters are there. Whoever
//!   repeats it puts the same message id into them, and sessions drop repeats. So no two messages of
//!   a cluster may have one id.
//! - **Loss**: a user has at most so many letters, and each expires. A letter that has to go for the
//!   bound is counted by [`Put::dropped`]; whoever reads does not see expired ones.
//! - **Blocking**: every call ends within a limit of the implementation's own, with an error if need
//!   be.
//! - **Cancellation**: a call whose future is dropped may or may not be carried out.

pub mod bell;
pub mod post;
pub mod postman;

use std::{fmt, future::Future, pin::Pin, time::Duration};

use bytes::Bytes;

pub use crate::message::{LetterId, Posted};
use crate::topic::Topic;

/// What a call comes to.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, MailError>> + Send + 'a>>;

/// Most letters of one user that are read at a time.
pub const PAGE: usize = 100;

/// Keeps letters for users, who are named by their topics. See the module's documentation for the
/// contract.
pub trait Mail: fmt::Debug + Send + Sync + 'static {
    /// Keeps letters, in order.
    fn put(&self, letters: Vec<(Topic, Bytes)>) -> Pending<'_, Vec<Put>>;

    /// The oldest letters of each of these users, at most [`PAGE`].
    fn read(&self, users: Vec<Topic>) -> Pending<'_, Vec<Vec<Letter>>>;

    /// Whether this user may have letters: no only if there are none for certain, so that most logins
    /// need not ask. At once.
    fn may_have(&self, user: &Topic) -> bool {
        let _ = user;
        true
    }

    /// Removes letters; those that are not there are passed over.
    fn remove(&self, letters: Vec<(Topic, Vec<LetterId>)>) -> Pending<'_, ()>;
}

/// Is told that local sessions expect mail, and what their clients have. Never blocks.
pub trait Doorbell: fmt::Debug + Send + Sync + 'static {
    /// Whether this user may have mail. Who has subscribed to the user before it asks misses none.
    fn may_have_mail(&self, user: &Topic) -> bool;

    /// Local sessions of this user expect mail.
    fn ring(&self, user: &Topic);

    /// A client of this user has these letters.
    fn confirm(&self, user: &Topic, letters: &[LetterId]);
}

/// A letter that is kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Letter {
    /// Names it among its user's.
    pub id: LetterId,
    /// What it says, encoded by whoever put it.
    pub body: Bytes,
}

/// What came of a letter.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Put {
    /// What it is named, and behind which one it stands.
    pub posted: Posted,
    /// Older letters of the user that had to go for it.
    pub dropped: u64,
}

/// How much mail is kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Bounds {
    /// Most letters of one user; the oldest go first.
    pub letters_max: usize,
    /// How long letters are kept.
    pub keep: Duration,
}

/// Why a call came to nothing.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the mail cannot be kept: {0}")]
pub struct MailError(pub Box<str>);
