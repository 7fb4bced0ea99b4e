//! `GET /api/topics/{topic}`: whom a message would reach.

use std::sync::Arc;

use axum::{Json, extract};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    State,
    access::{Caller, Read},
    input::Segment,
    inquiry, paging,
    parameters::Parameters,
    problem::{AccessProblems, Problem, ProblemDocument},
    schema::TopicName,
    sessions::{SESSIONS_MAX, Session},
};

/// A topic
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"topic": "room:news", "subscribers": 12_000, "nodes": ["gw-1"]}))]
pub(super) struct Topic {
    /// Its name.
    topic: String,
    /// How many sessions it reaches.
    subscribers: u64,
    /// The nodes that they are connected to.
    nodes: Vec<String>,
    /// Nodes that have subscribers and did not answer in time; absent if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing: Vec<String>,
    /// Who they are, if that was asked for: at most 10,000 of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    members: Option<Vec<Session>>,
}

/// Whom a topic reaches
#[utoipa::path(
    get,
    path = "/api/topics/{topic}",
    tag = "sessions",
    security(("key" = [])),
    params(
        ("topic" = inline(TopicName), Path, description = "The topic, percent-encoded"),
        ("members" = Option<u8>, Query, maximum = 1, description = "1: list who they are"),
    ),
    responses(
        (status = 200, description = "Whom it reaches", body = Topic),
        (status = 422, description = "It is not a topic", body = ProblemDocument,
            content_type = "application/problem+json"),
        AccessProblems,
    ),
)]
pub(super) async fn topic(
    _: Caller<Read>,
    extract::State(state): extract::State<Arc<State>>,
    Segment(name): Segment,
    Parameters(query): Parameters,
) -> Result<Json<Topic>, Problem> {
    let topic = paging::topic(&name)?;
    let is_listed = paging::flag(&query, "members")?;
    let max = if is_listed { SESSIONS_MAX } else { 0 };
    let found = inquiry::sessions(&state, &topic, max).await;
    let members = is_listed.then(|| found.sessions.iter().map(Session::with_user).collect());
    Ok(Json(Topic {
        topic: name,
        subscribers: found.count,
        nodes: found.nodes.into_iter().collect(),
        missing: found.missing,
        members,
    }))
}
