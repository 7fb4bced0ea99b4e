//! Jobs: work of applications that any node may have done, each of which ends with an answer.
//!
//! Contract, for every implementation of [`Jobs`]:
//!
//! - **Turns**: a job that is open is somebody's from [`Jobs::take`] on, for [`LEASE`], and again from
//!   each [`Jobs::hold`] on. Whoever does not hold it any longer has lost it: the next one may take it, and
//!   nothing that the former one says about it counts any more.
//! - **Once**: a job that is done or dead is not taken. The answer to one that was taken again is given to whoever
//!   takes it, if there is one already: only what comes behind it is done again.
//! - **Kinds**: those of one kind are in no other one's way, however many they are.
//! - **Order**: none is promised.
//! - **Ids**: an id belongs to its kind and body as long as the job is known.
//! - **Loss**: none before a job is done or dead. Those that are done are known for as long as the
//!   implementation was told; the newest [`DEAD_MAX`] of the dead until somebody drops them.
//! - **Blocking**: every call ends within a limit of the implementation's own, with an error if need be.
//! - **Cancellation**: a call whose future is dropped may or may not be carried out. What a dropped
//!   `take` was about to give is taken again after [`LEASE`].

pub mod board;

use std::{fmt, future::Future, pin::Pin, time::Duration};

use bytes::Bytes;

/// What a call comes to.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, JobsError>> + Send + 'a>>;

/// How long a job is somebody's who does not say that it still works on it: much longer than calls take,
/// short enough for somebody who waits for the answer.
pub const LEASE: Duration = Duration::from_secs(10);
/// Most jobs that are open at a time, all kinds together.
pub const OPEN_MAX: usize = 100_000;
/// Dead jobs that are kept.
pub const DEAD_MAX: usize = 10_000;
/// Most jobs of one page of a list.
pub const PAGE_MAX: usize = 100;

/// Keeps jobs. See the module's documentation for the contract.
pub trait Jobs: fmt::Debug + Send + Sync + 'static {
    /// Adds a job, unless its id is known.
    fn add(&self, job: NewJob) -> Pending<'_, Added>;

    /// Adds something that was to be a job and cannot be one to the dead, unless its id is known.
    fn add_dead(&self, job: NewJob, reason: String) -> Pending<'_, ()>;

    /// Takes up to `max` jobs of a kind whose time has come.
    fn take<'a>(&'a self, kind: &'a str, max: usize) -> Pending<'a, Vec<Taken>>;

    /// Holds these for another [`LEASE`]. Gives those that are lost.
    fn hold(&self, turns: Vec<Turn>) -> Pending<'_, Vec<Turn>>;

    /// Keeps the answer to a job, and holds it. False if it is lost.
    fn answer<'a>(&'a self, turn: &'a Turn, answer: Bytes) -> Pending<'a, bool>;

    /// Gives a job back, to be taken after a while. False if it is lost.
    fn put_off<'a>(&'a self, turn: &'a Turn, why: PutOff) -> Pending<'a, bool>;

    /// A job is done; it has been answered. False if it is lost.
    fn done<'a>(&'a self, turn: &'a Turn) -> Pending<'a, bool>;

    /// Nothing can be done with a job, or has been for too long. False if it is lost.
    fn bury<'a>(&'a self, turn: &'a Turn, reason: String) -> Pending<'a, bool>;

    /// What is known of a job.
    fn find<'a>(&'a self, id: &'a str) -> Pending<'a, Option<Job>>;

    /// The newest jobs that are open, or dead, from `offset` on, at most [`PAGE_MAX`].
    fn list(&self, which: Which, offset: usize) -> Pending<'_, Vec<Job>>;

    /// Makes a dead job one that is open, as if it had not been tried. False if there is no such one.
    fn retry<'a>(&'a self, id: &'a str) -> Pending<'a, bool>;

    /// Forgets a job. False if there is no such one.
    fn forget<'a>(&'a self, id: &'a str) -> Pending<'a, bool>;

    /// How many there are.
    fn figures(&self) -> Pending<'_, Figures>;
}

/// A job to be added.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewJob {
    /// Names it.
    pub id: Box<str>,
    /// Who does it.
    pub kind: Box<str>,
    /// What is to be done: a [`board::Order`] in JSON, or what was to be one.
    pub body: Bytes,
    /// The entry of a list of older programs that it stands for, which goes when the job has ended.
    pub origin: Option<Origin>,
}

/// An entry of a list that older programs write into.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Origin {
    /// The name of the list.
    pub list: Box<str>,
    /// The entry.
    pub entry: Bytes,
}

/// What came of adding a job.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Added {
    /// It was not known, or, with an origin, had ended.
    New,
    /// It is known.
    Known,
    /// The id is that of another job.
    Conflict,
    /// There are [`OPEN_MAX`] already.
    Full,
}

/// A job that was taken.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Taken {
    /// Whose it is now.
    pub turn: Turn,
    /// What is to be done.
    pub body: Bytes,
    /// The answer, if there is one already.
    pub answer: Option<Bytes>,
    /// How many attempts have failed.
    pub failures: u64,
    /// When it was added, in milliseconds since the Unix epoch.
    pub created_ms: u64,
}

/// The right to go on with a job.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Turn {
    /// The job.
    pub id: Box<str>,
    /// Its kind.
    pub kind: Box<str>,
    /// How many times it was taken, this time included.
    pub number: u64,
}

/// Why and for how long a job is given back.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PutOff {
    /// Not before so long after.
    pub delay: Duration,
    /// What went wrong; absent if nothing did.
    pub failure: Option<String>,
}

/// What is known of a job.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Job {
    /// Names it.
    pub id: Box<str>,
    /// Who does it.
    pub kind: Box<str>,
    /// What is to be done.
    pub body: Bytes,
    /// Where it stands.
    pub state: State,
    /// How many times it was taken.
    pub attempts: u64,
    /// What went wrong last, or why it is dead.
    pub reason: Option<Box<str>>,
    /// The answer, if there is one.
    pub answer: Option<Bytes>,
    /// When it was added, in milliseconds since the Unix epoch.
    pub created_ms: u64,
}

/// Where a job stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum State {
    /// Whoever is free may take it.
    Queued,
    /// Somebody works on it.
    Running,
    /// It was tried, and will be again at that time, in milliseconds since the Unix epoch.
    Waiting(u64),
    /// It was answered, and the answer published.
    Done,
    /// Nobody tries it any more.
    Dead,
}

/// Which jobs a list has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Which {
    /// Those that are neither done nor dead.
    Open,
    /// Those that are dead.
    Dead,
}

/// How many jobs there are, on all nodes together.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Figures {
    /// Neither done nor dead.
    pub open: u64,
    /// Dead.
    pub dead: u64,
    /// Age of the oldest open one.
    pub oldest: Duration,
}

/// Why a call came to nothing.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("jobs cannot be kept: {0}")]
pub struct JobsError(pub Box<str>);

// === impl State ===

impl State {
    /// Where a job stands that is open: from `due_ms` on it may be taken.
    pub fn of_open(is_taken: bool, attempts: u64, due_ms: u64, now_ms: u64) -> Self {
        match (is_taken, now_ms < due_ms) {
            (true, true) => Self::Running,
            (false, true) if 0 < attempts => Self::Waiting(due_ms),
            _ => Self::Queued,
        }
    }

    /// Name in answers.
    pub fn label(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Waiting(_) => "waiting",
            Self::Done => "done",
            Self::Dead => "dead",
        }
    }
}
