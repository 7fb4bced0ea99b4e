//! Options of `mixed` and `soak`.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;

use super::values::{
    parse_address, parse_count, parse_key, parse_minutes, parse_rate, parse_seconds,
};
use super::{Common, Part};
use crate::key::ApiKey;

/// Options of `mixed`.
#[derive(Args, Clone, Debug)]
pub struct MixedArgs {
    /// Options of every scenario; the connections are shared among the kinds of clients.
    #[command(flatten)]
    pub common: Common,
    /// How connections are shared among kinds, in parts of any size; kinds that lack what they need have none
    #[arg(
        long,
        value_name = "KIND=PART",
        value_delimiter = ',',
        default_value = "ride=40,im=20,room=20,push=10,queue=10"
    )]
    pub shares: Vec<Share>,
    /// Positions per second of each driver, who are half of `ride`; the others are their passengers
    #[arg(long, value_name = "HERTZ", default_value = "1", value_parser = parse_rate)]
    pub positions: f64,
    /// Messages of `im` per second, of all users together
    #[arg(long, value_name = "MSGS", default_value = "10", value_parser = parse_rate)]
    pub chat_rate: f64,
    /// Messages per second in each room of `room`
    #[arg(long, value_name = "MSGS", default_value = "1", value_parser = parse_rate)]
    pub room_rate: f64,
    /// Pushes per second over HTTP
    #[arg(long, value_name = "PUSHES", default_value = "10", value_parser = parse_rate)]
    pub push_rate: f64,
    /// Pushes per second through Redis
    #[arg(long, value_name = "PUSHES", default_value = "10", value_parser = parse_rate)]
    pub queue_rate: f64,
    /// For `im`: private key that logins are signed with, PEM
    #[arg(long, value_name = "FILE")]
    pub im_key: Option<PathBuf>,
    /// User that the first client of `im` is; the next one is the next user, and so on
    #[arg(long, value_name = "USER", default_value = "1", value_parser = parse_count)]
    pub first_user: usize,
    /// For `push`: admin addresses of nodes; `im` users are made friends there too
    #[arg(long, value_name = "ADDR", value_delimiter = ',', value_parser = parse_address)]
    pub admin: Vec<SocketAddr>,
    /// API key of the nodes with the scopes "publish" and "admin"; better given by the environment, as LOADTEST_API_KEY
    #[arg(long, value_name = "KEY", value_parser = parse_key)]
    pub key: Option<ApiKey>,
    /// For `queue`: address of the Redis that pushes are added to the stream of
    #[arg(long, value_name = "ADDR", value_parser = parse_address)]
    pub redis: Option<SocketAddr>,
    /// Size of texts and of what is published
    #[arg(long, value_name = "BYTES", default_value = "128", value_parser = parse_count)]
    pub bytes: usize,
    /// Run so long before measuring
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = parse_seconds)]
    pub warmup: Duration,
    /// Which of several processes this is, and what all of them were asked for together.
    #[arg(skip)]
    pub whole: Option<(Part, Box<Common>)>,
}

/// Options of `soak`.
#[derive(Args, Clone, Debug)]
pub struct SoakArgs {
    /// Those of `mixed`.
    #[command(flatten)]
    pub mixed: MixedArgs,
    /// How long to measure, instead of --secs
    #[arg(long, value_name = "MINUTES", value_parser = parse_minutes)]
    pub minutes: Option<Duration>,
    /// Connections, beside those of -n, that come and go; several processes share them
    #[arg(long, value_name = "COUNT", default_value = "10", value_parser = parse_count)]
    pub churners: usize,
    /// How many of them per second go, and others come in their place
    #[arg(long, value_name = "CONNECTIONS", default_value = "1", value_parser = parse_rate)]
    pub churn: f64,
    /// Time after which memory and latency have settled: only what follows tells whether they grow
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = parse_seconds)]
    pub settle: Duration,
}

/// A kind of clients.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Clients {
    /// Drivers and passengers, in pairs.
    Ride,
    /// Users who chat, in pairs.
    Im,
    /// Members of rooms.
    Room,
    /// Users who are pushed to over HTTP.
    Push,
    /// Users who are pushed to through Redis.
    Queue,
}

const CLIENTS: [(&str, Clients); 5] = [
    ("ride", Clients::Ride),
    ("im", Clients::Im),
    ("room", Clients::Room),
    ("push", Clients::Push),
    ("queue", Clients::Queue),
];

impl Clients {
    /// Its name, as in `--shares`.
    #[must_use]
    pub fn name(self) -> &'static str {
        let named = CLIENTS.iter().find(|(_, clients)| *clients == self);
        named.map_or("", |(name, _)| name)
    }
}

impl fmt::Display for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a kind of clients has of the connections.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share {
    /// Who has it.
    pub clients: Clients,
    /// How much, compared with others.
    pub part: f64,
}

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, part) = text.split_once('=').unwrap_or((text, ""));
        let named = CLIENTS.iter().find(|(known, _)| *known == name);
        match (named, part.parse::<f64>()) {
            (Some((_, clients)), Ok(part)) if 0.0 <= part && part.is_finite() => Ok(Self {
                clients: *clients,
                part,
            }),
            _ => Err(
                "not of the form KIND=PART; kinds are ride, im, room, push and queue".to_owned(),
            ),
        }
    }
}
