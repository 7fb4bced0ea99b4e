//! Sessions: whose they are, and their end.

use std::sync::Arc;

use axum::{
    Json,
    extract::{self, RawQuery},
};
use serde::{Deserialize, Serialize};
use tracing::info;
use utoipa::ToSchema;

use super::{
    State,
    access::{Admin, Caller, Read},
    input::{Body, Segment, Text},
    problem::{AccessProblems, BodyProblems, Problem, ProblemDocument},
};
use crate::{
    close::CloseReason,
    dialect::{Now, query_pairs},
    id::{SessionId, UserId},
    router::{Router, subscriber::Subscriber},
    topic::Topic,
};

/// A session
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "id": "gw-1.18f3.3000000000001", "dialect": "device", "node": "gw-1", "since": 1_700_000_000,
    "remote": "203.0.113.7", "idle_seconds": 4,
}))]
pub(super) struct Session {
    /// Its id: `session:<id>` is its topic.
    id: String,
    /// The protocol that it speaks.
    dialect: &'static str,
    /// The node that it is connected to.
    node: String,
    /// When it was upgraded, in seconds since the Unix epoch.
    since: u64,
    /// The client's address.
    #[schema(value_type = String)]
    remote: std::net::IpAddr,
    /// How long its client has been silent.
    idle_seconds: u64,
    /// Whose it is; only where sessions of several users can stand.
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
}

/// A user
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"online": true, "sessions": [{
    "id": "gw-1.18f3.3000000000001", "dialect": "device", "node": "gw-1", "since": 1_700_000_000,
    "remote": "203.0.113.7", "idle_seconds": 4,
}]}))]
pub(super) struct User {
    /// Whether the user has any session.
    online: bool,
    /// The user's sessions.
    sessions: Vec<Session>,
}

/// Why a session is ended
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"reason": "banned"}))]
pub(super) struct KickRequest {
    /// Goes to the log of the node. The client sees a close with code 1008, whatever it says.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 256)]
    reason: Option<Text<256>>,
}

/// What came of it
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"kicked": 1}))]
pub(super) struct Kicked {
    /// How many sessions were ended.
    kicked: usize,
}

/// Who is a user, and from where
#[utoipa::path(
    get,
    path = "/api/users/{id}",
    tag = "sessions",
    security(("key" = [])),
    params(("id" = String, Path, description = "The user's id, percent-encoded")),
    responses(
        (status = 200, description = "The user's sessions", body = User),
        (status = 422, description = "The id is not one of a user", body = ProblemDocument,
            content_type = "application/problem+json"),
        AccessProblems,
    ),
)]
pub(super) async fn user(
    _: Caller<Read>,
    extract::State(state): extract::State<Arc<State>>,
    Segment(id): Segment,
) -> Result<Json<User>, Problem> {
    let topic = Topic::user(&user_id(&id)?);
    let now = state.parts.clock.now();
    let router = &state.parts.router;
    let subscribers = router.members(&topic, usize::MAX);
    let sessions = subscribers
        .iter()
        .map(|subscriber| Session::new(router, subscriber, now));
    let sessions: Vec<Session> = sessions.collect();
    Ok(Json(User {
        online: !sessions.is_empty(),
        sessions,
    }))
}

/// End all sessions of a user
#[utoipa::path(
    delete,
    path = "/api/users/{id}/sessions",
    tag = "sessions",
    security(("key" = [])),
    params(
        ("id" = String, Path, description = "The user's id, percent-encoded"),
        ("reason" = Option<String>, Query, description = "As in the body"),
    ),
    request_body = Option<KickRequest>,
    responses(
        (status = 200, description = "They end now; there may have been none", body = Kicked),
        AccessProblems,
        BodyProblems,
    ),
)]
pub(super) async fn kick_user(
    _: Caller<Admin>,
    extract::State(state): extract::State<Arc<State>>,
    Segment(id): Segment,
    RawQuery(query): RawQuery,
    body: Body,
) -> Result<Json<Kicked>, Problem> {
    let reason = reason(query.as_deref(), &body)?;
    let topic = Topic::user(&user_id(&id)?);
    let router = &state.parts.router;
    let subscribers = router.members(&topic, usize::MAX);
    let ended = subscribers
        .iter()
        .filter(|subscriber| kick(router, subscriber, reason.as_deref()));
    Ok(Json(Kicked {
        kicked: ended.count(),
    }))
}

/// End a session
#[utoipa::path(
    delete,
    path = "/api/sessions/{id}",
    tag = "sessions",
    security(("key" = [])),
    params(
        ("id" = String, Path, description = "The session's id"),
        ("reason" = Option<String>, Query, description = "As in the body"),
    ),
    request_body = Option<KickRequest>,
    responses(
        (status = 200, description = "It ends now", body = Kicked),
        (status = 404, description = "There is no such session", body = ProblemDocument,
            content_type = "application/problem+json"),
        AccessProblems,
        BodyProblems,
    ),
)]
pub(super) async fn kick_session(
    _: Caller<Admin>,
    extract::State(state): extract::State<Arc<State>>,
    Segment(id): Segment,
    RawQuery(query): RawQuery,
    body: Body,
) -> Result<Json<Kicked>, Problem> {
    let reason = reason(query.as_deref(), &body)?;
    let router = &state.parts.router;
    let found = id
        .parse::<SessionId>()
        .ok()
        .filter(|id| id.member == *router.member())
        .and_then(|id| router.find(id.serial));
    match found {
        // One that ends already is as good as gone.
        Some(subscriber) if kick(router, &subscriber, reason.as_deref()) => {
            Ok(Json(Kicked { kicked: 1 }))
        }
        _ => Err(Problem::not_found("there is no such session")),
    }
}

fn kick(router: &Router, subscriber: &Arc<Subscriber>, reason: Option<&str>) -> bool {
    let ended = subscriber.close(CloseReason::Kicked);
    if ended {
        let session = router.session_id(subscriber.serial);
        info!(%session, reason, "session kicked");
    }
    ended
}

fn reason(query: Option<&str>, body: &Body) -> Result<Option<Box<str>>, Problem> {
    let body: Option<KickRequest> = body.read_any()?;
    let from_body = body.and_then(|request| request.reason);
    if let Some(Text(reason)) = from_body {
        return Ok(Some(reason));
    }
    let mut pairs = query_pairs(query.unwrap_or_default());
    let value = pairs.find(|(name, _)| name == "reason");
    match value {
        Some((_, reason)) if !(1..=256).contains(&reason.len()) => {
            let detail = "reason: expected a text of 1 to 256 bytes";
            Err(Problem::unprocessable(detail).field("reason"))
        }
        Some((_, reason)) => Ok(Some(reason.into())),
        None => Ok(None),
    }
}

fn user_id(text: &str) -> Result<UserId, Problem> {
    text.parse().map_err(|error| {
        let detail = format!("id: {error}, expected the id of a user");
        Problem::unprocessable(detail).field("id")
    })
}

// === impl Session ===

impl Session {
    pub(super) fn new(router: &Router, subscriber: &Subscriber, now: Now) -> Self {
        let idle = match u64::from(subscriber.seen()) {
            // Its client has not said anything since the upgrade.
            0 => now.unix_ms.saturating_sub(subscriber.since_ms) / 1000,
            deciseconds => now.uptime.as_secs().saturating_sub(deciseconds / 10),
        };
        Self {
            id: router.session_id(subscriber.serial).to_string(),
            dialect: subscriber.dialect_id().label(),
            node: router.member().node().to_owned(),
            since: subscriber.since_ms / 1000,
            remote: subscriber.remote,
            idle_seconds: idle,
            user: None,
        }
    }
    pub(super) fn with_user(mut self, subscriber: &Subscriber) -> Self {
        self.user = subscriber.user().map(|user| user.as_str().to_owned());
        self
    }
}
