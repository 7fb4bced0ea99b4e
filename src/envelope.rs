//! Envelopes: what members write into one another's inboxes, and into the log that all read.
//!
//! Every body begins with the version of its form. Whoever writes knows which versions its readers
//! announce, and takes one that they know; `version` says what there is. The frame of a body is the same
//! in all of them, so that what cannot be read is counted at least. A form never changes: MessagePack as
//! arrays, and a member reads none that is longer. What is new about a message stands in a map behind it.

pub mod letter;
pub mod record;

mod delta;
mod version;
mod wire;

#[cfg(test)]
mod tests;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

pub use self::{
    delta::{Claimed, Delta},
    version::{Speech, Version, Versions},
};
use crate::{
    id::UserId,
    message::Message,
    peer::{Answer, Question},
    topic::Topic,
};

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

/// An envelope in the form of a version, which may be one that this node does not know.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Encoded {
    /// The number of the version.
    pub version: u8,
    /// What stands in the body of an entry.
    pub bytes: Bytes,
}

/// The body of an inbox entry: encoded envelopes of one version, one behind the other.
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
    /// It, in the form of a version; the same for every member that it goes to and that version is
    /// spoken with.
    pub fn encode(&self, version: Version) -> Encoded {
        Encoded {
            version: version.number(),
            bytes: wire::encode(self, version),
        }
    }

    /// [`Self::Message`], without a copy of the message.
    pub fn encode_message(message: &Message, version: Version) -> Encoded {
        Encoded {
            version: version.number(),
            bytes: wire::encode_message(message, version),
        }
    }
}

// === impl Encoded ===

impl Encoded {
    /// Reads it. What the envelope holds shares the memory of the bytes.
    ///
    /// # Errors
    ///
    /// The bytes are not what [`Envelope::encode`] makes, or of a version that this node does not know.
    pub fn decode(&self) -> Result<Envelope, DecodeError> {
        let version = Version::of_number(self.version);
        wire::decode(
            &self.bytes,
            version.ok_or(DecodeError::Version(self.version))?,
        )
    }
}

// === impl Body ===

impl Body {
    /// Without any envelope.
    pub fn new(version: u8) -> Self {
        let mut bytes = BytesMut::new();
        bytes.put_u8(version);
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

    /// Puts an envelope behind the others; it must be of the version of the body.
    pub fn push(&mut self, envelope: &Encoded) {
        debug_assert_eq!(self.bytes[0], envelope.version);
        let length = envelope.bytes.len();
        let length = u32::try_from(length).expect("messages are far shorter than 4 GiB");
        self.bytes.put_u32(length);
        self.bytes.put_slice(&envelope.bytes);
        self.count += 1;
    }

    /// The bytes of the entry.
    pub fn finish(self) -> Bytes {
        self.bytes.freeze()
    }

    /// The encoded envelopes of an entry, in order; of whichever version.
    ///
    /// # Errors
    ///
    /// The bytes are not what [`Self::finish`] makes.
    pub fn split(mut bytes: Bytes) -> Result<Vec<Encoded>, DecodeError> {
        if bytes.is_empty() {
            return Err(DecodeError::CutOff);
        }
        let version = bytes.get_u8();
        let mut envelopes = Vec::new();
        while !bytes.is_empty() {
            if bytes.len() < LENGTH_BYTES {
                return Err(DecodeError::CutOff);
            }
            let length = bytes.get_u32() as usize;
            if bytes.len() < length {
                return Err(DecodeError::CutOff);
            }
            let bytes = bytes.split_to(length);
            envelopes.push(Encoded { version, bytes });
        }
        Ok(envelopes)
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
