//! `/api/nodes`: the members of the cluster, which for now is this node alone.

use std::sync::Arc;

use axum::{Json, extract, http::StatusCode};
use serde::Serialize;
use tracing::info;
use utoipa::ToSchema;

use super::{
    State,
    access::{Admin, Caller, Read},
    input::Segment,
    problem::{AccessProblems, Problem, ProblemDocument},
};

/// The living nodes
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Nodes {
    /// The living nodes.
    nodes: Vec<Node>,
}

/// A node
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "id": "gw-1", "epoch": "18f3", "address": "10.0.0.5:8080", "sessions": 31_000, "lag": 0,
    "state": "ready",
}))]
pub(super) struct Node {
    /// Its name, `cluster.node` of its configuration.
    id: String,
    /// Which of its lives this is.
    epoch: String,
    /// Where it serves clients.
    address: String,
    /// How many sessions it has.
    sessions: usize,
    /// How many messages wait to be read by it.
    lag: u64,
    /// `starting`, `ready` or `draining`.
    state: &'static str,
}

/// The living nodes
#[utoipa::path(
    get,
    path = "/api/nodes",
    tag = "nodes",
    security(("key" = [])),
    responses((status = 200, description = "The living nodes", body = Nodes), AccessProblems),
)]
pub(super) async fn nodes(
    _: Caller<Read>,
    extract::State(state): extract::State<Arc<State>>,
) -> Json<Nodes> {
    Json(Nodes {
        nodes: vec![Node::of(&state)],
    })
}

/// Let a node send its clients away and end
#[utoipa::path(
    post,
    path = "/api/nodes/{id}/drain",
    tag = "nodes",
    security(("key" = [])),
    params(("id" = String, Path, description = "The name of the node")),
    responses(
        (status = 202, description = "It has begun, now or before", body = Node),
        (status = 404, description = "There is no such node", body = ProblemDocument,
            content_type = "application/problem+json"),
        AccessProblems,
    ),
)]
pub(super) async fn drain(
    _: Caller<Admin>,
    extract::State(state): extract::State<Arc<State>>,
    Segment(id): Segment,
) -> Result<(StatusCode, Json<Node>), Problem> {
    if id != state.parts.router.member().node() {
        return Err(Problem::not_found("there is no such node"));
    }
    info!("drain asked for by the API");
    state.parts.process.drain();
    Ok((StatusCode::ACCEPTED, Json(Node::of(&state))))
}

impl Node {
    fn of(state: &State) -> Self {
        let member = state.parts.router.member();
        let address = state.parts.public.first();
        Self {
            id: member.node().to_owned(),
            epoch: member.epoch().to_owned(),
            address: address.map(ToString::to_string).unwrap_or_default(),
            sessions: state.parts.router.sessions(),
            lag: 0,
            state: state.parts.process.phase().label(),
        }
    }
}
