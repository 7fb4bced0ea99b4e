//! Options of `room`.

use std::str::FromStr;
use std::time::Duration;

use clap::Args;

use super::values::{parse_outstanding, parse_rate, parse_seconds};
use super::{Common, Part, ServerFile};
use crate::engine::Habits;
use crate::server::publish::Publish;
use crate::server::{Role, Room};
use crate::template::Template;

/// Options of `room`.
#[derive(Args, Clone, Debug)]
pub struct RoomArgs {
    /// Options of every scenario; the connections are the members of all rooms together.
    #[command(flatten)]
    pub common: Common,
    /// The rooms.
    #[command(flatten)]
    pub sizes: Sizes,
    /// How much is published.
    #[command(flatten)]
    pub publishing: Publishing,
    /// What members send and receive.
    #[command(flatten)]
    pub frames: RoomFrames,
    /// Run so long before measuring
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = parse_seconds)]
    pub warmup: Duration,
}

/// The rooms that connections are in.
#[derive(Args, Clone, Debug, Default)]
pub struct Sizes {
    /// How many rooms of how many members, such as 100x50,10x1000; together as many as connections [default: rooms of 50]
    #[arg(long, value_name = "ROOMS", value_delimiter = ',')]
    pub rooms: Vec<Size>,
    /// Which of several processes this is, and how many connections all have together.
    #[arg(skip)]
    pub part: Option<(Part, usize)>,
}

/// How much is published in rooms.
#[derive(Args, Clone, Debug)]
#[group(required = true, multiple = false)]
pub struct Publishing {
    /// Messages per second, of all rooms together, each at its own time whatever became of those before
    #[arg(long, value_name = "MSGS", value_parser = parse_rate)]
    pub rate: Option<f64>,
    /// The same of each room
    #[arg(long, value_name = "MSGS", value_parser = parse_rate)]
    pub room_rate: Option<f64>,
    /// Instead of a rate: messages under way in each room at any time; one is done when all members have it
    #[arg(long, value_name = "COUNT", value_parser = parse_outstanding)]
    pub outstanding: Option<usize>,
}

/// What the members of rooms send and receive.
#[derive(Args, Clone, Debug)]
pub struct RoomFrames {
    /// How to talk to the server.
    #[command(flatten)]
    pub server: ServerFile,
    /// Path of everybody; {i} is the number of the connection, {room} that of its room [default: the server's]
    #[arg(long)]
    pub path: Option<Template>,
    /// Message that every member sends after connecting [default: the server's]
    #[arg(long, value_name = "FRAME")]
    pub subscribe: Option<Template>,
    /// What is published; {seq} is a number of 10 characters, {pad} fills up to --bytes [default: the server's]
    #[arg(long, value_name = "TEXT")]
    pub message: Option<Template>,
    /// Size of a message when it is delivered
    #[arg(long, value_name = "BYTES", default_value = "128")]
    pub bytes: usize,
    /// Messages shorter than this are not deliveries [default: --bytes]
    #[arg(long, value_name = "BYTES")]
    pub counted_bytes_min: Option<u64>,
}

impl RoomFrames {
    /// Those of the `room` dialect, where so many bytes are published.
    #[must_use]
    pub fn of_room(bytes: usize) -> Self {
        Self {
            server: ServerFile::default(),
            path: None,
            subscribe: None,
            message: None,
            bytes,
            counted_bytes_min: None,
        }
    }

    /// Puts the options over the server's file: how members talk, and what is done with messages.
    ///
    /// # Errors
    /// One line, when nobody says how to talk in rooms.
    pub fn parts(&self) -> Result<(Room, Habits), String> {
        let server = self.server.read_for_rooms();
        let Some(room) = &server.room else {
            return Err("--server: the file has no [room]".to_owned());
        };
        let role = |role: &Role| {
            let role = role.at(self.path.as_ref());
            server.having_say(role, self.subscribe.as_ref())
        };
        let message = self.message.as_ref().unwrap_or(&room.publish.message);
        let publish = Publish {
            message: message.clone(),
            ..room.publish.clone()
        };
        let room = Room {
            member: role(&room.member),
            publisher: role(&room.publisher),
            publish,
        };
        Ok((room, server.habits))
    }
}

/// Rooms of one size.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Size {
    /// How many.
    pub rooms: usize,
    /// Members of each, of whom one publishes.
    pub members: usize,
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (rooms, members) = text.split_once('x').unwrap_or(("1", text));
        match (rooms.parse(), members.parse()) {
            (Ok(rooms), Ok(members)) if 0 < rooms && 1 < members => Ok(Self { rooms, members }),
            _ => Err("not of the form ROOMSxMEMBERS, with 2 members or more".to_owned()),
        }
    }
}
