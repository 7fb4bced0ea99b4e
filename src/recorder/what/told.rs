//! How a step is told: to whoever asks, and in the log.

use std::fmt::Display;

use tracing::Level;

use super::What;
use crate::{
    id::{Member, SessionId},
    topic::TopicKind,
    trace::{Step, TraceId},
};

/// Where log lines of steps come from: `log.level = "info,tidegate::trace=debug"` shows them and nothing else.
const TARGET: &str = "tidegate::trace";

impl What {
    /// Bytes that hang on it, and may hang on nothing else.
    pub(in crate::recorder) fn heap_bytes(&self) -> usize {
        match self {
            Self::Joined { topic, .. }
            | Self::Kept { topic }
            | Self::Left { topic, .. }
            | Self::Published { topic, .. } => topic.as_str().len(),
            Self::Sent { members } => size_of_val::<[Member]>(members),
            _ => 0,
        }
    }

    /// The step as it is told, of a session of `me` if it is of one.
    pub(in crate::recorder) fn report(&self, time_ms: u64, me: &Member) -> Step {
        let mut facts = Vec::new();
        self.facts(me, |name, value| {
            facts.push((name.into(), value.to_string().into()));
        });
        Step {
            time_ms,
            name: self.name().into(),
            facts,
        }
    }

    fn facts(&self, me: &Member, mut tell: impl FnMut(&'static str, &dyn Display)) {
        if let Some(serial) = self.session() {
            let member = me.clone();
            tell("session", &SessionId { member, serial });
        }
        match self {
            Self::Accepted { handshake_ms, .. } => tell("handshake_ms", handshake_ms),
            Self::Arrived { from } => tell("from", from),
            Self::Closed {
                dialect, reason, ..
            } => {
                tell("dialect", &dialect.label());
                tell("reason", &reason.label());
            }
            Self::Dropped {
                reason: Some(reason),
                ..
            } => tell("reason", &reason.label()),
            Self::Expired { place } => tell("place", place),
            Self::Joined { topic, .. } | Self::Kept { topic } | Self::Left { topic, .. } => {
                tell("topic", &topic.as_str());
            }
            Self::Lost { reason } => tell("reason", &reason.label()),
            Self::Opened { dialect, .. } => tell("dialect", &dialect.label()),
            Self::Published {
                topic,
                way,
                class,
                sender,
            } => {
                tell("topic", &topic.as_str());
                tell("way", &way.label());
                tell("class", &class.label());
                if let Some(sender) = sender {
                    tell("sender", sender);
                }
            }
            Self::PutOff { at_ms } => tell("at_ms", at_ms),
            Self::Received { bytes, .. } | Self::Replied { bytes, .. } => tell("bytes", bytes),
            Self::Routed { sessions } => tell("sessions", sessions),
            Self::Sent { members } => {
                let names: Vec<&str> = members.iter().map(Member::as_str).collect();
                tell("members", &names.join(" "));
            }
            Self::Walked {
                shard,
                sessions,
                followed,
            } => {
                tell("shard", shard);
                tell("sessions", sessions);
                tell("followed", followed);
            }
            _ => {}
        }
    }

    /// One line of the log, at the level debug. Of a topic only the kind: it can be a user.
    pub(in crate::recorder) fn log(&self, trace: TraceId, me: &Member) {
        if !tracing::enabled!(target: TARGET, Level::DEBUG) {
            return;
        }
        let mut line = String::new();
        self.facts(me, |name, value| {
            let separator = if line.is_empty() { "" } else { " " };
            let value = match name {
                "topic" => self.topic_kind().unwrap_or_default().to_owned(),
                _ => value.to_string(),
            };
            line.push_str(&format!("{separator}{name}={value}"));
        });
        tracing::debug!(target: TARGET, %trace, member = %me, step = self.name(), facts = line, "trace");
    }

    fn topic_kind(&self) -> Option<&'static str> {
        match self {
            Self::Joined { topic, .. }
            | Self::Kept { topic }
            | Self::Left { topic, .. }
            | Self::Published { topic, .. } => Some(TopicKind::label(topic.kind())),
            _ => None,
        }
    }
}
