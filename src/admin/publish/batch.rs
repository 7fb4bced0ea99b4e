//! `POST /api/publish/batch`: many messages in one call, each of which stands alone.

use std::{collections::HashSet, sync::Arc, time::Duration};

use axum::{Json, extract};
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::{task, time::Instant};
use utoipa::ToSchema;

use super::{
    Published, accept,
    request::{PublishRequest, Topics},
};
use crate::{
    admin::{
        State,
        access::{self, Caller},
        input::{self, Body},
        problem::{AccessProblems, BodyProblems, Problem, ProblemDocument},
    },
    topic::Topic,
};

/// Most messages of one call.
const MESSAGES_MAX: usize = 1000;
/// Most messages that are published side by side, before others have their turn.
const WAVE_MAX: usize = 64;
/// What has not begun so long after the call is not begun any more. Shorter than callers wait.
const BEGIN_TIMEOUT: Duration = Duration::from_secs(5);

/// Messages, and where each goes
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"messages": [
    {"to": "user:42", "event": "order.paid", "data": {"order": 17}, "id": "order-17"},
    {"to": "room:news", "data": "It rains"},
]}))]
pub(in crate::admin) struct PublishBatch<'a> {
    /// At least one, at most 1000. Each is what `POST /api/publish` takes.
    #[serde(borrow)]
    #[schema(value_type = Vec<PublishRequest>, min_items = 1, max_items = 1000)]
    messages: Vec<&'a RawValue>,
}

/// What came of each
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"results": [
    {"id": "order-17", "delivered_nodes": 1},
    {"problem": {
        "type": "about:blank", "title": "Unprocessable Entity", "status": 422,
        "detail": "to: is not a topic, expected user:<id>, room:<name>, session:<id> or all",
        "field": "to",
    }},
]}))]
pub(in crate::admin) struct PublishedBatch {
    /// In the order of the messages.
    results: Vec<PublishResult>,
}

/// What came of one: what `POST /api/publish` would have answered
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
enum PublishResult {
    /// It is on its way.
    Published(Published),
    /// It is not.
    Refused {
        /// Why. With the status 503 it may be sent again, with the same id.
        #[schema(value_type = ProblemDocument)]
        problem: Box<ProblemDocument>,
    },
}

/// A message of a batch that was read.
struct Item<'a> {
    place: usize,
    request: PublishRequest<'a>,
    text: &'a [u8],
}

/// Publish many messages
///
/// As if each had come by `POST /api/publish`, one after the other: each stands alone, and one that is wrong or
/// finds the node busy does not stop the others. Messages to one topic keep their order. What has not begun
/// after five seconds is answered with a problem of status 503. For the rate of the key each counts: a batch is let
/// in as one request is, and the next request waits until all of it has been paid for.
#[utoipa::path(
    post,
    path = "/api/publish/batch",
    tag = "messages",
    security(("key" = [])),
    request_body = PublishBatch,
    responses(
        (status = 200, description = "What came of each of them", body = PublishedBatch),
        AccessProblems,
        BodyProblems,
    ),
)]
pub(in crate::admin) async fn publish_batch(
    caller: Caller<access::Publish>,
    extract::State(state): extract::State<Arc<State>>,
    body: Body,
) -> Result<Json<PublishedBatch>, Problem> {
    let PublishBatch { messages } = body.read()?;
    let count = messages.len();
    if !(1..=MESSAGES_MAX).contains(&count) {
        let detail = format!("messages: has {count} of them, expected 1 to {MESSAGES_MAX}");
        return Err(Problem::unprocessable(detail).field("messages"));
    }
    caller.owe(count);
    let mut results: Vec<Option<PublishResult>> = messages.iter().map(|_| None).collect();
    let mut items = Vec::with_capacity(count);
    for (place, message) in messages.into_iter().enumerate() {
        let text = message.get().as_bytes();
        match input::read(text) {
            Ok(request) => items.push(Item {
                place,
                request,
                text,
            }),
            Err(problem) => results[place] = Some(PublishResult::from(Err(problem))),
        }
    }
    let until = Instant::now() + BEGIN_TIMEOUT;
    for wave in waves(items) {
        let publishing = wave
            .into_iter()
            .map(|item| publish_one(&state, item, until));
        for (place, result) in join_all(publishing).await {
            results[place] = Some(result);
        }
        // A batch may be long work without a pause of its own.
        task::yield_now().await;
    }
    let results = results.into_iter().flatten().collect();
    Ok(Json(PublishedBatch { results }))
}

async fn publish_one(state: &State, item: Item<'_>, until: Instant) -> (usize, PublishResult) {
    let Item {
        place,
        request,
        text,
    } = item;
    let published = match Instant::now() < until {
        true => accept(state, request, text, None).await,
        false => Err(Problem::busy("the node is busy, and has not begun with it")),
    };
    (place, published.into())
}

/// What may be published side by side: messages that follow one another and have no topic in common.
fn waves(items: Vec<Item<'_>>) -> Vec<Vec<Item<'_>>> {
    let mut waves: Vec<Vec<Item<'_>>> = Vec::new();
    let mut topics: HashSet<Topic> = HashSet::new();
    for item in items {
        let Topics(own) = &item.request.to;
        let is_apart = own.iter().all(|topic| !topics.contains(topic));
        if !is_apart {
            topics.clear();
        }
        topics.extend(own.iter().cloned());
        match waves.last_mut() {
            Some(wave) if is_apart && wave.len() < WAVE_MAX => wave.push(item),
            _ => waves.push(vec![item]),
        }
    }
    waves
}

// === impl PublishResult ===

impl From<Result<Published, Problem>> for PublishResult {
    fn from(published: Result<Published, Problem>) -> Self {
        match published {
            Ok(published) => Self::Published(published),
            Err(problem) => Self::Refused {
                problem: problem.into_document(),
            },
        }
    }
}
