//! Happenings: what applications can be told of.
//!
//! Contract, for every implementation of [`Herald`]:
//!
//! - **Durability**: what [`Herald::keep`] has answered for outlives the node, in Redis as far as Redis
//!   itself persists, and each endpoint that wants it is told at least once, or it is found among the
//!   dead with the reason. What the bound of the backlog has no room for is counted, and is none of
//!   that; calls that are due and ends of sessions are outside of the bound.
//! - **Order**: an endpoint is told of the happenings of one lane in the order in which they were kept,
//!   each of them after the one before was told or given up. Lanes do not wait for one another.
//! - **Duplicates**: when [`Herald::keep`] fails it is not known whether the happenings are kept. Who
//!   repeats it uses the same ids; endpoints drop repeats by them.
//! - **Blocking**: [`Herald::keep`] ends within a limit of the implementation's own, with an error if
//!   need be. The others only look into memory.
//! - **Cancellation**: a `keep` whose future is dropped may or may not be carried out.

use std::{fmt, future::Future, net::IpAddr, pin::Pin};

use bytes::Bytes;

use crate::{
    dialect::DialectId,
    id::{Member, SessionId, UserId},
    message::MessageId,
    topic::Topic,
};

/// What a call comes to.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, HeraldError>> + Send + 'a>>;

/// Something that has happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Happening {
    /// Names it: made where it happens, and the same on every repeat.
    pub id: Box<str>,
    /// When it happened, in milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// Where it happened, whoever tells of it.
    pub member: Member,
    /// What it is.
    pub what: What,
}

/// What has happened.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// A session owes a call at its end. Only the named endpoint is told.
    CallDue {
        /// Whose session it was.
        who: Party,
        /// Where the call goes: the address of a configured hook or of a backend's methods.
        url: Box<str>,
        /// What is called there.
        method: Box<str>,
        /// One JSON value.
        params: Bytes,
    },
    /// A client has sent a message of a kind that somebody wants to hear of.
    MessageReceived {
        /// Who has sent it.
        who: Party,
        /// The flag, method or type, in the words of the dialect.
        kind: Box<str>,
        /// One JSON value.
        data: Bytes,
    },
    /// A room has got its first subscriber anywhere.
    RoomOccupied {
        /// The room, as a topic.
        room: Topic,
    },
    /// A room has lost its last subscriber.
    RoomVacated {
        /// The room, as a topic.
        room: Topic,
    },
    /// A session has ended.
    SessionClosed {
        /// Whose it was.
        who: Party,
        /// The label of its reason.
        reason: Box<str>,
        /// How long it was there, in milliseconds; none if nobody was there to see it end.
        duration_ms: Option<u64>,
        /// The rooms that it was in.
        rooms: Vec<Topic>,
    },
    /// A session has begun.
    SessionOpened {
        /// Whose it is.
        who: Party,
        /// The client's address.
        remote: IpAddr,
    },
    /// A message that is not kept has reached nobody.
    Undeliverable {
        /// Where it went.
        topic: Topic,
        /// Its id.
        message: MessageId,
        /// What happened, in the publisher's words.
        event: Box<str>,
        /// Who has sent it, if a user did.
        sender: Option<UserId>,
    },
}

/// A session, as applications know it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Party {
    /// Its id.
    pub session: SessionId,
    /// Whose it is, once that is known.
    pub user: Option<UserId>,
    /// The dialect it speaks.
    pub dialect: DialectId,
}

/// Kinds of happenings. The only part of one that may become a metric label.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    /// See [`What::CallDue`].
    CallDue,
    /// See [`What::MessageReceived`].
    MessageReceived,
    /// See [`What::RoomOccupied`].
    RoomOccupied,
    /// See [`What::RoomVacated`].
    RoomVacated,
    /// See [`What::SessionClosed`].
    SessionClosed,
    /// See [`What::SessionOpened`].
    SessionOpened,
    /// See [`What::Undeliverable`].
    Undeliverable,
}

/// Tells applications. See the module's documentation for the contract.
pub trait Herald: fmt::Debug + Send + Sync + 'static {
    /// Whether anybody wants to hear of this kind, by sessions of this dialect if it is about one: so
    /// that nothing is made that nobody hears. Costs a load.
    fn wants(&self, kind: Kind, dialect: Option<DialectId>) -> bool;

    /// Whether anybody wants to hear of messages with this flag, method or type.
    fn wants_message(&self, dialect: DialectId, kind: &str) -> bool;

    /// Keeps happenings in the order given.
    fn keep(&self, happenings: Vec<Happening>) -> Pending<'_, Kept>;
}

/// What came of happenings.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Kept {
    /// Those that endpoints will not be told of, since too much waits already; counted once for each
    /// endpoint.
    pub dropped: u64,
    /// Those among them that no endpoint will be told of, by [`Kind`].
    pub untold: [u64; Kind::ALL.len()],
}

/// Why a call came to nothing.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("happenings cannot be kept: {0}")]
pub struct HeraldError(pub Box<str>);

// === impl Happening ===

impl Happening {
    /// What it has to stay in order with.
    pub fn lane(&self) -> Topic {
        match &self.what {
            What::CallDue { who, .. }
            | What::MessageReceived { who, .. }
            | What::SessionClosed { who, .. }
            | What::SessionOpened { who, .. } => Topic::session(&who.session),
            What::RoomOccupied { room } | What::RoomVacated { room } => room.clone(),
            What::Undeliverable { topic, .. } => topic.clone(),
        }
    }
}

// === impl What ===

impl What {
    /// Which kind it is.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::CallDue { .. } => Kind::CallDue,
            Self::MessageReceived { .. } => Kind::MessageReceived,
            Self::RoomOccupied { .. } => Kind::RoomOccupied,
            Self::RoomVacated { .. } => Kind::RoomVacated,
            Self::SessionClosed { .. } => Kind::SessionClosed,
            Self::SessionOpened { .. } => Kind::SessionOpened,
            Self::Undeliverable { .. } => Kind::Undeliverable,
        }
    }

    /// The session it is about.
    pub const fn party(&self) -> Option<&Party> {
        match self {
            Self::CallDue { who, .. }
            | Self::MessageReceived { who, .. }
            | Self::SessionClosed { who, .. }
            | Self::SessionOpened { who, .. } => Some(who),
            Self::RoomOccupied { .. } | Self::RoomVacated { .. } | Self::Undeliverable { .. } => {
                None
            }
        }
    }
}

// === impl Kind ===

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 7] = [
        Self::CallDue,
        Self::MessageReceived,
        Self::RoomOccupied,
        Self::RoomVacated,
        Self::SessionClosed,
        Self::SessionOpened,
        Self::Undeliverable,
    ];

    /// Its name where applications read it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::CallDue => "call.due",
            Self::MessageReceived => "message.received",
            Self::RoomOccupied => "room.occupied",
            Self::RoomVacated => "room.vacated",
            Self::SessionClosed => "session.closed",
            Self::SessionOpened => "session.opened",
            Self::Undeliverable => "undeliverable",
        }
    }
}
