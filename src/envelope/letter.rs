//! The form of letters: messages that wait for their users, and outlive the members that wrote them.
//!
//! Nobody can ask who will read one. So they are written in a version that a node of the release
//! before reads as well, which is [`Version::KEPT`]. Those of version 1 begin with their message; all
//! others begin with their version, a number that no message begins with.

use bytes::{BufMut as _, Bytes, BytesMut};

use super::{DecodeError, Encoded, Envelope, Version};
use crate::message::Message;

/// No version is as great, and no message of version 1 begins with less.
const MESSAGE_FROM: u8 = 0x80;

/// The bytes of a letter.
pub fn encode(message: &Message) -> Bytes {
    let encoded = Envelope::encode_message(message, Version::KEPT);
    if Version::KEPT == Version::One {
        return encoded.bytes;
    }
    let mut letter = BytesMut::with_capacity(1 + encoded.bytes.len());
    letter.put_u8(encoded.version);
    letter.put_slice(&encoded.bytes);
    letter.freeze()
}

/// Reads a letter. What it holds shares the memory of `bytes`.
///
/// # Errors
///
/// The bytes are not what [`encode`] makes. With [`DecodeError::Version`], a newer node has written
/// it, and one can read it.
pub fn decode(bytes: &Bytes) -> Result<Message, DecodeError> {
    let encoded = match bytes.first() {
        None => return Err(DecodeError::CutOff),
        Some(&version) if version < MESSAGE_FROM => Encoded {
            version,
            bytes: bytes.slice(1..),
        },
        Some(_) => Encoded {
            version: Version::One.number(),
            bytes: bytes.clone(),
        },
    };
    match encoded.decode()? {
        Envelope::Message(message) => Ok(message),
        _ => Err(DecodeError::Value("the letter", "is no message")),
    }
}
