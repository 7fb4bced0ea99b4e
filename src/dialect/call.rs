//! Calls: what services do for a client while its frames go on being read.

use bytes::Bytes;

use super::live::{Effect, LiveCall};
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

/// What a service can do for a client, in its name.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Keep a message and have it on its way to its receiver. Those of one session are kept and sent in
    /// their order.
    Chat(ChatDraft),
    /// Read what a query asks for.
    History(Query),
    /// Have a controller of the gateway's own do what a client calls for. Those of one session are done in
    /// their order.
    Live(LiveCall),
    /// Take note of where the client is, who is a courier.
    Locate(Position),
    /// Have an application answer a method.
    Method(MethodCall),
    /// Say whether a user is online, anywhere in the cluster.
    Online(UserId),
    /// Do something about customers and their agents. Those of one session are done in their order.
    Service(ServiceRequest),
    /// Take an order, which makes its customer and its courier friends.
    TakeOrder(Box<str>),
}

/// What customers and agents can have done; the caller is a user.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ServiceRequest {
    /// Give the caller's agent a customer's message, or keep it until there is an agent.
    Ask {
        /// What people call the customer.
        name: Box<str>,
        /// One JSON value that the agent is sent as it is.
        data: Bytes,
    },
    /// A customer of the caller's needs no agent any more.
    Release {
        /// Who.
        customer: UserId,
    },
    /// The caller is an agent, and takes customers until this session ends.
    Sit {
        /// What people call the agent.
        name: Box<str>,
    },
    /// Have another agent serve a customer of the caller's.
    Transfer {
        /// Who.
        customer: UserId,
        /// The other agent.
        to: UserId,
    },
}

/// What became of a [`ServiceRequest`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ServiceOutcome {
    /// It was done.
    Done,
    /// It was not.
    Refused(ServiceRefusal),
    /// It is not known to be done.
    Unavailable,
}

/// Why something about customers and agents is not done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ServiceRefusal {
    /// The other one is no agent who is there.
    NoAgent,
    /// The caller does not serve this customer.
    NotYours,
    /// Too many customers wait, or too many messages of this one.
    TooMany,
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

// === impl Request ===

impl Request {
    /// Whether only a [`Person`] may call for it.
    pub fn is_personal(&self) -> bool {
        match self {
            Self::Chat(_) | Self::History(_) | Self::Locate(_) | Self::Online(_) => true,
            Self::TakeOrder(_) => true,
            Self::Live(_) | Self::Method(_) | Self::Service(_) => false,
        }
    }

    /// Whether it is done behind what the session has called for before.
    pub fn is_ordered(&self) -> bool {
        matches!(self, Self::Chat(_) | Self::Live(_) | Self::Service(_))
    }
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
    /// What a controller wants done with the session, in order.
    Live(Vec<Effect>),
    /// Note was taken.
    Located,
    /// What became of a request about customers and agents.
    Service(ServiceOutcome),
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
