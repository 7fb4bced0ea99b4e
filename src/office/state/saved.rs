//! What outlives a restart: a row for each customer, with what is still to be told of it.

use std::borrow::Cow;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Client, Due, Party, State};
use crate::{
    id::UserId,
    office::{
        End,
        entry::{Change, Entry},
    },
};

/// What is kept of a customer, as JSON.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Row {
    /// The customer.
    pub customer: UserId,
    /// None: nothing is to be kept of it.
    pub body: Option<Vec<u8>>,
}

/// A row is not of the form that was agreed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("it is not of the form that was agreed")]
pub struct RowError;

#[derive(Default, Deserialize, Serialize)]
struct RowForm<'a> {
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    customer: Option<ClientForm<'a>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty", borrow)]
    news: Vec<EntryForm<'a>>,
}

#[derive(Deserialize, Serialize)]
struct ClientForm<'a> {
    name: Cow<'a, str>,
    number: u64,
    #[serde(borrow)]
    agent: Option<PartyForm<'a>>,
    last: u64,
    told: Option<u64>,
    waiting: Vec<Cow<'a, str>>,
    again: usize,
    sent: Vec<(u64, Cow<'a, str>)>,
}

#[derive(Deserialize, Serialize)]
struct PartyForm<'a> {
    id: Cow<'a, str>,
    name: Cow<'a, str>,
}

/// Entries of the office's own lane are not kept: whoever comes after a restart sees no agents.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum EntryForm<'a> {
    Change {
        #[serde(borrow)]
        customer: PartyForm<'a>,
        #[serde(borrow)]
        agent: Option<PartyForm<'a>>,
        former: Option<Cow<'a, str>>,
        position: Option<u64>,
    },
    Message {
        to: Cow<'a, str>,
        data: Cow<'a, str>,
    },
}

impl State {
    /// What is to be kept of a customer.
    pub fn row(&self, customer: &UserId) -> Row {
        let lane = Some(customer.clone());
        let news = self.news.get(&lane).into_iter().flatten();
        let form = RowForm {
            customer: self.customers.get(customer).map(|client| self.form(client)),
            news: news.filter_map(|(_, entry)| entry_form(entry)).collect(),
        };
        let is_kept = form.customer.is_some() || !form.news.is_empty();
        Row {
            customer: customer.clone(),
            body: is_kept.then(|| serde_json::to_vec(&form).expect("memory takes every write")),
        }
    }

    /// Takes in what was kept. Agents are away since now, and what was passed on last may be lost.
    ///
    /// # Errors
    ///
    /// The body is not what [`Self::row`] makes.
    pub fn load(&mut self, customer: &UserId, body: &[u8], now_ms: u64) -> Result<(), RowError> {
        let form: RowForm<'_> = serde_json::from_slice(body).map_err(|_| RowError)?;
        let lane = Some(customer.clone());
        if let Some(form) = form.customer {
            self.load_client(customer, form, now_ms)?;
        }
        for form in form.news {
            self.last_entry += 1;
            let entry = (self.last_entry, entry_of(form)?);
            self.news.entry(lane.clone()).or_default().push_back(entry);
        }
        if self.news.contains_key(&lane) {
            let (until_ms, turn) = (now_ms, 0);
            self.due.insert(lane, Due { until_ms, turn });
        }
        Ok(())
    }

    fn load_client(
        &mut self,
        customer: &UserId,
        form: ClientForm<'_>,
        now_ms: u64,
    ) -> Result<(), RowError> {
        let agent = form.agent.map(party).transpose()?;
        let agent = agent.map(|agent| self.remember(agent, now_ms));
        let number = form.number;
        self.last_number = self.last_number.max(number);
        self.by_number.insert(number, customer.clone());
        match agent.as_ref().and_then(|agent| self.agents.get_mut(agent)) {
            Some(member) => {
                member.customers.insert(number, customer.clone());
                self.words.insert((form.last, customer.clone()));
            }
            None => {
                self.queue.insert(number, customer.clone());
            }
        }
        let waiting = form.waiting.into_iter().map(|data| {
            self.last_entry += 1;
            (self.last_entry, bytes(&data))
        });
        let client = Client {
            name: form.name.into(),
            number,
            agent,
            last_ms: form.last,
            told: form.told,
            waiting: waiting.collect(),
            again: form.again,
            sent: form
                .sent
                .iter()
                .map(|(at_ms, data)| (*at_ms, bytes(data)))
                .collect(),
        };
        self.customers.insert(customer.clone(), client);
        self.forget_sent(customer, End::Died, now_ms);
        Ok(())
    }

    fn form<'a>(&self, client: &'a Client) -> ClientForm<'a> {
        let agent = client.agent.as_ref().map(|agent| {
            let Party { id, name } = self.party(agent);
            PartyForm {
                id: id.as_str().to_owned().into(),
                name: name.into_string().into(),
            }
        });
        let waiting = client.waiting.iter();
        let sent = client.sent.iter();
        ClientForm {
            name: (&*client.name).into(),
            number: client.number,
            agent,
            last: client.last_ms,
            again: client.again,
            told: client.told,
            waiting: waiting
                .map(|(_, data)| String::from_utf8_lossy(data))
                .collect(),
            sent: sent
                .map(|(at_ms, data)| (*at_ms, String::from_utf8_lossy(data)))
                .collect(),
        }
    }
}

fn entry_form(entry: &Entry) -> Option<EntryForm<'_>> {
    match entry {
        Entry::Agent { .. } => None,
        Entry::Change(change) => Some(EntryForm::Change {
            customer: party_form(&change.customer),
            agent: change.agent.as_ref().map(party_form),
            former: change.former.as_ref().map(|former| former.as_str().into()),
            position: change.position,
        }),
        Entry::Message { to, data, .. } => Some(EntryForm::Message {
            to: to.as_str().into(),
            data: String::from_utf8_lossy(data),
        }),
    }
}

fn entry_of(form: EntryForm<'_>) -> Result<Entry, RowError> {
    Ok(match form {
        EntryForm::Change {
            customer,
            agent,
            former,
            position,
        } => Entry::Change(Change {
            customer: party(customer)?,
            agent: agent.map(party).transpose()?,
            former: former.map(|former| user(&former)).transpose()?,
            position,
        }),
        EntryForm::Message { to, data } => Entry::Message {
            to: user(&to)?,
            data: bytes(&data),
            waits: false,
        },
    })
}

fn party_form(party: &Party) -> PartyForm<'_> {
    PartyForm {
        id: party.id.as_str().into(),
        name: (&*party.name).into(),
    }
}

fn party(form: PartyForm<'_>) -> Result<Party, RowError> {
    Ok(Party {
        id: user(&form.id)?,
        name: form.name.into(),
    })
}

fn user(id: &str) -> Result<UserId, RowError> {
    id.parse().map_err(|_| RowError)
}

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}
