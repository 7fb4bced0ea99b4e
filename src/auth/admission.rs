//! Admission: what a service of the application says about clients who are known, and about the rooms
//! they want to join.

use std::{borrow::Cow, net::IpAddr, sync::Arc};

use arc_swap::ArcSwap;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::grant::{Loose, Name, Rights};
use crate::{
    backend::{
        HttpClient, event_id,
        hook::{Hook, HookError},
    },
    clock::Clock,
    config::{Backend, DecidingHook, WhenDown},
    dialect::{Answer, Grant, Question},
    id::UserId,
    services::{Asked, Caller},
    stats::{DecidingStats, HookOutcome, HookStats},
};

/// Longest reason that is passed on to a client, in characters.
const REASON_CHARS_MAX: usize = 200;
const REFUSED: Cow<'static, str> = Cow::Borrowed("the application does not allow it");
/// Nobody has to be asked.
const ALLOWED: Answer = Answer::Granted(Grant {
    user: None,
    rooms: Vec::new(),
    devices: Vec::new(),
    publish: Vec::new(),
    role: None,
    name: None,
});

/// Answers the questions that a service decides.
#[derive(Debug)]
pub struct Admission {
    gates: ArcSwap<Gates>,
    client: HttpClient,
    clock: Clock,
    stats: Arc<DecidingStats>,
}

#[derive(Debug)]
struct Gates {
    connect: Option<Arc<Gate>>,
    subscribe: Option<Arc<Gate>>,
}

/// A service that decides.
#[derive(Debug)]
struct Gate {
    hook: Hook,
    settings: DecidingHook,
}

/// A question as it stands on the wire.
#[derive(Serialize)]
struct Event<'a> {
    event: &'static str,
    dialect: &'static str,
    user: Option<&'a str>,
    session: String,
    remote: IpAddr,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    room: Option<&'a str>,
    time: u64,
    id: String,
}

/// The answer.
#[derive(Deserialize)]
struct Reply {
    allow: bool,
    #[serde(default)]
    user: Option<Name>,
    #[serde(default)]
    rooms: Option<Vec<Name>>,
    #[serde(default)]
    role: Loose,
    #[serde(default)]
    name: Loose,
    #[serde(default)]
    reason: Option<String>,
}

/// What of an answer counts.
enum About {
    /// Who comes in, and whether it has to be that one.
    Client {
        user: Option<UserId>,
        is_proven: bool,
    },
    /// A room: there is only yes and no.
    Room,
}

// === impl Admission ===

impl Admission {
    /// Answers as the settings say.
    pub fn new(settings: &Backend, client: HttpClient, clock: Clock) -> Self {
        Self {
            gates: ArcSwap::from_pointee(Gates::new(settings, &client, None)),
            client,
            clock,
            stats: Arc::default(),
        }
    }

    /// Answers as these settings say from now on. Services that were asked before may still answer.
    pub fn reload(&self, settings: &Backend) {
        let before = self.gates.load();
        let gates = Gates::new(settings, &self.client, Some(&**before));
        self.gates.store(Arc::new(gates));
    }

    /// What it counts.
    pub fn stats(&self) -> &Arc<DecidingStats> {
        &self.stats
    }

    /// Asks on behalf of a client; see [`crate::services::Services::ask`]. Where no service is
    /// configured everybody may come in, and nobody may join a room by its own word.
    pub fn ask(&self, caller: &Caller, question: Question) -> Asked {
        let gates = self.gates.load();
        let time = self.clock.now().unix_seconds();
        let is_asked = |gate: &&Arc<Gate>| gate.settings.concerns(caller.dialect);
        match question {
            Question::Connect {
                user,
                client_id,
                is_proven,
            } => {
                let Some(gate) = gates.connect.as_ref().filter(is_asked) else {
                    return Asked::Now(ALLOWED);
                };
                let mut event = Event::new("connect", caller, time);
                event.user = user.as_ref().map(UserId::as_str);
                event.client_id = client_id.as_deref();
                let body = event.written();
                self.begin(gate, body, About::Client { user, is_proven })
            }
            Question::Join { room, user } => {
                let Some(gate) = gates.subscribe.as_ref().filter(is_asked) else {
                    return Asked::Now(Answer::Denied(REFUSED));
                };
                let mut event = Event::new("subscribe", caller, time);
                event.user = event.user.or(user.as_ref().map(UserId::as_str));
                event.room = Some(room.id());
                self.begin(gate, event.written(), About::Room)
            }
            Question::Login { .. } => {
                debug_assert!(false, "the authenticator is asked that");
                Asked::Now(Answer::Unavailable)
            }
        }
    }

    fn begin(&self, gate: &Arc<Gate>, body: Bytes, about: About) -> Asked {
        let gate = Arc::clone(gate);
        let stats = Arc::clone(&self.stats);
        let clock = self.clock;
        Asked::Later(Box::pin(async move {
            let stats = match &about {
                About::Client { .. } => &stats.connect,
                About::Room => &stats.subscribe,
            };
            gate.ask(body, &about, clock, stats).await
        }))
    }
}

// === impl Gates ===

impl Gates {
    /// One that is as it was before stays, with all who wait for it.
    fn new(settings: &Backend, client: &HttpClient, before: Option<&Self>) -> Self {
        let gate = |hook: &Option<DecidingHook>, before: Option<&Arc<Gate>>| {
            let hook = hook.as_ref()?;
            let same = before.filter(|gate| gate.settings == *hook).cloned();
            Some(same.unwrap_or_else(|| Arc::new(Gate::new(hook, client))))
        };
        let connect = before.and_then(|before| before.connect.as_ref());
        let subscribe = before.and_then(|before| before.subscribe.as_ref());
        Self {
            connect: gate(&settings.connect, connect),
            subscribe: gate(&settings.subscribe, subscribe),
        }
    }
}

// === impl Gate ===

impl Gate {
    fn new(settings: &DecidingHook, client: &HttpClient) -> Self {
        let hook = Hook::new(
            client.clone(),
            &settings.url,
            settings.timeout,
            settings.secret.as_ref(),
            settings.waiting_max,
        );
        Self {
            hook,
            settings: settings.clone(),
        }
    }

    async fn ask(&self, body: Bytes, about: &About, clock: Clock, stats: &HookStats) -> Answer {
        let begin = Instant::now();
        let (outcome, answer) = match self.hook.ask(body, clock.now().unix_seconds()).await {
            Ok(reply) => read(&reply, about),
            Err(HookError::Denied) => (HookOutcome::Denied, Some(Answer::Denied(REFUSED))),
            Err(error) => (error.outcome(), None),
        };
        stats.calls[outcome as usize].add(1);
        if outcome != HookOutcome::Overloaded {
            stats.call.record(begin.elapsed());
        }
        answer.unwrap_or(match self.settings.when_down {
            WhenDown::Allow => ALLOWED,
            WhenDown::Deny => Answer::Unavailable,
        })
    }
}

/// What the service has decided, unless it has not answered as agreed.
fn read(reply: &[u8], about: &About) -> (HookOutcome, Option<Answer>) {
    const MALFORMED: (HookOutcome, Option<Answer>) = (HookOutcome::Malformed, None);

    let Ok(reply) = serde_json::from_slice::<Reply>(reply) else {
        return MALFORMED;
    };
    if !reply.allow {
        let reason = reply.reason.filter(|reason| is_passable(reason));
        let answer = Answer::Denied(reason.map_or(REFUSED, Cow::Owned));
        return (HookOutcome::Denied, Some(answer));
    }
    let About::Client { user, is_proven } = about else {
        return (HookOutcome::Allowed, Some(ALLOWED));
    };
    let rights = Rights {
        rooms: reply.rooms.unwrap_or_default(),
        role: reply.role,
        name: reply.name,
        ..Rights::default()
    };
    let Some(mut grant) = rights.grant(reply.user) else {
        return MALFORMED;
    };
    grant.user = grant.user.filter(|named| user.as_ref() != Some(named));
    if grant.user.is_some() && *is_proven {
        // It takes the client for somebody else, so that its word is worth nothing, whatever counts
        // when it has none.
        return (HookOutcome::Malformed, Some(Answer::Unavailable));
    }
    (HookOutcome::Allowed, Some(Answer::Granted(grant)))
}

/// Whether a client may read what the service gives as its reason.
fn is_passable(reason: &str) -> bool {
    !reason.is_empty()
        && reason.chars().count() <= REASON_CHARS_MAX
        && !reason.chars().any(char::is_control)
}

// === impl Event ===

impl<'a> Event<'a> {
    fn new(event: &'static str, caller: &'a Caller, time: u64) -> Self {
        Self {
            event,
            dialect: caller.dialect.label(),
            user: caller.user.as_ref().map(UserId::as_str),
            session: caller.session.to_string(),
            remote: caller.remote,
            client_id: None,
            room: None,
            time,
            id: event_id(),
        }
    }

    fn written(&self) -> Bytes {
        let text = serde_json::to_vec(self).expect("texts and numbers are JSON");
        Bytes::from(text)
    }
}
