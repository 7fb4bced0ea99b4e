//! `/api/schedules`: messages and jobs at a time, or again and again.

mod request;

use std::sync::Arc;

use axum::{Json, extract, http::StatusCode};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use self::request::{Missed, ScheduleRequest};
use super::{
    State,
    access::{Caller, Publish, Read},
    input::{Body, Segment, Text},
    paging,
    parameters::Parameters,
    problem::{AccessProblems, BodyProblems, Problem, ProblemDocument, StoreProblems},
    schema::Offset,
};
use crate::schedules::{Added, Entry, PAGE_MAX, SCHEDULES_MAX, Schedule, What, When};

/// A schedule that was added
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"id": "morning", "next": 1_790_000_000.0}))]
pub(super) struct AddedSchedule {
    /// The id of the request, or one that was made.
    id: String,
    /// When it is due, in seconds since the Unix epoch.
    next: f64,
}

/// A page of schedules
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ScheduleList {
    /// The next one first.
    schedules: Vec<ScheduleAnswer>,
    /// What to give as cursor for the next page; null: there is none.
    next: Option<String>,
}

/// A schedule
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "id": "morning", "next": 1_790_000_000.0, "cron": "0 8 * * MON-FRI", "timezone": "Europe/Berlin",
    "missed": "skip", "late_max": 10.0, "publish": {"to": "room:news", "data": "Good morning"},
}))]
pub(super) struct ScheduleAnswer {
    /// Names it.
    id: Box<str>,
    /// When it is due next, in seconds since the Unix epoch.
    next: f64,
    /// When, in seconds since the Unix epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<f64>,
    /// Seconds after it was added.
    #[serde(skip_serializing_if = "Option::is_none")]
    r#in: Option<f64>,
    /// Again and again.
    #[serde(skip_serializing_if = "Option::is_none")]
    cron: Option<Box<str>>,
    /// The time zone of `cron`, if it is not UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    timezone: Option<Box<str>>,
    /// What becomes of an occurrence that is late.
    missed: Missed,
    /// How late one may be and is still fired, in seconds; absent: as late as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    late_max: Option<f64>,
    /// The message.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    publish: Option<Box<RawValue>>,
    /// The job.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    job: Option<Box<RawValue>>,
}

/// Have a message published or a job done at a time, or again and again
///
/// One node fires each occurrence, within a second after its time. The message of an occurrence has the id
/// `schedule:<id>:<milliseconds since the Unix epoch>`, and so has its job.
#[utoipa::path(
    post,
    path = "/api/schedules",
    tag = "jobs",
    security(("key" = [])),
    request_body = ScheduleRequest,
    responses(
        (status = 200, description = "It is kept", body = AddedSchedule),
        (status = 409, description = "The id is that of another schedule", body = ProblemDocument,
            content_type = "application/problem+json"),
        (status = 503, description = "It cannot be kept, or there are too many: come back after Retry-After",
            body = ProblemDocument, content_type = "application/problem+json"),
        AccessProblems,
        BodyProblems,
    ),
)]
pub(super) async fn add(
    _: Caller<Publish>,
    extract::State(state): extract::State<Arc<State>>,
    body: Body,
) -> Result<Json<AddedSchedule>, Problem> {
    let request: ScheduleRequest<'_> = body.read()?;
    let id = request.id.as_ref().map(|Text(id)| id.clone());
    let id = id.unwrap_or_else(|| state.new_id());
    let schedules = &state.parts.schedules;
    let now_ms = schedules.now_ms().await?;
    let (schedule, next_ms) = request.read(&state, now_ms)?;
    let entry = Entry {
        id: id.clone(),
        next_ms,
        body: schedule.to_body(),
    };
    let next_ms = match schedules.add(entry.clone()).await? {
        Added::New => next_ms,
        Added::Known(known) if known.body == entry.body => known.next_ms,
        Added::Known(_) => {
            let detail = "the id is that of another schedule";
            return Err(Problem::new(StatusCode::CONFLICT, detail).field("id"));
        }
        Added::Full => {
            let detail = format!("there are {SCHEDULES_MAX} schedules already");
            return Err(Problem::busy(detail));
        }
    };
    Ok(Json(AddedSchedule {
        id: id.into(),
        next: seconds(next_ms),
    }))
}

/// All schedules
#[utoipa::path(
    get,
    path = "/api/schedules",
    tag = "jobs",
    security(("key" = [])),
    params(("cursor" = inline(Option<Offset>), Query,
        description = "next of the page before; what changes in between may be missing or come twice")),
    responses(
        (status = 200, description = "A page", body = ScheduleList),
        (status = 422, description = "A parameter is wrong",
            body = ProblemDocument, content_type = "application/problem+json"),
        StoreProblems,
        AccessProblems,
    ),
)]
pub(super) async fn schedules(
    _: Caller<Read>,
    extract::State(state): extract::State<Arc<State>>,
    Parameters(query): Parameters,
) -> Result<Json<ScheduleList>, Problem> {
    let offset = paging::offset(&query)?;
    let page = state.parts.schedules.list(offset).await?;
    Ok(Json(ScheduleList {
        next: (page.len() == PAGE_MAX).then(|| (offset + PAGE_MAX).to_string()),
        schedules: page.iter().filter_map(ScheduleAnswer::new).collect(),
    }))
}

/// A schedule
#[utoipa::path(
    get,
    path = "/api/schedules/{id}",
    tag = "jobs",
    security(("key" = [])),
    params(("id" = String, Path, description = "Its id, percent-encoded")),
    responses(
        (status = 200, description = "The schedule", body = ScheduleAnswer),
        (status = 404, description = "There is no such schedule, or it is over",
            body = ProblemDocument, content_type = "application/problem+json"),
        StoreProblems,
        AccessProblems,
    ),
)]
pub(super) async fn schedule(
    _: Caller<Read>,
    extract::State(state): extract::State<Arc<State>>,
    Segment(id): Segment,
) -> Result<Json<ScheduleAnswer>, Problem> {
    let entry = state.parts.schedules.find(&id).await?;
    let answer = entry.as_ref().and_then(ScheduleAnswer::new);
    answer.map(Json).ok_or_else(unknown)
}

/// Remove a schedule
///
/// An occurrence that is being fired at the moment may come all the same.
#[utoipa::path(
    delete,
    path = "/api/schedules/{id}",
    tag = "jobs",
    security(("key" = [])),
    params(("id" = String, Path, description = "Its id, percent-encoded")),
    responses(
        (status = 204, description = "It is removed"),
        (status = 404, description = "There is no such schedule, or it is over",
            body = ProblemDocument, content_type = "application/problem+json"),
        StoreProblems,
        AccessProblems,
    ),
)]
pub(super) async fn remove(
    _: Caller<Publish>,
    extract::State(state): extract::State<Arc<State>>,
    Segment(id): Segment,
) -> Result<StatusCode, Problem> {
    match state.parts.schedules.remove(&id).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(unknown()),
    }
}

fn unknown() -> Problem {
    Problem::not_found("there is no schedule of this id")
}

fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}

// === impl ScheduleAnswer ===

impl ScheduleAnswer {
    /// None of one that a newer version has made.
    fn new(entry: &Entry) -> Option<Self> {
        let schedule: Schedule<'_> = serde_json::from_slice(&entry.body).ok()?;
        let mut answer = Self {
            id: entry.id.clone(),
            next: seconds(entry.next_ms),
            at: None,
            r#in: None,
            cron: None,
            timezone: None,
            missed: schedule.late_max_ms.map_or(Missed::Fire, |_| Missed::Skip),
            late_max: schedule.late_max_ms.map(seconds),
            publish: None,
            job: None,
        };
        match schedule.when {
            When::At(at_ms) => answer.at = Some(seconds(at_ms)),
            When::In(after_ms) => answer.r#in = Some(seconds(after_ms)),
            When::Cron(cron, zone) => (answer.cron, answer.timezone) = (Some(cron), zone),
        }
        match schedule.what {
            What::Publish(request) => answer.publish = Some(request.to_owned()),
            What::Job { kind, order } => {
                let job = request::Job { kind, order };
                answer.job = serde_json::value::to_raw_value(&job).ok();
            }
        }
        Some(answer)
    }
}
