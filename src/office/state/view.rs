//! What others may know.

use super::{Client, State};
use crate::{
    id::UserId,
    office::{Agent, Customer, Figures, Party, View},
};

impl State {
    /// See [`crate::office::Office::view`].
    pub fn view(&self, after: u64, max: usize) -> View {
        let agents = self.agents.iter().map(|(key, member)| Agent {
            party: self.party(key),
            is_online: member.is_online(),
            since_ms: member.since_ms,
            customers: member.customers.len() as u64,
        });
        let behind = self.by_number.range(after.saturating_add(1)..);
        let page = behind.take(max).filter_map(|(_, id)| self.find(id));
        View {
            agents: agents.collect(),
            customers: page.collect(),
            figures: self.figures(),
        }
    }

    /// See [`crate::office::Office::find`].
    pub fn find(&self, customer: &UserId) -> Option<Customer> {
        let client = self.customers.get(customer)?;
        let Client {
            name,
            number,
            agent,
            last_ms,
            ..
        } = client;
        Some(Customer {
            party: Party {
                id: customer.clone(),
                name: name.clone(),
            },
            number: *number,
            agent: agent.as_ref().map(|agent| self.party(agent)),
            position: self.place(customer),
            last_ms: *last_ms,
        })
    }

    pub(super) fn figures(&self) -> Figures {
        let online = self.agents.values().filter(|member| member.is_online());
        Figures {
            assigned: (self.customers.len() - self.queue.len()) as u64,
            waiting: self.queue.len() as u64,
            agents: online.count() as u64,
            lanes: self.due.len() as u64,
        }
    }
}
