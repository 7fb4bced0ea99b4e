//! Calls: what services do for a client while its frames go on being read.

use crate::{
    id::{Person, UserId},
    position::Position,
    record::{Query, Record},
};

/// What a service is to do for a client.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// Given back with the outcome.
    pub reference: Box<str>,
    /// What is to be done.
    pub request: Request,
}

/// What a service can do for a client who is a [`Person`], in the client's name.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Keep a message and have it on its way to its receiver. Those of one session are kept and sent in
    /// their order.
    Chat(ChatDraft),
    /// Read what a query asks for.
    History(Query),
    /// Take note of where the client is, who is a courier.
    Locate(Position),
    /// Say whether a user is online, anywhere in the cluster.
    Online(UserId),
    /// Take an order, which makes its customer and its courier friends.
    TakeOrder(Box<str>),
}

/// A message of a client to another user.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ChatDraft {
    /// Whom it is for.
    pub to: Person,
    /// `t` for a text, `i` for a picture.
    pub kind: char,
    /// The text, at most [`crate::record::TEXT_UNITS_MAX`] long.
    pub msg: Box<str>,
    /// The id that the client has given it, as it stands in its JSON.
    pub packet_id: Box<str>,
    /// The client's own value of the text, as JSON.
    pub json: Box<str>,
}

/// What became of a [`Request`].
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The message is kept, and on its way; it was accepted at this time, in milliseconds since the
    /// Unix epoch.
    Kept {
        /// When.
        time_ms: u64,
    },
    /// The receiver is none of the sender's friends.
    NotFriends,
    /// It is not known to be kept.
    NotKept,
    /// What was asked for, newest first.
    History(Vec<Record>),
    /// Note was taken.
    Located,
    /// The client is no courier.
    NoCourier,
    /// Whether the user is online.
    Online(bool),
    /// The order is the client's now, and its customer told.
    Taken {
        /// Who has ordered.
        customer: Person,
    },
    /// The client has taken the order before.
    TakenBefore,
    /// There is no such order.
    NoOrder,
    /// The order is another courier's.
    NotYours,
    /// A service did not answer in time, or not as agreed.
    Unavailable,
}
