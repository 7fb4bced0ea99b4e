//! Envelopes: what members write into one another's inboxes, and into the log that all read.
//!
//! MessagePack, as arrays, which never change: a member of an older version reads none that is longer.
//! What is new about a message stands in a map behind it. Every body begins with the version of its
//! form; a member that meets a newer one than it knows takes nothing from it, and says so.

pub mod record;

mod delta;
mod wire;

#[cfg(test)]
mod tests;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

pub use self::delta::{Claimed, Delta};
use crate::{
    id::UserId,
    message::Message,
    peer::{Answer, Question},
    topic::Topic,
};

/// The version of the form that is written here.
const VERSION: u8 = 1;
/// Before each envelope stands its length, in four bytes.
const LENGTH_BYTES: usize = 4;

/// What one member writes to another.
#[derive(Clone, Debug)]
pub enum Envelope {
    /// The answer to a question.
    Answer {
        /// The number of the question.
        id: u64,
        /// What it is.
        answer: Answer,
    },
    /// A question; the answer goes to the inbox of whoever wrote the entry.
    Ask {
        /// Its number, of the asking member.
        id: u64,
        /// What is asked.
        question: Question,
    },
    /// A member's word to itself, to see whether the way is open.
    Canary(u64),
    /// To be delivered to the local subscribers of its topic.
    Message(Message),
    /// To be kept for those who subscribe later; whoever is subscribed now has had it.
    Retained(Message),
    /// There may be mail for the sessions of a user.
    Ring(Topic),
}

/// The body of an inbox entry: encoded envelopes, one behind the other.
#[derive(Debug)]
pub struct Body {
    bytes: BytesMut,
    count: u64,
}

/// Why a body cannot be read.
#[allow(missing_docs)] // The messages say it.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    #[error("it is cut off")]
    CutOff,
    #[error("it is not of the form that was agreed")]
    Form(#[source] rmp_serde::decode::Error),
    #[error("{0} in it {1}")]
    Value(&'static str, &'static str),
    #[error("it is of version {0}, which this node does not know")]
    Version(u8),
}

// === impl Envelope ===

impl Envelope {
    /// Its bytes; the same for every member that it goes to.
    pub fn encode(&self) -> Bytes {
        wire::encode(self)
    }

    /// The bytes of [`Self::Message`], without a copy of the message.
    pub fn encode_message(message: &Message) -> Bytes {
        wire::encode_message(message)
    }

    /// Reads one. What it holds shares the memory of `bytes`.
    ///
    /// # Errors
    ///
    /// The bytes are not what [`Self::encode`] makes.
    pub fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        wire::decode(bytes)
    }
}

// === impl Body ===

impl Body {
    /// Without any envelope.
    pub fn new() -> Self {
        let mut bytes = BytesMut::new();
        bytes.put_u8(VERSION);
        Self { bytes, count: 0 }
    }

    /// How many envelopes.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// How many bytes.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there is no envelope.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Puts an encoded envelope behind the others.
    pub fn push(&mut self, envelope: &[u8]) {
        let length = u32::try_from(envelope.len()).expect("messages are far shorter than 4 GiB");
        self.bytes.put_u32(length);
        self.bytes.put_slice(envelope);
        self.count += 1;
    }

    /// The bytes of the entry.
    pub fn finish(self) -> Bytes {
        self.bytes.freeze()
    }

    /// The encoded envelopes of an entry, in order.
    ///
    /// # Errors
    ///
    /// The bytes are not what [`Self::finish`] makes.
    pub fn split(mut bytes: Bytes) -> Result<Vec<Bytes>, DecodeError> {
        take_version(&mut bytes)?;
        let mut envelopes = Vec::new();
        while !bytes.is_empty() {
            if bytes.len() < LENGTH_BYTES {
                return Err(DecodeError::CutOff);
            }
            let length = bytes.get_u32() as usize;
            if bytes.len() < length {
                return Err(DecodeError::CutOff);
            }
            envelopes.push(bytes.split_to(length));
        }
        Ok(envelopes)
    }
}

impl Default for Body {
    fn default() -> Self {
        Self::new()
    }
}

/// Takes the version off the beginning of a body.
fn take_version(bytes: &mut Bytes) -> Result<(), DecodeError> {
    if bytes.is_empty() {
        return Err(DecodeError::CutOff);
    }
    match bytes.get_u8() {
        VERSION => Ok(()),
        version => Err(DecodeError::Version(version)),
    }
}

fn topic(text: &str) -> Result<Topic, DecodeError> {
    let topic = text.parse();
    topic.map_err(|_| DecodeError::Value("the topic", "is none"))
}

fn user(text: &str) -> Result<UserId, DecodeError> {
    let user = text.parse();
    user.map_err(|_| DecodeError::Value("the user", "is none"))
}
