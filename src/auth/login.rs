//! A service of the application that decides about logins.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::grant::{Name, Rights};
use crate::{
    backend::{
        HttpClient, event_id,
        hook::{Hook, HookError},
    },
    config,
    dialect::{Answer, DialectId, Now},
    stats::{AuthStats, HookOutcome},
};

/// Most logins that wait for one service. At its usual two seconds this is a hundred logins a
/// second from a service that hangs, each of which holds a connection.
const WAITING_MAX: usize = 256;

/// A service that decides about logins.
#[derive(Debug)]
pub(super) struct LoginHook(Hook);

/// The question.
#[derive(Serialize)]
struct Event<'a> {
    event: &'static str,
    dialect: &'static str,
    token: &'a str,
    client_id: Option<&'a str>,
    time: u64,
    id: &'a str,
}

/// The answer.
#[derive(Deserialize)]
struct Reply {
    allow: bool,
    user: Option<Name>,
    #[serde(flatten)]
    rights: Rights,
}

/// The question about a client, as it stands on the wire.
pub(super) fn request(dialect: DialectId, token: &str, client_id: Option<&str>, now: Now) -> Bytes {
    let event = Event {
        event: "login",
        dialect: dialect.label(),
        token,
        client_id,
        time: now.unix_seconds(),
        id: &event_id(),
    };
    let text = serde_json::to_vec(&event).expect("texts and numbers are JSON");
    Bytes::from(text)
}

impl LoginHook {
    pub(super) fn new(settings: &config::LoginHook, client: HttpClient) -> Self {
        let config::LoginHook {
            url,
            timeout,
            secret,
        } = settings;
        Self(Hook::new(
            client,
            url,
            *timeout,
            secret.as_ref(),
            WAITING_MAX,
        ))
    }

    pub(super) async fn ask(&self, body: Bytes, now: Now, stats: &AuthStats) -> Answer {
        let begin = Instant::now();
        let (outcome, answer) = match self.0.ask(body, now.unix_seconds()).await {
            Ok(reply) => read(&reply),
            Err(error) => (error.outcome(), error.answer()),
        };
        stats.hooks[outcome as usize].add(1);
        if outcome != HookOutcome::Overloaded {
            stats.hook.record(begin.elapsed());
        }
        answer
    }
}

fn read(reply: &[u8]) -> (HookOutcome, Answer) {
    const MALFORMED: (HookOutcome, Answer) = (HookOutcome::Malformed, Answer::Unavailable);

    let Ok(reply) = serde_json::from_slice::<Reply>(reply) else {
        return MALFORMED;
    };
    if !reply.allow {
        return (HookOutcome::Denied, DENIED);
    }
    match reply.rights.grant(reply.user) {
        Some(grant) => (HookOutcome::Allowed, Answer::Granted(grant)),
        None => MALFORMED,
    }
}

/// The service's own words are for its log: they are not bounded, and not ours to pass on.
const DENIED: Answer = Answer::denied("the login was refused");

impl HookError {
    pub(super) fn outcome(&self) -> HookOutcome {
        match self {
            Self::Denied => HookOutcome::Denied,
            Self::Status(_) | Self::Transport(_) => HookOutcome::Failed,
            Self::TooLong => HookOutcome::Malformed,
            Self::Overloaded => HookOutcome::Overloaded,
            Self::Timeout => HookOutcome::Timeout,
        }
    }

    fn answer(&self) -> Answer {
        match self {
            Self::Denied => DENIED,
            Self::Overloaded
            | Self::Status(_)
            | Self::Timeout
            | Self::TooLong
            | Self::Transport(_) => Answer::Unavailable,
        }
    }
}
