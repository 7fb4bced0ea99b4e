//! The forms of an envelope: the parts that all of them have, and that of version 1. These types are the
//! form: their order is what stands on the wire, and they are nothing else's.

mod duties;
#[cfg(feature = "next-wire")]
mod next;
mod peers;
mod traces;
mod two;

use std::{io::ErrorKind, sync::Arc, time::Duration};

use bytes::Bytes;
use rmp_serde::decode::{Error, ReadRefReader};
use serde::{Deserialize, Serialize};

use self::peers::{WireAnswer, WireQuestion};
use super::{DecodeError, Envelope, Version, topic, user};
use crate::{
    dialect::DialectId,
    id::{SessionId, UserId},
    message::{ConflationKey, DeliveryClass, LetterId, Message, MessageId, Posted, Relay, Sender},
};

#[derive(Deserialize, Serialize)]
enum WireEnvelope<'a> {
    #[serde(borrow)]
    Message(WireMessage<'a>),
    Canary(u64),
    Ask(u64, WireQuestion),
    Answer(u64, WireAnswer),
    #[serde(borrow)]
    Retained(WireMessage<'a>),
    Ring(&'a str),
}

#[derive(Deserialize, Serialize)]
struct WireMessage<'a> {
    id: WireId<'a>,
    topic: &'a str,
    event: &'a str,
    data: &'a serde_bytes::Bytes,
    sender: Option<WireSender<'a>>,
    time_ms: u64,
    class: u8,
    conflate: Option<(u64, u64)>,
    /// Without a text of its own where that is `data`, which is most of what is relayed.
    #[serde(borrow)]
    relay: Option<(u8, Option<&'a serde_bytes::Bytes>)>,
    retain_ms: Option<u64>,
    letter: Option<[u64; 4]>,
}

/// What a message has that hardly any other has. It stands behind the envelope, as a map: whoever does not
/// know it, or a part of it, passes over that.
#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
struct Postscript {
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    spares_sender: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_ms: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    except: Vec<String>,
}

#[derive(Deserialize, Serialize)]
enum WireId<'a> {
    Number(u64),
    Text(&'a str),
}

#[derive(Deserialize, Serialize)]
struct WireSender<'a> {
    user: Option<&'a str>,
    #[serde(with = "session_text")]
    session: SessionId,
}

pub(super) fn encode(envelope: &Envelope, version: Version) -> Bytes {
    match version {
        Version::One => encode_one(envelope),
        Version::Two => two::encode(envelope),
        #[cfg(feature = "next-wire")]
        Version::Three => next::encode(envelope),
    }
}

pub(super) fn encode_message(message: &Message, version: Version) -> Bytes {
    match version {
        Version::One => write_with(&WireEnvelope::Message(WireMessage::of(message)), message),
        Version::Two => two::encode_message(message),
        #[cfg(feature = "next-wire")]
        Version::Three => next::encode_message(message),
    }
}

pub(super) fn decode(bytes: &Bytes, version: Version) -> Result<Envelope, DecodeError> {
    match version {
        Version::One => decode_one(bytes),
        Version::Two => two::decode(bytes),
        #[cfg(feature = "next-wire")]
        Version::Three => next::decode(bytes),
    }
}

fn encode_one(envelope: &Envelope) -> Bytes {
    let wire = match envelope {
        Envelope::Message(message) => return encode_message(message, Version::One),
        Envelope::Retained(message) => {
            let wire = WireEnvelope::Retained(WireMessage::of(message));
            return write_with(&wire, message);
        }
        Envelope::Answer { id, answer } => WireEnvelope::Answer(*id, WireAnswer::of(answer)),
        Envelope::Ask { id, question } => WireEnvelope::Ask(*id, WireQuestion::of(question)),
        Envelope::Canary(number) => WireEnvelope::Canary(*number),
        Envelope::Ring(user) => WireEnvelope::Ring(user.as_str()),
    };
    to_vec(&wire).into()
}

fn write_with(wire: &WireEnvelope<'_>, message: &Message) -> Bytes {
    let mut bytes = to_vec(wire);
    Postscript::write(message, &mut bytes);
    bytes.into()
}

fn to_vec(wire: &impl Serialize) -> Vec<u8> {
    rmp_serde::to_vec(wire).expect("memory takes what is written")
}

/// Writes behind what there is.
fn write(bytes: &mut Vec<u8>, wire: &impl Serialize) {
    rmp_serde::encode::write(bytes, wire).expect("memory takes what is written");
}

fn decode_one(bytes: &Bytes) -> Result<Envelope, DecodeError> {
    let mut reader = rmp_serde::Deserializer::from_read_ref(&bytes[..]);
    let wire = WireEnvelope::deserialize(&mut reader).map_err(DecodeError::Form)?;
    let mut whole = |message: WireMessage<'_>| {
        let mut message = message.read(bytes)?;
        if let Some(postscript) = Postscript::read(&mut reader)? {
            postscript.add_to(&mut message)?;
        }
        Ok::<_, DecodeError>(message)
    };
    Ok(match wire {
        WireEnvelope::Message(message) => Envelope::Message(whole(message)?),
        WireEnvelope::Retained(message) => Envelope::Retained(whole(message)?),
        WireEnvelope::Canary(number) => Envelope::Canary(number),
        WireEnvelope::Ring(text) => Envelope::Ring(topic(text)?),
        WireEnvelope::Ask(id, question) => Envelope::Ask {
            id,
            question: question.read()?,
        },
        WireEnvelope::Answer(id, answer) => Envelope::Answer {
            id,
            answer: answer.read()?,
        },
    })
}

// === impl WireMessage ===

impl<'a> WireMessage<'a> {
    fn of(message: &'a Message) -> Self {
        let relay = message.relay.as_ref();
        Self {
            id: match &message.id {
                MessageId::Number(number) => WireId::Number(*number),
                MessageId::Text(text) => WireId::Text(text),
            },
            topic: message.topic.as_str(),
            event: &message.event,
            data: serde_bytes::Bytes::new(&message.data),
            sender: message.sender.as_ref().map(|sender| WireSender {
                user: sender.user.as_ref().map(UserId::as_str),
                session: sender.session.clone(),
            }),
            time_ms: message.time_ms,
            class: match message.class {
                DeliveryClass::Ephemeral => 0,
                DeliveryClass::Latest => 1,
                DeliveryClass::Durable => 2,
            },
            conflate: message.conflate.map(ConflationKey::to_words),
            relay: relay.map(|relay| {
                let dialect = relay.dialect.index() as u8;
                let has_own = relay.text != message.data;
                (
                    dialect,
                    has_own.then(|| serde_bytes::Bytes::new(&relay.text)),
                )
            }),
            retain_ms: message.retain.map(|retain| retain.as_millis() as u64),
            letter: message
                .letter
                .map(|Posted { id, after }| [id.0, id.1, after.0, after.1]),
        }
    }

    fn read(self, all: &Bytes) -> Result<Message, DecodeError> {
        let topic = topic(self.topic)?;
        let mut message = Message::new(topic, self.event, all.slice_ref(self.data));
        message.id = match self.id {
            WireId::Number(number) => MessageId::Number(number),
            WireId::Text(text) => MessageId::Text(text.into()),
        };
        message.sender = match self.sender {
            Some(sender) => Some(Sender {
                user: sender.user.map(user).transpose()?,
                session: sender.session,
            }),
            None => None,
        };
        message.time_ms = self.time_ms;
        message.class = match self.class {
            0 => DeliveryClass::Ephemeral,
            1 => DeliveryClass::Latest,
            2 => DeliveryClass::Durable,
            _ => return Err(DecodeError::Value("the class", "is unknown")),
        };
        message.conflate = self.conflate.map(ConflationKey::from_words);
        message.relay = match self.relay {
            Some((number, text)) => Some(Relay {
                dialect: dialect(number)?,
                text: text.map_or_else(|| message.data.clone(), |text| all.slice_ref(text)),
            }),
            None => None,
        };
        message.retain = self.retain_ms.map(Duration::from_millis);
        message.letter = self.letter.map(|[id_high, id_low, high, low]| Posted {
            id: LetterId(id_high, id_low),
            after: LetterId(high, low),
        });
        Ok(message)
    }
}

// === impl Postscript ===

impl Postscript {
    fn of(message: &Message) -> Option<Self> {
        if message.expires_ms.is_none() && message.except.is_none() && !message.spares_sender {
            return None;
        }
        let except = message.except.as_deref().unwrap_or_default();
        Some(Self {
            spares_sender: message.spares_sender,
            expires_ms: message.expires_ms,
            except: except.iter().map(ToString::to_string).collect(),
        })
    }

    /// Writes what there is to say behind an envelope.
    fn write(message: &Message, bytes: &mut Vec<u8>) {
        if let Some(postscript) = Self::of(message) {
            let written = rmp_serde::encode::write_named(bytes, &postscript);
            written.expect("memory takes what is written");
        }
    }

    /// What stands behind an envelope, if anything does.
    fn read<'a>(
        from: &mut rmp_serde::Deserializer<ReadRefReader<'a, [u8]>>,
    ) -> Result<Option<Self>, DecodeError> {
        match Self::deserialize(from) {
            Ok(postscript) => Ok(Some(postscript)),
            Err(Error::InvalidMarkerRead(error)) if error.kind() == ErrorKind::UnexpectedEof => {
                Ok(None)
            }
            Err(error) => Err(DecodeError::Form(error)),
        }
    }

    fn add_to(self, message: &mut Message) -> Result<(), DecodeError> {
        let except = self.except.iter().map(|session| session.parse());
        let except: Vec<SessionId> = except
            .collect::<Result<_, _>>()
            .map_err(|_| DecodeError::Value("a session", "is none"))?;
        message.expires_ms = self.expires_ms;
        message.spares_sender = self.spares_sender;
        message.except = (!except.is_empty()).then(|| Arc::from(except));
        Ok(())
    }
}

fn dialect(number: u8) -> Result<DialectId, DecodeError> {
    let dialect = DialectId::ALL.get(usize::from(number)).copied();
    dialect.ok_or(DecodeError::Value("the dialect", "is unknown"))
}

/// A session's id as its text.
mod session_text {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    use crate::id::SessionId;

    pub(super) fn serialize<S: Serializer>(id: &SessionId, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(id)
    }

    pub(super) fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<SessionId, D::Error> {
        <&str>::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}
