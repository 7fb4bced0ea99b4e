//! The file as it stands, before defaults are filled in and contradictions found.

use serde::Deserialize;

use super::publish::{self, Publish};
use super::{Echo, Pair, Role, Room, Server, ServerError, Step};
use crate::engine::{Habits, Heartbeat};
use crate::template::Template;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    client: Client,
    subscriber: Option<Part>,
    publisher: Option<Part>,
    echo: Option<Echo>,
    publish: Option<Publishing>,
    room: Option<Rooms>,
    pair: Option<Pairs>,
    #[serde(default)]
    heartbeats: Vec<Heartbeat>,
    separator: Option<char>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Client {
    path: Template,
    #[serde(default)]
    headers: Vec<String>,
    #[serde(default)]
    hello: Vec<Step>,
}

/// A role that is that of the client but for what is said here.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
    path: Option<Template>,
    headers: Option<Vec<String>>,
    /// Comes behind that of the client.
    #[serde(default)]
    hello: Vec<Step>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Publishing {
    frame: Option<Template>,
    post: Option<String>,
    body: Option<Template>,
    #[serde(default)]
    headers: Vec<String>,
    #[serde(default)]
    grows: isize,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rooms {
    #[serde(default)]
    member: Part,
    /// That of a member if it is missing.
    publisher: Option<Part>,
    publish: Frames,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pairs {
    #[serde(default)]
    client: Part,
    publish: Frames,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Frames {
    frame: Template,
    #[serde(default)]
    grows: isize,
}

impl File {
    pub(super) fn resolve(self) -> Result<Server, ServerError> {
        let client = Role {
            path: self.client.path,
            headers: self.client.headers,
            hello: self.client.hello,
        };
        check_lines(&client.headers)?;
        let publish = self.publish.map(Publishing::resolve).transpose()?;
        if self.publisher.is_some() && !publish.as_ref().is_some_and(Publish::is_by_frames) {
            return Err(ServerError::Together(
                "publisher: only who publishes by a frame (publish.frame) has a connection of that kind",
            ));
        }
        let separator = self.separator.map(u8::try_from).transpose();
        let separator =
            separator.map_err(|_| ServerError::Together("separator: not one byte in UTF-8"))?;
        if !separator.is_none_or(|byte| byte.is_ascii()) {
            return Err(ServerError::Together("separator: not one byte in UTF-8"));
        }
        let habits = Habits::new(self.heartbeats, separator);
        let room = self.room.map(|it| it.resolve(&client)).transpose()?;
        let pair = self.pair.map(|it| it.resolve(&client)).transpose()?;
        Ok(Server {
            subscriber: self.subscriber.unwrap_or_default().resolve(&client)?,
            publisher: self.publisher.unwrap_or_default().resolve(&client)?,
            client,
            echo: self.echo,
            publish,
            room,
            pair,
            habits,
        })
    }
}

impl Part {
    fn resolve(self, client: &Role) -> Result<Role, ServerError> {
        let headers = self.headers.unwrap_or_else(|| client.headers.clone());
        check_lines(&headers)?;
        Ok(Role {
            path: self.path.unwrap_or_else(|| client.path.clone()),
            headers,
            hello: [client.hello.clone(), self.hello].concat(),
        })
    }
}

impl Rooms {
    fn resolve(self, client: &Role) -> Result<Room, ServerError> {
        let member = self.member.resolve(client)?;
        let publisher = self.publisher.map(|it| it.resolve(client)).transpose()?;
        Ok(Room {
            publisher: publisher.unwrap_or_else(|| member.clone()),
            member,
            publish: self.publish.resolve(),
        })
    }
}

impl Pairs {
    fn resolve(self, client: &Role) -> Result<Pair, ServerError> {
        Ok(Pair {
            client: self.client.resolve(client)?,
            publish: self.publish.resolve(),
        })
    }
}

impl Frames {
    fn resolve(self) -> Publish {
        Publish {
            message: self.frame,
            way: publish::Way::Frame,
            grows: self.grows,
        }
    }
}

impl Publishing {
    fn resolve(self) -> Result<Publish, ServerError> {
        let Self {
            frame,
            post,
            body,
            headers,
            grows,
        } = self;
        let (message, way) = match (frame, post, body) {
            (Some(frame), None, None) if headers.is_empty() => (frame, publish::Way::Frame),
            (None, Some(path), Some(body)) => {
                check_lines(&headers)?;
                (body, publish::Way::Post { path, headers })
            }
            _ => {
                return Err(ServerError::Together(
                    "publish: has either frame, or post and body, and perhaps headers",
                ));
            }
        };
        Ok(Publish {
            message,
            way,
            grows,
        })
    }
}

fn check_lines(headers: &[String]) -> Result<(), ServerError> {
    let is_line = |line: &String| line.contains(':') && !line.contains(['\r', '\n']);
    match headers.iter().all(is_line) {
        true => Ok(()),
        false => Err(ServerError::Together(
            "headers: each is of the form \"Name: value\"",
        )),
    }
}
