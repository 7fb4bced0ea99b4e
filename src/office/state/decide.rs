//! Who gets whom.

use bytes::Bytes;

use super::{
    Client, Decided, Party, QUEUE_MAX, Reason, Refusal, Rules, STEP, State, Step, Strategy,
};
use crate::{
    id::UserId,
    office::{
        CUSTOMERS_MAX, MESSAGE_BYTES_MAX, MESSAGES_MAX, TOLD_MAX,
        entry::{Change, Entry},
        order::{AgentKey, by_hash, by_number},
    },
};

impl State {
    /// See [`crate::office::Office::ask`].
    ///
    /// # Errors
    ///
    /// [`Refusal::TooMany`].
    pub fn ask(&mut self, customer: Party, data: Bytes, rules: Rules, now_ms: u64) -> Decided {
        let mut step = Step::new(now_ms, rules.strategy);
        let Party { id, name } = customer;
        match self.customers.get(&id) {
            Some(client) => self.check_room(client, &data)?,
            None => self.come(&id, &mut step)?,
        }
        self.last_entry += 1;
        let entry = self.last_entry;
        let client = self.client(&id);
        let was_ms = std::mem::replace(&mut client.last_ms, now_ms);
        client.name = name;
        client.waiting.push_back((entry, data));
        let agent = client.agent.clone();
        self.change(&id);
        if step.fresh.is_some() {
            self.serve(&mut step);
            self.tell_places(&mut step);
        } else if let Some(agent) = agent {
            self.words.remove(&(was_ms, id.clone()));
            self.words.insert((now_ms, id.clone()));
            if self.is_online(&agent) {
                self.mark(Some(id), &mut step);
            }
        }
        Ok(step.done)
    }

    /// See [`crate::office::Office::transfer`].
    ///
    /// # Errors
    ///
    /// [`Refusal::NoCustomer`], [`Refusal::NotYours`], [`Refusal::NoAgent`].
    pub fn transfer(
        &mut self,
        by: Option<&UserId>,
        customer: &UserId,
        to: &UserId,
        now_ms: u64,
    ) -> Decided {
        let mut step = Step::new(now_ms, Strategy::default());
        let former = self.agent_of(by, customer)?;
        let to = AgentKey::new(to);
        if !self.is_online(&to) {
            return Err(Refusal::NoAgent);
        }
        if former.as_ref() == Some(&to) {
            return Ok(step.done);
        }
        self.detach(customer);
        self.assign(customer, &to);
        step.done.assigned[Reason::Transferred as usize] += 1;
        let former = former.map(|key| key.id().clone());
        self.tell_change(customer, former, None, &mut step);
        self.tell_places(&mut step);
        Ok(step.done)
    }

    /// See [`crate::office::Office::release`].
    ///
    /// # Errors
    ///
    /// [`Refusal::NoCustomer`], [`Refusal::NotYours`].
    pub fn release(&mut self, by: Option<&UserId>, customer: &UserId, now_ms: u64) -> Decided {
        let mut step = Step::new(now_ms, Strategy::default());
        self.agent_of(by, customer)?;
        self.let_go(customer, &mut step);
        self.tell_places(&mut step);
        Ok(step.done)
    }

    /// Those whose last word was so long ago, at most [`STEP`]. Says how many.
    pub(super) fn release_idle(&mut self, step: &mut Step, idle_ms: u64) -> usize {
        for count in 0..STEP {
            let first = self.words.first();
            let first = first.filter(|(last_ms, _)| last_ms.saturating_add(idle_ms) <= step.now_ms);
            let Some((_, customer)) = first.cloned() else {
                return count;
            };
            self.let_go(&customer, step);
        }
        STEP
    }

    /// Gives agents to those who wait for the longest, at most [`STEP`] of them. Says how many.
    pub(super) fn serve(&mut self, step: &mut Step) -> usize {
        for count in 0..STEP {
            let Some(customer) = self.queue.values().next().cloned() else {
                return count;
            };
            let Some(agent) = self.pick(&customer, step.strategy) else {
                return count;
            };
            step.done.assigned[step.reason(&customer) as usize] += 1;
            self.detach(&customer);
            self.assign(&customer, &agent);
            let former = step.former.remove(&customer);
            self.tell_change(&customer, former, None, step);
        }
        STEP
    }

    /// Tells those who wait where they stand: who has come with this call, who has lost its agent in it,
    /// and, at the head of the queue, everybody who stands elsewhere now.
    pub(super) fn tell_places(&mut self, step: &mut Step) {
        let mut places = Vec::new();
        let queue = self.queue.values().zip(1..);
        for (customer, place) in queue.take(TOLD_MAX) {
            let told = self.customers.get(customer).and_then(|client| client.told);
            if told != Some(place) || step.former.contains_key(customer) {
                places.push((customer.clone(), place));
            }
        }
        for customer in step.former.keys().chain(&step.fresh) {
            let place = self.place(customer);
            places.extend(
                place
                    .filter(|place| TOLD_MAX < *place as usize)
                    .map(|place| (customer.clone(), place)),
            );
        }
        for (customer, place) in places {
            self.client(&customer).told = Some(place);
            let former = step.former.remove(&customer);
            self.tell_change(&customer, former, Some(place), step);
        }
    }

    /// Where a customer stands who waits, from 1 on.
    pub(super) fn place(&self, customer: &UserId) -> Option<u64> {
        let client = self.customers.get(customer)?;
        let before = self.queue.contains_key(&client.number);
        before.then(|| self.queue.range(..=client.number).count() as u64)
    }

    fn check_room(&self, client: &Client, data: &Bytes) -> Result<(), Refusal> {
        let (count, bytes) = client.unheard();
        let mut agent = client.agent.iter();
        let is_alone = count == 0 && agent.any(|agent| self.is_online(agent));
        let fits = count < MESSAGES_MAX && bytes + data.len() <= MESSAGE_BYTES_MAX;
        if fits || is_alone {
            Ok(())
        } else {
            Err(Refusal::TooMany)
        }
    }

    /// Puts a new customer at the end of the queue.
    fn come(&mut self, customer: &UserId, step: &mut Step) -> Result<(), Refusal> {
        if QUEUE_MAX <= self.queue.len() || CUSTOMERS_MAX <= self.customers.len() {
            return Err(Refusal::TooMany);
        }
        self.last_number += 1;
        let number = self.last_number;
        self.client(customer).number = number;
        self.by_number.insert(number, customer.clone());
        self.queue.insert(number, customer.clone());
        step.fresh = Some(customer.clone());
        Ok(())
    }

    /// Whose a customer is, if it is `by`'s or if that does not matter.
    fn agent_of(
        &self,
        by: Option<&UserId>,
        customer: &UserId,
    ) -> Result<Option<AgentKey>, Refusal> {
        let client = self.customers.get(customer).ok_or(Refusal::NoCustomer)?;
        let is_theirs = by.is_none() || client.agent.as_ref().map(AgentKey::id) == by;
        is_theirs
            .then(|| client.agent.clone())
            .ok_or(Refusal::NotYours)
    }

    fn pick(&self, customer: &UserId, strategy: Strategy) -> Option<AgentKey> {
        let online = self.agents.iter().filter(|(_, member)| member.is_online());
        let picked = match strategy {
            Strategy::LeastLoaded => online.min_by_key(|(_, member)| member.customers.len()),
            Strategy::Hash | Strategy::RoundRobin => {
                let online: Vec<_> = online.collect();
                let at = match (online.len(), strategy) {
                    (0, _) => return None,
                    (count, Strategy::RoundRobin) => by_number(customer, count),
                    (count, _) => by_hash(customer, count),
                };
                online.get(at).copied()
            }
        };
        picked.map(|(key, _)| key.clone())
    }

    /// Takes a customer from its agent, or out of the queue.
    fn detach(&mut self, customer: &UserId) {
        let client = self.client(customer);
        let (number, last_ms) = (client.number, client.last_ms);
        match client.agent.take() {
            Some(agent) => {
                self.words.remove(&(last_ms, customer.clone()));
                if let Some(member) = self.agents.get_mut(&agent) {
                    member.customers.remove(&number);
                }
            }
            None => {
                self.queue.remove(&number);
            }
        }
    }

    fn assign(&mut self, customer: &UserId, agent: &AgentKey) {
        let client = self.client(customer);
        client.agent = Some(agent.clone());
        client.told = None;
        let (number, last_ms) = (client.number, client.last_ms);
        self.words.insert((last_ms, customer.clone()));
        if let Some(member) = self.agents.get_mut(agent) {
            member.customers.insert(number, customer.clone());
        }
    }

    fn let_go(&mut self, customer: &UserId, step: &mut Step) {
        let agent = self.client(customer).agent.clone();
        self.detach(customer);
        let Some(client) = self.customers.remove(customer) else {
            return;
        };
        self.by_number.remove(&client.number);
        let reached = agent.as_ref().filter(|agent| self.is_online(agent));
        match reached.map(AgentKey::id) {
            Some(agent) => {
                for (_, data) in client.waiting {
                    let (to, waits) = (agent.clone(), false);
                    let entry = Entry::Message { to, data, waits };
                    self.tell(Some(customer.clone()), entry, step);
                }
            }
            None => step.done.dropped += client.waiting.len() as u64,
        }
        let change = Change {
            customer: Party {
                id: customer.clone(),
                name: client.name,
            },
            agent: None,
            former: agent.map(|agent| agent.id().clone()),
            position: None,
        };
        self.tell(Some(customer.clone()), Entry::Change(change), step);
    }

    fn tell_change(
        &mut self,
        customer: &UserId,
        former: Option<UserId>,
        position: Option<u64>,
        step: &mut Step,
    ) {
        let client = self.client(customer);
        let (name, agent) = (client.name.clone(), client.agent.clone());
        let change = Change {
            customer: Party {
                id: customer.clone(),
                name,
            },
            agent: agent.map(|agent| self.party(&agent)),
            former,
            position,
        };
        self.tell(Some(customer.clone()), Entry::Change(change), step);
    }
}
