//! `GET /api/topics/{topic}`: whom a message would reach.

use std::sync::Arc;

use axum::{
    Json,
    extract::{self, RawQuery},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    State,
    access::{Caller, Read},
    input::Segment,
    problem::{AccessProblems, Problem, ProblemDocument},
    sessions::Session,
};
use crate::{dialect::query_pairs, topic};

/// Most sessions that are listed: about two megabytes.
const MEMBERS_MAX: usize = 10_000;

/// A topic
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"topic": "room:news", "subscribers": 12_000, "nodes": ["gw-1"]}))]
pub(super) struct Topic {
    /// Its name.
    topic: String,
    /// How many sessions it reaches.
    subscribers: usize,
    /// The nodes that they are connected to.
    nodes: Vec<String>,
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
        ("topic" = String, Path, description = "The topic, percent-encoded"),
        ("members" = Option<u8>, Query, description = "1: list who they are"),
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
    RawQuery(query): RawQuery,
) -> Result<Json<Topic>, Problem> {
    let topic: topic::Topic = name.parse().map_err(|error| {
        let detail = format!("topic: {error}");
        Problem::unprocessable(detail).field("topic")
    })?;
    let router = &state.parts.router;
    let now = state.parts.clock.now();
    let subscribers = router.count(&topic);
    let mut pairs = query_pairs(query.as_deref().unwrap_or_default());
    let members = pairs.any(|pair| pair == ("members".into(), "1".into()));
    let members = members.then(|| {
        let members = router.members(&topic, MEMBERS_MAX);
        let members = members
            .iter()
            .map(|subscriber| Session::new(router, subscriber, now).with_user(subscriber));
        members.collect()
    });
    let node = router.member().node().to_owned();
    Ok(Json(Topic {
        topic: name,
        subscribers,
        nodes: if subscribers == 0 { vec![] } else { vec![node] },
        members,
    }))
}
