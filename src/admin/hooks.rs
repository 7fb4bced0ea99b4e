//! `/api/hooks`: webhooks, and how they are doing.

pub(super) mod dead;

use std::sync::Arc;

use axum::{Json, extract};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    State,
    access::{Admin, Caller, Read},
    input::Body,
    problem::{AccessProblems, BodyProblems, Problem, ProblemDocument},
};
use crate::{
    backend::hooks::{HookState, SampleError, Sampled},
    happening::Kind,
};

/// Webhooks
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Hooks {
    /// Those of the configuration in its order, then other endpoints that something waits for.
    hooks: Vec<Hook>,
}

/// A webhook, and how it is doing on this node
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "url": "http://10.0.0.5/hook", "events": ["session.opened"], "configured": true, "pending": 12,
    "in_flight": 1, "failures": 7, "failing_since": 1_700_000_000,
    "last_error": "the endpoint answered with status 503",
}))]
pub(super) struct Hook {
    /// Its address.
    url: String,
    /// What it is told of.
    events: Vec<&'static str>,
    /// Whether the configuration has it. What waits for one that is gone waits for a day.
    configured: bool,
    /// How much waits for it.
    pending: usize,
    /// How many requests are under way.
    in_flight: usize,
    /// How often it has failed since it was told something.
    failures: u32,
    /// Since when it fails, in seconds since the Unix epoch.
    failing_since: Option<u64>,
    /// What the last failure was.
    last_error: Option<String>,
}

/// How webhooks are doing on this node
#[utoipa::path(
    get,
    path = "/api/hooks",
    tag = "hooks",
    security(("key" = [])),
    responses((status = 200, description = "The webhooks", body = Hooks), AccessProblems),
)]
pub(super) async fn hooks(
    _: Caller<Read>,
    extract::State(state): extract::State<Arc<State>>,
) -> Json<Hooks> {
    let hooks = state.parts.hooks.states();
    Json(Hooks {
        hooks: hooks.into_iter().map(Hook::new).collect(),
    })
}

/// Which webhook is to be tried
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"url": "http://10.0.0.5/hook", "event": "session.opened"}))]
pub(super) struct Test {
    /// The address of a webhook of the configuration.
    #[serde(default)]
    url: Option<String>,
    /// Which webhook of the configuration, counted from 0, in place of its address.
    #[serde(default)]
    hook: Option<usize>,
    /// What it is told of; the first of its events if this is missing.
    #[serde(default)]
    event: Option<String>,
}

/// What came of it
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "url": "http://10.0.0.5/hook", "event": "session.opened", "id": "4be1a0", "status": 204,
    "error": null, "seconds": 0.012,
}))]
pub(super) struct Tested {
    /// The address.
    url: String,
    /// What it was told of.
    event: &'static str,
    /// The id in the body.
    id: String,
    /// The status of the answer; null: there was none.
    status: Option<u16>,
    /// Why there was no answer.
    error: Option<String>,
    /// How long it took.
    seconds: f64,
}

/// Send a webhook a sample
///
/// Signed as everything else, at once, whatever waits for it, and not repeated. Session, user and room in
/// it are made up.
#[utoipa::path(
    post,
    path = "/api/hooks/test",
    tag = "hooks",
    security(("key" = [])),
    request_body = Test,
    responses(
        (status = 200, description = "It was sent, or could not be: the body tells", body = Tested),
        (status = 404, description = "The configuration has no such webhook",
            body = ProblemDocument, content_type = "application/problem+json"),
        BodyProblems,
        AccessProblems,
    ),
)]
pub(super) async fn test(
    _: Caller<Admin>,
    extract::State(state): extract::State<Arc<State>>,
    body: Body,
) -> Result<Json<Tested>, Problem> {
    let Test { url, hook, event } = body.read()?;
    let states = state.parts.hooks.states();
    let is_meant = |(index, state): &(usize, &HookState)| match (&url, hook) {
        (Some(url), _) => *state.url == **url,
        (None, hook) => hook == Some(*index),
    };
    if url.is_none() && hook.is_none() {
        let detail = "missing field `url`, or `hook`";
        return Err(Problem::unprocessable(detail).field("url"));
    }
    let mut hooks = states
        .iter()
        .enumerate()
        .filter(|(_, state)| !state.events.is_empty());
    let hook = hooks.find(is_meant).map(|(_, hook)| hook);
    let none = || Problem::not_found("the configuration has no such webhook");
    let hook = hook.ok_or_else(none)?;
    let kind = match event {
        Some(event) => kind(&event)?,
        None => *hook.events.first().ok_or_else(none)?,
    };
    let member = state.parts.router.member();
    let sampling = state.parts.hooks.sample(&hook.url, kind, &member);
    let Sampled { id, answer, took } = sampling.await.map_err(|SampleError::NoHook| none())?;
    Ok(Json(Tested {
        url: hook.url.to_string(),
        event: kind.label(),
        id: id.into(),
        status: answer.as_ref().ok().copied(),
        error: answer.err().map(Into::into),
        seconds: took.as_secs_f64(),
    }))
}

/// The kind that is called so.
fn kind(label: &str) -> Result<Kind, Problem> {
    let kinds = || Kind::ALL.into_iter().filter(|kind| *kind != Kind::CallDue);
    let found = kinds().find(|kind| kind.label() == label);
    found.ok_or_else(|| {
        let labels: Vec<_> = kinds().map(Kind::label).collect();
        let detail = format!("event: is no event, expected one of {}", labels.join(", "));
        Problem::unprocessable(detail).field("event")
    })
}

impl Hook {
    fn new(state: HookState) -> Self {
        let HookState {
            url,
            events,
            is_configured,
            pending,
            in_flight,
            failures,
            failing_since_ms,
            last_error,
        } = state;
        Self {
            url: url.to_string(),
            events: events.into_iter().map(Kind::label).collect(),
            configured: is_configured,
            pending,
            in_flight,
            failures,
            failing_since: failing_since_ms.map(|ms| ms / 1000),
            last_error: last_error.map(Into::into),
        }
    }
}
