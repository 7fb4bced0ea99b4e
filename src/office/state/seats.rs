//! Who is there.

use super::{Decided, Member, Party, Refusal, Rules, State, Step, millis};
use crate::{
    id::{SessionId, UserId},
    office::{AGENTS_MAX, Done, End, RISEN, Strategy, entry::Entry, order::AgentKey},
};

impl State {
    /// See [`crate::office::Office::sit`].
    ///
    /// # Errors
    ///
    /// [`Refusal::Gone`], [`Refusal::TooMany`].
    pub fn sit(&mut self, agent: Party, session: SessionId, rules: Rules, now_ms: u64) -> Decided {
        if self.is_risen.contains(&session) {
            return Err(Refusal::Gone);
        }
        let key = AgentKey::new(&agent.id);
        if !self.agents.contains_key(&key) && AGENTS_MAX <= self.agents.len() {
            return Err(Refusal::TooMany);
        }
        let mut step = Step::new(now_ms, rules.strategy);
        let is_new = self.seats.insert(session, key.clone()).is_none();
        let member = self.agents.entry(key.clone()).or_default();
        member.name = agent.name;
        member.seats += usize::from(is_new);
        if is_new && member.seats == 1 {
            member.since_ms = now_ms;
            let customers: Vec<UserId> = member.customers.values().cloned().collect();
            self.tell_agent(&key, true, &mut step);
            for customer in customers {
                if !self.client(&customer).waiting.is_empty() {
                    self.mark(Some(customer), &mut step);
                }
            }
        }
        self.serve(&mut step);
        self.tell_places(&mut step);
        Ok(step.done)
    }

    /// See [`crate::office::Office::rise`].
    pub fn rise(&mut self, session: SessionId, end: End, now_ms: u64) -> Done {
        let mut step = Step::new(now_ms, Strategy::default());
        if self.is_risen.insert(session.clone()) {
            self.risen.push_back((now_ms, session.clone()));
        }
        let Some(key) = self.seats.remove(&session) else {
            return step.done;
        };
        let Some(member) = self.agents.get_mut(&key) else {
            return step.done;
        };
        member.seats = member.seats.saturating_sub(1);
        let customers: Vec<UserId> = member.customers.values().cloned().collect();
        match (member.is_online(), end) {
            (true, End::Left) => return step.done,
            // What was on its way to this seat may be lost, although the agent has come back meanwhile.
            (true, End::Died) => {}
            (false, _) => {
                member.since_ms = now_ms;
                self.tell_agent(&key, false, &mut step);
            }
        }
        let is_online = self.agents.get(&key).is_some_and(Member::is_online);
        for customer in customers {
            self.forget_sent(&customer, end, now_ms);
            if is_online && !self.client(&customer).waiting.is_empty() {
                self.mark(Some(customer), &mut step);
            }
        }
        step.done
    }

    /// Makes somebody an agent who is away since now, and whose customers are to be known.
    pub(super) fn remember(&mut self, agent: Party, now_ms: u64) -> AgentKey {
        let key = AgentKey::new(&agent.id);
        let member = self.agents.entry(key.clone());
        member.or_insert_with(|| Member {
            name: agent.name,
            since_ms: now_ms,
            ..Member::default()
        });
        key
    }

    pub(super) fn forget_risen(&mut self, now_ms: u64) {
        let old_ms = now_ms.saturating_sub(millis(RISEN));
        while let Some((_, session)) = self.risen.pop_front_if(|(at_ms, _)| *at_ms <= old_ms) {
            self.is_risen.remove(&session);
        }
    }

    fn tell_agent(&mut self, key: &AgentKey, is_online: bool, step: &mut Step) {
        let entry = Entry::Agent {
            agent: self.party(key),
            is_online,
        };
        self.tell(None, entry, step);
    }
}
