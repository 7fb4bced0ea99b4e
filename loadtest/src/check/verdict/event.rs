//! What happens in a run, as far as the verdict depends on it.

use std::time::Duration;

use super::Client;

/// Names a durable message.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Letter {
    /// The number of the node that it is pushed at.
    pub pusher: Client,
    /// Who is to get it.
    pub receiver: Client,
    /// Its number among those of the same pusher and receiver.
    pub number: usize,
}

/// Something that happened.
#[derive(Clone, Copy, Debug)]
pub enum Event {
    /// A message left; numbers of a pair rise by one from 0 on.
    Sent {
        /// Who sent it.
        sender: Client,
        /// Who is to get it.
        receiver: Client,
        /// When.
        at: Duration,
    },
    /// A message came.
    Received {
        /// Who had sent it.
        sender: Client,
        /// Who got it.
        receiver: Client,
        /// Its number within the pair.
        number: usize,
        /// When.
        at: Duration,
    },
    /// A client has connected.
    Opened {
        /// Who.
        client: Client,
        /// When.
        at: Duration,
    },
    /// A client's connection ended.
    Ended {
        /// Whose.
        client: Client,
        /// When it was noticed.
        at: Duration,
    },
    /// The nodes have announced that they lost messages.
    Announced {
        /// How many.
        count: u64,
        /// When it was read.
        at: Duration,
    },
    /// A durable message is about to be pushed. The one before it, of the same pusher, was answered or given up.
    Pushed {
        /// Which one.
        letter: Letter,
        /// When.
        at: Duration,
    },
    /// A node has answered that it keeps a durable message.
    Promised {
        /// Which one.
        letter: Letter,
        /// When.
        at: Duration,
    },
    /// A durable message came.
    Came {
        /// Which one.
        letter: Letter,
        /// When.
        at: Duration,
    },
    /// A node died, left or stood still, and was there again.
    Interrupted {
        /// Its number.
        pusher: Client,
        /// Before it happened.
        from: Duration,
        /// When it was repaired.
        until: Duration,
    },
    /// Redis has lost everything that was in it.
    Wiped {
        /// Before it went.
        from: Duration,
        /// It was there again, empty.
        until: Duration,
    },
}
