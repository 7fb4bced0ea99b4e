//! The MessagePack form of an envelope. These types are the form: their order is what stands on the
//! wire, and they are nothing else's.

use std::{net::IpAddr, time::Duration};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{DecodeError, Envelope, topic, user};
use crate::{
    dialect::DialectId,
    duty::{Change, Changed, Duty},
    id::{SessionId, UserId},
    message::{ConflationKey, DeliveryClass, LetterId, Message, MessageId, Posted, Relay, Sender},
    peer::{Answer, Question, SessionInfo},
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

#[derive(Deserialize, Serialize)]
enum WireQuestion {
    Sessions(String, u32),
    Kick(String, Option<Box<str>>),
    Drain,
    Owed(String),
    /// One more duty, as JSON.
    Owe(String, String),
    Disown(String, Option<Box<str>>),
}

#[derive(Deserialize, Serialize)]
enum WireAnswer {
    Done,
    Kicked(u32),
    Sessions(u64, Vec<WireSession>),
    /// The number of what came of it, and what is owed, as JSON.
    Owed(u8, Vec<String>),
}

#[derive(Deserialize, Serialize)]
struct WireSession {
    #[serde(with = "session_text")]
    id: SessionId,
    dialect: u8,
    user: Option<String>,
    remote: IpAddr,
    since: u64,
    idle_seconds: u64,
}

pub(super) fn encode(envelope: &Envelope) -> Bytes {
    let wire = match envelope {
        Envelope::Answer { id, answer } => WireEnvelope::Answer(*id, WireAnswer::of(answer)),
        Envelope::Ask { id, question } => WireEnvelope::Ask(*id, WireQuestion::of(question)),
        Envelope::Canary(number) => WireEnvelope::Canary(*number),
        Envelope::Message(message) => return encode_message(message),
        Envelope::Retained(message) => WireEnvelope::Retained(WireMessage::of(message)),
        Envelope::Ring(user) => WireEnvelope::Ring(user.as_str()),
    };
    write(&wire)
}

pub(super) fn encode_message(message: &Message) -> Bytes {
    write(&WireEnvelope::Message(WireMessage::of(message)))
}

fn write(wire: &WireEnvelope<'_>) -> Bytes {
    let bytes = rmp_serde::to_vec(wire).expect("memory takes what is written");
    bytes.into()
}

pub(super) fn decode(bytes: &Bytes) -> Result<Envelope, DecodeError> {
    let wire = rmp_serde::from_slice(bytes).map_err(DecodeError::Form)?;
    Ok(match wire {
        WireEnvelope::Message(message) => Envelope::Message(message.read(bytes)?),
        WireEnvelope::Retained(message) => Envelope::Retained(message.read(bytes)?),
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

// === impl WireQuestion ===

impl WireQuestion {
    fn of(question: &Question) -> Self {
        match question {
            Question::Sessions { topic, max } => Self::Sessions(topic.as_str().to_owned(), *max),
            Question::Kick { topic, reason } => {
                Self::Kick(topic.as_str().to_owned(), reason.clone())
            }
            Question::Drain => Self::Drain,
            Question::Owed(session) => Self::Owed(session.to_string()),
            Question::Owe { session, change } => match change {
                Change::Add(duty) => Self::Owe(session.to_string(), text(duty)),
                Change::Remove(id) => Self::Disown(session.to_string(), id.clone()),
            },
        }
    }

    fn read(self) -> Result<Question, DecodeError> {
        Ok(match self {
            Self::Sessions(text, max) => Question::Sessions {
                topic: topic(&text)?,
                max,
            },
            Self::Kick(text, reason) => Question::Kick {
                topic: topic(&text)?,
                reason,
            },
            Self::Drain => Question::Drain,
            Self::Owed(text) => Question::Owed(session(&text)?),
            Self::Owe(text, json) => Question::Owe {
                session: session(&text)?,
                change: Change::Add(duty(&json)?),
            },
            Self::Disown(text, id) => Question::Owe {
                session: session(&text)?,
                change: Change::Remove(id),
            },
        })
    }
}

// === impl WireAnswer ===

impl WireAnswer {
    fn of(answer: &Answer) -> Self {
        match answer {
            Answer::Done => Self::Done,
            Answer::Kicked(count) => Self::Kicked(*count),
            Answer::Owed(changed) => {
                let duties = match changed {
                    Changed::Kept(duties) => duties.iter().map(text).collect(),
                    _ => Vec::new(),
                };
                Self::Owed(number(changed), duties)
            }
            Answer::Sessions { count, sessions } => {
                Self::Sessions(*count, sessions.iter().map(WireSession::of).collect())
            }
        }
    }

    fn read(self) -> Result<Answer, DecodeError> {
        Ok(match self {
            Self::Done => Answer::Done,
            Self::Kicked(count) => Answer::Kicked(count),
            Self::Owed(number, duties) => Answer::Owed(match number {
                0 => {
                    let duties = duties.iter().map(|json| duty(json));
                    Changed::Kept(duties.collect::<Result<_, _>>()?)
                }
                1 => Changed::Gone,
                2 => Changed::Missing,
                3 => Changed::Taken,
                4 => Changed::TooMany,
                5 => Changed::Unknown,
                _ => return Err(DecodeError::Value("what came of it", "is unknown")),
            }),
            Self::Sessions(count, sessions) => {
                let sessions = sessions.into_iter().map(WireSession::read);
                Answer::Sessions {
                    count,
                    sessions: sessions.collect::<Result<_, _>>()?,
                }
            }
        })
    }
}

// === impl WireSession ===

impl WireSession {
    fn of(session: &SessionInfo) -> Self {
        Self {
            id: session.id.clone(),
            dialect: session.dialect.index() as u8,
            user: session.user.as_ref().map(|user| user.as_str().to_owned()),
            remote: session.remote,
            since: session.since,
            idle_seconds: session.idle_seconds,
        }
    }

    fn read(self) -> Result<SessionInfo, DecodeError> {
        Ok(SessionInfo {
            id: self.id,
            dialect: dialect(self.dialect)?,
            user: self.user.as_deref().map(user).transpose()?,
            remote: self.remote,
            since: self.since,
            idle_seconds: self.idle_seconds,
        })
    }
}

fn dialect(number: u8) -> Result<DialectId, DecodeError> {
    let dialect = DialectId::ALL.get(usize::from(number)).copied();
    dialect.ok_or(DecodeError::Value("the dialect", "is unknown"))
}

fn session(text: &str) -> Result<SessionId, DecodeError> {
    let session = text.parse();
    session.map_err(|_| DecodeError::Value("the session", "is none"))
}

fn text(duty: &Duty) -> String {
    String::from_utf8_lossy(&duty.encode()).into_owned()
}

fn duty(json: &str) -> Result<Duty, DecodeError> {
    let duty = Duty::decode(json.as_bytes());
    duty.map_err(|_| DecodeError::Value("the duty", "is none"))
}

fn number(changed: &Changed) -> u8 {
    match changed {
        Changed::Kept(_) => 0,
        Changed::Gone => 1,
        Changed::Missing => 2,
        Changed::Taken => 3,
        Changed::TooMany => 4,
        Changed::Unknown => 5,
    }
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
