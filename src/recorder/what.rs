//! What can happen to a message or a session.

mod told;

use crate::{
    close::CloseReason,
    dialect::DialectId,
    id::{Member, Serial, SessionId},
    message::{DeliveryClass, Message},
    stats::LostReason,
    topic::Topic,
    trace::Way,
};

/// A step. Sessions are those of the node that notes it.
#[derive(Clone, Debug)]
pub enum What {
    /// The connection was accepted, so long before its upgrade.
    Accepted {
        /// Of which session.
        session: Serial,
        /// From then to the upgrade, in milliseconds.
        handshake_ms: u64,
    },
    /// It came from the member that published it.
    Arrived {
        /// That member.
        from: Member,
    },
    /// There was no room for it: whoever publishes it waits.
    Busy,
    /// The session has ended.
    Closed {
        /// Which one.
        session: Serial,
        /// What it spoke.
        dialect: DialectId,
        /// Why.
        reason: CloseReason,
    },
    /// The client has shown that it has it.
    Confirmed {
        /// Whose client.
        session: Serial,
    },
    /// It waited for the session's socket, and was given up with the session.
    Dropped {
        /// Which one.
        session: Serial,
        /// Why the session ended, if that is known here.
        reason: Option<CloseReason>,
    },
    /// The client was let in.
    Entered {
        /// Which session.
        session: Serial,
    },
    /// It was worth nothing any more.
    Expired {
        /// Where it was then.
        place: &'static str,
    },
    /// The session has come to a topic.
    Joined {
        /// Which one.
        session: Serial,
        /// The topic.
        topic: Topic,
    },
    /// It is durable, and kept.
    Kept {
        /// For whom.
        topic: Topic,
    },
    /// The session has left a topic.
    Left {
        /// Which one.
        session: Serial,
        /// The topic.
        topic: Topic,
    },
    /// The session is one of a user now.
    LoggedIn {
        /// Which one.
        session: Serial,
    },
    /// It was lost on the way to another member, or with one.
    Lost {
        /// How.
        reason: LostReason,
    },
    /// The session is given it when its user's mail is read.
    Mailed {
        /// Which one.
        session: Serial,
    },
    /// Nobody in the cluster was there for it.
    Nobody,
    /// It is durable, could not be kept, and was refused.
    NotKept,
    /// The client was upgraded.
    Opened {
        /// Which session.
        session: Serial,
        /// What it speaks.
        dialect: DialectId,
    },
    /// It was published on this node.
    Published {
        /// Where to.
        topic: Topic,
        /// By what way it came.
        way: Way,
        /// What is promised about its delivery.
        class: DeliveryClass,
        /// Who said it, if a client did.
        sender: Option<SessionId>,
    },
    /// It waits for its time.
    PutOff {
        /// When that is, in milliseconds since the Unix epoch.
        at_ms: u64,
    },
    /// It waits for the session's socket.
    Queued {
        /// Which one.
        session: Serial,
    },
    /// The client has said something.
    Received {
        /// Which session.
        session: Serial,
        /// How much, in bytes.
        bytes: usize,
    },
    /// The session was given it before, and is not given it again.
    Repeated {
        /// Which one.
        session: Serial,
    },
    /// Its id had come before: it was answered as the first time, and published no more.
    RepeatedId,
    /// A newer one took its place while it waited for the session's socket.
    Replaced {
        /// Which session.
        session: Serial,
    },
    /// The client was answered.
    Replied {
        /// Which session.
        session: Serial,
        /// With how many bytes.
        bytes: usize,
    },
    /// It is on its way to sessions of this node.
    Routed {
        /// How many.
        sessions: usize,
    },
    /// It is on its way to other members.
    Sent {
        /// Which ones.
        members: Box<[Member]>,
    },
    /// The session is not to get it: its user has sent it, or the publisher has left the session out.
    Spared {
        /// Which one.
        session: Serial,
    },
    /// One shard has given it to its last session.
    Walked {
        /// Which shard.
        shard: u16,
        /// How many sessions it went to.
        sessions: usize,
        /// For how many of them it is known one by one what became of it.
        followed: usize,
    },
    /// The session's socket has taken it.
    Written {
        /// Which session.
        session: Serial,
    },
}

impl What {
    /// It is published on this node.
    pub fn published(message: &Message) -> Self {
        Self::Published {
            topic: message.topic.clone(),
            way: message.way,
            class: message.class,
            sender: message.sender.as_ref().map(|sender| sender.session.clone()),
        }
    }

    /// The name of the step.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Accepted { .. } => "accepted",
            Self::Arrived { .. } => "arrived",
            Self::Busy => "busy",
            Self::Closed { .. } => "closed",
            Self::Confirmed { .. } => "confirmed",
            Self::Dropped { .. } => "dropped",
            Self::Entered { .. } => "entered",
            Self::Expired { .. } => "expired",
            Self::Joined { .. } => "joined",
            Self::Kept { .. } => "kept",
            Self::Left { .. } => "left",
            Self::LoggedIn { .. } => "logged_in",
            Self::Lost { .. } => "lost",
            Self::Mailed { .. } => "mailed",
            Self::Nobody => "nobody",
            Self::NotKept => "not_kept",
            Self::Opened { .. } => "opened",
            Self::Published { .. } => "published",
            Self::PutOff { .. } => "put_off",
            Self::Queued { .. } => "queued",
            Self::Received { .. } => "received",
            Self::Repeated { .. } => "repeated",
            Self::RepeatedId => "repeated_id",
            Self::Replaced { .. } => "replaced",
            Self::Replied { .. } => "replied",
            Self::Routed { .. } => "routed",
            Self::Sent { .. } => "sent",
            Self::Spared { .. } => "spared",
            Self::Walked { .. } => "walked",
            Self::Written { .. } => "written",
        }
    }

    /// The session that it is about, if it is about one.
    pub const fn session(&self) -> Option<Serial> {
        match self {
            Self::Accepted { session, .. }
            | Self::Closed { session, .. }
            | Self::Confirmed { session }
            | Self::Dropped { session, .. }
            | Self::Entered { session }
            | Self::Joined { session, .. }
            | Self::Left { session, .. }
            | Self::LoggedIn { session }
            | Self::Mailed { session }
            | Self::Opened { session, .. }
            | Self::Queued { session }
            | Self::Received { session, .. }
            | Self::Repeated { session }
            | Self::Replaced { session }
            | Self::Replied { session, .. }
            | Self::Spared { session }
            | Self::Written { session } => Some(*session),
            _ => None,
        }
    }
}
