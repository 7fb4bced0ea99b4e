//! Peers: what members of a cluster tell and ask one another about themselves and their sessions.

use std::net::IpAddr;

use crate::{
    dialect::DialectId,
    duty::{Change, Changed},
    envelope::{Speech, Version},
    id::{Member, Serial, SessionId, UserId},
    topic::Topic,
    trace::{Explained, Tailed, TraceId, WatchQuery},
};

/// Most bytes of what an application keeps with a session.
pub const DATA_BYTES_MAX: usize = 4096;

/// A living member, as it describes itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NodeInfo {
    /// Which life of which node.
    pub member: Member,
    /// Where it serves clients.
    pub address: Box<str>,
    /// How many sessions it has.
    pub sessions: u64,
    /// How many entries wait in its inbox.
    pub lag: u64,
    /// `starting`, `ready` or `draining`.
    pub state: Box<str>,
    /// In which versions it can be written to.
    pub speech: Speech,
}

/// What a member can be asked. [`Self::since`] tells who knows it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Question {
    /// How many sessions a topic reaches there, and who the first of them are.
    Sessions {
        /// The topic.
        topic: Topic,
        /// How many are described.
        max: u32,
    },
    /// End the sessions that a topic reaches there.
    Kick {
        /// The topic.
        topic: Topic,
        /// For the log.
        reason: Option<Box<str>>,
    },
    /// Begin to drain.
    Drain,
    /// What a session owes.
    Owed(SessionId),
    /// Change what a session owes.
    Owe {
        /// The session.
        session: SessionId,
        /// How.
        change: Change,
    },
    /// Put the sessions that a topic reaches there into a room.
    Join {
        /// The topic.
        topic: Topic,
        /// The room.
        room: Topic,
    },
    /// Take the sessions that a topic reaches there out of a room.
    Quit {
        /// The topic.
        topic: Topic,
        /// The room.
        room: Topic,
    },
    /// Which rooms have members there: the first ones in alphabetical order.
    Rooms {
        /// Behind this one; absent: from the beginning.
        after: Option<Topic>,
        /// How many are named.
        max: u32,
    },
    /// What is known of sessions there.
    Page(PageQuery),
    /// Read or change what the application keeps with a session there.
    Data {
        /// The session.
        session: SessionId,
        /// What is to be done.
        change: DataChange,
    },
    /// What is remembered of a message.
    Explain(TraceId),
    /// What has happened to a topic since this was asked last.
    Tail(WatchQuery),
    /// Stands for one that the member which is asked does not know, or cannot read.
    Unknown,
}

/// A page of the sessions of a member.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PageQuery {
    /// What reaches them.
    pub topic: Topic,
    /// The dialect that they speak, if only some are meant.
    pub dialect: Option<DialectId>,
    /// Those behind this one; absent: from the beginning.
    pub after: Option<Serial>,
    /// How many.
    pub max: u32,
}

/// What is to be done with what an application keeps with a session.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum DataChange {
    /// Nothing: it is read.
    None,
    /// This JSON object takes its place.
    Set(Box<str>),
    /// This JSON object is merged into it (RFC 7396).
    Merge(Box<str>),
}

/// What a member answers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Answer {
    /// It has begun.
    Done,
    /// So many sessions were ended.
    Kicked(u32),
    /// What came of a change of what a session owes.
    Owed(Changed),
    /// What a topic reaches.
    Sessions {
        /// How many sessions in all.
        count: u64,
        /// Some of them.
        sessions: Vec<SessionInfo>,
    },
    /// What came of joining a room.
    Joined(Joined),
    /// So many sessions were members of the room and are not any more.
    Quit(u32),
    /// Rooms.
    Rooms(Vec<Topic>),
    /// Sessions, in the order of their numbers.
    Page(Vec<SessionDetails>),
    /// What came of reading or changing what is kept with a session.
    Data(DataOutcome),
    /// What is remembered.
    Explained(Explained),
    /// What has happened.
    Tailed(Tailed),
    /// It does not know the question; or it does, and the answer cannot be read here.
    Unknown,
}

// === impl Question ===

impl Question {
    /// The first version whose members know the question. Others are not asked.
    pub fn since(&self) -> Version {
        match self {
            Self::Sessions { .. }
            | Self::Kick { .. }
            | Self::Drain
            | Self::Owed(_)
            | Self::Owe { .. }
            | Self::Join { .. }
            | Self::Quit { .. }
            | Self::Rooms { .. }
            | Self::Page(_)
            | Self::Data { .. } => Version::One,
            Self::Explain(_) | Self::Tail(_) | Self::Unknown => Version::Two,
        }
    }
}

/// What came of joining a room.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Joined {
    /// Sessions that are members now; some may have been before.
    pub joined: u32,
    /// Sessions that have as many topics as they may have.
    pub refused: u32,
}

/// What came of reading or changing what is kept with a session.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum DataOutcome {
    /// There is no such session.
    Gone,
    /// This JSON object is kept.
    Kept(Box<str>),
    /// It would have had so many bytes, which are too many. Nothing was changed.
    TooLong(u32),
}

/// A session, with what it has and is in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SessionDetails {
    /// The session.
    pub session: SessionInfo,
    /// The rooms it is a member of.
    pub rooms: Vec<Topic>,
    /// What the application keeps with it: the text of a JSON object.
    pub data: Box<str>,
}

/// A session, as its member describes it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SessionInfo {
    /// Its id.
    pub id: SessionId,
    /// The dialect it speaks.
    pub dialect: DialectId,
    /// Whose it is.
    pub user: Option<UserId>,
    /// The client's address.
    pub remote: IpAddr,
    /// When it was upgraded, in seconds since the Unix epoch.
    pub since: u64,
    /// How long its client has been silent, in seconds.
    pub idle_seconds: u64,
}
