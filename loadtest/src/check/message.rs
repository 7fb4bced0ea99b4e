//! What clients say to one another, in the `ride` dialect: numbered messages, and probes that are not counted.

use serde::{Deserialize, Serialize};

use super::verdict::Client;

/// Text of the `flag` of every message.
const FLAG: &str = "travel";

/// What a message is for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// It finds out whether the receiver can be reached.
    Probe,
    /// It is counted.
    Counted,
    /// It is durable, and counted apart. Its sender is the number of the node that it is pushed at.
    Kept,
}

/// One message.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Message {
    /// What it is for.
    pub kind: Kind,
    /// Who sent it.
    pub sender: Client,
    /// Who is to get it.
    pub receiver: Client,
    /// Its number: among those of its kind within the pair, or among all probes.
    pub n: usize,
}

#[derive(Debug, Serialize)]
struct Frame<'a> {
    flag: &'a str,
    target_token: &'a str,
    token: &'a str,
    #[serde(flatten)]
    message: Message,
}

/// What an application publishes.
#[derive(Debug, Serialize)]
struct Push<'a> {
    to: &'a str,
    event: &'a str,
    data: Message,
    durable: bool,
}

#[derive(Debug, Deserialize)]
struct Incoming {
    flag: String,
    target_token: String,
    #[serde(flatten)]
    message: Message,
}

/// The names of the clients of one run; two runs on one cluster must not hear each other.
#[derive(Clone, Debug)]
pub struct Names {
    run: String,
}

impl Names {
    /// Names that begin with `run`.
    #[must_use]
    pub fn new(run: impl Into<String>) -> Self {
        Self { run: run.into() }
    }

    /// The token of a client.
    #[must_use]
    pub fn token(&self, client: Client) -> String {
        format!("{}-{client}", self.run)
    }

    /// The path under which a client logs in.
    #[must_use]
    pub fn path(&self, client: Client) -> String {
        let token = self.token(client);
        format!("/ws/?client_id={token}&token={token}")
    }

    /// The text of a message.
    #[must_use]
    pub fn text(&self, message: Message) -> String {
        let frame = Frame {
            flag: FLAG,
            target_token: &self.token(message.receiver),
            token: &self.token(message.sender),
            message,
        };
        serde_json::to_string(&frame).expect("texts and numbers have a form in JSON")
    }

    /// The body of the HTTP request that pushes a message as a durable one, whatever its kind.
    #[must_use]
    pub fn push(&self, message: Message) -> String {
        let push = Push {
            to: &format!("user:{}", self.token(message.receiver)),
            event: FLAG,
            data: message,
            durable: true,
        };
        serde_json::to_string(&push).expect("texts and numbers have a form in JSON")
    }

    /// The message of a text, if it is one of this run to this client.
    #[must_use]
    pub fn parse(&self, text: &[u8], receiver: Client) -> Option<Message> {
        let incoming: Incoming = serde_json::from_slice(text).ok()?;
        let is_ours = incoming.flag == FLAG
            && incoming.target_token == self.token(receiver)
            && incoming.message.receiver == receiver;
        is_ours.then_some(incoming.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: Message = Message {
        kind: Kind::Counted,
        sender: 3,
        receiver: 7,
        n: 5,
    };

    #[test]
    fn a_message_is_read_as_it_was_written() {
        let names = Names::new("run");
        let text = names.text(MESSAGE);
        assert_eq!(
            text,
            r#"{"flag":"travel","target_token":"run-7","token":"run-3","kind":"counted","sender":3,"receiver":7,"n":5}"#
        );
        assert_eq!(names.parse(text.as_bytes(), 7), Some(MESSAGE));
    }

    #[test]
    fn what_is_pushed_has_the_fields_that_are_read() {
        let message = Message {
            kind: Kind::Kept,
            ..MESSAGE
        };
        let names = Names::new("run");
        assert_eq!(
            names.push(message),
            r#"{"to":"user:run-7","event":"travel","data":{"kind":"kept","sender":3,"receiver":7,"n":5},"durable":true}"#
        );
        let text = br#"{"flag":"travel","target_token":"run-7","kind":"kept","sender":3,"receiver":7,"n":5}"#;
        assert_eq!(names.parse(text, 7), Some(message));
    }

    #[test]
    fn what_is_for_others_is_not_read() {
        let names = Names::new("run");
        let text = names.text(MESSAGE);
        assert_eq!(names.parse(text.as_bytes(), 3), None);
        assert_eq!(Names::new("walk").parse(text.as_bytes(), 7), None);
        assert_eq!(names.parse(br#"{"flag":"pong"}"#, 7), None);
    }
}
