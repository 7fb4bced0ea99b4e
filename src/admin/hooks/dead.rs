//! `/api/hooks/dead`: what webhooks could not be told.

use std::sync::Arc;

use axum::{Json, extract};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoResponses, ToSchema};

use super::super::{
    State,
    access::{Admin, Caller, Read},
    input::Body,
    paging,
    parameters::Parameters,
    problem::{AccessProblems, BodyProblems, Problem, ProblemDocument, StoreProblems},
    schema::DeadName,
};
use crate::dispatch::{DEAD_MAX, Dead, DispatchError, DispatchId};

/// How many of the dead are dealt with at once.
const PAGE: usize = 100;

/// A page of what webhooks could not be told
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::admin) struct Deads {
    /// Oldest first.
    dead: Vec<DeadHook>,
    /// What to give as cursor for the next page; null: there is none.
    next: Option<String>,
}

/// What a webhook could not be told
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "id": "1700000000000-0", "url": "http://10.0.0.5/hook", "event": "session.closed",
    "since": 1_700_000_000, "reason": "the endpoint answered with status 422",
    "body": {"event": "session.closed", "id": "4be1a0"},
}))]
pub(in crate::admin) struct DeadHook {
    /// Names it among the dead.
    id: String,
    /// The address of the webhook.
    url: Box<str>,
    /// What it was to be told of.
    event: Box<str>,
    /// Since when that was tried, in seconds since the Unix epoch.
    since: u64,
    /// Why it was given up.
    reason: Box<str>,
    /// What was posted; null if that is no JSON.
    #[schema(value_type = serde_json::Value)]
    body: Option<Box<RawValue>>,
}

/// What webhooks could not be told
///
/// Of all nodes. About ten thousand are kept; the oldest go.
#[utoipa::path(
    get,
    path = "/api/hooks/dead",
    tag = "hooks",
    security(("key" = [])),
    params(
        ("limit" = Option<u64>, Query, minimum = 1, maximum = 100,
            description = "Most of one page; 100 if it is missing"),
        ("cursor" = inline(Option<DeadName>), Query, description = "next of the page before"),
    ),
    responses(
        (status = 200, description = "A page", body = Deads),
        (status = 422, description = "A parameter is wrong", body = ProblemDocument,
            content_type = "application/problem+json"),
        StoreProblems,
        AccessProblems,
    ),
)]
pub(in crate::admin) async fn dead(
    _: Caller<Read>,
    extract::State(state): extract::State<Arc<State>>,
    Parameters(query): Parameters,
) -> Result<Json<Deads>, Problem> {
    let limit = paging::limit(&query, PAGE, PAGE)?;
    let after = match paging::value(&query, "cursor") {
        Some(cursor) => id("cursor", &cursor)?,
        None => DispatchId::NONE,
    };
    // One more shows whether there is a next page.
    let mut dead = state.parts.hooks.dead(after, limit + 1).await?;
    let last = paging::cut(&mut dead, limit);
    Ok(Json(Deads {
        next: last.map(|dead| dead.id.to_string()),
        dead: dead.into_iter().map(DeadHook::new).collect(),
    }))
}

/// Which of the dead are meant
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"ids": ["1700000000000-0"]}))]
pub(in crate::admin) struct Which {
    /// These.
    #[serde(default)]
    #[schema(value_type = Vec<DeadName>)]
    ids: Vec<String>,
    /// All that there are now.
    #[serde(default)]
    all: bool,
}

/// How many it were
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"count": 1}))]
pub(in crate::admin) struct Counted {
    /// How many it were.
    count: u64,
}

/// What becomes of the dead.
#[derive(Clone, Copy)]
enum Fate {
    Forget,
    Revive,
}

/// Answers of calls about some of the dead.
struct WhichProblems;

impl IntoResponses for WhichProblems {
    fn responses()
    -> std::collections::BTreeMap<String, utoipa::openapi::RefOr<utoipa::openapi::Response>> {
        let mut responses = BodyProblems::responses();
        responses.extend(StoreProblems::responses());
        responses.extend(AccessProblems::responses());
        responses
    }
}

/// Tell webhooks again what they could not be told
///
/// As if it had happened now, under the same ids. Those that are not there are passed over.
#[utoipa::path(
    post,
    path = "/api/hooks/dead/retry",
    tag = "hooks",
    security(("key" = [])),
    request_body = Which,
    responses((status = 200, description = "How many", body = Counted), WhichProblems),
)]
pub(in crate::admin) async fn retry(
    _: Caller<Admin>,
    extract::State(state): extract::State<Arc<State>>,
    body: Body,
) -> Result<Json<Counted>, Problem> {
    decide(&state, &body, Fate::Revive).await
}

/// Forget what webhooks could not be told
#[utoipa::path(
    delete,
    path = "/api/hooks/dead",
    tag = "hooks",
    security(("key" = [])),
    request_body = Which,
    responses((status = 200, description = "How many", body = Counted), WhichProblems),
)]
pub(in crate::admin) async fn forget(
    _: Caller<Admin>,
    extract::State(state): extract::State<Arc<State>>,
    body: Body,
) -> Result<Json<Counted>, Problem> {
    decide(&state, &body, Fate::Forget).await
}

async fn decide(state: &State, body: &Body, fate: Fate) -> Result<Json<Counted>, Problem> {
    let Which { ids, all } = body.read()?;
    if ids.is_empty() && !all {
        let detail = "ids: is missing or empty, expected ids of the dead, or \"all\": true";
        return Err(Problem::unprocessable(detail).field("ids"));
    }
    // Also where all are meant: what is not usable is a mistake.
    let ids: Result<Vec<_>, _> = ids.iter().map(|text| id("ids", text)).collect();
    let ids = ids?;
    let hooks = &state.parts.hooks;
    let meet = async |ids: Vec<DispatchId>| match fate {
        Fate::Forget => hooks.forget(ids).await,
        Fate::Revive => hooks.revive(&ids).await,
    };
    if !all {
        let count = meet(ids).await?;
        return Ok(Json(Counted { count }));
    }
    let (mut count, mut after) = (0, DispatchId::NONE);
    // Some may come meanwhile, those that fail again for example.
    for _ in 0..2 * DEAD_MAX / PAGE {
        let page = hooks.dead(after, PAGE).await?;
        let Some(last) = page.last() else {
            break;
        };
        after = last.id;
        count += meet(page.iter().map(|dead| dead.id).collect()).await?;
    }
    Ok(Json(Counted { count }))
}

fn id(field: &'static str, text: &str) -> Result<DispatchId, Problem> {
    text.parse().map_err(|_| {
        let detail = format!("{field}: is not usable, expected what /api/hooks/dead has told");
        Problem::unprocessable(detail).field(field)
    })
}

impl DeadHook {
    fn new(dead: Dead) -> Self {
        let Dead {
            id,
            reason,
            dispatch,
        } = dead;
        Self {
            id: id.to_string(),
            url: dispatch.url,
            event: dispatch.event,
            since: dispatch.since_ms / 1000,
            reason,
            body: serde_json::from_slice(&dispatch.body).ok(),
        }
    }
}

impl From<DispatchError> for Problem {
    fn from(error: DispatchError) -> Self {
        Self::busy(error.to_string())
    }
}
