//! Duties: what a session owes at its end, and what has to be known of it by then.
//!
//! A [`Record`] is what stands of a session where others find it when its node has died.

use std::{borrow::Cow, net::IpAddr};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    dialect::DialectId,
    id::{SessionId, UserId},
    topic::Topic,
};

/// Most duties of one session.
pub const DUTIES_MAX: usize = 16;
/// Longest id of a duty, in bytes.
pub const ID_BYTES_MAX: usize = 64;
/// Longest key, and longest member of a set, in bytes.
pub const KEY_BYTES_MAX: usize = 1024;
/// Longest name of a method, in bytes.
pub const METHOD_BYTES_MAX: usize = 256;
/// Longest parameters of a call, in bytes of JSON.
pub const PARAMS_BYTES_MAX: usize = 4096;

/// What the ids of duties begin with that are the gateway's own. Applications neither see nor change
/// these.
pub const OWN: &str = "tidegate:";

/// A session that owes something.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Record {
    /// The session.
    pub session: SessionId,
    /// Whose it is, if that is known.
    pub user: Option<UserId>,
    /// The dialect it speaks.
    pub dialect: DialectId,
    /// The client's address.
    pub remote: IpAddr,
    /// When it was upgraded, in milliseconds since the Unix epoch.
    pub since_ms: u64,
    /// The rooms that it is in.
    pub rooms: Vec<Topic>,
    /// Whether applications are told of its end.
    pub is_told: bool,
    /// What has to be done at its end, in order.
    pub duties: Vec<Duty>,
}

/// Something to be done.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Duty {
    /// Names it among those of its session.
    pub id: Box<str>,
    /// What it is.
    pub deed: Deed,
}

/// What is to be done.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Deed {
    /// Call a method of an application.
    Call {
        /// Where it goes: an address of the configuration.
        url: Box<str>,
        /// What is called.
        method: Box<str>,
        /// One JSON value.
        params: Bytes,
    },
    /// Say something to a topic.
    Publish {
        /// Where it goes.
        to: Topic,
        /// What happens.
        event: Box<str>,
        /// One JSON value.
        data: Bytes,
    },
    /// Delete a key.
    RedisDel {
        /// The key, as the application knows it.
        key: Box<str>,
    },
    /// Take a member out of a set.
    RedisSrem {
        /// The key, as the application knows it.
        key: Box<str>,
        /// The member.
        member: Box<str>,
    },
    /// Give back the seat of an agent.
    Rise,
}

/// A change of what a session owes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Change {
    /// One more. The same one again changes nothing.
    Add(Duty),
    /// Without the one of this id, or without any.
    Remove(Option<Box<str>>),
}

/// What came of a change.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Changed {
    /// It is kept: this is what the session owes now.
    Kept(Vec<Duty>),
    /// There is no such session, or it is ending.
    Gone,
    /// There is none of this id.
    Missing,
    /// There is another one of this id.
    Taken,
    /// It would be one more than [`DUTIES_MAX`].
    TooMany,
    /// It is not known whether it is kept: the same again will tell.
    Unknown,
}

/// A text is not a record, or not a duty.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("it is not of the form that was agreed")]
pub struct FormError;

/// The form of a record.
#[derive(Deserialize, Serialize)]
struct RecordForm<'a> {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<Cow<'a, str>>,
    dialect: Cow<'a, str>,
    remote: IpAddr,
    since: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    rooms: Vec<Cow<'a, str>>,
    told: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty", borrow)]
    duties: Vec<DutyForm<'a>>,
}

/// The form of a duty.
#[derive(Deserialize, Serialize)]
struct DutyForm<'a> {
    id: Cow<'a, str>,
    #[serde(borrow)]
    r#do: DeedForm<'a>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum DeedForm<'a> {
    #[serde(borrow)]
    Call(CallForm<'a>),
    #[serde(borrow)]
    Publish(PublishForm<'a>),
    RedisDel {
        key: Cow<'a, str>,
    },
    RedisSrem {
        key: Cow<'a, str>,
        member: Cow<'a, str>,
    },
    Rise,
}

#[derive(Deserialize, Serialize)]
struct PublishForm<'a> {
    to: Cow<'a, str>,
    event: Cow<'a, str>,
    #[serde(borrow)]
    data: &'a RawValue,
}

#[derive(Deserialize, Serialize)]
struct CallForm<'a> {
    url: Cow<'a, str>,
    method: Cow<'a, str>,
    #[serde(borrow)]
    params: &'a RawValue,
}

// === impl Record ===

impl Record {
    /// As JSON, without the session.
    pub fn encode(&self) -> Bytes {
        let form = RecordForm {
            user: self.user.as_ref().map(|user| user.as_str().into()),
            dialect: self.dialect.label().into(),
            remote: self.remote,
            since: self.since_ms,
            rooms: self.rooms.iter().map(|room| room.id().into()).collect(),
            told: self.is_told,
            duties: self.duties.iter().filter_map(Duty::form).collect(),
        };
        text(&form)
    }

    /// The record of a session.
    ///
    /// # Errors
    ///
    /// The bytes are not what [`Self::encode`] makes.
    pub fn decode(session: SessionId, bytes: &[u8]) -> Result<Self, FormError> {
        let form: RecordForm<'_> = serde_json::from_slice(bytes).map_err(|_| FormError)?;
        let mut dialects = DialectId::ALL.into_iter();
        let dialect = dialects.find(|dialect| dialect.label() == form.dialect);
        let user = form.user.map(|user| user.parse()).transpose();
        let rooms = form.rooms.iter().map(|room| Topic::room(room));
        Ok(Self {
            session,
            user: user.map_err(|_| FormError)?,
            dialect: dialect.ok_or(FormError)?,
            remote: form.remote,
            since_ms: form.since,
            rooms: rooms.collect::<Result<_, _>>().map_err(|_| FormError)?,
            is_told: form.told,
            duties: form
                .duties
                .into_iter()
                .map(Duty::of)
                .collect::<Result<_, _>>()?,
        })
    }
}

// === impl Duty ===

impl Duty {
    /// As JSON.
    pub fn encode(&self) -> Bytes {
        text(&self.form())
    }

    /// A duty.
    ///
    /// # Errors
    ///
    /// The bytes are not what [`Self::encode`] makes.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormError> {
        let form: DutyForm<'_> = serde_json::from_slice(bytes).map_err(|_| FormError)?;
        Self::of(form)
    }

    /// Whether it is one of the gateway's own.
    pub fn is_own(&self) -> bool {
        self.id.starts_with(OWN)
    }

    /// None if what is called with or said is not JSON.
    fn form(&self) -> Option<DutyForm<'_>> {
        let r#do = match &self.deed {
            Deed::Call {
                url,
                method,
                params,
            } => DeedForm::Call(CallForm {
                url: (&**url).into(),
                method: (&**method).into(),
                params: serde_json::from_slice(params).ok()?,
            }),
            Deed::Publish { to, event, data } => DeedForm::Publish(PublishForm {
                to: to.as_str().into(),
                event: (&**event).into(),
                data: serde_json::from_slice(data).ok()?,
            }),
            Deed::Rise => DeedForm::Rise,
            Deed::RedisDel { key } => DeedForm::RedisDel {
                key: (&**key).into(),
            },
            Deed::RedisSrem { key, member } => DeedForm::RedisSrem {
                key: (&**key).into(),
                member: (&**member).into(),
            },
        };
        Some(DutyForm {
            id: (&*self.id).into(),
            r#do,
        })
    }

    fn of(form: DutyForm<'_>) -> Result<Self, FormError> {
        let deed = match form.r#do {
            DeedForm::Call(CallForm {
                url,
                method,
                params,
            }) => Deed::Call {
                url: url.into(),
                method: method.into(),
                params: Bytes::copy_from_slice(params.get().as_bytes()),
            },
            DeedForm::Publish(PublishForm { to, event, data }) => Deed::Publish {
                to: to.parse().map_err(|_| FormError)?,
                event: event.into(),
                data: Bytes::copy_from_slice(data.get().as_bytes()),
            },
            DeedForm::Rise => Deed::Rise,
            DeedForm::RedisDel { key } => Deed::RedisDel { key: key.into() },
            DeedForm::RedisSrem { key, member } => Deed::RedisSrem {
                key: key.into(),
                member: member.into(),
            },
        };
        Ok(Self {
            id: form.id.into(),
            deed,
        })
    }
}

// === impl Deed ===

impl Deed {
    /// The key of the application's that it changes, if it does.
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::Call { .. } | Self::Publish { .. } | Self::Rise => None,
            Self::RedisDel { key } | Self::RedisSrem { key, .. } => Some(key),
        }
    }
}

/// The part of a key that says on which server of a Redis Cluster it is.
pub fn tag(key: &str) -> &str {
    let braced = key.split_once('{').and_then(|(_, rest)| {
        let (tag, _) = rest.split_once('}')?;
        (!tag.is_empty()).then_some(tag)
    });
    braced.unwrap_or(key)
}

/// The tag of a key, if another key can have it too: not that of `a}b` or `a{}`.
pub fn shared_tag(key: &str) -> Option<&str> {
    let own = tag(key);
    (tag(&format!("{{{own}}}")) == own).then_some(own)
}

fn text(form: &impl Serialize) -> Bytes {
    let text = serde_json::to_vec(form).expect("texts and numbers are JSON");
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_comes_back_from_its_text() {
        let duty = |id: &str, deed| Duty {
            id: id.into(),
            deed,
        };
        let record = Record {
            session: "gw.1.2".parse().unwrap(),
            user: Some("zoë\"".parse().unwrap()),
            dialect: DialectId::Device,
            remote: "2001:db8::7".parse().unwrap(),
            since_ms: 1_700_000_000_123,
            rooms: vec![Topic::room("a\\b").unwrap(), Topic::room("{c}").unwrap()],
            is_told: true,
            duties: vec![
                duty(
                    "1",
                    Deed::RedisSrem {
                        key: "seats:{7}".into(),
                        member: "\u{1}".into(),
                    },
                ),
                duty("2", Deed::RedisDel { key: "é".into() }),
                duty(
                    "tidegate:leave",
                    Deed::Publish {
                        to: Topic::room("live/walls/1").unwrap(),
                        event: "userOut".into(),
                        data: Bytes::from_static(b"{\"id\": \"7\"}"),
                    },
                ),
                duty("tidegate:seat", Deed::Rise),
                duty(
                    "3",
                    Deed::Call {
                        url: "http://a/b".into(),
                        method: "shop.leave".into(),
                        params: Bytes::from_static(b"{\"n\":1e999, \"a\":[null]}"),
                    },
                ),
            ],
        };
        let text = record.encode();
        assert_eq!(
            Record::decode(record.session.clone(), &text),
            Ok(record.clone())
        );
        for duty in record.duties {
            assert_eq!(Duty::decode(&duty.encode()), Ok(duty));
        }
        let session: SessionId = "gw.1.2".parse().unwrap();
        assert_eq!(Record::decode(session, b"{}"), Err(FormError));
    }

    #[test]
    fn a_tag_is_what_stands_in_the_first_braces() {
        for (key, expect) in [
            ("a", Some("a")),
            ("a{b}c", Some("b")),
            ("a{b}{c}", Some("b")),
            ("a{b{c}", Some("b{c")),
            ("a{}", None),
            ("a}b", None),
            ("a{b", Some("a{b")),
            ("", None),
        ] {
            assert_eq!(shared_tag(key), expect, "{key}");
        }
        assert_eq!(tag("a{}"), "a{}");
    }
}
