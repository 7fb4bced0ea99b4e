//! The form of what members ask one another.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{
    dialect,
    duties::{WireDuties, WireOwed},
    session_text,
    traces::{WireExplained, WireTailed, WireWatch},
};
use crate::{
    envelope::{DecodeError, topic, user},
    id::{Serial, SessionId},
    peer::{
        Answer, DataChange, DataOutcome, Joined, PageQuery, Question, SessionDetails, SessionInfo,
    },
    topic::Topic,
    trace::TraceId,
};

#[derive(Deserialize, Serialize)]
pub(super) enum WireQuestion {
    Sessions(String, u32),
    Kick(String, Option<Box<str>>),
    Drain,
    Owed(#[serde(with = "session_text")] SessionId),
    Owe(#[serde(with = "session_text")] SessionId, WireDuties),
    Join(String, String),
    Quit(String, String),
    Rooms(Option<String>, u32),
    Page(WirePage),
    Data(#[serde(with = "session_text")] SessionId, WireChange),
    Explain(u64),
    Tail(WireWatch),
    Unknown,
}

#[derive(Deserialize, Serialize)]
pub(super) struct WirePage {
    topic: String,
    dialect: Option<u8>,
    after: Option<u64>,
    max: u32,
}

#[derive(Deserialize, Serialize)]
pub(super) enum WireChange {
    None,
    Set(Box<str>),
    Merge(Box<str>),
}

#[derive(Deserialize, Serialize)]
pub(super) enum WireAnswer {
    Done,
    Kicked(u32),
    Sessions(u64, Vec<WireSession>),
    Owed(WireOwed),
    Joined(u32, u32),
    Quit(u32),
    Rooms(Vec<String>),
    Page(Vec<WireDetails>),
    Data(WireOutcome),
    Explained(WireExplained),
    Tailed(WireTailed),
    Unknown,
}

#[derive(Deserialize, Serialize)]
pub(super) struct WireDetails {
    session: WireSession,
    rooms: Vec<String>,
    data: Box<str>,
}

#[derive(Deserialize, Serialize)]
pub(super) enum WireOutcome {
    Gone,
    Kept(Box<str>),
    TooLong(u32),
}

#[derive(Deserialize, Serialize)]
pub(super) struct WireSession {
    #[serde(with = "session_text")]
    id: SessionId,
    dialect: u8,
    user: Option<String>,
    remote: IpAddr,
    since: u64,
    idle_seconds: u64,
}

// === impl WireQuestion ===

impl WireQuestion {
    pub(super) fn of(question: &Question) -> Self {
        match question {
            Question::Sessions { topic, max } => Self::Sessions(topic.as_str().to_owned(), *max),
            Question::Kick { topic, reason } => {
                Self::Kick(topic.as_str().to_owned(), reason.clone())
            }
            Question::Drain => Self::Drain,
            Question::Owed(session) => Self::Owed(session.clone()),
            Question::Owe { session, change } => Self::Owe(session.clone(), WireDuties::of(change)),
            Question::Join { topic, room } => Self::Join(text(topic), text(room)),
            Question::Quit { topic, room } => Self::Quit(text(topic), text(room)),
            Question::Rooms { after, max } => Self::Rooms(after.as_ref().map(text), *max),
            Question::Page(query) => Self::Page(WirePage::of(query)),
            Question::Data { session, change } => {
                Self::Data(session.clone(), WireChange::of(change))
            }
            Question::Explain(trace) => Self::Explain(trace.number()),
            Question::Tail(query) => Self::Tail(WireWatch::of(query)),
            Question::Unknown => Self::Unknown,
        }
    }

    pub(super) fn read(self) -> Result<Question, DecodeError> {
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
            Self::Owed(session) => Question::Owed(session),
            Self::Owe(session, change) => Question::Owe {
                session,
                change: change.read()?,
            },
            Self::Join(text, name) => Question::Join {
                topic: topic(&text)?,
                room: topic(&name)?,
            },
            Self::Quit(text, name) => Question::Quit {
                topic: topic(&text)?,
                room: topic(&name)?,
            },
            Self::Rooms(after, max) => Question::Rooms {
                after: after.as_deref().map(topic).transpose()?,
                max,
            },
            Self::Page(page) => Question::Page(page.read()?),
            Self::Data(session, change) => Question::Data {
                session,
                change: change.read(),
            },
            Self::Explain(trace) => Question::Explain(TraceId::from_number(trace)),
            Self::Tail(watch) => Question::Tail(watch.read()?),
            Self::Unknown => Question::Unknown,
        })
    }
}

// === impl WireAnswer ===

impl WireAnswer {
    pub(super) fn of(answer: &Answer) -> Self {
        match answer {
            Answer::Done => Self::Done,
            Answer::Kicked(count) => Self::Kicked(*count),
            Answer::Sessions { count, sessions } => {
                Self::Sessions(*count, sessions.iter().map(WireSession::of).collect())
            }
            Answer::Owed(changed) => Self::Owed(WireOwed::of(changed)),
            Answer::Joined(Joined { joined, refused }) => Self::Joined(*joined, *refused),
            Answer::Quit(count) => Self::Quit(*count),
            Answer::Rooms(rooms) => Self::Rooms(rooms.iter().map(text).collect()),
            Answer::Page(page) => Self::Page(page.iter().map(WireDetails::of).collect()),
            Answer::Data(outcome) => Self::Data(WireOutcome::of(outcome)),
            Answer::Explained(explained) => Self::Explained(WireExplained::of(explained)),
            Answer::Tailed(tailed) => Self::Tailed(WireTailed::of(tailed)),
            Answer::Unknown => Self::Unknown,
        }
    }

    pub(super) fn read(self) -> Result<Answer, DecodeError> {
        Ok(match self {
            Self::Done => Answer::Done,
            Self::Kicked(count) => Answer::Kicked(count),
            Self::Sessions(count, sessions) => {
                let sessions = sessions.into_iter().map(WireSession::read);
                Answer::Sessions {
                    count,
                    sessions: sessions.collect::<Result<_, _>>()?,
                }
            }
            Self::Owed(owed) => Answer::Owed(owed.read()?),
            Self::Joined(joined, refused) => Answer::Joined(Joined { joined, refused }),
            Self::Quit(count) => Answer::Quit(count),
            Self::Rooms(rooms) => {
                let rooms = rooms.iter().map(|room| topic(room));
                Answer::Rooms(rooms.collect::<Result<_, _>>()?)
            }
            Self::Page(page) => {
                let page = page.into_iter().map(WireDetails::read);
                Answer::Page(page.collect::<Result<_, _>>()?)
            }
            Self::Data(outcome) => Answer::Data(outcome.read()),
            Self::Explained(explained) => Answer::Explained(explained.read()),
            Self::Tailed(tailed) => Answer::Tailed(tailed.read()),
            Self::Unknown => Answer::Unknown,
        })
    }
}

// === impl WireSession ===

impl WireSession {
    pub(super) fn of(session: &SessionInfo) -> Self {
        Self {
            id: session.id.clone(),
            dialect: session.dialect.index() as u8,
            user: session.user.as_ref().map(|user| user.as_str().to_owned()),
            remote: session.remote,
            since: session.since,
            idle_seconds: session.idle_seconds,
        }
    }

    pub(super) fn read(self) -> Result<SessionInfo, DecodeError> {
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

// === impl WirePage ===

impl WirePage {
    fn of(query: &PageQuery) -> Self {
        Self {
            topic: text(&query.topic),
            dialect: query.dialect.map(|dialect| dialect.index() as u8),
            after: query.after.map(Serial::number),
            max: query.max,
        }
    }

    fn read(self) -> Result<PageQuery, DecodeError> {
        Ok(PageQuery {
            topic: topic(&self.topic)?,
            dialect: self.dialect.map(dialect).transpose()?,
            after: self.after.map(Serial::from_number),
            max: self.max,
        })
    }
}

// === impl WireChange ===

impl WireChange {
    fn of(change: &DataChange) -> Self {
        match change {
            DataChange::None => Self::None,
            DataChange::Set(text) => Self::Set(text.clone()),
            DataChange::Merge(text) => Self::Merge(text.clone()),
        }
    }

    fn read(self) -> DataChange {
        match self {
            Self::None => DataChange::None,
            Self::Set(text) => DataChange::Set(text),
            Self::Merge(text) => DataChange::Merge(text),
        }
    }
}

// === impl WireOutcome ===

impl WireOutcome {
    fn of(outcome: &DataOutcome) -> Self {
        match outcome {
            DataOutcome::Gone => Self::Gone,
            DataOutcome::Kept(text) => Self::Kept(text.clone()),
            DataOutcome::TooLong(bytes) => Self::TooLong(*bytes),
        }
    }

    fn read(self) -> DataOutcome {
        match self {
            Self::Gone => DataOutcome::Gone,
            Self::Kept(text) => DataOutcome::Kept(text),
            Self::TooLong(bytes) => DataOutcome::TooLong(bytes),
        }
    }
}

// === impl WireDetails ===

impl WireDetails {
    fn of(details: &SessionDetails) -> Self {
        Self {
            session: WireSession::of(&details.session),
            rooms: details.rooms.iter().map(text).collect(),
            data: details.data.clone(),
        }
    }

    fn read(self) -> Result<SessionDetails, DecodeError> {
        let rooms = self.rooms.iter().map(|room| topic(room));
        Ok(SessionDetails {
            session: self.session.read()?,
            rooms: rooms.collect::<Result<_, _>>()?,
            data: self.data,
        })
    }
}

fn text(topic: &Topic) -> String {
    topic.as_str().to_owned()
}
