//! Dues: what the sessions of a member owe at their end, kept where others find it.
//!
//! Contract, for every implementation of [`Dues`]:
//!
//! - **Opening**: nothing is kept for a member before [`Dues::open`], nor after [`Dues::close`]: then
//!   it is [`DuesError::Lost`]. So nothing of a member that was reaped comes behind the reaping.
//! - **Durability**: a record that [`Dues::write`] has answered for survives the death of its node, in
//!   Redis as far as Redis itself persists, embedded it is on disk.
//! - **Reading**: [`Dues::read`] gives everything of a member, page by page, that was there from the
//!   first page to the last; what is written or removed meanwhile may be in it.
//! - **Duplicates**: a write or a removal that is repeated changes nothing.
//! - **Blocking**: every call ends within a limit of the implementation's own, with an error if need
//!   be.
//! - **Cancellation**: a call whose future is dropped may or may not be carried out.
//!
//! And for every implementation of [`Deeds`]:
//!
//! - **Once**: what [`Deeds::carry_out`] does for a duty of a session it does exactly once, whoever calls
//!   it and how often, from any member, as long as nobody calls it for longer than a week after the
//!   first time; and for no longer than an hour after [`Dues::remove`], which [`Deeds::time`] and the
//!   deadline see to.
//! - **Blocking**, **Cancellation**: as above.

use std::{fmt, future::Future, pin::Pin, time::Duration};

use crate::{
    duty::{Deed, Duty, Record},
    id::{Member, SessionId},
    topic::Topic,
};

/// What a call comes to.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, DuesError>> + Send + 'a>>;

/// How long after [`Deeds::time`] a deed may be carried out.
pub const DEADLINE: Duration = Duration::from_secs(10 * 60);

/// Keeps records. See the module's documentation for the contract.
pub trait Dues: fmt::Debug + Send + Sync + 'static {
    /// Something may be kept for `me` from now on. Again: changes nothing.
    fn open(&self, me: &Member) -> Pending<'_, ()>;

    /// Members that were opened and not closed, as far as nobody else keeps a list of them.
    fn members(&self) -> Pending<'_, Vec<Member>>;

    /// Whether something may be kept for a member: it was opened, and neither closed nor lost.
    fn is_open(&self, member: &Member) -> Pending<'_, bool>;

    /// Keeps records, in the place of those of the same sessions. All are of one member.
    fn write(&self, records: Vec<Record>) -> Pending<'_, ()>;

    /// Removes records: nothing is owed any more. All are of one member.
    fn remove(&self, records: Vec<Record>) -> Pending<'_, ()>;

    /// A page of what a member has, from the beginning or from where another page has ended.
    fn read(&self, member: &Member, from: Cursor) -> Pending<'_, Page>;

    /// Nothing is kept for a member any more, if it has nothing; says whether that is so.
    fn close(&self, member: &Member) -> Pending<'_, bool>;
}

/// Changes keys of the application. See the module's documentation for the contract.
pub trait Deeds: fmt::Debug + Send + Sync + 'static {
    /// Whether a deed can be carried out, as things stand.
    fn check<'a>(&'a self, deed: &'a Deed) -> Pending<'a, Result<(), Unfit>>;

    /// The time by the clock that deadlines are on, in milliseconds, if something may still be kept for
    /// this member: what is found in memory after that is not what somebody else has settled long ago.
    fn time(&self, member: &Member) -> Pending<'_, Option<u64>>;

    /// Carries out a duty that changes a key, once, and not after a deadline.
    fn carry_out<'a>(
        &'a self,
        session: &'a SessionId,
        duty: &'a Duty,
        deadline_ms: u64,
    ) -> Pending<'a, Done>;
}

/// Where to read on.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Cursor(pub Box<str>);

/// Some of what a member has.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Page {
    /// Records.
    pub records: Vec<Record>,
    /// Rooms that it is in.
    pub rooms: Vec<Topic>,
    /// Where the next page begins, if there is one.
    pub next: Option<Cursor>,
}

/// What came of a deed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Done {
    /// It was carried out before.
    Before,
    /// It cannot be: the key is something else, or forbidden.
    Failed(Box<str>),
    /// The deadline is over.
    Late,
    /// It is carried out.
    Now,
}

/// Why a deed cannot be carried out.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct Unfit(pub Box<str>);

/// Why a call came to nothing.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum DuesError {
    /// The member was never opened, or was closed, or what was kept is gone.
    #[error("nothing is kept for this member")]
    Lost,
    /// Try again.
    #[error("what is owed cannot be kept: {0}")]
    Unavailable(Box<str>),
}

/// For a node without Redis, in which there are no keys.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoDeeds;

impl Deeds for NoDeeds {
    fn check<'a>(&'a self, deed: &'a Deed) -> Pending<'a, Result<(), Unfit>> {
        let checked = match deed.key() {
            None => Ok(()),
            Some(_) => Err(Unfit(
                "it needs a Redis, and cluster.redis names none".into(),
            )),
        };
        Box::pin(async move { Ok(checked) })
    }

    fn time(&self, _: &Member) -> Pending<'_, Option<u64>> {
        Box::pin(async { Ok(None) })
    }

    fn carry_out<'a>(&'a self, _: &'a SessionId, _: &'a Duty, _: u64) -> Pending<'a, Done> {
        Box::pin(async { Ok(Done::Failed("there is no Redis".into())) })
    }
}
