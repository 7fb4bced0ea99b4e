//! `/api/process`: what the command line does with the node that it finds running.

use std::{collections::BTreeMap, net::SocketAddr, path::Path, sync::Arc};

use axum::{Json, extract, http::StatusCode};
use serde::{Deserialize, Serialize};
use tokio::task;
use tracing::info;
use utoipa::ToSchema;

use super::{
    State,
    access::Control,
    input::Body,
    nodes::Node,
    problem::{AccessProblems, BodyProblems, Problem, ProblemDocument},
};
use crate::{
    auth::issue::{IssueError, TokenRequest},
    dialect::DialectId,
};

/// Most of the slowest consumers by each of their measures.
const SLOWEST_MAX: usize = 10;

/// A running node
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Status {
    /// Its name.
    node: String,
    /// Its name and which of its lives this is.
    member: String,
    /// The version of the program.
    version: &'static str,
    /// The number of the process.
    pid: u32,
    /// `starting`, `ready` or `draining`.
    state: &'static str,
    /// Why it is not ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Time since its start.
    uptime_seconds: u64,
    /// Where the public listeners are bound.
    #[schema(value_type = Vec<String>)]
    public: Vec<SocketAddr>,
    /// Where the admin listener is bound.
    #[schema(value_type = String)]
    admin: SocketAddr,
    /// Open sessions by dialect.
    sessions: BTreeMap<&'static str, u64>,
    /// The living nodes, this one first.
    nodes: Vec<Node>,
    /// How old the newest canary is that came back through Redis; absent without a cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    canary_age_ms: Option<u64>,
    /// The sessions of this node for which most waits, and those for which something has waited longest: up to
    /// ten of each, the most bytes first.
    slowest: Vec<SlowConsumer>,
}

/// A session for which something waits
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "session": "gw-1.18f3.3000000000001", "dialect": "ride", "bytes": 123_456, "age_ms": 3200,
}))]
pub(super) struct SlowConsumer {
    /// Its id.
    session: String,
    /// The protocol that it speaks.
    dialect: &'static str,
    /// Bytes that wait for its socket, with what keeping them costs.
    bytes: usize,
    /// How long the oldest of them has waited, to a tenth of a second.
    age_ms: u64,
}

/// What came of a reload
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"applied": ["limits.idle"], "needs_restart": ["listen.public"]}))]
pub(super) struct ReloadAnswer {
    /// Keys whose new values are in use.
    applied: Vec<String>,
    /// Keys whose new values wait for a restart.
    needs_restart: Vec<String>,
}

/// A credential
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TokenAnswer {
    /// A token or a query that a client can log in with.
    token: String,
}

/// For which client a credential is wanted
///
/// The fields depend on the dialect: `client_id` and `token` for `ride`; `id` for `im`, whose tokens
/// last as long as `dialect.im.token_max_age` says; `user`, `devices`, `rooms` and `publish` for
/// `device`; `user`, `rooms`, `agent` and `name` for `room`.
#[derive(ToSchema)]
#[schema(as = TokenRequest, example = json!({
    "dialect": "device", "user": "42", "devices": ["d1"], "rooms": ["news"], "ttl_seconds": 3600,
}))]
#[allow(dead_code)] // Only the schema is used.
struct TokenForm {
    /// `ride`, `im`, `room`, `live` or `device`.
    dialect: String,
    /// `ride`: the client id.
    client_id: Option<String>,
    /// `ride`: the token, which is the user's address.
    token: Option<String>,
    /// `im`: the user.
    id: Option<u64>,
    /// `room`, `live` and `device`: the user.
    user: Option<String>,
    /// `live`: the type, `wechatUser` or `wall`.
    r#type: Option<String>,
    /// `live`: the code of the room.
    code: Option<String>,
    /// `live`: the nickname.
    nickname: Option<String>,
    /// `device`: devices to watch.
    devices: Option<Vec<String>>,
    /// `device` and `room`: rooms to join.
    rooms: Option<Vec<String>>,
    /// `device`: topics to publish to.
    publish: Option<Vec<String>>,
    /// `room`: whether the user takes customers.
    agent: Option<bool>,
    /// `room`: what people call the user.
    name: Option<String>,
    /// All but `im`: how long it lasts, if it is signed.
    #[schema(default = 3600)]
    ttl_seconds: Option<u64>,
}

/// The state of the process
#[utoipa::path(
    get,
    path = "/api/process",
    tag = "process",
    security(("control" = [])),
    responses((status = 200, description = "The process", body = Status), AccessProblems),
)]
pub(super) async fn status(
    _: Control,
    extract::State(state): extract::State<Arc<State>>,
) -> Json<Status> {
    let parts = &state.parts;
    let phase = parts.process.phase();
    let open = |dialect: DialectId| {
        let shards = parts.router.shards().iter();
        let open = shards.map(|shard| shard.stats.dialect(dialect).open());
        (dialect.label(), open.sum())
    };
    let presence = parts.router.presence();
    let canary = presence.and_then(|presence| presence.canary_age());
    Json(Status {
        node: parts.router.member().node().to_owned(),
        member: parts.router.member().to_string(),
        version: env!("CARGO_PKG_VERSION"),
        pid: std::process::id(),
        state: phase.label(),
        reason: phase.reason().map(str::to_owned),
        uptime_seconds: parts.clock.uptime().as_secs(),
        public: parts.public.clone(),
        admin: parts.admin,
        sessions: DialectId::ALL.into_iter().map(open).collect(),
        nodes: state.nodes().iter().map(Node::new).collect(),
        canary_age_ms: canary.map(|age| age.as_millis() as u64),
        slowest: slowest(&state),
    })
}

fn slowest(state: &State) -> Vec<SlowConsumer> {
    let router = &state.parts.router;
    let slowest = router.slowest(SLOWEST_MAX, state.parts.clock.now());
    let slowest = slowest.into_iter().map(|consumer| SlowConsumer {
        session: router.session_id(consumer.serial).to_string(),
        dialect: consumer.dialect.label(),
        bytes: consumer.bytes,
        age_ms: consumer.age_ms,
    });
    slowest.collect()
}

/// Drain the node and end the process
#[utoipa::path(
    post,
    path = "/api/process/stop",
    tag = "process",
    security(("control" = [])),
    responses((status = 202, description = "It has begun, now or before"), AccessProblems),
)]
pub(super) async fn stop(
    _: Control,
    extract::State(state): extract::State<Arc<State>>,
) -> StatusCode {
    info!("stop asked for by the command line");
    state.parts.process.drain();
    StatusCode::ACCEPTED
}

/// Where listening sockets are wanted
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"path": "/run/tidegate/.tidegate-42/s"}))]
pub(super) struct SocketsRequest {
    /// A Unix socket on this machine.
    path: String,
}

/// Give the listening sockets to another process of this machine
///
/// That process takes clients from then on as this one does, until one of them ends.
#[utoipa::path(
    post,
    path = "/api/process/sockets",
    tag = "process",
    security(("control" = [])),
    request_body = SocketsRequest,
    responses(
        (status = 204, description = "They are given"),
        (status = 404, description = "Nobody waits for them there", body = ProblemDocument,
            content_type = "application/problem+json"),
        AccessProblems,
        BodyProblems,
    ),
)]
pub(super) async fn sockets(
    _: Control,
    extract::State(state): extract::State<Arc<State>>,
    body: Body,
) -> Result<StatusCode, Problem> {
    let SocketsRequest { path } = body.read()?;
    let process = Arc::clone(&state.parts.process);
    let given = task::spawn_blocking(move || process.give_sockets(Path::new(&path))).await;
    match given {
        Ok(Ok(())) => Ok(StatusCode::NO_CONTENT),
        Ok(Err(_)) => Err(Problem::not_found("nobody waits for them there")),
        Err(_) => Err(Problem::busy("the sockets could not be given")),
    }
}

/// Read the configuration again
#[utoipa::path(
    post,
    path = "/api/process/reload",
    tag = "process",
    security(("control" = [])),
    responses(
        (status = 200, description = "What has changed", body = ReloadAnswer),
        (status = 422, description = "The configuration has mistakes, listed in errors, and \
            nothing has changed", body = ProblemDocument, content_type = "application/problem+json"),
        AccessProblems,
    ),
)]
pub(super) async fn reload(
    _: Control,
    extract::State(state): extract::State<Arc<State>>,
) -> Result<Json<ReloadAnswer>, Problem> {
    let process = Arc::clone(&state.parts.process);
    let reloaded = task::spawn_blocking(move || process.reload()).await;
    let reloaded = reloaded.map_err(|_| {
        let detail = "the configuration could not be read";
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail)
    })?;
    if !reloaded.errors.is_empty() {
        let detail = "the configuration has mistakes, and nothing has changed";
        return Err(Problem::unprocessable(detail).errors(reloaded.errors));
    }
    Ok(Json(ReloadAnswer {
        applied: reloaded.applied,
        needs_restart: reloaded.needs_restart,
    }))
}

/// Make a credential
#[utoipa::path(
    post,
    path = "/api/process/token",
    tag = "process",
    security(("control" = [])),
    request_body = TokenForm,
    responses(
        (status = 200, description = "The credential", body = TokenAnswer),
        AccessProblems,
        BodyProblems,
    ),
)]
pub(super) async fn token(
    _: Control,
    extract::State(state): extract::State<Arc<State>>,
    body: Body,
) -> Result<Json<TokenAnswer>, Problem> {
    let request: TokenRequest = body.read()?;
    match state.parts.process.issue_token(request).await {
        Ok(token) => Ok(Json(TokenAnswer { token })),
        Err(error @ IssueError::Unavailable(_)) => Err(Problem::busy(error.to_string())),
        Err(error) => Err(Problem::unprocessable(error.to_string())),
    }
}
