//! `/api/im`: the friends and couriers of the `im` dialect.

use std::sync::Arc;

use axum::{Json, extract, http::StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    State,
    access::{Admin, Caller, Read},
    input::{Segment, Segments},
    problem::{AccessProblems, PersonProblems, Problem, StoreProblems},
    schema::PersonNumber,
};
use crate::id::Person;

/// The friends of a user
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"friends": [7, 9]}))]
pub(super) struct Friends {
    /// Whom the user may write to.
    friends: Vec<u64>,
}

/// The couriers
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"couriers": [7]}))]
pub(super) struct Couriers {
    /// Whose positions are taken.
    couriers: Vec<u64>,
}

/// Whom a user may write to
#[utoipa::path(
    get,
    path = "/api/im/friends/{a}",
    tag = "contacts",
    security(("key" = [])),
    params(("a" = inline(PersonNumber), Path, description = "The user")),
    responses(
        (status = 200, description = "All friends", body = Friends),
        PersonProblems,
        StoreProblems,
        AccessProblems,
    ),
)]
pub(super) async fn friends(
    _: Caller<Read>,
    extract::State(state): extract::State<Arc<State>>,
    Segment(of): Segment,
) -> Result<Json<Friends>, Problem> {
    let contacts = state.parts.desk.contacts();
    let friends = contacts.friends(person(&of, "a")?).await?;
    Ok(Json(Friends {
        friends: friends.into_iter().map(Person::number).collect(),
    }))
}

/// Let a user write to another one
///
/// One way: the other one may not answer unless it is made a friend, too.
#[utoipa::path(
    put,
    path = "/api/im/friends/{a}/{b}",
    tag = "contacts",
    security(("key" = [])),
    params(
        ("a" = inline(PersonNumber), Path, description = "Who may write"),
        ("b" = inline(PersonNumber), Path, description = "To whom"),
    ),
    responses(
        (status = 204, description = "It may, now or before"),
        PersonProblems,
        StoreProblems,
        AccessProblems,
    ),
)]
pub(super) async fn add_friend(
    _: Caller<Admin>,
    extract::State(state): extract::State<Arc<State>>,
    pair: Segments,
) -> Result<StatusCode, Problem> {
    set_friend(&state, &pair, true).await
}

/// Let a user not write to another one any more
#[utoipa::path(
    delete,
    path = "/api/im/friends/{a}/{b}",
    tag = "contacts",
    security(("key" = [])),
    params(
        ("a" = inline(PersonNumber), Path, description = "Who may not write"),
        ("b" = inline(PersonNumber), Path, description = "To whom"),
    ),
    responses(
        (status = 204, description = "It may not, now or before"),
        PersonProblems,
        StoreProblems,
        AccessProblems,
    ),
)]
pub(super) async fn remove_friend(
    _: Caller<Admin>,
    extract::State(state): extract::State<Arc<State>>,
    pair: Segments,
) -> Result<StatusCode, Problem> {
    set_friend(&state, &pair, false).await
}

/// Who is a courier
#[utoipa::path(
    get,
    path = "/api/im/couriers",
    tag = "contacts",
    security(("key" = [])),
    responses(
        (status = 200, description = "All couriers", body = Couriers),
        StoreProblems,
        AccessProblems,
    ),
)]
pub(super) async fn couriers(
    _: Caller<Read>,
    extract::State(state): extract::State<Arc<State>>,
) -> Result<Json<Couriers>, Problem> {
    let couriers = state.parts.desk.contacts().couriers().await?;
    Ok(Json(Couriers {
        couriers: couriers.into_iter().map(Person::number).collect(),
    }))
}

/// Make a user a courier
#[utoipa::path(
    put,
    path = "/api/im/couriers/{id}",
    tag = "contacts",
    security(("key" = [])),
    params(("id" = inline(PersonNumber), Path, description = "The user")),
    responses(
        (status = 204, description = "It is one, now or before"),
        PersonProblems,
        StoreProblems,
        AccessProblems,
    ),
)]
pub(super) async fn add_courier(
    _: Caller<Admin>,
    extract::State(state): extract::State<Arc<State>>,
    Segment(id): Segment,
) -> Result<StatusCode, Problem> {
    set_courier(&state, &id, true).await
}

/// Make a user no courier any more
#[utoipa::path(
    delete,
    path = "/api/im/couriers/{id}",
    tag = "contacts",
    security(("key" = [])),
    params(("id" = inline(PersonNumber), Path, description = "The user")),
    responses(
        (status = 204, description = "It is none, now or before"),
        PersonProblems,
        StoreProblems,
        AccessProblems,
    ),
)]
pub(super) async fn remove_courier(
    _: Caller<Admin>,
    extract::State(state): extract::State<Arc<State>>,
    Segment(id): Segment,
) -> Result<StatusCode, Problem> {
    set_courier(&state, &id, false).await
}

async fn set_friend(
    state: &State,
    Segments(pair): &Segments,
    is_friend: bool,
) -> Result<StatusCode, Problem> {
    let (of, friend) = (person(&pair.0, "a")?, person(&pair.1, "b")?);
    let contacts = state.parts.desk.contacts();
    contacts.set_friend(of, friend, is_friend).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn set_courier(state: &State, id: &str, is_courier: bool) -> Result<StatusCode, Problem> {
    let courier = person(id, "id")?;
    let contacts = state.parts.desk.contacts();
    contacts.set_courier(courier, is_courier).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn person(text: &str, field: &'static str) -> Result<Person, Problem> {
    text.parse().map_err(|_| {
        let detail = format!("{field}: is not the id of a chat user, expected a number from 1");
        Problem::unprocessable(detail).field(field)
    })
}
