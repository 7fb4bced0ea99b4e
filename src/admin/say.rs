//! `POST /api/say`: a word to everybody, as the manager of live rooms has it.

use std::sync::Arc;

use axum::{Json, extract};
use bytes::Bytes;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    State,
    access::{self, Operator},
    input::{Body, Text},
    problem::{AccessProblems, BodyProblems, Problem, ProblemDocument},
    publish::{self, Published},
};
use crate::dialect::json::ObjectWriter;

/// What everybody receives it as.
const EVENT: &str = "serverBroadcast";
/// Longest word, in bytes. What the node takes of a message may be less.
const SAY_BYTES_MAX: usize = 64 * 1024;

/// Something to say
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"say": "back in five minutes"}))]
pub(super) struct SayRequest {
    /// The text.
    #[schema(value_type = String, min_length = 1, max_length = 65536)]
    say: Text<SAY_BYTES_MAX>,
}

/// Say something to everybody
///
/// Every session of the cluster receives it as the event `serverBroadcast`, whatever its dialect is.
#[utoipa::path(
    post,
    path = "/api/say",
    tag = "messages",
    security(("key" = [])),
    request_body = SayRequest,
    responses(
        (status = 200, description = "It is on its way", body = Published),
        (status = 503, description = "The node is busy: come back after Retry-After",
            body = ProblemDocument, content_type = "application/problem+json"),
        AccessProblems,
        BodyProblems,
    ),
)]
pub(super) async fn say(
    _: Operator<access::Publish>,
    extract::State(state): extract::State<Arc<State>>,
    body: Body,
) -> Result<Json<Published>, Problem> {
    let SayRequest { say: Text(text) } = body.read()?;
    let data = serde_json::to_vec(&text).expect("memory takes every write");
    let request = ObjectWriter::new()
        .text("to", "all")
        .text("event", EVENT)
        .raw("data", &data)
        .finish();
    let request = Body::new(Bytes::from(request));
    let publishing = publish::accept(&state, request.read()?, request.text(), None);
    publishing.await.map(Json)
}
