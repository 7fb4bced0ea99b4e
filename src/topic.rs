//! Topics: the one thing a message can be addressed to.
//!
//! A user, a room, a session, a node and everybody are all topics. The router, the bus and the
//! metrics know nothing finer, so that a new kind of address is a new [`TopicKind`] and no new
//! code path.

use std::{borrow::Borrow, fmt, hash, str::FromStr, sync::Arc};

use crate::id::{Person, SessionId, USER_BYTES_MAX, UserId};

/// Longest room name, in characters.
pub const ROOM_CHARS_MAX: usize = 100;

/// A validated `kind:id` address, or `all`. Cheap to clone.
#[derive(Clone, Eq, Ord, PartialEq, PartialOrd)]
pub struct Topic(Arc<str>);

/// What a topic addresses. The only part of a topic that may become a metric label.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum TopicKind {
    /// Every session.
    All,
    /// One node itself; never named by clients.
    Node,
    /// Whoever joined and was allowed.
    Room,
    /// Exactly one session; routes by itself.
    Session,
    /// Every session of one user.
    User,
}

/// Why a text is not a [`Topic`].
#[allow(missing_docs)] // The messages say it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ParseTopicError {
    #[error("has an id with a control character")]
    Character,
    #[error("has no id after the kind")]
    MissingId,
    #[error("is too long")]
    TooLong,
    #[error("is not a topic, expected user:<id>, room:<name>, session:<id> or all")]
    UnknownKind,
    #[error("is not the id of a session")]
    NoSession,
}

// === impl Topic ===

impl Topic {
    /// The topic of every session.
    pub fn all() -> Self {
        Self("all".into())
    }

    /// The topic of every session of `user`.
    pub fn user(user: &UserId) -> Self {
        Self(Arc::clone(user.topic_text()))
    }

    /// The topic of one session.
    pub fn session(session: &SessionId) -> Self {
        Self(format!("session:{session}").into())
    }

    /// The topic of the room `name`.
    ///
    /// # Errors
    ///
    /// An empty name, one of over [`ROOM_CHARS_MAX`] characters, or one with control characters.
    pub fn room(name: &str) -> Result<Self, ParseTopicError> {
        if name.is_empty() {
            return Err(ParseTopicError::MissingId);
        }
        if ROOM_CHARS_MAX < name.chars().count() {
            return Err(ParseTopicError::TooLong);
        }
        if name.chars().any(char::is_control) {
            return Err(ParseTopicError::Character);
        }
        Ok(Self(format!("room:{name}").into()))
    }

    /// What the topic addresses.
    pub fn kind(&self) -> TopicKind {
        match self.0.as_bytes()[0] {
            b'a' => TopicKind::All,
            b'n' => TopicKind::Node,
            b'r' => TopicKind::Room,
            b's' => TopicKind::Session,
            _ => TopicKind::User,
        }
    }

    /// The whole `kind:id` text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands after the kind; for `all` the word itself.
    pub fn id(&self) -> &str {
        self.0.split_once(':').map_or(&*self.0, |(_, id)| id)
    }

    /// The person of a `user:` topic, if its user is one.
    pub fn person(&self) -> Option<Person> {
        Person::of_user(self.0.strip_prefix("user:")?)
    }

    /// The session of a `session:` topic.
    pub fn session_id(&self) -> Option<SessionId> {
        self.0.strip_prefix("session:")?.parse().ok()
    }
}

impl FromStr for Topic {
    type Err = ParseTopicError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "all" {
            return Ok(Self::all());
        }
        let Some((kind, id)) = text.split_once(':') else {
            return Err(ParseTopicError::UnknownKind);
        };
        match kind {
            "room" => Self::room(id),
            "session" => match id.parse::<SessionId>() {
                Ok(id) => Ok(Self::session(&id)),
                Err(_) => Err(ParseTopicError::NoSession),
            },
            "user" => match id.parse::<UserId>() {
                Ok(id) => Ok(Self::user(&id)),
                Err(crate::id::ParseIdError::Empty) => Err(ParseTopicError::MissingId),
                Err(crate::id::ParseIdError::Character) => Err(ParseTopicError::Character),
                Err(_) => Err(ParseTopicError::TooLong),
            },
            _ => Err(ParseTopicError::UnknownKind),
        }
    }
}

/// Whether `text` is a topic, or the beginning of topics and a `*` for any ending.
pub fn is_pattern(text: &str) -> bool {
    let Some(beginning) = text.strip_suffix('*') else {
        return text.parse::<Topic>().is_ok();
    };
    let is_plain = |id: &str| !id.chars().any(char::is_control);
    match beginning.split_once(':') {
        Some(("room", name)) => name.chars().count() <= ROOM_CHARS_MAX && is_plain(name),
        Some(("user", id)) => id.len() <= USER_BYTES_MAX && is_plain(id),
        Some(("session", id)) => is_plain(id),
        Some(_) => false,
        None => ["all", "room:", "session:", "user:"]
            .iter()
            .any(|kind| kind.starts_with(beginning)),
    }
}

/// User ids may be credentials in dialects whose address is a token, so logs show the kind alone.
impl fmt::Debug for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind() {
            TopicKind::User => f.write_str("user:(..)"),
            _ => f.write_str(&self.0),
        }
    }
}

impl hash::Hash for Topic {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl Borrow<str> for Topic {
    fn borrow(&self) -> &str {
        &self.0
    }
}

// === impl TopicKind ===

impl TopicKind {
    /// Every kind, for metrics that are exported from the start.
    pub const ALL: [Self; 5] = [Self::All, Self::Node, Self::Room, Self::Session, Self::User];

    /// Metric label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Node => "node",
            Self::Room => "room",
            Self::Session => "session",
            Self::User => "user",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: Result<TopicKind, ParseTopicError>) {
        assert_eq!(text.parse::<Topic>().map(|topic| topic.kind()), expect);
    }

    #[test]
    fn parses_each_kind_that_a_client_may_name() {
        check("all", Ok(TopicKind::All));
        check("room:42", Ok(TopicKind::Room));
        check("session:gw.1.2", Ok(TopicKind::Session));
        check("user:7:phone", Ok(TopicKind::User));
    }

    #[test]
    fn nobody_names_a_node() {
        check("node:gw-1", Err(ParseTopicError::UnknownKind));
    }

    #[test]
    fn rejects_what_is_not_an_address() {
        check("room", Err(ParseTopicError::UnknownKind));
        check("room:", Err(ParseTopicError::MissingId));
        check("user:", Err(ParseTopicError::MissingId));
        check("user:a\u{7}", Err(ParseTopicError::Character));
        check("planet:9", Err(ParseTopicError::UnknownKind));
        check("session:9", Err(ParseTopicError::NoSession));
        check(
            &format!("room:{}", "x".repeat(101)),
            Err(ParseTopicError::TooLong),
        );
    }

    #[test]
    fn the_id_is_what_stands_after_the_first_colon() {
        assert_eq!("user:7:phone".parse::<Topic>().unwrap().id(), "7:phone");
        assert_eq!(Topic::all().id(), "all");
    }

    #[test]
    fn a_pattern_is_a_topic_or_the_beginning_of_some() {
        for text in [
            "all",
            "room:x",
            "user:*",
            "room:device/*",
            "session:gw-1.*",
            "*",
            "us*",
            "all*",
        ] {
            assert!(is_pattern(text), "{text}");
        }
        let long = format!("room:{}*", "x".repeat(101));
        for text in [
            "",
            "x",
            "x:*",
            "node:*",
            "room:",
            "room:a\nb*",
            "al",
            "rooms*",
            &long,
        ] {
            assert!(!is_pattern(text), "{text}");
        }
    }

    #[test]
    fn a_user_does_not_show_in_debug_output() {
        let topic: Topic = "user:secret".parse().unwrap();
        assert_eq!(format!("{topic:?}"), "user:(..)");
    }
}
