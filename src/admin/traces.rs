//! What happened to a message, and what happens to a topic right now, on all nodes.

pub(super) mod explain;
pub(super) mod tail;

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::State;
use crate::{
    id::Member,
    iso8601,
    peer::{Answer, Question},
    presence::{Answers, Members},
    topic::Topic,
    trace::Step,
};

/// A step of a message or a session
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TraceStep, example = json!({
    "time": "2026-11-29T21:09:00.123Z", "node": "gw-1", "step": "written",
    "facts": {"session": "gw-1.18f3.3000000000001"},
}))]
pub(in crate::admin) struct TraceStep {
    /// When, by the clock of its node.
    time: String,
    /// Where.
    node: String,
    /// What: `published`, `sent`, `arrived`, `routed`, `queued`, `written` and others, which the documentation
    /// for operators lists.
    step: Box<str>,
    /// What there is to say of it.
    facts: BTreeMap<Box<str>, Box<str>>,
}

/// What all nodes have answered, and which did not.
#[derive(Debug, Default)]
struct Asked {
    answers: Vec<(Member, Answer)>,
    missing: Vec<String>,
    too_old: Vec<String>,
}

impl TraceStep {
    fn new(member: &Member, step: Step) -> Self {
        Self {
            time: iso8601::format(step.time_ms),
            node: member.node().to_owned(),
            step: step.name,
            facts: step.facts.into_iter().collect(),
        }
    }

    /// The members that it names.
    fn members(&self) -> impl Iterator<Item = &str> {
        let facts = ["from", "members"]
            .into_iter()
            .filter_map(|name| self.facts.get(name));
        facts.flat_map(|names| names.split(' '))
    }
}

/// Puts what nodes tell into one order, that of time; what one node tells stays in its own. `key` is the time,
/// and what goes before what at the same time.
fn merged<T>(lists: Vec<Vec<T>>, key: impl Fn(&T) -> (u64, u8)) -> Vec<T> {
    let mut lists: Vec<_> = lists
        .into_iter()
        .map(|list| list.into_iter().peekable())
        .collect();
    let mut merged = Vec::new();
    loop {
        let heads = lists.iter_mut().enumerate();
        let heads = heads.filter_map(|(index, list)| Some((key(list.peek()?), index)));
        let Some((_, index)) = heads.min() else {
            return merged;
        };
        merged.extend(lists[index].next());
    }
}

/// Asks every other node.
async fn ask_all(state: &State, question: Question) -> Asked {
    let Some(presence) = state.parts.router.presence() else {
        return Asked::default();
    };
    let members = presence.members(&Topic::all());
    let Answers {
        answers,
        missing,
        unknown,
    } = presence.ask(members, question).await;
    let names = |members: &Members| {
        let names = members.iter().map(|member| member.node().to_owned());
        names.collect()
    };
    Asked {
        answers,
        missing: names(&missing),
        too_old: names(&unknown),
    }
}

#[cfg(test)]
mod tests {
    use super::merged;

    #[test]
    fn what_one_node_tells_stays_in_its_order() {
        let lists = vec![vec![(5, 'a'), (4, 'b'), (9, 'c')], vec![(5, 'd'), (6, 'e')]];
        let merged = merged(lists, |(time, _)| (*time, 0));
        let order: String = merged.iter().map(|(_, name)| name).collect();
        assert_eq!(order, "abdec");
    }
}
