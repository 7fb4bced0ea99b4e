//! `POST /api/publish`: a message from an application to its users, and many of them.

pub(super) mod batch;
mod request;
pub(super) mod schedule;

use std::{sync::Arc, time::Duration};

use axum::{Json, extract};
use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::time::{self, Instant};
use utoipa::ToSchema;

pub(super) use self::request::AHEAD_MAX_MS;
use self::request::{PublishRequest, Topics};
use super::{
    State,
    access::{self, Caller},
    input::{Body, Text},
    once::{Claim, Digest, Progress, Sent},
    problem::{AccessProblems, BodyProblems, Problem, ProblemDocument},
};
use crate::{
    admin,
    dialect::device,
    id::SessionId,
    mail::post::PostError,
    message::{ConflationKey, Message, MessageId},
    recorder::What,
    router::Reached,
    topic::Topic,
    trace::{TraceId, Way},
};

/// How long a publish waits for room. Longer than a flusher needs for what may wait, shorter than
/// callers wait.
const ROOM_TIMEOUT: Duration = Duration::from_secs(2);

/// Most topics of one call of the post.
const POSTED_MAX: usize = 100;

/// What came of it
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"id": "order-17", "delivered_nodes": 1}))]
pub(super) struct Published {
    /// The id of the message: that of the request, or a number.
    id: String,
    /// How many nodes have sessions that it is on its way to.
    delivered_nodes: usize,
}

/// Publish a message
///
/// It is on its way to whoever is connected now when this answers; nothing is said about whether
/// anybody has received it. One that is durable is kept, too: in the history of each of its topics, and
/// for each of its users until a client has it. One with a time to come is kept until then, and published by whichever node is there.
#[utoipa::path(
    post,
    path = "/api/publish",
    tag = "messages",
    security(("key" = [])),
    request_body = PublishRequest,
    responses(
        (status = 200, description = "It is on its way", body = Published),
        (status = 409, description = "The id has come with other content", body = ProblemDocument,
            content_type = "application/problem+json"),
        (status = 503, description = "The node is busy, or cannot keep the message, or, with an id, cannot know whether it has come to \
            another node: come back after Retry-After. With an id, the same request again goes on where this one \
            stopped",
            body = ProblemDocument, content_type = "application/problem+json"),
        AccessProblems,
        BodyProblems,
    ),
)]
pub(super) async fn publish(
    _: Caller<access::Publish>,
    extract::State(state): extract::State<Arc<State>>,
    body: Body,
) -> Result<Json<Published>, Problem> {
    let request = body.read()?;
    accept(&state, request, body.text(), None).await.map(Json)
}

/// Where a request comes from, if that is a queue.
#[derive(Debug)]
pub(super) struct Pushed {
    /// The id of the message, if it has none of its own.
    pub(super) name: String,
    /// When it was added to the queue, in milliseconds since the Unix epoch, if that is known.
    pub(super) since_ms: Option<u64>,
}

/// Does what a request says. `text` is the request as it came.
pub(super) async fn accept(
    state: &State,
    request: PublishRequest<'_>,
    text: &[u8],
    pushed: Option<&Pushed>,
) -> Result<Published, Problem> {
    request.check(state)?;
    let now = state.parts.clock.now();
    let since_ms = pushed.and_then(|pushed| pushed.since_ms);
    let expires_ms = request.expires_ms(since_ms.unwrap_or(now.unix_ms));
    let except = request.except();
    if let Some(at_ms) = request.later(now)? {
        return schedule::put_off(state, request, text, at_ms).await;
    }
    let (at_ms, is_durable) = (request.at_ms(), request.is_durable());
    // Of one without an id nobody will ever ask whether another one says the same.
    let is_named = request.id.is_some() || pushed.is_some();
    let content = if is_named {
        request.content()
    } else {
        Digest::NONE
    };
    let PublishRequest {
        to: Topics(topics),
        event,
        data,
        conflate,
        id,
        ..
    } = request;
    let is_shared = id.is_some();
    let name = pushed.map(|pushed| pushed.name.as_str().into());
    let (id, claim) = match id.map(|Text(id)| id).or(name) {
        Some(id) => {
            let claim = named(state, &id, at_ms, content, is_shared)?;
            (MessageId::Text(id.into()), claim)
        }
        None => unnamed(state, is_durable, content),
    };
    let event = event.map_or("message".into(), |Text(event)| event);
    let data = data.map_or("null", RawValue::get);
    let draft = Draft {
        id,
        event,
        // Not a slice of the body, which would live as long as the message is retained.
        data: Bytes::copy_from_slice(data.as_bytes()),
        conflate: conflate.map(|Text(key)| key),
        expires_ms,
        except,
        way: way(pushed, at_ms),
    };
    let until = Instant::now() + ROOM_TIMEOUT;
    let mut turn = claim.turn(state, until).await?;
    let is_expired = expires_ms.is_some_and(|expires_ms| expires_ms <= now.unix_ms);
    let result = match is_durable {
        _ if turn.sent.is_done => {
            note(state, &draft.id, What::RepeatedId);
            Ok(())
        }
        _ if is_expired => {
            state.parts.stats.expired.add(1);
            note(state, &draft.id, What::Expired { place: "queue" });
            Ok(())
        }
        true => post(state, &draft, &topics, &mut turn.sent).await,
        false => send(state, &draft, &topics, &mut turn.sent, until).await,
    };
    let nodes = turn.sent.nodes.len();
    turn.end(result.is_ok()).await;
    result.map(|()| Published {
        id: draft.id.to_string(),
        delivered_nodes: nodes,
    })
}

/// The publish of this id.
fn named(
    state: &State,
    id: &str,
    at_ms: Option<u64>,
    content: Digest,
    is_shared: bool,
) -> Result<Claim, Problem> {
    let key = match at_ms {
        // Not that of a message which is published at once: this one was promised already.
        Some(at_ms) => Digest::of([&b"due"[..], id.as_bytes(), &at_ms.to_be_bytes()]),
        None => Digest::of([id.as_bytes()]),
    };
    let now = state.parts.clock.now();
    let progress = state.once.claim(key, content, now.uptime)?;
    Ok(match is_shared {
        true => Claim::of_all(progress, key),
        false => Claim::of_node(progress),
    })
}

/// A publish of which nobody will ever ask again.
fn unnamed(state: &State, is_durable: bool, content: Digest) -> (MessageId, Claim) {
    let admin::Parts { router, clock, .. } = &state.parts;
    // Sessions drop what they take for a repeat, and letters come to them from every member.
    let id = match is_durable {
        true => router.unique_id(clock.now()),
        false => router.next_id(clock.now()),
    };
    (id, Claim::of_node(Arc::new(Progress::new(content))))
}

fn way(pushed: Option<&Pushed>, at_ms: Option<u64>) -> Way {
    match pushed {
        None => Way::Api,
        Some(_) if at_ms.is_some() => Way::Schedule,
        Some(_) => Way::Queue,
    }
}

/// Publishes to the topics that do not have the message yet, in order.
async fn send(
    state: &State,
    draft: &Draft,
    topics: &[Topic],
    sent: &mut Sent,
    until: Instant,
) -> Result<(), Problem> {
    let admin::Parts { router, clock, .. } = &state.parts;
    while let Some(topic) = topics.get(sent.topics) {
        let publishing = router.publish_in_turn(draft.message(topic), *clock);
        let published = time::timeout_at(until, publishing).await;
        let reached = published.map_err(|_| {
            let (done, all) = (sent.topics, topics.len());
            Problem::busy(format!(
                "the node is busy, and {done} of {all} topics have the message"
            ))
        })?;
        sent.topics += 1;
        sent.note(state, topic, reached);
    }
    Ok(())
}

/// Posts to the topics that do not have the message yet, in order.
async fn post(
    state: &State,
    draft: &Draft,
    topics: &[Topic],
    sent: &mut Sent,
) -> Result<(), Problem> {
    while let Some(topics) = topics.get(sent.topics..).filter(|rest| !rest.is_empty()) {
        let topics = &topics[..topics.len().min(POSTED_MAX)];
        let message = draft.message(&topics[0]);
        let reached = state.parts.post.send(&message, topics).await;
        let reached = reached.map_err(|error| {
            if let PostError::NotKept(_) = error {
                note(state, &draft.id, What::NotKept);
                tracing::warn!(%error, "a durable message was refused");
            }
            Problem::busy(error.to_string())
        })?;
        for (topic, reached) in topics.iter().zip(reached) {
            sent.topics += 1;
            sent.note(state, topic, reached);
        }
    }
    Ok(())
}

fn note(state: &State, id: &MessageId, what: What) {
    let recorder = state.parts.router.recorder();
    recorder.note_remembered(TraceId::of_message(id), what);
}

impl Sent {
    /// Takes note of the nodes that a message is on its way to.
    fn note(&mut self, state: &State, topic: &Topic, reached: Reached) {
        let router = &state.parts.router;
        if 0 < reached.sessions {
            self.nodes.insert(router.member().node().to_owned());
        }
        if let Some(presence) = router.presence().filter(|_| 0 < reached.members) {
            let members = presence.members(topic);
            self.nodes
                .extend(members.iter().map(|member| member.node().to_owned()));
        }
    }
}

/// A message without its topic.
struct Draft {
    id: MessageId,
    event: Box<str>,
    data: Bytes,
    conflate: Option<Box<str>>,
    expires_ms: Option<u64>,
    except: Option<Arc<[SessionId]>>,
    way: Way,
}

impl Draft {
    fn message(&self, topic: &Topic) -> Message {
        let mut message = Message::new(topic.clone(), self.event.clone(), self.data.clone());
        message.id = self.id.clone();
        message.expires_ms = self.expires_ms;
        message.except = self.except.clone();
        message.way = self.way;
        // A status means the same whoever publishes it, and has the key of its device or task.
        let message = device::classified(message);
        match &self.conflate {
            Some(key) if message.conflate.is_none() => {
                let parts = [topic.as_str().as_bytes(), key.as_bytes()];
                message.latest(ConflationKey::new(&parts))
            }
            _ => message,
        }
    }
}
