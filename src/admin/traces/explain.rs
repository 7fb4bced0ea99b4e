//! `GET /api/messages/{id}/steps` and `GET /api/traces/{trace}/steps`: what happened to a message.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use axum::{Json, extract};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Asked, TraceStep, ask_all, merged};
use crate::{
    admin::{
        State,
        access::{Admin, Operator},
        input::Segment,
        problem::{AccessProblems, Problem, ProblemDocument},
        schema::{MessageName, TraceName},
    },
    id::Member,
    iso8601,
    peer::{Answer, Question},
    topic::Topic,
    trace::{Explained, MILLION, Step, TraceId},
};

/// Longest id of a message, in bytes: those that schedules give are longer than those that publishers may.
const ID_BYTES_MAX: usize = 512;

/// What is known of a message
///
/// What is not in it is not known: nothing is said about what no node remembers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "trace": "9c1d0e6f3b2a4855", "nodes": [
        {"node": "gw-1", "since": "2026-11-29T20:00:00.000Z", "sample": 0.01, "left_out": 0},
    ], "steps": [{
        "time": "2026-11-29T21:09:00.123Z", "node": "gw-1", "step": "published",
        "facts": {"topic": "user:42", "way": "api", "class": "durable"},
    }],
}))]
pub(in crate::admin) struct MessageSteps {
    /// What its steps are found by in logs.
    trace: String,
    /// What happened, in the order of time, by the clocks of the nodes.
    steps: Vec<TraceStep>,
    /// The nodes that have answered.
    nodes: Vec<Memory>,
    /// Nodes that have not answered in time: what happened there is not known. Absent if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing: Vec<String>,
    /// Nodes of an older version, which cannot be asked. Absent if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    too_old: Vec<String>,
    /// Members that had to do with it and are there no more: what happened there is not known. Absent if there are
    /// none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    gone: Vec<String>,
}

/// How far a node remembers
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "node": "gw-1", "since": "2026-11-29T20:00:00.000Z", "sample": 0.01, "left_out": 0,
}))]
pub(in crate::admin) struct Memory {
    /// Which one.
    node: String,
    /// Since when it remembers every step of messages of applications and of durable ones. Absent if it
    /// remembers none.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    /// The share of the other messages of clients that it remembers.
    sample: f64,
    /// How many steps of this message there are beside those that are told.
    left_out: u64,
}

/// What happened to a message
///
/// Every node remembers for a while the steps of messages of applications, of durable ones, and of a share of
/// those of clients.
#[utoipa::path(
    get,
    path = "/api/messages/{id}/steps",
    tag = "messages",
    security(("key" = [])),
    params(
        ("id" = inline(MessageName), Path,
            description = "The id that the message was published with, or was given; percent-encoded"),
    ),
    responses(
        (status = 200, description = "What is known of it, which may be nothing", body = MessageSteps),
        (status = 422, description = "It can be the id of no message", body = ProblemDocument,
            content_type = "application/problem+json"),
        AccessProblems,
    ),
)]
pub(in crate::admin) async fn explain(
    _: Operator<Admin>,
    extract::State(state): extract::State<Arc<State>>,
    Segment(id): Segment,
) -> Result<Json<MessageSteps>, Problem> {
    let is_id = (1..=ID_BYTES_MAX).contains(&id.len()) && !id.chars().any(char::is_control);
    if !is_id {
        let detail = "id: expected that of a message, 1 to 512 bytes without control characters";
        return Err(Problem::unprocessable(detail).field("id"));
    }
    Ok(Json(steps(&state, TraceId::of_text(&id)).await))
}

/// What happened to a message, by its trace
///
/// As by its id, for messages whose id is not known: logs and tails name the trace.
#[utoipa::path(
    get,
    path = "/api/traces/{trace}/steps",
    tag = "messages",
    security(("key" = [])),
    params(("trace" = inline(TraceName), Path, description = "16 hexadecimal digits")),
    responses(
        (status = 200, description = "What is known of it, which may be nothing", body = MessageSteps),
        (status = 422, description = "It is no trace", body = ProblemDocument,
            content_type = "application/problem+json"),
        AccessProblems,
    ),
)]
pub(in crate::admin) async fn explain_trace(
    _: Operator<Admin>,
    extract::State(state): extract::State<Arc<State>>,
    Segment(trace): Segment,
) -> Result<Json<MessageSteps>, Problem> {
    let trace = trace.parse::<TraceId>().map_err(|error| {
        let detail = format!("trace: {error}");
        Problem::unprocessable(detail).field("trace")
    })?;
    Ok(Json(steps(&state, trace).await))
}

/// Asks all nodes.
async fn steps(state: &State, trace: TraceId) -> MessageSteps {
    let router = &state.parts.router;
    let mut found = Found::default();
    found.add(&router.member(), router.recorder().explain(trace));
    let Asked {
        answers,
        missing,
        too_old,
    } = ask_all(state, Question::Explain(trace)).await;
    for (member, answer) in answers {
        if let Answer::Explained(explained) = answer {
            found.add(&member, explained);
        }
    }
    let steps = found.in_order();
    let living = state
        .parts
        .router
        .presence()
        .map(|presence| presence.members(&Topic::all()));
    MessageSteps {
        trace: trace.to_string(),
        gone: gone(&steps, &router.member(), &living.unwrap_or_default()),
        steps,
        nodes: found.nodes,
        missing,
        too_old,
    }
}

/// Who is named in the steps of others, and is not there any more.
fn gone(steps: &[TraceStep], me: &Member, living: &[Member]) -> Vec<String> {
    let named = steps.iter().flat_map(TraceStep::members);
    let is_gone =
        |name: &&str| *name != me.as_str() && living.iter().all(|one| one.as_str() != *name);
    let gone: BTreeSet<&str> = named.filter(is_gone).collect();
    gone.into_iter().map(str::to_owned).collect()
}

/// What nodes have told.
#[derive(Default)]
struct Found {
    nodes: Vec<Memory>,
    /// By node, in the order of their names.
    steps: BTreeMap<String, (Member, Vec<Step>)>,
}

impl Found {
    fn add(&mut self, member: &Member, explained: Explained) {
        let Explained {
            steps,
            left_out,
            since_ms,
            sample,
        } = explained;
        self.nodes.push(Memory {
            node: member.node().to_owned(),
            since: (since_ms != Explained::NEVER).then(|| iso8601::format(since_ms)),
            sample: f64::from(sample) / f64::from(MILLION),
            left_out,
        });
        let node = member.as_str().to_owned();
        self.steps.insert(node, (member.clone(), steps));
    }

    fn in_order(&mut self) -> Vec<TraceStep> {
        let steps = std::mem::take(&mut self.steps).into_values();
        let lists = steps.map(|(member, steps)| {
            let of_node = steps.into_iter().map(|step| (member.clone(), step));
            of_node.collect()
        });
        let steps = merged(lists.collect(), |(_, step)| {
            (step.time_ms, rank(&step.name))
        });
        let steps = steps.into_iter();
        steps
            .map(|(member, step)| TraceStep::new(&member, step))
            .collect()
    }
}

/// Within a millisecond a message is published before it goes to others, and goes before it arrives.
fn rank(name: &str) -> u8 {
    match name {
        "put_off" | "kept" => 0,
        "published" => 1,
        "sent" => 2,
        "arrived" => 3,
        _ => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_that_are_named_and_not_there_are_gone() {
        let step = |name: &str, fact: (&str, &str)| {
            let step = Step {
                time_ms: 5,
                name: name.into(),
                facts: vec![(fact.0.into(), fact.1.into())],
            };
            TraceStep::new(&"a.1".parse().unwrap(), step)
        };
        let steps = [
            step("sent", ("members", "b.1 c.1 a.0")),
            step("arrived", ("from", "d.1")),
            step("published", ("topic", "user:e.1")),
        ];
        let (me, living) = ("a.1".parse().unwrap(), ["c.1".parse().unwrap()]);
        assert_eq!(gone(&steps, &me, &living), ["a.0", "b.1", "d.1"]);
    }

    #[test]
    fn what_is_published_comes_before_what_arrives_in_the_same_millisecond() {
        let step = |time_ms, name: &str| Step {
            time_ms,
            name: name.into(),
            facts: Vec::new(),
        };
        let explained = |steps| Explained {
            steps,
            ..Explained::default()
        };
        let mut found = Found::default();
        let there = vec![step(5, "arrived"), step(5, "routed"), step(5, "written")];
        found.add(&"b.1".parse().unwrap(), explained(there));
        let here = vec![step(5, "published"), step(5, "sent"), step(7, "confirmed")];
        found.add(&"a.1".parse().unwrap(), explained(here));
        let steps = found.in_order();
        let names: Vec<&str> = steps.iter().map(|step| &*step.step).collect();
        let order = [
            "published",
            "sent",
            "arrived",
            "routed",
            "written",
            "confirmed",
        ];
        assert_eq!(names, order);
    }
}
