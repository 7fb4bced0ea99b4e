//! The journal: accepts messages, and answers when they will not be lost any more.
//!
//! Contract, for every implementation of [`Journal`]:
//!
//! - **Durability**: what [`Journal::accept`] has answered for with [`Accepted::Kept`] survives the
//!   death of every node; in Redis as far as Redis itself persists, embedded it is on disk.
//! - **Order**: contents of one call get growing ids, in their order, and so do those of calls that
//!   follow one another.
//! - **Duplicates**: a chat message with the sender, packet id and content of one that was accepted in
//!   the last 24 hours is that one: it is not kept again, and has its id. A packet id with other
//!   content is another message. So is a push by the name and topic of one before.
//! - **History**: what was accepted is in every [`Journal::history`] that begins afterwards.
//! - **Loss**: none. What cannot be kept is an error, and then nothing of the call, or all of it, or a
//!   part of it may be kept: whoever repeats it finds what was.
//! - **Friends**: a chat message to somebody who is not among the sender's friends is not kept.
//! - **Blocking**: every call ends within a limit of the implementation's own, with an error if need
//!   be.
//! - **Cancellation**: a call whose future is dropped may or may not be carried out.

pub mod gather;

use std::fmt;

use crate::store::{Content, Pending, Query, Record, RecordId};

/// How long a packet id is remembered, in milliseconds.
pub const REPEATS_MS: u64 = 24 * 60 * 60 * 1000;

/// Accepts messages. See the module's documentation for the contract.
pub trait Journal: fmt::Debug + Send + Sync + 'static {
    /// Keeps messages, in order.
    fn accept(&self, contents: Vec<Content>) -> Pending<'_, Vec<Accepted>>;

    /// The newest records that a query asks for, newest first, wherever they are by now.
    fn history(&self, query: Query) -> Pending<'_, Vec<Record>>;
}

/// What became of a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Accepted {
    /// It is kept.
    Kept {
        /// Under this id.
        id: RecordId,
        /// And was before.
        is_repeat: bool,
    },
    /// The receiver is none of the sender's friends.
    NotFriends,
}
