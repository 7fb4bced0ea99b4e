//! `/api/sessions/{id}/data`: what the application keeps with a session.

use std::sync::Arc;

use axum::{
    Json,
    extract::{self},
    http::StatusCode,
};
use serde_json::{Map, Value, value::RawValue};

use super::{gone, session_id};
use crate::{
    admin::{
        State,
        access::{Admin, Caller, Read},
        input::{Body, Segment},
        inquiry,
        problem::{AccessProblems, BodyProblems, Problem, ProblemDocument},
        schema::SessionName,
    },
    peer::{DATA_BYTES_MAX, DataChange, DataOutcome},
};

/// What is kept with a session
///
/// A JSON object, `{}` if nothing is. It is in the memory of the session's node, and ends with the session.
#[utoipa::path(
    get,
    path = "/api/sessions/{id}/data",
    tag = "sessions",
    security(("key" = [])),
    params(("id" = inline(SessionName), Path, description = "The session's id")),
    responses(
        (status = 200, description = "What is kept with it", body = Object),
        (status = 404, description = "There is no such session", body = ProblemDocument,
            content_type = "application/problem+json"),
        (status = 503, description = "The node that has it does not answer: come back after Retry-After",
            body = ProblemDocument, content_type = "application/problem+json"),
        AccessProblems,
    ),
)]
pub(in crate::admin) async fn read(
    _: Caller<Read>,
    extract::State(state): extract::State<Arc<State>>,
    Segment(id): Segment,
) -> Result<Json<Box<RawValue>>, Problem> {
    change(&state, &id, DataChange::None).await
}

/// Keep a JSON object with a session
///
/// In the place of what was kept before; at most 4096 bytes, without blanks.
#[utoipa::path(
    put,
    path = "/api/sessions/{id}/data",
    tag = "sessions",
    security(("key" = [])),
    params(("id" = inline(SessionName), Path, description = "The session's id")),
    request_body = Object,
    responses(
        (status = 200, description = "What is kept with it now", body = Object),
        (status = 404, description = "There is no such session", body = ProblemDocument,
            content_type = "application/problem+json"),
        (status = 503, description = "The node that has it does not answer: come back after Retry-After",
            body = ProblemDocument, content_type = "application/problem+json"),
        AccessProblems,
        BodyProblems,
    ),
)]
pub(in crate::admin) async fn replace(
    _: Caller<Admin>,
    extract::State(state): extract::State<Arc<State>>,
    Segment(id): Segment,
    body: Body,
) -> Result<Json<Box<RawValue>>, Problem> {
    change(&state, &id, DataChange::Set(object(&body)?)).await
}

/// Change what is kept with a session
///
/// As RFC 7396 says: objects are merged, null removes a field, and everything else takes the place of what was
/// there. Two changes at a time are carried out one after the other.
#[utoipa::path(
    patch,
    path = "/api/sessions/{id}/data",
    tag = "sessions",
    security(("key" = [])),
    params(("id" = inline(SessionName), Path, description = "The session's id")),
    request_body = Object,
    responses(
        (status = 200, description = "What is kept with it now", body = Object),
        (status = 404, description = "There is no such session", body = ProblemDocument,
            content_type = "application/problem+json"),
        (status = 503, description = "The node that has it does not answer: come back after Retry-After",
            body = ProblemDocument, content_type = "application/problem+json"),
        AccessProblems,
        BodyProblems,
    ),
)]
pub(in crate::admin) async fn merge(
    _: Caller<Admin>,
    extract::State(state): extract::State<Arc<State>>,
    Segment(id): Segment,
    body: Body,
) -> Result<Json<Box<RawValue>>, Problem> {
    change(&state, &id, DataChange::Merge(object(&body)?)).await
}

async fn change(
    state: &State,
    id: &str,
    change: DataChange,
) -> Result<Json<Box<RawValue>>, Problem> {
    let session = session_id(id)?;
    match inquiry::data(state, &session, change).await? {
        DataOutcome::Gone => Err(gone()),
        DataOutcome::Kept(text) => Ok(Json(raw(text))),
        DataOutcome::TooLong(length) => Err(too_long(length as usize)),
    }
}

/// The text of the object in a body, without blanks.
fn object(body: &Body) -> Result<Box<str>, Problem> {
    let object: Map<String, Value> = body.read()?;
    let text = Value::Object(object).to_string();
    match text.len() {
        ..=DATA_BYTES_MAX => Ok(text.into()),
        length => Err(too_long(length)),
    }
}

fn too_long(length: usize) -> Problem {
    let detail = format!("has {length} bytes, expected an object of at most {DATA_BYTES_MAX}");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
}

/// A JSON object that another node or this one has written.
pub(super) fn raw(text: Box<str>) -> Box<RawValue> {
    // What is none, for whatever reason, is an empty one.
    RawValue::from_string(text.into()).unwrap_or_else(|_| RawValue::NULL.to_owned())
}
