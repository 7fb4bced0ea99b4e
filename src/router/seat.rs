//! The seat of a session: what the outside can have done with it while its client speaks.
//!
//! Whoever serves the session implements it, so that what is done here and what its client says come one
//! after the other, and nothing is done to a session that has ended.

use std::fmt;

use crate::topic::Topic;

/// A session that can be put into topics from outside. Callers hold no lock of the router.
pub trait Seat: fmt::Debug + Send + Sync + 'static {
    /// Subscribes the session. At once, but for what its client is saying right now.
    fn join(&self, topic: &Topic) -> Joining;

    /// Undoes a subscription, whoever made it. Says whether there was one.
    fn quit(&self, topic: &Topic) -> bool;

    /// The topics it is subscribed to, without those that every session has.
    fn topics(&self) -> Vec<Topic>;
}

/// What came of joining a topic.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Joining {
    /// The session has ended, or is about to.
    Gone,
    /// It is subscribed; it may have been before.
    In,
    /// It has as many topics as it may have.
    Overfull,
}
