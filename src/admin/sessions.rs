//! Sessions: whose they are, and their end.

pub(super) mod data;
pub(super) mod list;

use std::sync::Arc;

use axum::{Json, extract};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    State,
    access::{Admin, Caller, Read},
    input::{Body, Segment, Text},
    inquiry, paging,
    parameters::Parameters,
    problem::{AccessProblems, BodyProblems, Problem, ProblemDocument},
    schema::{SessionName, UserName},
};
use crate::{
    id::{SessionId, UserId},
    peer::SessionInfo,
    topic::Topic,
};

/// Most sessions that are listed: about two megabytes.
pub(super) const SESSIONS_MAX: usize = 10_000;

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
    /// The user's sessions: at most 10,000 of them.
    sessions: Vec<Session>,
    /// Nodes that have sessions of the user and did not answer in time; absent if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing: Vec<String>,
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
    kicked: u64,
    /// Nodes that have such sessions and did not answer in time; absent if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing: Vec<String>,
}

/// Who is a user, and from where
#[utoipa::path(
    get,
    path = "/api/users/{id}",
    tag = "sessions",
    security(("key" = [])),
    params(("id" = inline(UserName), Path, description = "The user's id, percent-encoded")),
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
    let topic = Topic::user(&user_id("id", &id)?);
    let found = inquiry::sessions(&state, &topic, SESSIONS_MAX).await;
    Ok(Json(User {
        online: 0 < found.count,
        sessions: found.sessions.iter().map(Session::new).collect(),
        missing: found.missing,
    }))
}

/// End all sessions of a user
#[utoipa::path(
    delete,
    path = "/api/users/{id}/sessions",
    tag = "sessions",
    security(("key" = [])),
    params(
        ("id" = inline(UserName), Path, description = "The user's id, percent-encoded"),
        ("reason" = Option<String>, Query, min_length = 1, max_length = 256,
            description = "As in the body"),
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
    Parameters(query): Parameters,
    body: Body,
) -> Result<Json<Kicked>, Problem> {
    let reason = reason(&query, &body)?;
    let topic = Topic::user(&user_id("id", &id)?);
    let (kicked, missing) = inquiry::kick(&state, &topic, reason.as_deref()).await;
    Ok(Json(Kicked { kicked, missing }))
}

/// End a session
#[utoipa::path(
    delete,
    path = "/api/sessions/{id}",
    tag = "sessions",
    security(("key" = [])),
    params(
        ("id" = inline(SessionName), Path, description = "The session's id"),
        ("reason" = Option<String>, Query, min_length = 1, max_length = 256,
            description = "As in the body"),
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
    Parameters(query): Parameters,
    body: Body,
) -> Result<Json<Kicked>, Problem> {
    let reason = reason(&query, &body)?;
    let topic = Topic::session(&session_id(&id)?);
    match inquiry::kick(&state, &topic, reason.as_deref()).await {
        (0, missing) if missing.is_empty() => Err(gone()),
        (kicked, missing) => Ok(Json(Kicked { kicked, missing })),
    }
}

/// Of both, that in the body counts.
fn reason(query: &str, body: &Body) -> Result<Option<Box<str>>, Problem> {
    let body: Option<KickRequest> = body.read_any()?;
    let in_query = paging::value(query, "reason");
    if let Some(reason) = &in_query
        && !(1..=256).contains(&reason.len())
    {
        let detail = "reason: expected a text of 1 to 256 bytes";
        return Err(Problem::unprocessable(detail).field("reason"));
    }
    let in_body = body.and_then(|request| request.reason);
    let in_body = in_body.map(|Text(reason)| reason);
    Ok(in_body.or(in_query.map(|reason| reason.into_owned().into())))
}

/// The user of this id, which stands in this field.
pub(super) fn user_id(field: &str, text: &str) -> Result<UserId, Problem> {
    text.parse().map_err(|error| {
        let detail = format!("{field}: {error}, expected the id of a user");
        Problem::unprocessable(detail).field(field)
    })
}

/// The session of this id. What is no id is none that is there.
pub(super) fn session_id(text: &str) -> Result<SessionId, Problem> {
    text.parse().map_err(|_| gone())
}

pub(super) fn gone() -> Problem {
    Problem::not_found("there is no such session")
}

// === impl Session ===

impl Session {
    pub(super) fn new(session: &SessionInfo) -> Self {
        Self {
            id: session.id.to_string(),
            dialect: session.dialect.label(),
            node: session.id.member.node().to_owned(),
            since: session.since,
            remote: session.remote,
            idle_seconds: session.idle_seconds,
            user: None,
        }
    }

    pub(super) fn with_user(session: &SessionInfo) -> Self {
        Self {
            user: session.user.as_ref().map(|user| user.as_str().to_owned()),
            ..Self::new(session)
        }
    }
}
