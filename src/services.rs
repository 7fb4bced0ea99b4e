//! Services: what a conversation can ask.
//!
//! The session executes a question and feeds the answer back in; who answers is settled where the
//! process is put together.

use std::{fmt, future::Future, net::IpAddr, pin::Pin};

use crate::{
    dialect::{Answer, DialectId, Outcome, Question, Request},
    id::{SessionId, UserId},
    topic::Topic,
};

/// Answers the questions of conversations.
pub trait Services: fmt::Debug + Send + Sync + 'static {
    /// Asks on behalf of a client. Must not block; a later answer comes within a time limit of the
    /// service's own.
    fn ask(&self, caller: &Caller, question: Question) -> Asked;

    /// Does what a client calls for, one after the other, and gives what became of each, in order.
    /// Ends within time limits of the services' own. Dropping the future may leave out what was not
    /// done.
    fn carry_out(&self, caller: Caller, requests: Vec<Request>) -> Outcomes;
}

/// What became of requests, by and by.
pub type Outcomes = Pin<Box<dyn Future<Output = Vec<Outcome>> + Send>>;

/// Whose questions and requests they are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Caller {
    /// What the client speaks.
    pub dialect: DialectId,
    /// The session.
    pub session: SessionId,
    /// The client's address.
    pub remote: IpAddr,
    /// The user, if the session is one's.
    pub user: Option<UserId>,
    /// The rooms that the session is in; only told to whoever answers a method.
    pub rooms: Vec<Topic>,
}

/// An answer, or the wait for it.
pub enum Asked {
    /// The answer comes later. Dropping the future gives up the question.
    Later(Pin<Box<dyn Future<Output = Answer> + Send>>),
    /// The answer.
    Now(Answer),
}

impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Later(_) => "Later(..)",
            Self::Now(_) => "Now(..)",
        })
    }
}
