//! `GET /api/sessions` and `GET /api/sessions/{id}`: what is known of sessions.

use std::sync::Arc;

use axum::{Json, extract};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::{Session, gone, session_id};
use crate::{
    admin::{
        State,
        access::{Caller, Read},
        input::Segment,
        inquiry::{self, Silent},
        paging,
        parameters::Parameters,
        problem::{AccessProblems, Problem, ProblemDocument},
        schema::{DialectName, SessionName, TopicName},
    },
    dialect::DialectId,
    peer::SessionDetails,
    topic::Topic,
};

/// Most sessions of one page: with what is kept with them, half a megabyte.
const PAGE_MAX: usize = 100;

/// A page of sessions
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"sessions": [{
    "id": "gw-1.18f3.3000000000001", "dialect": "device", "node": "gw-1", "since": 1_700_000_000,
    "remote": "203.0.113.7", "idle_seconds": 4, "user": "42", "rooms": ["news"], "data": {"lang": "en"},
}], "next": null}))]
pub(in crate::admin) struct Sessions {
    /// In the order of their nodes, and there in one that does not change.
    sessions: Vec<Details>,
    /// What to give as cursor for the next page; null: there is none.
    next: Option<String>,
    /// Nodes that have such sessions and did not answer in time, or were not asked since another did not;
    /// absent if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing: Vec<String>,
}

/// A session, with what it has and is in
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "id": "gw-1.18f3.3000000000001", "dialect": "device", "node": "gw-1", "since": 1_700_000_000,
    "remote": "203.0.113.7", "idle_seconds": 4, "user": "42", "rooms": ["news"], "data": {"lang": "en"},
}))]
pub(in crate::admin) struct Details {
    #[serde(flatten)]
    #[schema(inline)]
    session: Session,
    /// The rooms it is in, in alphabetical order.
    rooms: Vec<String>,
    /// What the application keeps with it.
    #[schema(value_type = Object)]
    data: Box<RawValue>,
}

/// Sessions
///
/// All of them, or those that a topic reaches, page by page. Whoever is there from the first page to the last
/// is on one of them, and once.
#[utoipa::path(
    get,
    path = "/api/sessions",
    tag = "sessions",
    security(("key" = [])),
    params(
        ("topic" = inline(Option<TopicName>), Query, description = "The topic that reaches them; all if it is missing"),
        ("dialect" = inline(Option<DialectName>), Query, description = "The dialect that they speak; any if it is missing"),
        ("limit" = Option<u64>, Query, minimum = 1, maximum = 100,
            description = "Most sessions; 100 if it is missing"),
        ("cursor" = inline(Option<SessionName>), Query, description = "next of the page before"),
    ),
    responses(
        (status = 200, description = "A page", body = Sessions),
        (status = 422, description = "A parameter is wrong", body = ProblemDocument,
            content_type = "application/problem+json"),
        AccessProblems,
    ),
)]
pub(in crate::admin) async fn sessions(
    _: Caller<Read>,
    extract::State(state): extract::State<Arc<State>>,
    Parameters(query): Parameters,
) -> Result<Json<Sessions>, Problem> {
    let limit = paging::limit(&query, PAGE_MAX, PAGE_MAX)?;
    let topic = match paging::value(&query, "topic") {
        Some(text) => paging::topic(&text)?,
        None => Topic::all(),
    };
    let dialect = match paging::value(&query, "dialect") {
        Some(text) => Some(dialect(&text)?),
        None => None,
    };
    let after = match paging::value(&query, "cursor") {
        Some(text) => Some(text.parse().map_err(|_| paging::wrong_cursor())?),
        None => None,
    };
    // One more shows whether there is a next page.
    let page = inquiry::page(&state, &topic, dialect, after.as_ref(), limit + 1).await;
    let mut sessions: Vec<Details> = page.sessions.into_iter().map(Details::new).collect();
    let last = paging::cut(&mut sessions, limit);
    Ok(Json(Sessions {
        next: last.map(|details| details.session.id.clone()),
        sessions,
        missing: page.missing,
    }))
}

/// What is known of a session
#[utoipa::path(
    get,
    path = "/api/sessions/{id}",
    tag = "sessions",
    security(("key" = [])),
    params(("id" = inline(SessionName), Path, description = "The session's id")),
    responses(
        (status = 200, description = "It is there", body = Details),
        (status = 404, description = "There is no such session", body = ProblemDocument,
            content_type = "application/problem+json"),
        (status = 503, description = "The node that has it does not answer: come back after Retry-After",
            body = ProblemDocument, content_type = "application/problem+json"),
        AccessProblems,
    ),
)]
pub(in crate::admin) async fn session(
    _: Caller<Read>,
    extract::State(state): extract::State<Arc<State>>,
    Segment(id): Segment,
) -> Result<Json<Details>, Problem> {
    let topic = Topic::session(&session_id(&id)?);
    let page = inquiry::page(&state, &topic, None, None, 1).await;
    match page.sessions.into_iter().next() {
        Some(details) => Ok(Json(Details::new(details))),
        None if page.missing.is_empty() => Err(gone()),
        None => Err(Silent.into()),
    }
}

fn dialect(text: &str) -> Result<DialectId, Problem> {
    let mut dialects = DialectId::ALL.into_iter();
    let found = dialects.find(|dialect| dialect.label() == text);
    found.ok_or_else(|| {
        let names = DialectId::ALL.map(DialectId::label).join(", ");
        let detail = format!("dialect: is none, expected one of {names}");
        Problem::unprocessable(detail).field("dialect")
    })
}

// === impl Details ===

impl Details {
    fn new(details: SessionDetails) -> Self {
        Self {
            session: Session::with_user(&details.session),
            rooms: details
                .rooms
                .iter()
                .map(|room| room.id().to_owned())
                .collect(),
            data: super::data::raw(details.data),
        }
    }
}
