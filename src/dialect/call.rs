//! Calls: what services do for a client while its frames go on being read.

use bytes::Bytes;

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

/// What a service can do for a client, in its name. All but methods are for a [`Person`] alone.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Keep a message and have it on its way to its receiver. Those of one session are kept and sent in
    /// their order.
    Chat(ChatDraft),
    /// Read what a query asks for.
    History(Query),
    /// Take note of where the client is, who is a courier.
    Locate(Position),
    /// Have an application answer a method.
    Method(MethodCall),
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

/// A method that a client calls.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MethodCall {
    /// Its name; the application is found by its beginning.
    pub method: Box<str>,
    /// What the application is sent: one JSON value.
    pub body: Bytes,
}

/// Why a method has no answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MethodFailure {
    /// What was answered is no JSON, or too long.
    Malformed,
    /// The application has refused it with this HTTP status, 400 to 499.
    Refused(u16),
    /// It was not answered in time.
    Timeout,
    /// Too many calls of the client, or to the application, are under way.
    TooMany,
    /// The application cannot be spoken to, has failed, or has failed so often that it was not called.
    Unavailable,
    /// No application answers it.
    Unknown,
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
    /// What an application has answered: one JSON value.
    Answered(Bytes),
    /// An application has not answered.
    NotAnswered(MethodFailure),
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
