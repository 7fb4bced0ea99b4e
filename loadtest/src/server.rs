//! How one talks to a server: paths, greetings, how to publish and what counts, read from a file.
//!
//! What each key means is said in the README, under "Other servers"; `servers/` has files that are ready.

mod file;
pub mod greeting;
pub mod publish;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::str::FromStr;

use serde::Deserialize;
use thiserror::Error;

use crate::engine::Habits;
use crate::template::Template;
use publish::Publish;

/// The `ride` dialect of Tidegate, which is spoken when no file is given.
const RIDE: &str = include_str!("../servers/ride.toml");
/// The `room` dialect, which is spoken in rooms then.
const ROOM: &str = include_str!("../servers/room.toml");

/// What a file says of a server.
#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    /// Connections that do nothing in particular.
    pub client: Role,
    /// Connections that everything published is delivered to.
    pub subscriber: Role,
    /// The connection that publishes, if it does so by frames.
    pub publisher: Role,
    /// A message to the server and its answer.
    pub echo: Option<Echo>,
    /// How something is published; without it nothing can be.
    pub publish: Option<Publish>,
    /// How members of rooms talk, if there are rooms.
    pub room: Option<Room>,
    /// How pairs do.
    pub pair: Option<Pair>,
    /// What is done with messages whatever is measured.
    pub habits: Habits,
}

/// What a connection asks for, and what is said on it before anything else.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Role {
    /// Path of the upgrade request; `{i}` is the number of the connection.
    pub path: Template,
    /// Further lines of that request.
    pub headers: Vec<String>,
    /// What is sent and waited for until the connection is what it should be.
    pub hello: Vec<Step>,
}

/// Connections in rooms; in texts, `{room}` is the number of the room.
#[derive(Clone, Debug, PartialEq)]
pub struct Room {
    /// A member.
    pub member: Role,
    /// The one of them who publishes, and need not receive anything.
    pub publisher: Role,
    /// How it publishes, by a frame.
    pub publish: Publish,
}

/// Connections in pairs; in texts, `{partner}` is the number of the other one.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// Each of the two.
    pub client: Role,
    /// How it writes to the other one, by a frame.
    pub publish: Publish,
}

/// One step of a greeting.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// Sends this text.
    Send(Template),
    /// Waits for a message that contains this text.
    Expect(Template),
}

/// A message that the server answers on the same connection.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Echo {
    /// The message.
    pub send: Template,
    /// What its answer contains.
    pub expect: Template,
}

/// Why a file says nothing of use.
#[derive(Debug, Error)]
pub enum ServerError {
    /// It cannot be read.
    #[error("{0}")]
    Unreadable(#[from] std::io::Error),
    /// It is not TOML, or has a key that does not exist, is missing, or holds something else.
    #[error("line {line}: {message}")]
    Wrong {
        /// The line, from 1 on.
        line: usize,
        /// What is wrong, and what is allowed.
        message: String,
    },
    /// Keys that do not go together.
    #[error("{0}")]
    Together(&'static str),
}

impl Server {
    /// Reads a file.
    ///
    /// # Errors
    /// See [`ServerError`].
    pub fn read(path: &Path) -> Result<Self, ServerError> {
        std::fs::read_to_string(path)?.parse()
    }

    /// The role as it is, or with a message of its own behind what every client says.
    #[must_use]
    pub fn having_say(&self, role: Role, message: Option<&Template>) -> Role {
        match message {
            None => role,
            Some(message) => Role {
                hello: [&*self.client.hello, &[Step::Send(message.clone())]].concat(),
                ..role
            },
        }
    }

    /// The `ride` dialect of Tidegate.
    ///
    /// # Panics
    /// Never: a test reads the text, which is part of this program.
    #[must_use]
    pub fn ride() -> Self {
        RIDE.parse().expect("the built-in text is right")
    }

    /// The `room` dialect of Tidegate.
    ///
    /// # Panics
    /// Never: a test reads the text, which is part of this program.
    #[must_use]
    pub fn room_dialect() -> Self {
        ROOM.parse().expect("the built-in text is right")
    }
}

impl Role {
    /// This one, at another path if there is one.
    #[must_use]
    pub fn at(&self, path: Option<&Template>) -> Self {
        Self {
            path: path.unwrap_or(&self.path).clone(),
            ..self.clone()
        }
    }
}

impl Echo {
    /// That of the server, but for what else is given. Without a message there is none; without an expectation
    /// no answer is waited for.
    #[must_use]
    pub fn of(server: &Server, send: Option<&Template>, expect: Option<&Template>) -> Option<Self> {
        let pick = |given: Option<&Template>, part: fn(&Self) -> &Template| {
            let told = || server.echo.as_ref().map(part);
            given.or_else(told).cloned().unwrap_or_default()
        };
        let echo = Self {
            send: pick(send, |echo| &echo.send),
            expect: pick(expect, |echo| &echo.expect),
        };
        (!echo.send.is_empty()).then_some(echo)
    }
}

impl FromStr for Server {
    type Err = ServerError;

    fn from_str(text: &str) -> Result<Self, ServerError> {
        let file: file::File = toml::from_str(text).map_err(|error| ServerError::Wrong {
            line: line_of(text, error.span().map_or(0, |span| span.start)),
            message: error.message().to_owned(),
        })?;
        file.resolve()
    }
}

/// The line that a byte is in.
fn line_of(text: &str, byte: usize) -> usize {
    let before = text.as_bytes().iter().take(byte);
    1 + before.filter(|byte| **byte == b'\n').count()
}
