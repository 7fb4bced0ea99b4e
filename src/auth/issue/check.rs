//! What no node could accept, whatever its configuration.

use super::{IssueError, TokenRequest, live, person};
use crate::{
    dialect::room::is_display_name,
    id::{USER_BYTES_MAX, UserId},
    topic::{Topic, is_pattern},
};

impl TokenRequest {
    /// Looks for what no node could accept.
    ///
    /// # Errors
    ///
    /// The first option that names nothing possible.
    pub fn check(&self) -> Result<(), IssueError> {
        match self {
            Self::Ride {
                client_id, token, ..
            } => {
                if USER_BYTES_MAX < client_id.len() {
                    let problem = format!("is longer than {USER_BYTES_MAX} bytes");
                    return Err(IssueError::Unusable {
                        option: "--client-id",
                        problem,
                    });
                }
                match token {
                    Some(token) => usable("--token", token, user_id(token)),
                    None => Ok(()),
                }
            }
            Self::Im { id } => person(*id).map(drop),
            Self::Live { .. } => live::check(self),
            Self::Device {
                user,
                devices,
                rooms,
                publish,
                ..
            } => {
                usable("--user", user, user_id(user))?;
                for device in devices {
                    usable("--device", device, device_id(device))?;
                }
                usable_rooms(rooms)?;
                for topic in publish {
                    let is_topic = is_pattern(topic).then_some(());
                    let expected = "is no topic, expected user:<id>, room:<name>, session:<id> or \
                                    all, or the beginning of one and *";
                    usable("--publish", topic, is_topic.ok_or(expected))?;
                }
                Ok(())
            }
            Self::Room {
                user, rooms, name, ..
            } => {
                usable("--user", user, user_id(user))?;
                if let Some(name) = name {
                    let is_name = is_display_name(name).then_some(());
                    let expected = "is no name, expected 1 to 100 characters, none of them a control \
                                    character";
                    usable("--name", name, is_name.ok_or(expected))?;
                }
                usable_rooms(rooms)
            }
        }
    }
}

pub(super) fn user_id(text: &str) -> Result<(), String> {
    let user = text.parse::<UserId>();
    user.map(drop).map_err(|error| error.to_string())
}

fn device_id(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("is empty".to_owned());
    }
    let room = Topic::room(&format!("device/{text}"));
    room.map(drop).map_err(|error| error.to_string())
}

fn usable_rooms(rooms: &[String]) -> Result<(), IssueError> {
    let mut rooms = rooms.iter();
    rooms.try_for_each(|room| usable("--room", room, Topic::room(room)))
}

pub(super) fn usable<T, E: ToString>(
    option: &'static str,
    value: &str,
    parsed: Result<T, E>,
) -> Result<(), IssueError> {
    let error = |error: E| IssueError::Unusable {
        option,
        problem: format!("{value:?} {}", error.to_string()),
    };
    parsed.map(drop).map_err(error)
}
