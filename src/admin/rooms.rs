//! Rooms: who is in one, and sessions that the application puts into one or takes out of it.

use std::sync::Arc;

use axum::{Json, extract};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    State,
    access::{Admin, Caller, Read},
    input::{Body, Segment, Segments, Text},
    inquiry::{self, Moved},
    paging,
    parameters::Parameters,
    problem::{AccessProblems, BodyProblems, Problem, ProblemDocument},
    schema::{RoomName, SessionName, UserName},
    sessions::{self, SESSIONS_MAX, Session},
};
use crate::{id::USER_BYTES_MAX, topic::Topic};

/// Most rooms of one page.
const PAGE_MAX: usize = 1000;

/// A page of rooms
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"rooms": ["news", "team/7"], "next": null}))]
pub(super) struct Rooms {
    /// Rooms that have members, in alphabetical order.
    rooms: Vec<String>,
    /// What to give as cursor for the next page; null: there is none.
    next: Option<String>,
    /// Nodes that did not answer in time; absent if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing: Vec<String>,
}

/// A room
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"room": "news", "count": 12_000, "nodes": ["gw-1"]}))]
pub(super) struct Room {
    /// Its name.
    room: String,
    /// How many sessions are in it.
    count: u64,
    /// The nodes that they are connected to.
    nodes: Vec<String>,
    /// Nodes that have members and did not answer in time; absent if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing: Vec<String>,
    /// Who they are, if that was asked for: at most 10,000 of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    members: Option<Vec<Session>>,
}

/// Who is put into a room
#[derive(Debug, ToSchema)]
#[serde(untagged)]
#[allow(dead_code)] // Only the schema is used.
pub(super) enum NewMember {
    /// All sessions that a user has now.
    User(UserMember),
    /// One session.
    Session(SessionMember),
}

/// A user
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)] // Only the schema is used.
#[schema(example = json!({"user": "42"}))]
pub(super) struct UserMember {
    /// The user's id.
    #[schema(value_type = UserName)]
    user: String,
}

/// A session
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)] // Only the schema is used.
#[schema(example = json!({"session": "gw-1.18f3.3000000000001"}))]
pub(super) struct SessionMember {
    /// The session's id.
    #[schema(value_type = SessionName)]
    session: String,
}

/// One of both.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MemberRequest {
    user: Option<Text<USER_BYTES_MAX>>,
    session: Option<Text<USER_BYTES_MAX>>,
}

/// What came of it
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"sessions": 2, "refused": 0, "nodes": ["gw-1", "gw-2"]}))]
pub(super) struct Members {
    /// Sessions that were put into the room, or taken out of it. Those that were in it before count as put
    /// into it.
    sessions: u64,
    /// Sessions that were not put into it, since they have as many topics as they may have
    /// (`limits.topics_per_session_max`).
    refused: u64,
    /// The nodes that these are connected to.
    nodes: Vec<String>,
    /// Nodes that have such sessions and did not answer in time: it may have been done there. Absent if there
    /// are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing: Vec<String>,
}

/// Rooms that have members
#[utoipa::path(
    get,
    path = "/api/rooms",
    tag = "rooms",
    security(("key" = [])),
    params(
        ("limit" = Option<u64>, Query, minimum = 1, maximum = 1000,
            description = "Most rooms; 1000 if it is missing"),
        ("cursor" = inline(Option<RoomName>), Query, description = "next of the page before"),
    ),
    responses(
        (status = 200, description = "A page", body = Rooms),
        (status = 422, description = "A parameter is wrong", body = ProblemDocument,
            content_type = "application/problem+json"),
        AccessProblems,
    ),
)]
pub(super) async fn rooms(
    _: Caller<Read>,
    extract::State(state): extract::State<Arc<State>>,
    Parameters(query): Parameters,
) -> Result<Json<Rooms>, Problem> {
    let limit = paging::limit(&query, PAGE_MAX, PAGE_MAX)?;
    let after = match paging::value(&query, "cursor") {
        Some(name) => Some(Topic::room(&name).map_err(|_| paging::wrong_cursor())?),
        None => None,
    };
    // One more shows whether there is a next page.
    let (rooms, missing) = inquiry::rooms(&state, after, limit + 1).await;
    let mut rooms: Vec<String> = rooms.iter().map(|room| room.id().to_owned()).collect();
    Ok(Json(Rooms {
        next: paging::cut(&mut rooms, limit).cloned(),
        rooms,
        missing,
    }))
}

/// Who is in a room
///
/// A room is there as long as it has members; one that has none has the count 0.
#[utoipa::path(
    get,
    path = "/api/rooms/{room}",
    tag = "rooms",
    security(("key" = [])),
    params(
        ("room" = inline(RoomName), Path, description = "The room's name, percent-encoded"),
        ("members" = Option<u8>, Query, maximum = 1, description = "1: list who they are"),
    ),
    responses(
        (status = 200, description = "Who is in it", body = Room),
        (status = 422, description = "It cannot be the name of a room", body = ProblemDocument,
            content_type = "application/problem+json"),
        AccessProblems,
    ),
)]
pub(super) async fn room(
    _: Caller<Read>,
    extract::State(state): extract::State<Arc<State>>,
    Segment(room): Segment,
    Parameters(query): Parameters,
) -> Result<Json<Room>, Problem> {
    let topic = room_topic(&room)?;
    let is_listed = paging::flag(&query, "members")?;
    let max = if is_listed { SESSIONS_MAX } else { 0 };
    let found = inquiry::sessions(&state, &topic, max).await;
    let members = is_listed.then(|| found.sessions.iter().map(Session::with_user).collect());
    Ok(Json(Room {
        room,
        count: found.count,
        nodes: found.nodes.into_iter().collect(),
        missing: found.missing,
        members,
    }))
}

/// Put sessions into a room
///
/// Those that are there now: a session that a user begins later is not in it. They leave it when they end,
/// or when they are taken out. Any room can be named, reserved ones too.
#[utoipa::path(
    post,
    path = "/api/rooms/{room}/members",
    tag = "rooms",
    security(("key" = [])),
    params(("room" = inline(RoomName), Path, description = "The room's name, percent-encoded")),
    request_body = NewMember,
    responses(
        (status = 200, description = "What came of it; a user may have no session", body = Members),
        (status = 404, description = "There is no such session", body = ProblemDocument,
            content_type = "application/problem+json"),
        AccessProblems,
        BodyProblems,
    ),
)]
pub(super) async fn join(
    _: Caller<Admin>,
    extract::State(state): extract::State<Arc<State>>,
    Segment(room): Segment,
    body: Body,
) -> Result<Json<Members>, Problem> {
    let room = room_topic(&room)?;
    let request: MemberRequest = body.read()?;
    match request {
        MemberRequest {
            user: Some(Text(user)),
            session: None,
        } => {
            let topic = Topic::user(&sessions::user_id("user", &user)?);
            Ok(Json(inquiry::join(&state, &topic, &room).await.into()))
        }
        MemberRequest {
            user: None,
            session: Some(Text(session)),
        } => {
            let topic = Topic::session(&sessions::session_id(&session)?);
            of_session(inquiry::join(&state, &topic, &room).await)
        }
        _ => Err(Problem::unprocessable(
            "the body has to have one of the fields user and session",
        )),
    }
}

/// Take a user's sessions out of a room
#[utoipa::path(
    delete,
    path = "/api/rooms/{room}/members/{user}",
    tag = "rooms",
    security(("key" = [])),
    params(
        ("room" = inline(RoomName), Path, description = "The room's name, percent-encoded"),
        ("user" = inline(UserName), Path, description = "The user's id, percent-encoded"),
    ),
    responses(
        (status = 200, description = "What came of it; there may have been none", body = Members),
        (status = 422, description = "It cannot be the name of a room, or the id of a user",
            body = ProblemDocument, content_type = "application/problem+json"),
        AccessProblems,
    ),
)]
pub(super) async fn quit_user(
    _: Caller<Admin>,
    extract::State(state): extract::State<Arc<State>>,
    Segments((room, user)): Segments,
) -> Result<Json<Members>, Problem> {
    let room = room_topic(&room)?;
    let topic = Topic::user(&sessions::user_id("user", &user)?);
    Ok(Json(inquiry::quit(&state, &topic, &room).await.into()))
}

/// Take a session out of a room
#[utoipa::path(
    delete,
    path = "/api/rooms/{room}/sessions/{session}",
    tag = "rooms",
    security(("key" = [])),
    params(
        ("room" = inline(RoomName), Path, description = "The room's name, percent-encoded"),
        ("session" = inline(SessionName), Path, description = "The session's id"),
    ),
    responses(
        (status = 200, description = "It is not in it any more", body = Members),
        (status = 404, description = "There is no such session in the room", body = ProblemDocument,
            content_type = "application/problem+json"),
        (status = 422, description = "It cannot be the name of a room", body = ProblemDocument,
            content_type = "application/problem+json"),
        AccessProblems,
    ),
)]
pub(super) async fn quit_session(
    _: Caller<Admin>,
    extract::State(state): extract::State<Arc<State>>,
    Segments((room, session)): Segments,
) -> Result<Json<Members>, Problem> {
    let room = room_topic(&room)?;
    let topic = Topic::session(&sessions::session_id(&session)?);
    of_session(inquiry::quit(&state, &topic, &room).await)
}

/// Take every session out of a room
#[utoipa::path(
    delete,
    path = "/api/rooms/{room}",
    tag = "rooms",
    security(("key" = [])),
    params(("room" = inline(RoomName), Path, description = "The room's name, percent-encoded")),
    responses(
        (status = 200, description = "What came of it; there may have been none", body = Members),
        (status = 422, description = "It cannot be the name of a room", body = ProblemDocument,
            content_type = "application/problem+json"),
        AccessProblems,
    ),
)]
pub(super) async fn empty(
    _: Caller<Admin>,
    extract::State(state): extract::State<Arc<State>>,
    Segment(room): Segment,
) -> Result<Json<Members>, Problem> {
    let room = room_topic(&room)?;
    Ok(Json(inquiry::quit(&state, &room, &room).await.into()))
}

/// Nothing was done, and everybody has answered: there is none.
fn of_session(moved: Moved) -> Result<Json<Members>, Problem> {
    if moved.sessions + moved.refused == 0 && moved.missing.is_empty() {
        return Err(sessions::gone());
    }
    Ok(Json(moved.into()))
}

fn room_topic(name: &str) -> Result<Topic, Problem> {
    Topic::room(name).map_err(|error| {
        let detail = format!("room: {error}, expected a name of 1 to 100 characters");
        Problem::unprocessable(detail).field("room")
    })
}

impl From<Moved> for Members {
    fn from(moved: Moved) -> Self {
        Self {
            sessions: moved.sessions,
            refused: moved.refused,
            nodes: moved.nodes.into_iter().collect(),
            missing: moved.missing,
        }
    }
}
