//! `/api/service`: customers and their agents.

use std::sync::Arc;

use axum::{Json, extract, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    State,
    access::{Admin, Caller, Read},
    input::{Body, Segment, Text},
    paging,
    parameters::Parameters,
    problem::{
        AccessProblems, BodyProblems, CustomerProblems, PersonProblems, Problem, ProblemDocument,
        StoreProblems,
    },
    schema::{Number, UserName},
};
use crate::{
    id::{USER_BYTES_MAX, UserId},
    office::{self, OfficeError, PAGE_MAX, Refusal},
    reception::ServiceError,
};

/// Who serves whom
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "agents": [{"id": "1", "name": "Li", "online": true, "since": 1_700_000_000.5, "customers": 1}],
    "customers": [{"id": "7", "name": "Anna", "agent": "1", "position": null, "last": 1_700_000_003.2}],
    "assigned": 1, "waiting": 0, "next": null,
}))]
pub(super) struct Service {
    /// All agents, there or away, in the order in which `round_robin` counts them.
    agents: Vec<ServiceAgent>,
    /// Customers in the order in which they came.
    customers: Vec<ServiceCustomer>,
    /// How many customers have an agent.
    assigned: u64,
    /// How many wait.
    waiting: u64,
    /// What to give as cursor for the next page of customers; null: there is none.
    next: Option<String>,
}

/// An agent
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"id": "1", "name": "Li", "online": true, "since": 1_700_000_000.5, "customers": 1}))]
pub(super) struct ServiceAgent {
    /// The user's id.
    id: String,
    /// Its name.
    name: String,
    /// Whether it is there, on any node.
    online: bool,
    /// Since when it is there or away, in seconds since the Unix epoch.
    since: f64,
    /// How many customers it has.
    customers: u64,
}

/// A customer
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"id": "7", "name": "Anna", "agent": "1", "position": null, "last": 1_700_000_003.2}))]
pub(super) struct ServiceCustomer {
    /// The user's id.
    id: String,
    /// Its name.
    name: String,
    /// The id of its agent; null: it waits.
    agent: Option<String>,
    /// Its place in the queue, from 1 on; null: it does not wait.
    position: Option<u64>,
    /// When it said something last, in seconds since the Unix epoch.
    last: f64,
}

/// Who is to serve a customer
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"to": "2"}))]
pub(super) struct TransferRequest {
    /// The id of an agent who is there.
    #[schema(value_type = UserName)]
    to: Text<USER_BYTES_MAX>,
}

/// Who serves whom
///
/// On all nodes together. All agents are on every page. Changes are published to `room:agents` as they happen, as events `assignment` and
/// `agent`.
#[utoipa::path(
    get,
    path = "/api/service",
    tag = "service",
    security(("key" = [])),
    params(
        ("limit" = Option<u64>, Query, minimum = 1, maximum = 100, description = "Most customers; 100 if it is missing"),
        ("cursor" = inline(Option<Number>), Query, description = "next of the page before"),
    ),
    responses(
        (status = 200, description = "A page", body = Service),
        (status = 422, description = "A parameter is wrong", body = ProblemDocument,
            content_type = "application/problem+json"),
        StoreProblems,
        AccessProblems,
    ),
)]
pub(super) async fn service(
    _: Caller<Read>,
    extract::State(state): extract::State<Arc<State>>,
    Parameters(query): Parameters,
) -> Result<Json<Service>, Problem> {
    let limit = paging::limit(&query, PAGE_MAX, PAGE_MAX)?;
    let after = match paging::value(&query, "cursor") {
        Some(cursor) => cursor.parse().map_err(|_| paging::wrong_cursor())?,
        None => 0,
    };
    // One more shows whether there is a next page.
    let mut view = state.parts.reception.view(after, limit + 1).await?;
    let last = paging::cut(&mut view.customers, limit);
    Ok(Json(Service {
        next: last.map(|customer| customer.number.to_string()),
        agents: view.agents.into_iter().map(ServiceAgent::new).collect(),
        customers: view
            .customers
            .into_iter()
            .map(ServiceCustomer::new)
            .collect(),
        assigned: view.figures.assigned,
        waiting: view.figures.waiting,
    }))
}

/// A customer
#[utoipa::path(
    get,
    path = "/api/service/customers/{id}",
    tag = "service",
    security(("key" = [])),
    params(("id" = inline(UserName), Path, description = "Its id, percent-encoded")),
    responses(
        (status = 200, description = "The customer", body = ServiceCustomer),
        CustomerProblems,
        PersonProblems,
        StoreProblems,
        AccessProblems,
    ),
)]
pub(super) async fn customer(
    _: Caller<Read>,
    extract::State(state): extract::State<Arc<State>>,
    Segment(id): Segment,
) -> Result<Json<ServiceCustomer>, Problem> {
    let found = state.parts.reception.find(user("id", &id)?).await?;
    found
        .map(ServiceCustomer::new)
        .map(Json)
        .ok_or_else(unknown)
}

/// Give a customer to another agent
///
/// Whoever has it now, or if it waits. The customer and both agents are told.
#[utoipa::path(
    post,
    path = "/api/service/customers/{id}/transfer",
    tag = "service",
    security(("key" = [])),
    params(("id" = inline(UserName), Path, description = "Its id, percent-encoded")),
    request_body = TransferRequest,
    responses(
        (status = 204, description = "The agent has it, now or before"),
        CustomerProblems,
        (status = 409, description = "The agent is not there", body = ProblemDocument,
            content_type = "application/problem+json"),
        StoreProblems,
        AccessProblems,
        BodyProblems,
    ),
)]
pub(super) async fn transfer(
    _: Caller<Admin>,
    extract::State(state): extract::State<Arc<State>>,
    Segment(id): Segment,
    body: Body,
) -> Result<StatusCode, Problem> {
    let TransferRequest { to: Text(to) } = body.read()?;
    let (customer, to) = (user("id", &id)?, user("to", &to)?);
    state.parts.reception.transfer(customer, to).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Release a customer
///
/// It needs no agent any more, until it says something again. Its agent is told.
#[utoipa::path(
    delete,
    path = "/api/service/customers/{id}",
    tag = "service",
    security(("key" = [])),
    params(("id" = inline(UserName), Path, description = "Its id, percent-encoded")),
    responses(
        (status = 204, description = "It is released. What it has said while it waited is dropped"),
        CustomerProblems,
        PersonProblems,
        StoreProblems,
        AccessProblems,
    ),
)]
pub(super) async fn release(
    _: Caller<Admin>,
    extract::State(state): extract::State<Arc<State>>,
    Segment(id): Segment,
) -> Result<StatusCode, Problem> {
    state.parts.reception.release(user("id", &id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn user(field: &'static str, id: &str) -> Result<UserId, Problem> {
    id.parse().map_err(|error| {
        let detail = format!("{field}: {error}");
        Problem::unprocessable(detail).field(field)
    })
}

fn unknown() -> Problem {
    Problem::not_found("there is no customer of this id")
}

fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}

// === impl ServiceAgent ===

impl ServiceAgent {
    fn new(agent: office::Agent) -> Self {
        Self {
            id: agent.party.id.as_str().to_owned(),
            name: agent.party.name.into(),
            online: agent.is_online,
            since: seconds(agent.since_ms),
            customers: agent.customers,
        }
    }
}

// === impl ServiceCustomer ===

impl ServiceCustomer {
    fn new(customer: office::Customer) -> Self {
        Self {
            id: customer.party.id.as_str().to_owned(),
            name: customer.party.name.into(),
            agent: customer.agent.map(|agent| agent.id.as_str().to_owned()),
            position: customer.position,
            last: seconds(customer.last_ms),
        }
    }
}

impl From<OfficeError> for Problem {
    fn from(error: OfficeError) -> Self {
        Self::busy(error.to_string())
    }
}

impl From<ServiceError> for Problem {
    fn from(error: ServiceError) -> Self {
        match error {
            ServiceError::Refused(Refusal::NoAgent) => {
                let detail = "to: there is no agent of this id who is there";
                Self::new(StatusCode::CONFLICT, detail).field("to")
            }
            ServiceError::Refused(_) => unknown(),
            ServiceError::Unavailable(error) => error.into(),
        }
    }
}
