//! Inquiries: what the whole cluster knows of the sessions that a topic reaches.

use std::collections::BTreeSet;

use super::State;
use crate::{
    duty::{Change, Changed},
    id::SessionId,
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
        Answer::Done | Answer::Owed(_) | Answer::Sessions { .. } => 0,
    });
    (local + remote.sum::<u64>(), names(&missing))
}

/// Has the member of a session do something about what it owes, or say what that is. None if it does
/// not answer in time.
pub(super) async fn owe(
    state: &State,
    session: &SessionId,
    change: Option<Change>,
) -> Option<Changed> {
    let parts = &state.parts;
    if parts.router.member() == session.member {
        return Some(match change {
            Some(change) => parts.witness.change(session, change).await,
            None => parts.witness.owed(session),
        });
    }
    let question = match change {
        Some(change) => Question::Owe {
            session: session.clone(),
            change,
        },
        None => Question::Owed(session.clone()),
    };
    let answers = ask(state, &Topic::session(session), question).await;
    if answers.answers.is_empty() && answers.missing.is_empty() {
        // There is no such member.
        return Some(Changed::Gone);
    }
    answers
        .answers
        .into_iter()
        .find_map(|(_, answer)| match answer {
            Answer::Owed(changed) => Some(changed),
            Answer::Done | Answer::Kicked(_) | Answer::Sessions { .. } => None,
        })
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
