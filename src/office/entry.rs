//! Entries: what is to be told, and the messages that say it.

use std::fmt::Write as _;

use bytes::Bytes;

use super::Party;
use crate::{id::UserId, message::Message, topic::Topic};

/// The room of those who look after customer service.
pub const AGENTS_ROOM: &str = "agents";
/// Event of what a customer says, as of anything that one user writes to another.
pub const MESSAGE_EVENT: &str = "single";

/// Something to be told.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Entry {
    /// An agent has come, or gone.
    Agent {
        /// Who.
        agent: Party,
        /// It has come.
        is_online: bool,
    },
    /// A customer is somebody else's now, or elsewhere in the queue, or was released.
    Change(Change),
    /// A customer says something to its agent.
    Message {
        /// The agent.
        to: UserId,
        /// One JSON value.
        data: Bytes,
        /// Without its agent it stays where it is. Else there is no customer any more who could get
        /// another one.
        waits: bool,
    },
}

/// How a customer stands now.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Change {
    /// The customer.
    pub customer: Party,
    /// Who serves it.
    pub agent: Option<Party>,
    /// Who has served it until now.
    pub former: Option<UserId>,
    /// Its place in the queue, from 1 on. With neither an agent nor a place it is released.
    pub position: Option<u64>,
}

// === impl Entry ===

impl Entry {
    /// What says so, in order.
    pub fn messages(&self) -> Vec<Message> {
        match self {
            Self::Agent { agent, is_online } => {
                let (id, name) = (text(agent.id.as_str()), text(&agent.name));
                let data =
                    format!(r#"{{"type":"agent","id":{id},"name":{name},"online":{is_online}}}"#);
                vec![to_agents("agent", data)]
            }
            Self::Change(change) => change.messages(),
            Self::Message { to, data, .. } => {
                vec![Message::new(Topic::user(to), MESSAGE_EVENT, data.clone())]
            }
        }
    }
}

// === impl Change ===

impl Change {
    fn messages(&self) -> Vec<Message> {
        let Self {
            customer,
            agent,
            former,
            position,
        } = self;
        let (id, name) = (text(customer.id.as_str()), text(&customer.name));
        let mut messages = Vec::new();
        if let Some(former) = former {
            let to = agent
                .as_ref()
                .map_or("null".to_owned(), |to| text(to.id.as_str()));
            let data = format!(r#"{{"type":"unassigned","id":{id},"name":{name},"to":{to}}}"#);
            messages.push(to_user(former, "unassigned", data));
        }
        if let Some(agent) = agent {
            let data = format!(r#"{{"type":"assigned","id":{id},"name":{name}}}"#);
            messages.push(to_user(&agent.id, "assigned", data));
            let (id, name) = (text(agent.id.as_str()), text(&agent.name));
            let data = format!(r#"{{"type":"assigned","id":{id},"name":{name}}}"#);
            messages.push(to_user(&customer.id, "assigned", data));
        }
        if let Some(position) = position {
            let data = format!(r#"{{"type":"queued","position":{position}}}"#);
            messages.push(to_user(&customer.id, "queued", data));
        }
        messages.push(to_agents("assignment", self.assignment()));
        messages
    }

    fn assignment(&self) -> String {
        let mut data = r#"{"type":"assignment","customer":"#.to_owned();
        let party = |party: &Party| {
            let (id, name) = (text(party.id.as_str()), text(&party.name));
            format!(r#"{{"id":{id},"name":{name}}}"#)
        };
        data.push_str(&party(&self.customer));
        let agent = self.agent.as_ref().map_or("null".to_owned(), party);
        let position = self.position.map_or("null".to_owned(), |at| at.to_string());
        // Memory takes every write.
        let _ = write!(data, r#","agent":{agent},"position":{position}}}"#);
        data
    }
}

fn to_user(user: &UserId, event: &str, data: String) -> Message {
    Message::new(Topic::user(user), event, data.into())
}

fn to_agents(event: &str, data: String) -> Message {
    let room = Topic::room(AGENTS_ROOM).expect("it is a name of a room");
    Message::new(room, event, data.into())
}

/// As JSON.
fn text(text: &str) -> String {
    serde_json::to_string(text).expect("memory takes every write")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn party(id: &str, name: &str) -> Party {
        Party {
            id: id.parse().unwrap(),
            name: name.into(),
        }
    }

    fn said(entry: &Entry) -> Vec<(String, String, String)> {
        let messages = entry.messages().into_iter();
        let said = messages.map(|message| {
            let data = String::from_utf8(message.data.to_vec()).unwrap();
            (
                message.topic.as_str().to_owned(),
                message.event.into(),
                data,
            )
        });
        said.collect()
    }

    fn one(topic: &str, event: &str, data: &str) -> (String, String, String) {
        (topic.to_owned(), event.to_owned(), data.to_owned())
    }

    #[test]
    fn a_change_is_told_to_both_agents_the_customer_and_those_who_look() {
        let change = Change {
            customer: party("7", "a \"b\""),
            agent: Some(party("2", "Li")),
            former: Some("1".parse().unwrap()),
            position: None,
        };
        let expected = [
            one(
                "user:1",
                "unassigned",
                r#"{"type":"unassigned","id":"7","name":"a \"b\"","to":"2"}"#,
            ),
            one(
                "user:2",
                "assigned",
                r#"{"type":"assigned","id":"7","name":"a \"b\""}"#,
            ),
            one(
                "user:7",
                "assigned",
                r#"{"type":"assigned","id":"2","name":"Li"}"#,
            ),
            one(
                "room:agents",
                "assignment",
                r#"{"type":"assignment","customer":{"id":"7","name":"a \"b\""},"agent":{"id":"2","name":"Li"},"position":null}"#,
            ),
        ];
        assert_eq!(said(&Entry::Change(change)), expected);
    }

    #[test]
    fn a_customer_who_waits_is_told_its_place() {
        let change = Change {
            customer: party("7", ""),
            agent: None,
            former: None,
            position: Some(3),
        };
        let expected = [
            one("user:7", "queued", r#"{"type":"queued","position":3}"#),
            one(
                "room:agents",
                "assignment",
                r#"{"type":"assignment","customer":{"id":"7","name":""},"agent":null,"position":3}"#,
            ),
        ];
        assert_eq!(said(&Entry::Change(change)), expected);
    }

    #[test]
    fn agents_are_told_of_one_another_and_given_what_customers_say() {
        let entry = Entry::Agent {
            agent: party("2", "Li"),
            is_online: false,
        };
        let data = r#"{"type":"agent","id":"2","name":"Li","online":false}"#;
        assert_eq!(said(&entry), [one("room:agents", "agent", data)]);
        let entry = Entry::Message {
            to: "2".parse().unwrap(),
            data: Bytes::from_static(b"{\"a\": 1}"),
            waits: true,
        };
        assert_eq!(said(&entry), [one("user:2", "single", "{\"a\": 1}")]);
    }
}
