//! What has to be so after each step, whatever has happened before.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tidegate::{
    id::UserId,
    office::{
        End, Strategy, View,
        entry::Entry,
        order::{AgentKey, by_hash, by_number},
    },
};

use super::scene::AWAY;

/// What is known from outside.
#[derive(Default)]
pub(super) struct Model {
    /// Agents, the seats that they have, and when they have given up the last one.
    agents: BTreeMap<AgentKey, (BTreeSet<String>, Duration)>,
    risen: BTreeSet<String>,
    /// Customers who have asked, in the order in which they came, and who serves them.
    pub(super) customers: Vec<(UserId, Option<AgentKey>)>,
    now: Duration,
}

/// What a step may do to customers beside assigning those who wait.
pub(super) enum May {
    /// Nothing.
    Nothing,
    /// Lose the agents who were away for too long.
    GiveUp,
    /// Give this one to that one.
    Give(UserId, AgentKey),
}

// === impl Model ===

impl Model {
    pub(super) fn online(&self) -> Vec<AgentKey> {
        let agents = self.agents.iter();
        let online = agents.filter(|(_, (seats, _))| !seats.is_empty());
        online.map(|(key, _)| key.clone()).collect()
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    pub(super) fn can_sit(&self, session: &str) -> bool {
        !self.risen.contains(session)
    }

    pub(super) fn sit(&mut self, agent: &AgentKey, session: &str) {
        let (seats, _) = self.agents.entry(agent.clone()).or_default();
        seats.insert(session.to_owned());
    }

    pub(super) fn rise(&mut self, session: &str, _: End) {
        self.risen.insert(session.to_owned());
        let now = self.now;
        for (seats, since) in self.agents.values_mut() {
            if seats.remove(session) && seats.is_empty() {
                *since = now;
            }
        }
    }

    pub(super) fn agent_of(&self, customer: &UserId) -> Option<&Option<AgentKey>> {
        let mut customers = self.customers.iter();
        customers
            .find(|(id, _)| id == customer)
            .map(|(_, agent)| agent)
    }

    pub(super) fn come(&mut self, customer: &UserId) {
        if self.agent_of(customer).is_none() {
            self.customers.push((customer.clone(), None));
        }
    }

    pub(super) fn leave(&mut self, customer: &UserId) {
        self.customers.retain(|(id, _)| id != customer);
    }

    /// Compares what is with what may be, and goes on from there.
    pub(super) fn check(&mut self, view: &View, strategy: Strategy, may: May) {
        let ids = view.customers.iter().map(|customer| &customer.party.id);
        assert!(
            ids.eq(self.customers.iter().map(|(id, _)| id)),
            "nobody is forgotten"
        );
        let online = self.online();
        let mut given_up = BTreeSet::new();
        if matches!(may, May::GiveUp) {
            let now = self.now;
            let away = self.agents.extract_if(.., |_, (seats, since)| {
                seats.is_empty() && *since + AWAY <= now
            });
            given_up.extend(away.map(|(key, _)| key));
        }
        let mut places = 1..;
        let mut loads: BTreeMap<&AgentKey, usize> = online.iter().map(|key| (key, 0)).collect();
        for (id, had) in &mut self.customers {
            if let May::Give(customer, to) = &may
                && customer == id
            {
                *had = Some(to.clone());
            }
            *had = had.take().filter(|agent| !given_up.contains(agent));
            if let Some(load) = had.as_ref().and_then(|agent| loads.get_mut(agent)) {
                *load += 1;
            }
        }
        for ((id, agent), customer) in self.customers.iter_mut().zip(&view.customers) {
            let is = customer
                .agent
                .as_ref()
                .map(|agent| AgentKey::new(&agent.id));
            if agent.is_none() && !online.is_empty() {
                let expected = match strategy {
                    Strategy::Hash => online[by_hash(id, online.len())].clone(),
                    Strategy::RoundRobin => online[by_number(id, online.len())].clone(),
                    Strategy::LeastLoaded => {
                        let least = online.iter().min_by_key(|key| loads[key]);
                        least.unwrap().clone()
                    }
                };
                *loads.get_mut(&expected).unwrap() += 1;
                *agent = Some(expected);
            }
            assert_eq!(is, *agent, "{id:?} has the agent that it should have");
            let place = agent.is_none().then(|| places.next().unwrap());
            assert_eq!(customer.position, place, "{id:?} waits where it should");
        }
        for agent in &view.agents {
            let key = Some(AgentKey::new(&agent.party.id));
            let served = self.customers.iter().filter(|(_, agent)| *agent == key);
            assert_eq!(agent.customers, served.count() as u64);
            let is_online = online.iter().any(|other| Some(other) == key.as_ref());
            assert_eq!(agent.is_online, is_online);
        }
    }
}

/// What agents were given of each customer, in order, those that came again left out.
pub(super) fn given(told: &[Entry]) -> BTreeMap<String, Vec<u64>> {
    let mut given: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for entry in told {
        if let Entry::Message { data, .. } = entry {
            let text = std::str::from_utf8(data).unwrap();
            let (customer, number) = text.trim_matches('"').split_once('/').unwrap();
            let numbers = given.entry(customer.to_owned()).or_default();
            let number = number.parse().unwrap();
            if !numbers.contains(&number) {
                numbers.push(number);
            }
        }
    }
    given
}
