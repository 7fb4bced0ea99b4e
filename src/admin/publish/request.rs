//! What `POST /api/publish` is asked for.

use std::{borrow::Cow, collections::HashSet, fmt, sync::Arc};

use serde::{
    Deserialize, Deserializer,
    de::{self, SeqAccess, Visitor},
};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::{
    admin::{
        State,
        input::Text,
        once::Digest,
        problem::Problem,
        schema::{SessionTopic, TopicName, TopicNames},
    },
    dialect::Now,
    id::SessionId,
    topic::{ParseTopicError, Topic, TopicKind},
};

/// Most topics of one publish.
const TOPICS_MAX: usize = 1000;
/// Most sessions that a message is not for: each is looked for at every subscriber.
const EXCEPT_MAX: usize = 100;
/// How far ahead a message may be scheduled.
pub(in crate::admin) const AHEAD_MAX_MS: u64 = 366 * 24 * 60 * 60 * 1000;
/// How far the clocks of a node and of Redis may differ.
const CLOCKS_DIFFER_MS: u64 = 500;
const EXPECTED: &str =
    "expected user:<id>, room:<name>, session:<id> or all, or a list of at most 1000 of them";

/// A message, and where it goes
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "to": ["user:42", "room:news"], "event": "order.paid", "data": {"order": 17}, "id": "order-17",
}))]
pub(in crate::admin) struct PublishRequest<'a> {
    /// `user:<id>`, `room:<name>`, `session:<id>` or `all`, or a list of at most 1000 of them.
    #[schema(value_type = To)]
    pub(super) to: Topics,
    /// What happened.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 128, default = "message")]
    pub(super) event: Option<Text<128>>,
    /// Any JSON value; null if it is missing. Passed on as it stands here.
    #[serde(borrow)]
    #[schema(value_type = Option<serde_json::Value>)]
    pub(super) data: Option<&'a RawValue>,
    /// A newer message with the same key takes the place of one that still waits for a slow client.
    /// A `device_status` of a device and a `task_status` of a task have a key of their own, which
    /// goes before this one.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 256)]
    pub(super) conflate: Option<Text<256>>,
    /// Names the message. The same id again within ten minutes is answered as the first time, and
    /// not sent again, whichever node of a cluster it comes to.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 128)]
    pub(super) id: Option<Text<128>>,
    /// True: kept before it is published, and in the history of each of its topics from then on. For
    /// users who are away until one of their clients has shown that it has it; members of rooms who are
    /// away find it in the history only. A session that is in several of these rooms is given it once.
    /// Not for `session:<id>`, whose history would end with it.
    durable: Option<bool>,
    /// When it is to be published, in seconds since the Unix epoch, at most a year ahead. A time that
    /// has passed is now. It is published within two seconds after its time, once. Its id is another one than
    /// that of a message without a time, or with another one.
    #[schema(minimum = 0)]
    at: Option<f64>,
    /// Seconds after which it is worth nothing any more, counted from `at` if that is there, and for what
    /// comes through a queue from when it was added to it. What no client has been sent by then is
    /// dropped, wherever it waits; histories keep it. At most a year.
    #[schema(exclusive_minimum = 0, maximum = 31_622_400)]
    ttl: Option<f64>,
    /// Sessions, `session:<id>` each, that are not given it: at most 100 of them. Not with `durable`, since
    /// what is kept for a user is for all of its clients.
    #[schema(value_type = Option<Vec<SessionTopic>>, max_items = 100)]
    except: Option<Sessions>,
}

/// Some sessions, none twice.
#[derive(Debug)]
struct Sessions(Arc<[SessionId]>);

/// One topic or a list of them
#[derive(Debug, ToSchema)]
#[serde(untagged)]
#[allow(dead_code)] // Only the schema is used: a list is read into topics at once.
enum To {
    /// One topic.
    One(TopicName),
    /// Several topics.
    Many(TopicNames),
}

/// At least one topic, none twice.
#[derive(Debug)]
pub(super) struct Topics(pub(super) Vec<Topic>);

// === impl PublishRequest ===

impl PublishRequest<'_> {
    /// Refuses what this version cannot do, rather than doing something else.
    pub(super) fn check(&self, state: &State) -> Result<(), Problem> {
        if let Some(ttl) = self.ttl
            && !(0.0 < ttl && ttl * 1000.0 <= AHEAD_MAX_MS as f64)
        {
            let detail = format!("ttl: is {ttl}, expected seconds, more than 0 and at most a year");
            return Err(Problem::unprocessable(detail).field("ttl"));
        }
        if self.is_durable() && self.except.is_some() {
            let detail = "except: cannot be used with durable, since what is kept for a user is for \
                          all of its clients";
            return Err(Problem::unprocessable(detail).field("except"));
        }
        let Topics(topics) = &self.to;
        let is_session = |topic: &Topic| topic.kind() == TopicKind::Session;
        if self.is_durable() && topics.iter().any(is_session) {
            let detail = "durable: cannot be used with session:<id>, since a session that is gone \
                          has no history; expected user:<id>, room:<name> or all";
            return Err(Problem::unprocessable(detail).field("durable"));
        }
        if self.is_durable() && self.conflate.is_some() {
            let detail =
                "conflate: cannot be used with durable, since nothing replaces what is kept";
            return Err(Problem::unprocessable(detail).field("conflate"));
        }
        state.check_data(self.data)
    }

    /// When it is to be published, in milliseconds since the Unix epoch, if not now.
    pub(super) fn later(&self, now: Now) -> Result<Option<u64>, Problem> {
        let Some(at) = self.at else {
            return Ok(None);
        };
        // Whoever takes it out of the queue may have a clock that is a little behind.
        let soonest = now.unix_ms.saturating_add(CLOCKS_DIFFER_MS);
        let latest = now.unix_ms.saturating_add(AHEAD_MAX_MS);
        let is_time = 0.0 <= at && at * 1000.0 <= latest as f64;
        if !is_time {
            let detail = format!("at: is {at}, expected seconds since 1970, at most a year ahead");
            return Err(Problem::unprocessable(detail).field("at"));
        }
        Ok(self.at_ms().filter(|at_ms| soonest < *at_ms))
    }

    /// The time that it came with, in milliseconds since the Unix epoch; none is checked.
    pub(super) fn at_ms(&self) -> Option<u64> {
        self.at.map(|at| (at * 1000.0) as u64)
    }

    /// When it is worth nothing any more, in milliseconds since the Unix epoch, if it was handed in at
    /// `since_ms`.
    pub(super) fn expires_ms(&self, since_ms: u64) -> Option<u64> {
        let ttl_ms = (self.ttl? * 1000.0).ceil() as u64;
        Some(self.at_ms().unwrap_or(since_ms).saturating_add(ttl_ms))
    }

    /// Sessions that are not given it.
    pub(super) fn except(&self) -> Option<Arc<[SessionId]>> {
        let Sessions(except) = self.except.as_ref()?;
        (!except.is_empty()).then(|| Arc::clone(except))
    }

    /// Whether it is kept for those who are away.
    pub(super) fn is_durable(&self) -> bool {
        self.durable == Some(true)
    }

    /// What makes two requests the same, however they are written.
    pub(super) fn content(&self) -> Digest {
        // One that is missing is not one that is empty.
        fn text(text: Option<&str>) -> [&[u8]; 2] {
            match text {
                Some(text) => [b"1", text.as_bytes()],
                None => [b"0", b""],
            }
        }
        let data = self.data.map(RawValue::get);
        let Topics(topics) = &self.to;
        let parts = [
            text(Some(self.event.as_ref().map_or("message", |text| &text.0))),
            text(Some(data.unwrap_or("null"))),
            text(self.conflate.as_ref().map(|text| &*text.0)),
            text(self.is_durable().then_some("durable")),
        ];
        let topics = topics.iter().map(|topic| topic.as_str().as_bytes());
        let mut content = Digest::of(parts.into_iter().flatten().chain(topics));
        // Without these it is what older versions reckon.
        if let Some(ttl) = self.ttl {
            content = content.and(&ttl.to_be_bytes());
        }
        for session in self
            .except
            .iter()
            .flat_map(|Sessions(except)| except.iter())
        {
            content = content.and(session.to_string().as_bytes());
        }
        content
    }
}

// === impl Topics ===

impl<'de> Deserialize<'de> for Topics {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMany;

        impl<'de> Visitor<'de> for OneOrMany {
            type Value = Topics;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a topic or a list of topics")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Topics, E> {
                Ok(Topics(vec![topic(text)?]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Topics, A::Error> {
                let mut topics = Vec::new();
                let mut known = HashSet::new();
                let mut count = 0;
                while let Some(Parsed(topic)) = list.next_element()? {
                    count += 1;
                    if TOPICS_MAX < count {
                        return Err(de::Error::custom(format!(
                            "has too many topics, {EXPECTED}"
                        )));
                    }
                    if known.insert(topic.clone()) {
                        topics.push(topic);
                    }
                }
                if topics.is_empty() {
                    return Err(de::Error::custom(format!("is empty, {EXPECTED}")));
                }
                Ok(Topics(topics))
            }
        }

        deserializer.deserialize_any(OneOrMany)
    }
}

impl<'de> Deserialize<'de> for Sessions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let topics: Vec<Parsed> = Vec::deserialize(deserializer)?;
        if EXCEPT_MAX < topics.len() {
            let detail = format!("has too many sessions, expected at most {EXCEPT_MAX}");
            return Err(de::Error::custom(detail));
        }
        let sessions = topics.iter().map(|Parsed(topic)| topic.session_id());
        let sessions: Option<HashSet<_>> = sessions.collect();
        let sessions = sessions.ok_or_else(|| {
            de::Error::custom("has something else than sessions, expected session:<id>")
        })?;
        // In one order, so that the same ones are the same content.
        let mut sessions: Vec<SessionId> = sessions.into_iter().collect();
        sessions.sort_by_cached_key(ToString::to_string);
        Ok(Self(sessions.into()))
    }
}

struct Parsed(Topic);

impl<'de> Deserialize<'de> for Parsed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        topic(&text).map(Parsed)
    }
}

fn topic<E: de::Error>(text: &str) -> Result<Topic, E> {
    let what = |error: ParseTopicError| match error {
        // It says what is expected.
        ParseTopicError::UnknownKind => error.to_string(),
        error => format!("{error}, {EXPECTED}"),
    };
    text.parse().map_err(|error| E::custom(what(error)))
}
