//! `POST /api/tail`: follows a topic while things happen.

use std::sync::Arc;

use axum::{Json, extract};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Asked, TraceStep, ask_all, merged};
use crate::{
    admin::{
        State,
        access::{Admin, Operator},
        input::Body,
        paging,
        problem::{AccessProblems, BodyProblems, Problem, ProblemDocument},
        schema::{FollowedTopic, TraceName},
    },
    id::Member,
    peer::{Answer, Question},
    topic::{Topic, TopicKind},
    trace::{Event, Tailed, TraceId, WatchQuery},
};

/// What is to be followed
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"topic": "user:42", "data": true}))]
pub(in crate::admin) struct TailRequest {
    /// A user, a room or a session.
    #[schema(value_type = FollowedTopic)]
    topic: String,
    /// What the answer before has named so: goes on where that ended. Without it something new is followed.
    #[schema(value_type = Option<TraceName>)]
    watch: Option<String>,
    /// Whether the beginning of what messages say is shown.
    #[serde(default)]
    data: bool,
}

/// What has happened since the answer before
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "watch": "9c1d0e6f3b2a4855", "sessions": 1, "events": [{
        "number": 0, "trace": "3b2a48559c1d0e6f", "time": "2026-11-29T21:09:00.123Z", "node": "gw-1",
        "step": "opened", "facts": {"session": "gw-1.18f3.3000000000001", "dialect": "ride"},
    }],
}))]
pub(in crate::admin) struct Tail {
    /// To be asked with again within ten seconds: after that, nothing is followed any more.
    watch: String,
    /// How many sessions are followed now.
    sessions: u64,
    /// In the order of time, by the clocks of the nodes.
    events: Vec<TailEvent>,
    /// Nodes that have not answered in time: what they have to tell comes later or is left out. Absent if there
    /// are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing: Vec<String>,
    /// Nodes of an older version, which cannot be asked. Absent if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    too_old: Vec<String>,
    /// Nodes that follow as much as they may, and not this. Absent if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    refused: Vec<String>,
}

/// What has happened to a session, or to a message on its way to one
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "number": 0, "trace": "3b2a48559c1d0e6f", "time": "2026-11-29T21:09:00.123Z", "node": "gw-1",
    "step": "opened", "facts": {"session": "gw-1.18f3.3000000000001", "dialect": "ride"},
}))]
pub(in crate::admin) struct TailEvent {
    /// Counts the events of its node, from 0: those that are missing between two were left out.
    number: u64,
    /// What the steps of this message or session have in common.
    trace: String,
    /// The step.
    #[serde(flatten)]
    step: TraceStep,
}

/// Follow a topic
///
/// Tells what happens to sessions of the topic and to messages to them, on all nodes, from the first call on:
/// each call tells what has happened since the one before. Ends by itself ten seconds after the last one.
#[utoipa::path(
    post,
    path = "/api/tail",
    tag = "sessions",
    security(("key" = [])),
    request_body = TailRequest,
    responses(
        (status = 200, description = "What has happened since the call before", body = Tail),
        AccessProblems,
        (status = 429, description = "The node follows as much as it may, or the key is over its rate: come back \
            after Retry-After", body = ProblemDocument, content_type = "application/problem+json"),
        BodyProblems,
    ),
)]
pub(in crate::admin) async fn tail(
    _: Operator<Admin>,
    extract::State(state): extract::State<Arc<State>>,
    body: Body,
) -> Result<Json<Tail>, Problem> {
    let query = query(&state, body.read()?)?;
    let router = &state.parts.router;
    let mut gathered = Gathered::default();
    let here = router.tail(&query);
    if here.is_refused {
        return Err(Problem::too_many("the node follows as much as it may"));
    }
    gathered.add(&router.member(), here);
    let watch = TraceId::from_number(query.watch);
    let Asked {
        answers,
        missing,
        too_old,
    } = ask_all(&state, Question::Tail(query)).await;
    for (member, answer) in answers {
        if let Answer::Tailed(there) = answer {
            gathered.add(&member, there);
        }
    }
    let events = merged(gathered.events, |(time_ms, _)| (*time_ms, 0));
    let events = events.into_iter().map(|(_, event)| event);
    Ok(Json(Tail {
        watch: watch.to_string(),
        sessions: gathered.sessions,
        events: events.collect(),
        missing,
        too_old,
        refused: gathered.refused,
    }))
}

fn query(state: &State, request: TailRequest) -> Result<WatchQuery, Problem> {
    let topic: Topic = paging::topic(&request.topic)?;
    if !matches!(
        topic.kind(),
        TopicKind::Room | TopicKind::Session | TopicKind::User
    ) {
        let detail = "topic: expected user:<id>, room:<name> or session:<id>";
        return Err(Problem::unprocessable(detail).field("topic"));
    }
    let watch = match request.watch {
        Some(watch) => watch.parse().map_err(|_| {
            let detail = "watch: expected what the answer before has named so";
            Problem::unprocessable(detail).field("watch")
        })?,
        None => {
            let (kind, data) = (topic.kind().label(), request.data);
            tracing::info!(kind, data, "somebody begins to follow a topic");
            // No other node gives the same one.
            TraceId::of_text(&state.new_id())
        }
    };
    Ok(WatchQuery {
        watch: watch.number(),
        topic,
        with_data: request.data,
    })
}

/// What nodes have told.
#[derive(Default)]
struct Gathered {
    sessions: u64,
    /// By node.
    events: Vec<Vec<(u64, TailEvent)>>,
    refused: Vec<String>,
}

impl Gathered {
    fn add(&mut self, member: &Member, tailed: Tailed) {
        if tailed.is_refused {
            self.refused.push(member.node().to_owned());
            return;
        }
        self.sessions += u64::from(tailed.sessions);
        let events = tailed.events.into_iter().map(|event| {
            let Event {
                number,
                trace,
                step,
            } = event;
            let time_ms = step.time_ms;
            let event = TailEvent {
                number,
                trace: trace.to_string(),
                step: TraceStep::new(member, step),
            };
            (time_ms, event)
        });
        self.events.push(events.collect());
    }
}
