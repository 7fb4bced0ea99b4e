//! The form of version 2: a number that says what it is, then its parts. What is asked and answered is
//! one part to its end, so that a question which is not known can be answered as such.

use bytes::Bytes;
use rmp_serde::decode::ReadRefReader;
use serde::Deserialize;

use super::{
    Postscript, WireMessage,
    peers::{WireAnswer, WireQuestion},
    write,
};
use crate::{
    envelope::{DecodeError, Envelope, topic},
    message::Message,
    peer::{Answer, Question},
};

// Numbers are never given anew.
const MESSAGE: u8 = 1;
const RETAINED: u8 = 2;
const CANARY: u8 = 3;
const ASK: u8 = 4;
const ANSWER: u8 = 5;
const RING: u8 = 6;

pub(super) fn encode(envelope: &Envelope) -> Bytes {
    let bytes = match envelope {
        Envelope::Message(message) => with_message(MESSAGE, message),
        Envelope::Retained(message) => with_message(RETAINED, message),
        Envelope::Canary(number) => with_number(CANARY, *number),
        Envelope::Ask { id, question } => {
            let mut bytes = with_number(ASK, *id);
            write(&mut bytes, &WireQuestion::of(question));
            bytes
        }
        Envelope::Answer { id, answer } => {
            let mut bytes = with_number(ANSWER, *id);
            write(&mut bytes, &WireAnswer::of(answer));
            bytes
        }
        Envelope::Ring(user) => {
            let mut bytes = vec![RING];
            bytes.extend_from_slice(user.as_str().as_bytes());
            bytes
        }
    };
    bytes.into()
}

pub(super) fn encode_message(message: &Message) -> Bytes {
    with_message(MESSAGE, message).into()
}

pub(super) fn decode(bytes: &Bytes) -> Result<Envelope, DecodeError> {
    let (kind, parts) = bytes.split_first().ok_or(DecodeError::CutOff)?;
    Ok(match *kind {
        MESSAGE => Envelope::Message(message(bytes, parts)?),
        RETAINED => Envelope::Retained(message(bytes, parts)?),
        CANARY => Envelope::Canary(number(parts)?.0),
        ASK => {
            let (id, rest) = number(parts)?;
            let question = question(rest);
            Envelope::Ask { id, question }
        }
        ANSWER => {
            let (id, rest) = number(parts)?;
            let answer = answer(rest);
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

/// What is asked; what cannot be read is not known.
pub(super) fn question(bytes: &[u8]) -> Question {
    let wire = rmp_serde::from_slice::<WireQuestion>(bytes).ok();
    let question = wire.and_then(|wire| wire.read().ok());
    question.unwrap_or(Question::Unknown)
}

/// What is answered; what cannot be read is not known.
pub(super) fn answer(bytes: &[u8]) -> Answer {
    let wire = rmp_serde::from_slice::<WireAnswer>(bytes).ok();
    let answer = wire.and_then(|wire| wire.read().ok());
    answer.unwrap_or(Answer::Unknown)
}

/// A number at the beginning, and what stands behind it.
pub(super) fn number(bytes: &[u8]) -> Result<(u64, &[u8]), DecodeError> {
    let (number, rest) = bytes.split_first_chunk().ok_or(DecodeError::CutOff)?;
    Ok((u64::from_be_bytes(*number), rest))
}

fn with_number(kind: u8, number: u64) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend_from_slice(&number.to_be_bytes());
    bytes
}

fn with_message(kind: u8, message: &Message) -> Vec<u8> {
    // Most of a message is its data; the rest seldom makes it grow again.
    let mut bytes = Vec::with_capacity(256 + message.data.len());
    bytes.push(kind);
    write(&mut bytes, &WireMessage::of(message));
    Postscript::write(message, &mut bytes);
    bytes
}

fn message(all: &Bytes, parts: &[u8]) -> Result<Message, DecodeError> {
    let mut reader = rmp_serde::Deserializer::<ReadRefReader<'_, [u8]>>::from_read_ref(parts);
    let wire = WireMessage::deserialize(&mut reader).map_err(DecodeError::Form)?;
    let mut message = wire.read(all)?;
    if let Some(postscript) = Postscript::read(&mut reader)? {
        postscript.add_to(&mut message)?;
    }
    Ok(message)
}
