//! Inquiries: what the whole cluster knows of the sessions that a topic reaches.

use std::collections::BTreeSet;

use super::{State, problem::Problem};
use crate::{
    dialect::DialectId,
    duty::{Change, Changed},
    id::{Member, SessionId},
    peer::{
        Answer, DataChange, DataOutcome, Joined, PageQuery, Question, SessionDetails, SessionInfo,
    },
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
    let Answers {
        answers, missing, ..
    } = ask(state, topic, question).await;
    for (member, answer) in answers {
        if let Answer::Sessions { count, sessions } = answer
            && 0 < count
        {
            found.count += count;
            found.nodes.insert(member.node().to_owned());
            let room = max.saturating_sub(found.sessions.len());
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
    let Answers {
        answers, missing, ..
    } = ask(state, topic, question).await;
    let remote = answers.iter().map(|(_, answer)| match answer {
        Answer::Kicked(count) => u64::from(*count),
        _ => 0,
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
    match ask_of(state, session, question).await {
        Ok(Some(Answer::Owed(changed))) => Some(changed),
        // There is no such member.
        Ok(None) => Some(Changed::Gone),
        Ok(Some(_)) | Err(Silent) => None,
    }
}

/// What came of an order to the sessions that a topic reaches.
#[derive(Debug, Default)]
pub(super) struct Moved {
    /// Sessions that it was carried out for.
    pub(super) sessions: u64,
    /// Sessions that could not do it.
    pub(super) refused: u64,
    /// The nodes that have any of these.
    pub(super) nodes: BTreeSet<String>,
    /// The nodes that have not answered in time.
    pub(super) missing: Vec<String>,
}

impl Moved {
    fn count(&mut self, member: &Member, of_member: Joined) {
        let Joined { joined, refused } = of_member;
        if joined + refused != 0 {
            self.nodes.insert(member.node().to_owned());
        }
        self.sessions += u64::from(joined);
        self.refused += u64::from(refused);
    }
}

/// Puts the sessions that a topic reaches into a room, on all nodes.
pub(super) async fn join(state: &State, topic: &Topic, room: &Topic) -> Moved {
    let here = state.parts.router.join_members(topic, room);
    let question = Question::Join {
        topic: topic.clone(),
        room: room.clone(),
    };
    moved(state, topic, question, here).await
}

/// Takes the sessions that a topic reaches out of a room, on all nodes.
pub(super) async fn quit(state: &State, topic: &Topic, room: &Topic) -> Moved {
    let quit = state.parts.router.quit_members(topic, room);
    let here = Joined {
        joined: u32::try_from(quit).unwrap_or(u32::MAX),
        refused: 0,
    };
    let question = Question::Quit {
        topic: topic.clone(),
        room: room.clone(),
    };
    moved(state, topic, question, here).await
}

/// Adds what comes of an order on other nodes to what came of it here.
async fn moved(state: &State, topic: &Topic, question: Question, here: Joined) -> Moved {
    let mut moved = Moved::default();
    moved.count(&state.parts.router.member(), here);
    let Answers {
        answers, missing, ..
    } = ask(state, topic, question).await;
    for (member, answer) in answers {
        match answer {
            Answer::Joined(there) => moved.count(&member, there),
            Answer::Quit(joined) => moved.count(&member, Joined { joined, refused: 0 }),
            _ => {}
        }
    }
    moved.missing = names(&missing);
    moved
}

/// The first `max` rooms in alphabetical order that have members, behind `after`; and which nodes have not
/// answered in time.
pub(super) async fn rooms(
    state: &State,
    after: Option<Topic>,
    max: usize,
) -> (BTreeSet<Topic>, Vec<String>) {
    let mut rooms: BTreeSet<Topic> = BTreeSet::new();
    rooms.extend(state.parts.router.rooms(after.as_ref(), max));
    let question = Question::Rooms {
        after,
        max: u32::try_from(max).unwrap_or(u32::MAX),
    };
    let Answers {
        answers, missing, ..
    } = ask(state, &Topic::all(), question).await;
    for (_, answer) in answers {
        if let Answer::Rooms(more) = answer {
            rooms.extend(more);
        }
        while max < rooms.len() {
            rooms.pop_last();
        }
    }
    (rooms, names(&missing))
}

/// Reads or changes what is kept with a session, wherever that is.
///
/// # Errors
///
/// The node that has the session has not answered in time.
pub(super) async fn data(
    state: &State,
    session: &SessionId,
    change: DataChange,
) -> Result<DataOutcome, Silent> {
    let router = &state.parts.router;
    if session.member == router.member() {
        return Ok(router.change_data(session, &change));
    }
    let question = Question::Data {
        session: session.clone(),
        change,
    };
    match ask_of(state, session, question).await? {
        Some(Answer::Data(outcome)) => Ok(outcome),
        _ => Ok(DataOutcome::Gone),
    }
}

/// Asks the member of a session. None if there is no such member.
///
/// # Errors
///
/// It has not answered in time.
async fn ask_of(
    state: &State,
    session: &SessionId,
    question: Question,
) -> Result<Option<Answer>, Silent> {
    let Answers {
        answers, missing, ..
    } = ask(state, &Topic::session(session), question).await;
    match answers.into_iter().next() {
        Some((_, answer)) => Ok(Some(answer)),
        None if missing.is_empty() => Ok(None),
        None => Err(Silent),
    }
}

/// A node has not answered in time.
#[derive(Debug)]
pub(super) struct Silent;

impl From<Silent> for Problem {
    fn from(_: Silent) -> Self {
        Self::busy("the node that has the session does not answer")
    }
}

/// A page of sessions, on all nodes.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// In the order of their nodes, and of their numbers there.
    pub(super) sessions: Vec<SessionDetails>,
    /// The nodes that have not answered in time, or were not asked any more since another had not.
    pub(super) missing: Vec<String>,
}

/// The first `max` sessions behind `after` that a topic reaches and that speak a dialect, or any.
pub(super) async fn page(
    state: &State,
    topic: &Topic,
    dialect: Option<DialectId>,
    after: Option<&SessionId>,
    max: usize,
) -> Page {
    let router = &state.parts.router;
    let me = router.member();
    let presence = router.presence();
    let mut members: Vec<Member> = vec![me.clone()];
    members.extend(
        presence
            .into_iter()
            .flat_map(|presence| presence.members(topic)),
    );
    members.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
    members.retain(|member| after.is_none_or(|after| after.member.as_str() <= member.as_str()));
    let mut page = Page::default();
    for member in members {
        let rest = max - page.sessions.len();
        if rest == 0 {
            break;
        }
        let query = PageQuery {
            topic: topic.clone(),
            dialect,
            after: after
                .filter(|after| after.member == member)
                .map(|after| after.serial),
            max: u32::try_from(rest).unwrap_or(u32::MAX),
        };
        if member == me {
            let found = router.describe_page(&query, state.parts.clock.now());
            page.sessions.extend(found);
            continue;
        }
        // One that does not answer costs seconds: whoever asks does not wait for several of them.
        let Some(presence) = presence.filter(|_| page.missing.is_empty()) else {
            page.missing.push(member.node().to_owned());
            continue;
        };
        let asking = presence.ask(
            [member.clone()].into_iter().collect(),
            Question::Page(query),
        );
        match asking.await.answers.into_iter().next() {
            Some((_, Answer::Page(found))) => page.sessions.extend(found.into_iter().take(rest)),
            _ => page.missing.push(member.node().to_owned()),
        }
    }
    page
}

async fn ask(state: &State, topic: &Topic, question: Question) -> Answers {
    let Some(presence) = state.parts.router.presence() else {
        return Answers::default();
    };
    let members = presence.members(topic);
    if members.is_empty() {
        return Answers::default();
    }
    let mut answers = presence.ask(members, question).await;
    // Nobody can tell for a member that does not know what it is asked.
    answers.missing.extend(answers.unknown.drain(..));
    answers
}

fn names(members: &Members) -> Vec<String> {
    let names = members.iter().map(|member| member.node().to_owned());
    names.collect()
}
