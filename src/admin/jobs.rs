//! `/api/jobs`: work that an application has another one do.

mod answer;
mod request;

use std::sync::Arc;

use axum::{Json, extract, http::StatusCode};
use bytes::Bytes;
use serde::Serialize;
use utoipa::ToSchema;

use self::answer::{JobAnswer, JobList};
pub(super) use self::request::JobRequest;
use super::{
    State,
    access::{self, Admin, Caller, Operator, Read},
    input::{self, Body, Segment, Text},
    paging,
    parameters::Parameters,
    problem::{AccessProblems, BodyProblems, Problem, ProblemDocument, StoreProblems},
    schema::{JobState, Offset},
};
use crate::jobs::{Added, NewJob, PAGE_MAX, Which};

/// A job that was added
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"id": "picture-17"}))]
pub(super) struct AddedJob {
    /// The id of the request, or one that was made.
    id: String,
}

/// Have a job done
///
/// It is kept when this answers, and will be done by whichever node is free: the service of its kind is called until
/// it has answered, and the answer published to `user:<user>` and `room:user_<user>` as event `send_result`.
#[utoipa::path(
    post,
    path = "/api/jobs",
    tag = "jobs",
    security(("key" = [])),
    request_body = JobRequest,
    responses(
        (status = 200, description = "It is kept", body = AddedJob),
        (status = 409, description = "The id is that of another job", body = ProblemDocument,
            content_type = "application/problem+json"),
        (status = 503, description = "It cannot be kept, or too many are open: come back after Retry-After",
            body = ProblemDocument, content_type = "application/problem+json"),
        AccessProblems,
        BodyProblems,
    ),
)]
pub(super) async fn add(
    _: Caller<access::Publish>,
    extract::State(state): extract::State<Arc<State>>,
    body: Body,
) -> Result<Json<AddedJob>, Problem> {
    let request: JobRequest<'_> = body.read()?;
    request.check(&state)?;
    let id = request.id.as_ref().map(|Text(id)| id.clone());
    let id = id.unwrap_or_else(|| state.new_id());
    hand_in(&state, &request, id.clone()).await?;
    Ok(Json(AddedJob { id: id.into() }))
}

/// What is known of a job
#[utoipa::path(
    get,
    path = "/api/jobs/{id}",
    tag = "jobs",
    security(("key" = [])),
    params(("id" = String, Path, description = "Its id, percent-encoded")),
    responses(
        (status = 200, description = "The job", body = JobAnswer),
        (status = 404, description = "There is no such job, or it was done too long ago",
            body = ProblemDocument, content_type = "application/problem+json"),
        StoreProblems,
        AccessProblems,
    ),
)]
pub(super) async fn job(
    _: Operator<Read>,
    extract::State(state): extract::State<Arc<State>>,
    Segment(id): Segment,
) -> Result<Json<JobAnswer>, Problem> {
    let found = state.parts.board.jobs().find(&id).await?;
    let found = found.ok_or_else(unknown)?;
    Ok(Json(JobAnswer::new(found)))
}

/// Jobs that are open, or dead
///
/// The newest first. Those that are done are known by their ids only.
#[utoipa::path(
    get,
    path = "/api/jobs",
    tag = "jobs",
    security(("key" = [])),
    params(
        ("state" = inline(Option<JobState>), Query, description = "`open`, which is the default, or `dead`"),
        ("cursor" = inline(Option<Offset>), Query,
            description = "next of the page before; what changes in between may be missing or come twice"),
    ),
    responses(
        (status = 200, description = "A page", body = JobList),
        (status = 422, description = "A parameter is wrong",
            body = ProblemDocument, content_type = "application/problem+json"),
        StoreProblems,
        AccessProblems,
    ),
)]
pub(super) async fn jobs(
    _: Operator<Read>,
    extract::State(state): extract::State<Arc<State>>,
    Parameters(query): Parameters,
) -> Result<Json<JobList>, Problem> {
    let state_of = paging::value(&query, "state");
    let which = match state_of.as_deref().unwrap_or("open") {
        "open" => Which::Open,
        "dead" => Which::Dead,
        _ => {
            let detail = "state: is not usable, expected open or dead";
            return Err(Problem::unprocessable(detail).field("state"));
        }
    };
    let offset = paging::offset(&query)?;
    let page = state.parts.board.jobs().list(which, offset).await?;
    Ok(Json(JobList {
        next: (page.len() == PAGE_MAX).then(|| (offset + PAGE_MAX).to_string()),
        jobs: page.into_iter().map(JobAnswer::new).collect(),
    }))
}

/// Try a dead job again
///
/// As if it had not been tried.
#[utoipa::path(
    post,
    path = "/api/jobs/{id}/retry",
    tag = "jobs",
    security(("key" = [])),
    params(("id" = String, Path, description = "Its id, percent-encoded")),
    responses(
        (status = 204, description = "It will be tried"),
        (status = 404, description = "There is no such dead job",
            body = ProblemDocument, content_type = "application/problem+json"),
        (status = 422, description = "Nobody does jobs of its kind",
            body = ProblemDocument, content_type = "application/problem+json"),
        StoreProblems,
        AccessProblems,
    ),
)]
pub(super) async fn retry(
    _: Operator<Admin>,
    extract::State(state): extract::State<Arc<State>>,
    Segment(id): Segment,
) -> Result<StatusCode, Problem> {
    let board = &state.parts.board;
    let job = board.jobs().find(&id).await?.ok_or_else(unknown)?;
    if job.kind.is_empty() {
        read_again(&state, &id, &job.body).await?;
        return Ok(StatusCode::NO_CONTENT);
    }
    board.check_kind(&job.kind).map_err(unknown_kind)?;
    if !board.jobs().retry(&id).await? {
        return Err(Problem::not_found("there is no dead job of this id"));
    }
    board.wake();
    Ok(StatusCode::NO_CONTENT)
}

/// Drop a job
///
/// Whatever its state is. The service may have been called already.
#[utoipa::path(
    delete,
    path = "/api/jobs/{id}",
    tag = "jobs",
    security(("key" = [])),
    params(("id" = String, Path, description = "Its id, percent-encoded")),
    responses(
        (status = 204, description = "It is not known any more"),
        (status = 404, description = "There is no such job",
            body = ProblemDocument, content_type = "application/problem+json"),
        StoreProblems,
        AccessProblems,
    ),
)]
pub(super) async fn remove(
    _: Operator<Admin>,
    extract::State(state): extract::State<Arc<State>>,
    Segment(id): Segment,
) -> Result<StatusCode, Problem> {
    match state.parts.board.jobs().forget(&id).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(unknown()),
    }
}

/// Makes a job of what came out of a queue and could not become one then.
async fn read_again(state: &State, id: &str, text: &[u8]) -> Result<(), Problem> {
    let request: JobRequest<'_> = input::read(text)?;
    request.check(state)?;
    let jobs = state.parts.board.jobs();
    let Some(Text(own)) = &request.id else {
        // It takes the place of what is dead.
        jobs.forget(id).await?;
        return hand_in(state, &request, id.into()).await;
    };
    // Rather there twice than nowhere, should the node end in between.
    hand_in(state, &request, own.clone()).await?;
    jobs.forget(id).await?;
    Ok(())
}

/// Adds the job that came out of a queue as this entry.
pub(super) async fn file(state: &State, entry: &str, text: &[u8]) -> Result<(), Problem> {
    // Apart from what applications choose.
    let name: Box<str> = format!("entry:{entry}").into();
    let filing = async {
        if text.is_empty() {
            let detail = "there is nothing in the field message";
            return Err(Problem::unprocessable(detail));
        }
        let request: JobRequest<'_> = input::read(text)?;
        request.check(state)?;
        let id = request.id.as_ref().map_or(&name, |Text(id)| id);
        hand_in(state, &request, id.clone()).await
    };
    let problem = match filing.await {
        Err(problem) if !problem.is_busy() => problem,
        filed => return filed,
    };
    let dead = NewJob {
        id: name.clone(),
        kind: "".into(),
        body: Bytes::copy_from_slice(text),
        origin: None,
    };
    let reason = problem.detail().to_owned();
    state.parts.board.add_dead(dead, reason).await?;
    Ok(())
}

async fn hand_in(state: &State, request: &JobRequest<'_>, id: Box<str>) -> Result<(), Problem> {
    let job = NewJob {
        id,
        kind: request.kind(),
        body: request.order().to_body(),
        origin: None,
    };
    match state.parts.board.add(job).await? {
        Added::New | Added::Known => Ok(()),
        Added::Conflict => {
            let detail = "the id is that of another job";
            Err(Problem::new(StatusCode::CONFLICT, detail).field("id"))
        }
        Added::Full => Err(Problem::busy("too many jobs are open")),
    }
}

fn unknown() -> Problem {
    Problem::not_found("there is no job of this id")
}

fn unknown_kind(error: crate::jobs::board::UnknownKind) -> Problem {
    Problem::unprocessable(format!("kind: {error}")).field("kind")
}
