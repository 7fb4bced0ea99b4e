//! What the node shares with others, and how it leaves them.

use std::{path::PathBuf, time::Duration};

use super::{
    value::Secret,
    visit::{Section, Visitor},
};
use crate::id::NodeId;

/// `[cluster]`: the way to the other nodes.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// Where Redis is, with its password; absent: one node with nothing beside it.
    pub redis: Option<Secret>,
    /// Certificates, in PEM, that Redis' own is checked with, where it is no public one.
    pub redis_ca: Option<PathBuf>,
    /// Name of the node. Absent in the file: host name and a random part, filled in when the
    /// configuration is read, and the same at each reload.
    pub node: Option<NodeId>,
    /// Beginning of every key in Redis.
    pub prefix: String,
}

/// `[store]`: where acknowledged messages are kept.
#[derive(Clone, Debug)]
pub struct Store {
    /// `sqlite://` and a path, or `mysql://` with user and password.
    pub url: Secret,
    /// How long messages are kept; zero: for ever.
    pub retention: Duration,
}

/// `[mail]`: durable messages to users who are away.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mail {
    /// How long a message waits for its user. A week: who does not come by then has other ways to
    /// find out.
    pub keep: Duration,
    /// Most messages that wait for one user; the oldest go first.
    pub letters_max: usize,
    /// How many replicas of Redis must have a message before it is answered for.
    pub replicas: u32,
}

/// `[presence]`: who is where.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Presence {
    /// How long a topic outlives its last subscriber. Long enough for a reconnect, so that nobody
    /// sees it flicker.
    pub linger: Duration,
}

/// `[drain]`: the orderly end of the node.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Drain {
    /// Time between "not ready" and the first close, for load balancers to notice.
    pub delay: Duration,
    /// Time that sessions have to leave. Under the 30 s that most orchestrators allow between the
    /// stop signal and the kill.
    pub grace: Duration,
    /// Sessions closed per second, or more if the grace period needs it: 500 a second come back
    /// to the other nodes without a storm.
    pub rate: u32,
}

/// `[runtime]`: threads.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Runtime {
    /// Worker threads, and shards of sessions; 0: as many as there are cores.
    pub shards: u16,
}

impl Default for Cluster {
    fn default() -> Self {
        Self {
            redis: None,
            redis_ca: None,
            node: None,
            prefix: "tg:".to_owned(),
        }
    }
}

impl Default for Store {
    fn default() -> Self {
        Self {
            url: Secret::new("sqlite://tidegate.db"),
            retention: Duration::ZERO,
        }
    }
}

impl Default for Mail {
    fn default() -> Self {
        Self {
            keep: Duration::from_secs(7 * 24 * 60 * 60),
            letters_max: 1000,
            replicas: 0,
        }
    }
}

impl Default for Presence {
    fn default() -> Self {
        Self {
            linger: Duration::from_secs(2),
        }
    }
}

impl Default for Drain {
    fn default() -> Self {
        Self {
            delay: Duration::from_secs(2),
            grace: Duration::from_secs(25),
            rate: 500,
        }
    }
}

impl Section for Cluster {
    fn visit(&mut self, visitor: &mut dyn Visitor) {
        visitor.secret("redis", &mut self.redis);
        visitor.setting("redis_ca", &mut self.redis_ca);
        visitor.setting("node", &mut self.node);
        visitor.setting("prefix", &mut self.prefix);
    }
}

impl Section for Store {
    fn visit(&mut self, visitor: &mut dyn Visitor) {
        visitor.secret("url", &mut self.url);
        visitor.setting("retention", &mut self.retention);
    }
}

impl Section for Mail {
    fn visit(&mut self, visitor: &mut dyn Visitor) {
        visitor.setting("keep", &mut self.keep);
        visitor.setting("letters_max", &mut self.letters_max);
        visitor.setting("replicas", &mut self.replicas);
    }
}

impl Section for Presence {
    fn visit(&mut self, visitor: &mut dyn Visitor) {
        visitor.setting("linger", &mut self.linger);
    }
}

impl Section for Drain {
    fn visit(&mut self, visitor: &mut dyn Visitor) {
        visitor.setting("delay", &mut self.delay);
        visitor.setting("grace", &mut self.grace);
        visitor.setting("rate", &mut self.rate);
    }
}

impl Section for Runtime {
    fn visit(&mut self, visitor: &mut dyn Visitor) {
        visitor.setting("shards", &mut self.shards);
    }
}
