//! Peers: what members of a cluster tell and ask one another about themselves and their sessions.

use std::net::IpAddr;

use crate::{
    dialect::DialectId,
    duty::{Change, Changed},
    id::{Member, SessionId, UserId},
    topic::Topic,
};

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
}

/// What a member can be asked.
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
