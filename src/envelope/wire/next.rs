//! What tests take for the next version: the parts of version 2 in another order, with one more, so that
//! nobody reads the one for the other.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{
    Postscript, WireId, WireMessage, WireSender,
    peers::{WireAnswer, WireQuestion},
    to_vec, two,
};
use crate::{
    envelope::{DecodeError, Envelope, topic},
    message::Message,
};

// At the end of each envelope.
const MESSAGE: u8 = 0xF1;
const RETAINED: u8 = 0xF2;
const CANARY: u8 = 0xF3;
const ASK: u8 = 0xF4;
const ANSWER: u8 = 0xF5;
const RING: u8 = 0xF6;

/// The part that no version before has.
const STAMP: u64 = 0x5EED;

/// A message, from its end to its beginning, with names.
#[derive(Deserialize, Serialize)]
struct Reversed<'a> {
    stamp: u64,
    postscript: Option<Postscript>,
    letter: Option<[u64; 4]>,
    retain_ms: Option<u64>,
    #[serde(borrow)]
    relay: Option<(u8, Option<&'a serde_bytes::Bytes>)>,
    conflate: Option<(u64, u64)>,
    class: u8,
    time_ms: u64,
    #[serde(borrow)]
    sender: Option<WireSender<'a>>,
    data: &'a serde_bytes::Bytes,
    event: &'a str,
    topic: &'a str,
    #[serde(borrow)]
    id: WireId<'a>,
}

pub(super) fn encode(envelope: &Envelope) -> Bytes {
    let mut bytes;
    let kind = match envelope {
        Envelope::Message(message) => return encode_message(message),
        Envelope::Retained(message) => {
            bytes = named(&Reversed::of(message));
            RETAINED
        }
        Envelope::Canary(number) => {
            bytes = number.to_be_bytes().to_vec();
            CANARY
        }
        Envelope::Ask { id, question } => {
            bytes = id.to_be_bytes().to_vec();
            bytes.extend(to_vec(&WireQuestion::of(question)));
            ASK
        }
        Envelope::Answer { id, answer } => {
            bytes = id.to_be_bytes().to_vec();
            bytes.extend(to_vec(&WireAnswer::of(answer)));
            ANSWER
        }
        Envelope::Ring(user) => {
            bytes = user.as_str().as_bytes().to_vec();
            RING
        }
    };
    bytes.push(kind);
    bytes.into()
}

pub(super) fn encode_message(message: &Message) -> Bytes {
    let mut bytes = named(&Reversed::of(message));
    bytes.push(MESSAGE);
    bytes.into()
}

pub(super) fn decode(bytes: &Bytes) -> Result<Envelope, DecodeError> {
    let (kind, parts) = bytes.split_last().ok_or(DecodeError::CutOff)?;
    Ok(match *kind {
        MESSAGE => Envelope::Message(message(bytes, parts)?),
        RETAINED => Envelope::Retained(message(bytes, parts)?),
        CANARY => Envelope::Canary(two::number(parts)?.0),
        ASK => {
            let (id, rest) = two::number(parts)?;
            let question = two::question(rest);
            Envelope::Ask { id, question }
        }
        ANSWER => {
            let (id, rest) = two::number(parts)?;
            let answer = two::answer(rest);
            Envelope::Answer { id, answer }
        }
        RING => {
            let text = std::str::from_utf8(parts);
            let text = text.map_err(|_| DecodeError::Value("the topic", "is no text"))?;
            Envelope::Ring(topic(text)?)
        }
        _ => return Err(DecodeError::Value("the kind", "is unknown")),
    })
}

fn named(reversed: &Reversed<'_>) -> Vec<u8> {
    rmp_serde::to_vec_named(reversed).expect("memory takes what is written")
}

fn message(all: &Bytes, parts: &[u8]) -> Result<Message, DecodeError> {
    let reversed: Reversed<'_> = rmp_serde::from_slice(parts).map_err(DecodeError::Form)?;
    if reversed.stamp != STAMP {
        return Err(DecodeError::Value("the stamp", "is another one"));
    }
    let (wire, postscript) = reversed.turn();
    let mut message = wire.read(all)?;
    if let Some(postscript) = postscript {
        postscript.add_to(&mut message)?;
    }
    Ok(message)
}

// === impl Reversed ===

impl<'a> Reversed<'a> {
    fn of(message: &'a Message) -> Self {
        let WireMessage {
            id,
            topic,
            event,
            data,
            sender,
            time_ms,
            class,
            conflate,
            relay,
            retain_ms,
            letter,
        } = WireMessage::of(message);
        Self {
            stamp: STAMP,
            postscript: Postscript::of(message),
            letter,
            retain_ms,
            relay,
            conflate,
            class,
            time_ms,
            sender,
            data,
            event,
            topic,
            id,
        }
    }

    fn turn(self) -> (WireMessage<'a>, Option<Postscript>) {
        let Self {
            stamp: _,
            postscript,
            letter,
            retain_ms,
            relay,
            conflate,
            class,
            time_ms,
            sender,
            data,
            event,
            topic,
            id,
        } = self;
        let wire = WireMessage {
            id,
            topic,
            event,
            data,
            sender,
            time_ms,
            class,
            conflate,
            relay,
            retain_ms,
            letter,
        };
        (wire, postscript)
    }
}
