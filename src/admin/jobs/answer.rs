//! What is told of jobs.

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::{
    iso8601,
    jobs::{Job, State, board::Order},
};

/// A page of jobs
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::admin) struct JobList {
    /// The newest first, without their results.
    pub(super) jobs: Vec<JobAnswer>,
    /// What to give as cursor for the next page; null: there is none.
    pub(super) next: Option<String>,
}

/// A job
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "id": "picture-17", "kind": "ocr", "user": "42", "url": "https://img.example/17.png", "state": "done",
    "attempts": 1, "created": "2026-01-01T00:00:00.000Z", "result": {"words_result": [{"words": "No smoking"}]},
}))]
pub(in crate::admin) struct JobAnswer {
    /// Names it.
    id: Box<str>,
    /// Who does it.
    kind: Box<str>,
    /// Who is told the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<Box<str>>,
    /// What it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<Box<str>>,
    /// More about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    data: Option<Box<RawValue>>,
    /// What came out of the queue or the list and cannot be a job.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// `queued`, `running`, `waiting`, `done` or `dead`.
    state: &'static str,
    /// `waiting`: it is tried again then.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    /// How many times it was begun.
    attempts: u64,
    /// What went wrong last, or why it is dead.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Box<str>>,
    /// When it was added.
    created: String,
    /// What the service has answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    result: Option<Box<RawValue>>,
}

// === impl JobAnswer ===

impl JobAnswer {
    pub(super) fn new(job: Job) -> Self {
        let order: Option<Order<'_>> = serde_json::from_slice(&job.body).ok();
        let order = order.filter(|_| !job.kind.is_empty());
        let message = order.is_none();
        Self {
            message: message.then(|| String::from_utf8_lossy(&job.body).into_owned()),
            data: order
                .as_ref()
                .and_then(|order| order.data.map(RawValue::to_owned)),
            url: order.as_ref().and_then(|order| order.url.clone()),
            user: order.map(|order| order.user),
            id: job.id,
            kind: job.kind,
            state: job.state.label(),
            until: match job.state {
                State::Waiting(until_ms) => Some(iso8601::format(until_ms)),
                _ => None,
            },
            attempts: job.attempts,
            reason: job.reason,
            created: iso8601::format(job.created_ms),
            result: job.answer.as_ref().and_then(raw),
        }
    }
}

fn raw(json: &Bytes) -> Option<Box<RawValue>> {
    serde_json::from_slice(json).ok()
}
