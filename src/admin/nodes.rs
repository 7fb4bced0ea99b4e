//! `/api/nodes`: the members of the cluster.

use std::sync::Arc;

use axum::{Json, extract, http::StatusCode};
use serde::Serialize;
use tracing::info;
use utoipa::ToSchema;

use super::{
    Parts, State,
    access::{Admin, Caller, Read},
    input::Segment,
    problem::{AccessProblems, Problem, ProblemDocument},
};
use crate::peer::{NodeInfo, Question};

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
    "state": "ready", "bus": {"min": 1, "max": 2, "speaks": 2},
}))]
pub(super) struct Node {
    /// Its name, `cluster.node` of its configuration.
    id: String,
    /// Which of its lives this is.
    epoch: String,
    /// Where it serves clients.
    address: String,
    /// How many sessions it has.
    sessions: u64,
    /// How many entries wait in its inbox.
    lag: u64,
    /// `starting`, `ready` or `draining`.
    state: String,
    /// The versions in which other nodes can write to it.
    bus: Bus,
}

/// Versions of the bus
#[derive(Debug, Serialize, ToSchema)]
struct Bus {
    /// The first version that it reads and writes.
    min: u8,
    /// The last version that it reads and writes.
    max: u8,
    /// The version in which it writes to all others: the last that every living node knows.
    speaks: u8,
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
        nodes: state.nodes().iter().map(Node::new).collect(),
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
        (status = 504, description = "The node has not answered in time", body = ProblemDocument,
            content_type = "application/problem+json"),
        AccessProblems,
    ),
)]
pub(super) async fn drain(
    _: Caller<Admin>,
    extract::State(state): extract::State<Arc<State>>,
    Segment(id): Segment,
) -> Result<(StatusCode, Json<Node>), Problem> {
    let nodes = state.nodes();
    let found = nodes.iter().find(|node| node.member.node() == id);
    let node = found.ok_or_else(|| Problem::not_found("there is no such node"))?;
    if node.member == state.parts.router.member() {
        info!("drain asked for by the API");
        state.parts.process.drain();
    } else if let Some(presence) = state.parts.router.presence() {
        let members = [node.member.clone()].into_iter().collect();
        let answers = presence.ask(members, Question::Drain).await;
        if answers.answers.is_empty() {
            let detail = "the node has not answered in time; it may drain all the same";
            return Err(Problem::new(StatusCode::GATEWAY_TIMEOUT, detail));
        }
    }
    let node = Node {
        state: "draining".to_owned(),
        ..Node::new(node)
    };
    Ok((StatusCode::ACCEPTED, Json(node)))
}

impl State {
    /// Every living member, this one first.
    pub(super) fn nodes(&self) -> Vec<NodeInfo> {
        let Parts {
            router,
            public,
            process,
            ..
        } = &self.parts;
        match router.presence() {
            Some(presence) => presence.nodes(),
            None => vec![router.describe_node(public[0], process.phase().label())],
        }
    }
}

impl Node {
    pub(super) fn new(node: &NodeInfo) -> Self {
        Self {
            id: node.member.node().to_owned(),
            epoch: node.member.epoch().to_owned(),
            address: node.address.to_string(),
            sessions: node.sessions,
            lag: node.lag,
            state: node.state.to_string(),
            bus: Bus {
                min: node.speech.versions.min,
                max: node.speech.versions.max,
                speaks: node.speech.speaks,
            },
        }
    }
}
