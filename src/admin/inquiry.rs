//! Inquiries: what the whole cluster knows of the sessions that a topic reaches.

use std::collections::BTreeSet;

use super::State;
use crate::{
    peer::{Answer, Question, SessionInfo},
    presence::{Answers, Members},
    topic::Topic,
};

/// What a topic reaches, on all nodes.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// How many sessions.
    pub(super) count: u64,
    /// Some of them.
    pub(super) sessions: Vec<SessionInfo>,
    /// The nodes that have any.
    pub(super) nodes: BTreeSet<String>,
    /// The nodes that have not answered in time.
    pub(super) missing: Vec<String>,
}

/// Asks every node with subscribers of `topic`, and describes at most `max` of their sessions.
pub(super) async fn sessions(state: &State, topic: &Topic, max: usize) -> Found {
    let router = &state.parts.router;
    let now = state.parts.clock.now();
    let me = router.member();
    let mut found = Found {
        count: router.count(topic) as u64,
        sessions: router.describe_members(topic, max, now),
        ..Found::default()
    };
    if 0 < found.count {
        found.nodes.insert(me.node().to_owned());
    }
    let question = Question::Sessions {
        topic: topic.clone(),
        max: u32::try_from(max).unwrap_or(u32::MAX),
    };
    let Answers { answers, missing } = ask(state, topic, question).await;
    for (member, answer) in answers {
        if let Answer::Sessions { count, sessions } = answer
            && 0 < count
        {
            found.count += count;
            found.nodes.insert(member.node().to_owned());
            let room = max - found.sessions.len();
            found.sessions.extend(sessions.into_iter().take(room));
        }
    }
    found.missing = names(&missing);
    found
}

/// Ends the sessions that a topic reaches, on all nodes. Says how many, and which nodes have not
/// answered in time.
pub(super) async fn kick(state: &State, topic: &Topic, reason: Option<&str>) -> (u64, Vec<String>) {
    let local = state.parts.router.kick(topic, reason) as u64;
    let question = Question::Kick {
        topic: topic.clone(),
        reason: reason.map(Into::into),
    };
    let Answers { answers, missing } = ask(state, topic, question).await;
    let remote = answers.iter().map(|(_, answer)| match answer {
        Answer::Kicked(count) => u64::from(*count),
        Answer::Done | Answer::Sessions { .. } => 0,
    });
    (local + remote.sum::<u64>(), names(&missing))
}

async fn ask(state: &State, topic: &Topic, question: Question) -> Answers {
    let Some(presence) = state.parts.router.presence() else {
        return Answers::default();
    };
    let members = presence.members(topic);
    if members.is_empty() {
        return Answers::default();
    }
    presence.ask(members, question).await
}

fn names(members: &Members) -> Vec<String> {
    let names = members.iter().map(|member| member.node().to_owned());
    names.collect()
}
