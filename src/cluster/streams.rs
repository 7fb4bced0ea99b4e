//! What the cluster needs of a server: leases, one log that every member reads, an inbox for each.
//!
//! Contract, for every implementation:
//!
//! - **Leases**: [`Streams::beat`] renews the member's lease for [`LEASE`] and tells who else has
//!   one. Only who has enrolled is in the list. The *generation* names one life of the server's data: it is made anew when absent, so that
//!   a server that came back empty is told from one that was away.
//! - **Log**: everything that was appended since [`Streams::open_log`] is read by every member's
//!   reader once, in one order for all, its own entries included. The log is trimmed by length: a
//!   reader that falls behind misses entries, which shows in the senders' sequence numbers.
//! - **Inbox**: an entry is read by the inbox's one reader, and again by whoever takes the inbox over
//!   as long as it is not acknowledged. An inbox exists from [`Streams::open_inbox`] to
//!   [`Streams::remove`]; an entry for one that does not exist is answered [`Sent::Gone`] and is
//!   nowhere.
//! - **Order**: entries of one call, and of calls that follow one another, are appended in order.
//! - **Duplicates**: when a call fails with [`StreamsError::Unavailable`], it is not known whether it
//!   was carried out. Whoever repeats it uses the same sequence numbers, and readers drop repeats.
//! - **Blocking**: only readers wait for entries, on connections of their own, for [`READ_WAIT`].
//!   Beside that every call ends within [`CALL_TIMEOUT`], with an error if need be.
//! - **Cancellation**: a call whose future is dropped may or may not be carried out. A reader's
//!   `next` that is dropped may lose what it was about to give.

use std::{
    fmt,
    future::Future,
    hash::{BuildHasher as _, RandomState},
    time::Duration,
};

use bytes::Bytes;

use crate::id::Member;

/// How long a lease holds without being renewed.
pub const LEASE: Duration = Duration::from_secs(3);
/// Longest time of a call that does not wait for entries.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a reader waits for entries before it comes back without any.
pub const READ_WAIT: Duration = Duration::from_secs(1);
/// About how many entries the log keeps.
pub const LOG_ENTRIES: usize = 100_000;

/// Leases, log and inboxes. See the module's documentation for the contract.
pub trait Streams: fmt::Debug + Send + Sync + 'static {
    /// Reads the log from where it was opened.
    type Log: Reader;
    /// Reads an inbox.
    type Inbox: Inbox;

    /// Renews the lease of `me`, with what it says of itself, and tells who has one.
    fn beat(
        &self,
        me: &Member,
        info: Bytes,
    ) -> impl Future<Output = Result<Pulse, StreamsError>> + Send;

    /// Puts `me` into the list of members. It stays there until [`Self::remove`]. Apart from the beat,
    /// so that a member that was removed finds that out however many of its calls went unanswered.
    fn enroll(&self, me: &Member) -> impl Future<Output = Result<(), StreamsError>> + Send;

    /// Lets the lease of `me` lapse at once. Its place in the list stays, and so it is reaped.
    fn resign(&self, me: &Member) -> impl Future<Output = Result<(), StreamsError>> + Send;

    /// Takes the right to reap `dead` for [`REAP`]; says whether `me` has it.
    fn begin_reaping(
        &self,
        dead: &Member,
        me: &Member,
    ) -> impl Future<Output = Result<bool, StreamsError>> + Send;

    /// Makes an own cursor for `me` at the end of the log, in the place of an older one.
    fn open_log(&self, me: &Member)
    -> impl Future<Output = Result<Self::Log, StreamsError>> + Send;

    /// Appends entries to the log, and tells their positions.
    fn append(
        &self,
        entries: Vec<Entry>,
    ) -> impl Future<Output = Result<Vec<Position>, StreamsError>> + Send;

    /// Makes the inbox of `member` if there is none, and reads it from its first entry that was not
    /// acknowledged.
    fn open_inbox(
        &self,
        member: &Member,
    ) -> impl Future<Output = Result<Self::Inbox, StreamsError>> + Send;

    /// Puts entries into inboxes. Says what became of each, in order.
    fn send(
        &self,
        entries: Vec<(Member, Entry)>,
    ) -> impl Future<Output = Result<Vec<Sent>, StreamsError>> + Send;

    /// Removes everything of a member: lease, cursor, place in the list, and the inbox if it has no
    /// entry; says whether it had none. With entries left nothing is removed.
    fn remove(&self, member: &Member) -> impl Future<Output = Result<bool, StreamsError>> + Send;
}

/// Reads entries in order.
pub trait Reader: fmt::Debug + Send + 'static {
    /// The next entries; none if there were none for [`READ_WAIT`].
    fn next(&mut self)
    -> impl Future<Output = Result<Vec<(Position, Entry)>, StreamsError>> + Send;
}

/// Reads an inbox.
pub trait Inbox: Reader {
    /// Takes note that what stood up to `position` has been dealt with; it is removed.
    fn acknowledge(
        &mut self,
        positions: Vec<Position>,
    ) -> impl Future<Output = Result<(), StreamsError>> + Send;

    /// [`Self::acknowledge`], then [`Reader::next`], in one call where the server can do that. When it
    /// fails, what was to be acknowledged may be read again.
    fn acknowledge_and_next(
        &mut self,
        positions: Vec<Position>,
    ) -> impl Future<Output = Result<Vec<(Position, Entry)>, StreamsError>> + Send {
        async {
            self.acknowledge(positions).await?;
            self.next().await
        }
    }
}

/// How long the right to reap a member holds.
pub const REAP: Duration = Duration::from_secs(10);

/// What a beat tells.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pulse {
    /// Names this life of the server's data.
    pub generation: Box<str>,
    /// Entries that wait in the own inbox.
    pub inbox_entries: u64,
    /// Every member that has enrolled and was not removed, with what its lease says; without a lease,
    /// `None`.
    pub members: Vec<(Member, Option<Bytes>)>,
}

/// One entry of the log or of an inbox.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// Who wrote it.
    pub from: Member,
    /// In an inbox, which numbering of its writer `sequence` belongs to; a later one has a higher
    /// number. In the log there is one only, 0.
    pub lane: u64,
    /// The writer's number of it: of the entry in the log, of its first envelope in an inbox.
    pub sequence: u64,
    /// What it says, encoded.
    pub body: Bytes,
}

/// A place in a log or an inbox; only comparable within one generation.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Position {
    /// Milliseconds.
    pub time_ms: u64,
    /// Number within them.
    pub number: u64,
}

/// What became of an entry.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Sent {
    /// There is no such inbox.
    Gone,
    /// It stands in the inbox.
    Stored {
        /// Entries that wait there, this one included.
        waiting: u64,
    },
}

/// Why something could not be done.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum StreamsError {
    /// The server's data is gone: log, cursor or inbox have to be made anew.
    #[error("the server has lost its data")]
    Lost,
    /// The server does not do what it must; trying again is of no use until somebody changes it.
    #[error("{0}")]
    Refused(Box<str>),
    /// The server cannot be reached or did not answer in time; try again.
    #[error("the server is unavailable: {0}")]
    Unavailable(Box<str>),
}

/// A name for a life of a server's data that no other has: 128 bits by chance.
pub(super) fn new_generation() -> String {
    let half = || RandomState::new().hash_one(0);
    format!("{:016x}{:016x}", half(), half())
}

// === impl Pulse ===

impl Pulse {
    /// Whether a member is in the list, with a lease or without.
    pub fn lists(&self, member: &Member) -> bool {
        self.members.iter().any(|(listed, _)| listed == member)
    }
}

// === impl Position ===

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.time_ms, self.number)
    }
}
