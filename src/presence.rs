//! Presence: which members have subscribers of which topic, and what members ask one another.
//!
//! Contract, for every implementation:
//!
//! - **What is told**: [`Presence::changed`] may be called from any thread, in any order; the
//!   implementation looks at the router's index itself, so that only what is true now is announced.
//! - **When it is known**: a first subscriber is announced at once and known to the others after one
//!   trip; a last one that went is announced after the linger time, unless somebody came back.
//! - **What is believed**: [`Presence::members`] answers from memory. It may name a member that has
//!   no subscriber any more, for as long as the way of a delta and the linger time; a message to it
//!   reaches nobody there.
//! - **Claims**: of all sessions in the cluster that claimed the same, the last one in the order of
//!   the log stays; every member closes its own losers.
//! - **Blocking**: never, except for asking, which has a time limit.

use std::{fmt, future::Future, pin::Pin, time::Duration};

use smallvec::SmallVec;

use crate::{
    dialect::ClaimKey,
    id::{Member, Serial},
    peer::{Answer, NodeInfo, Question},
    topic::Topic,
};

/// Longest wait for the answers of other members.
pub const ASK_TIMEOUT: Duration = Duration::from_secs(2);

/// Who is where in the cluster. See the module's documentation for the contract.
pub trait Presence: fmt::Debug + Send + Sync + 'static {
    /// A topic has got its first local subscriber, or lost its last one.
    fn changed(&self, topic: &Topic);

    /// The other members that have subscribers of a topic.
    fn members(&self, topic: &Topic) -> Members;

    /// A local session claims something; every older holder, on any member, is to end.
    fn claimed(&self, claim: ClaimKey, holder: Serial);

    /// A local session has given up what it claimed; a newer holder is not concerned.
    fn released(&self, claim: ClaimKey, holder: Serial);

    /// What is known of every living member, this one included and first.
    fn nodes(&self) -> Vec<NodeInfo>;

    /// How old the newest sign is that the way through the server works; absent before the first.
    fn canary_age(&self) -> Option<Duration>;

    /// Asks members, and waits for their answers; those of members that do not answer in time are
    /// missing. A member whose version does not know the question ([`Question::since`]) is not asked. Dropping the future gives up the question; what was asked for may still be done.
    fn ask(&self, members: Members, question: Question) -> Asking;
}

/// Some members.
pub type Members = SmallVec<[Member; 2]>;

/// The answers of members, by and by.
pub type Asking = Pin<Box<dyn Future<Output = Answers> + Send>>;

/// What members have answered.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Answers {
    /// By member.
    pub answers: Vec<(Member, Answer)>,
    /// Who has not answered in time.
    pub missing: Members,
    /// Who does not know the question: an older node, which was not asked or said so.
    pub unknown: Members,
}

/// Answers what other members ask. Implemented over the router where the node is put together.
pub trait Answerer: fmt::Debug + Send + Sync + 'static {
    /// Must not block; a later answer comes within [`ASK_TIMEOUT`].
    fn answer(&self, question: Question) -> Answering;
}

/// An answer, or the wait for it.
pub enum Answering {
    /// The answer comes later. Whoever drops the future does not hear it; what was asked for may be done
    /// or not.
    Later(Pin<Box<dyn Future<Output = Answer> + Send>>),
    /// The answer.
    Now(Answer),
}

impl fmt::Debug for Answering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Later(_) => f.write_str("Later(..)"),
            Self::Now(answer) => f.debug_tuple("Now").field(answer).finish(),
        }
    }
}

/// Describes this node to others.
pub trait Describe: fmt::Debug + Send + Sync + 'static {
    /// What it is now.
    fn describe(&self) -> NodeInfo;
}
