//! The office in memory: every decision, without a clock and without a place where it is kept.
//!
//! The twin in Redis is written in Lua and does the same, step by step; both are held to one contract.

mod decide;
mod saved;
mod seats;
mod tell;
mod view;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque},
    mem,
};

use bytes::Bytes;

pub use self::saved::{Row, RowError};
use super::{
    Decided, Done, Lane, Look, Party, QUEUE_MAX, Reason, Refusal, Rules, STEP, Strategy, TURNS_MAX,
    Turn, entry::Entry, order::AgentKey,
};
use crate::id::{SessionId, UserId};

/// Everything that is known.
#[derive(Debug, Default)]
pub struct State {
    agents: BTreeMap<AgentKey, Member>,
    seats: HashMap<SessionId, AgentKey>,
    /// Seats that were given up, and when.
    risen: VecDeque<(u64, SessionId)>,
    is_risen: HashSet<SessionId>,
    customers: HashMap<UserId, Client>,
    /// All customers, by their numbers.
    by_number: BTreeMap<u64, UserId>,
    /// Those who wait.
    queue: BTreeMap<u64, UserId>,
    /// Those who do not, by when they said something last.
    words: BTreeSet<(u64, UserId)>,
    /// What is to be told beside what customers say.
    news: HashMap<Lane, VecDeque<(u64, Entry)>>,
    /// Lanes with something to be told.
    due: HashMap<Lane, Due>,
    last_number: u64,
    last_turn: u64,
    last_entry: u64,
    /// Customers of whom something is other than where it is kept.
    changed: HashSet<UserId>,
}

/// An agent, there or away.
#[derive(Debug, Default)]
struct Member {
    name: Box<str>,
    since_ms: u64,
    seats: usize,
    customers: BTreeMap<u64, UserId>,
}

/// A customer.
#[derive(Debug, Default)]
struct Client {
    name: Box<str>,
    number: u64,
    agent: Option<AgentKey>,
    last_ms: u64,
    /// The place that it was told last.
    told: Option<u64>,
    /// What it has said and was not passed on.
    waiting: VecDeque<(u64, Bytes)>,
    /// How many of the first of them were passed on before.
    again: usize,
    /// What was passed on last, and when.
    sent: VecDeque<(u64, Bytes)>,
}

/// Until when a lane is somebody's.
#[derive(Clone, Copy, Debug)]
struct Due {
    until_ms: u64,
    turn: u64,
}

/// One call, while it is carried out.
#[derive(Debug)]
struct Step {
    now_ms: u64,
    strategy: Strategy,
    /// The customer who has come with it.
    fresh: Option<UserId>,
    /// Who has lost its agent in it, and which.
    former: HashMap<UserId, UserId>,
    done: Done,
}

// === impl State ===

impl State {
    /// See [`super::Office::look`].
    pub fn look(&mut self, rules: Rules, now_ms: u64) -> Look {
        let mut step = Step::new(now_ms, rules.strategy);
        let given_up = self.give_up(&mut step, millis(rules.reassign_after));
        let served = self.serve(&mut step);
        if 0 < given_up + served {
            self.tell_places(&mut step);
        }
        let idle = self.release_idle(&mut step, millis(rules.idle));
        self.forget_risen(now_ms);
        self.take_turns(&mut step);
        let is_full = step.done.turns.len() == TURNS_MAX;
        Look {
            has_more: is_full || [given_up, served, idle].contains(&STEP),
            figures: self.figures(),
            done: step.done,
        }
    }

    /// Customers of whom something has changed since the last call.
    pub fn take_changed(&mut self) -> HashSet<UserId> {
        mem::take(&mut self.changed)
    }

    fn change(&mut self, customer: &UserId) {
        if !self.changed.contains(customer) {
            self.changed.insert(customer.clone());
        }
    }

    fn client(&mut self, customer: &UserId) -> &mut Client {
        self.customers.entry(customer.clone()).or_default()
    }

    fn is_online(&self, agent: &AgentKey) -> bool {
        self.agents.get(agent).is_some_and(Member::is_online)
    }

    fn party(&self, agent: &AgentKey) -> Party {
        let name = self.agents.get(agent).map(|member| member.name.clone());
        Party {
            id: agent.id().clone(),
            name: name.unwrap_or_default(),
        }
    }

    /// Gives up the customers of agents who have been away for so long, at most [`STEP`] of them. Says how many.
    fn give_up(&mut self, step: &mut Step, after_ms: u64) -> usize {
        let mut count = 0;
        let is_due = |member: &Member| {
            !member.is_online() && member.since_ms.saturating_add(after_ms) <= step.now_ms
        };
        let due = self.agents.iter().filter(|(_, member)| is_due(member));
        let due: Vec<AgentKey> = due.map(|(key, _)| key.clone()).collect();
        for key in due {
            let Some(member) = self.agents.get_mut(&key) else {
                continue;
            };
            while count < STEP
                && let Some((number, customer)) = member.customers.pop_first()
            {
                count += 1;
                let former = key.id().clone();
                self.queue.insert(number, customer.clone());
                if let Some(client) = self.customers.get_mut(&customer) {
                    client.agent = None;
                    self.words.remove(&(client.last_ms, customer.clone()));
                }
                self.changed.insert(customer.clone());
                step.former.insert(customer, former);
            }
            if member.customers.is_empty() {
                self.agents.remove(&key);
            }
        }
        count
    }
}

// === impl Member ===

impl Member {
    const fn is_online(&self) -> bool {
        0 < self.seats
    }
}

// === impl Client ===

impl Client {
    /// How many messages wait that were never passed on, and their bytes.
    fn unheard(&self) -> (usize, usize) {
        let unheard = self.waiting.range(self.again..);
        let bytes = unheard.clone().map(|(_, data)| data.len()).sum();
        (unheard.len(), bytes)
    }
}

// === impl Step ===

impl Step {
    fn new(now_ms: u64, strategy: Strategy) -> Self {
        Self {
            now_ms,
            strategy,
            fresh: None,
            former: HashMap::new(),
            done: Done::default(),
        }
    }

    /// Why this customer gets an agent now, if nobody has said so.
    fn reason(&self, customer: &UserId) -> Reason {
        match self.fresh.as_ref() == Some(customer) {
            true => Reason::New,
            false if self.former.contains_key(customer) => Reason::Reassigned,
            false => Reason::Queue,
        }
    }
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
