//! Messages: what is published to a topic, in a form that no dialect owns.

use std::{fmt, num::NonZeroU64, sync::Arc, time::Duration};

use bytes::Bytes;

use crate::{
    dialect::DialectId,
    digest,
    id::{SessionId, UserId},
    topic::Topic,
    trace::Way,
};

/// A message on its way to the subscribers of a topic.
///
/// `data` is never parsed again on the way; each dialect says how the message looks on its wire.
#[derive(Clone, Debug)]
pub struct Message {
    /// Names the message in answers, histories and for receivers that drop repeats.
    pub id: MessageId,
    /// Where it goes.
    pub topic: Topic,
    /// What happened, in the publisher's words.
    pub event: Box<str>,
    /// One JSON value.
    pub data: Bytes,
    /// Who published it, if a session did.
    pub sender: Option<Sender>,
    /// When it was published, in milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// What is promised about its delivery.
    pub class: DeliveryClass,
    /// With [`DeliveryClass::Latest`]: which queued message it replaces.
    pub conflate: Option<ConflationKey>,
    /// A client's frame that subscribers of the same dialect receive as it came.
    pub relay: Option<Relay>,
    /// How long the newest message of its key is kept for those who subscribe later.
    pub retain: Option<Duration>,
    /// Which letter of the user's mail it is; whoever receives it says so.
    pub letter: Option<Posted>,
    /// From when on it is put into no outbox any more, in milliseconds since the Unix epoch.
    pub expires_ms: Option<u64>,
    /// Whether the sessions of the sender's user are not given it.
    pub spares_sender: bool,
    /// Sessions that are not given it.
    pub except: Option<Arc<[SessionId]>>,
    /// By what way it came to the member that publishes it. Does not travel.
    pub way: Way,
}

/// Where a letter stands in the mail of its user.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Posted {
    /// Names it.
    pub id: LetterId,
    /// The newest of those that were there when it came, or [`LetterId::NONE`]: who has not been given
    /// that one has missed something.
    pub after: LetterId,
}

/// Names a letter among those of its user; later ones are greater.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct LetterId(pub u64, pub u64);

impl LetterId {
    /// Before every letter.
    pub const NONE: Self = Self(0, 0);
}

/// Names a message.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum MessageId {
    /// Given out by the node: grows with time.
    Number(u64),
    /// Chosen by the publisher.
    Text(Arc<str>),
}

/// The session that published a message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sender {
    /// The user, if the session was authenticated as one.
    pub user: Option<UserId>,
    /// The session.
    pub session: SessionId,
}

/// A client's frame, relayed to subscribers of the same dialect unchanged.
#[derive(Clone, Debug)]
pub struct Relay {
    /// The dialect that both ends speak.
    pub dialect: DialectId,
    /// The text of the client's message.
    pub text: Bytes,
}

/// What is promised about the delivery of a message.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum DeliveryClass {
    /// At most once, to whoever is connected now, in the publisher's order.
    #[default]
    Ephemeral,
    /// At most once; a newer one with the same key replaces one that still waits, outside the order
    /// promise.
    Latest,
    /// Stored before it is acknowledged, and kept for whoever is away.
    Durable,
}

/// Which messages of class [`DeliveryClass::Latest`] replace one another: 128 bits of a cryptographic
/// digest, so that no two keys meet by chance or on purpose.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct ConflationKey(NonZeroU64, u64);

// === impl Message ===

impl Message {
    /// An ephemeral message. Number, sender and time are set by whoever hands it to the router.
    pub fn new(topic: Topic, event: impl Into<Box<str>>, data: Bytes) -> Self {
        Self {
            id: MessageId::Number(0),
            topic,
            event: event.into(),
            data,
            sender: None,
            time_ms: 0,
            class: DeliveryClass::Ephemeral,
            conflate: None,
            relay: None,
            retain: None,
            letter: None,
            expires_ms: None,
            spares_sender: false,
            except: None,
            way: Way::default(),
        }
    }

    /// Whether it is worth nothing any more at this time, in milliseconds since the Unix epoch.
    pub fn has_expired(&self, now_ms: u64) -> bool {
        self.expires_ms
            .is_some_and(|expires_ms| expires_ms <= now_ms)
    }

    /// Makes it a message of class `latest` under `key`.
    pub fn latest(mut self, key: ConflationKey) -> Self {
        self.class = DeliveryClass::Latest;
        self.conflate = Some(key);
        self
    }
}

// === impl DeliveryClass ===

impl DeliveryClass {
    /// Its name in answers.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Durable => "durable",
            Self::Ephemeral => "ephemeral",
            Self::Latest => "latest",
        }
    }
}

// === impl MessageId ===

impl MessageId {
    /// As JSON: a number or a text.
    pub fn to_json(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => serde_json::to_string(&**text).expect("memory takes every write"),
        }
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

// === impl ConflationKey ===

impl ConflationKey {
    /// The key of these parts; their order and their borders count. The same on every node.
    pub fn new(parts: &[&[u8]]) -> Self {
        let digest = digest::of_parts(parts.iter().copied());
        let (words, _) = digest.as_chunks::<8>();
        Self::from_words((u64::from_be_bytes(words[0]), u64::from_be_bytes(words[1])))
    }

    /// As two numbers.
    pub const fn to_words(self) -> (u64, u64) {
        (self.0.get(), self.1)
    }

    /// From two numbers. A first one of 0, which no digest meets by chance, counts as 1: so a place where there may be
    /// a key is no bigger than one.
    pub const fn from_words(words: (u64, u64)) -> Self {
        let first = match NonZeroU64::new(words.0) {
            Some(first) => first,
            None => NonZeroU64::MIN,
        };
        Self(first, words.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conflation_key_depends_on_each_part_and_on_their_borders() {
        let key = ConflationKey::new(&[b"a", b"bc"]);
        assert_eq!(key, ConflationKey::new(&[b"a", b"bc"]));
        assert_ne!(key, ConflationKey::new(&[b"ab", b"c"]));
        assert_ne!(key, ConflationKey::new(&[b"a", b"bd"]));
    }
}
