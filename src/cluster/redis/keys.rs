//! Names of the keys. Braces are the tags of Redis Cluster: what stands under one of them is on one
//! server.

use crate::id::Member;

/// The keys of one cluster.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    prefix: String,
}

/// The keys of a queue, all but that of the dead on one server.
#[derive(Clone, Debug)]
pub(super) struct QueueKeys {
    /// What is to be done now.
    pub(super) stream: String,
    /// What nothing can be done with.
    pub(super) dead: String,
    /// What is for later, by its time.
    pub(super) later: String,
    /// What it says.
    pub(super) bodies: String,
}

impl Keys {
    pub(super) fn new(prefix: String) -> Self {
        Self { prefix }
    }

    /// The name of this life of the data.
    pub(super) fn generation(&self) -> String {
        format!("{}generation", self.prefix)
    }

    /// A key that is there while it is tried what is allowed.
    pub(super) fn probe(&self, name: &str) -> String {
        format!("{}probe:{name}", self.prefix)
    }

    /// The set of all members that have announced themselves.
    pub(super) fn members(&self) -> String {
        format!("{}members", self.prefix)
    }

    /// The log that every member reads.
    pub(super) fn log(&self) -> String {
        format!("{}presence", self.prefix)
    }

    /// A member's inbox.
    pub(super) fn inbox(&self, member: &Member) -> String {
        format!("{}inbox:{{{member}}}", self.prefix)
    }

    /// A member's lease.
    pub(super) fn lease(&self, member: &Member) -> String {
        format!("{}node:{{{member}}}", self.prefix)
    }

    /// What a queue consists of.
    pub(super) fn queue(&self, name: &str) -> QueueKeys {
        let stream = format!("{}{name}", self.prefix);
        QueueKeys {
            dead: format!("{stream}:dead"),
            // Where the stream is, which has no tag.
            later: format!("{}later:{{{stream}}}", self.prefix),
            bodies: format!("{}later:{{{stream}}}:bodies", self.prefix),
            stream,
        }
    }

    /// A user's mail.
    pub(super) fn mail(&self, user: &str) -> String {
        format!("{}mail:{{{user}}}", self.prefix)
    }

    /// That a token with this digest was used.
    pub(super) fn used_token(&self, digest: &[u8]) -> String {
        let digits: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{}im:token:{{{digits}}}", self.prefix)
    }

    /// The right to reap a member.
    pub(super) fn reaping(&self, member: &Member) -> String {
        format!("{}reap:{{{member}}}", self.prefix)
    }
}
