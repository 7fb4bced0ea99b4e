//! The command line: raw options, read by clap, with every default in one place.

mod common;
mod echo;
mod fanout;
mod live;
mod mixed;
mod push;
mod room;
mod server;
mod slow;
#[cfg(test)]
mod tests;
mod values;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind::{
    DisplayHelp, DisplayHelpOnMissingArgumentOrSubcommand, DisplayVersion,
};
use clap::{Args, CommandFactory as _, Parser, Subcommand};

pub use self::common::{Common, Part, share_of_outstanding, share_of_rate};
pub use self::echo::EchoArgs;
pub use self::fanout::{FanoutArgs, Parts};
pub use self::live::LiveArgs;
pub use self::mixed::{Clients, MixedArgs, Share, SoakArgs};
pub use self::push::PushArgs;
pub use self::room::{Publishing, RoomArgs, RoomFrames, Size, Sizes};
pub use self::server::ServerFile;
pub use self::slow::SlowArgs;
use self::values::{
    parse_address, parse_count, parse_durable_rate, parse_key, parse_minutes, parse_outstanding,
    parse_pairable, parse_rate, parse_seconds,
};
use crate::engine::Habits;
use crate::key::ApiKey;
use crate::server::{Echo, Pair};
use crate::template::Template;

/// Load generator for WebSocket gateways.
#[derive(Debug, Parser)]
#[command(name = "loadtest", version, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Open connections, let each exchange messages once, hold them: memory per connection
    Idle(IdleArgs),
    /// Open and close connections: handshakes per second
    Handshake(HandshakeArgs),
    /// Have all clients come back at once to a server that takes so many per second: time until they are
    Storm(StormArgs),
    /// Publish to many subscribers in a closed loop: deliveries per second and per CPU second
    Fanout(FanoutArgs),
    /// Publish in many rooms at once, at a steady rate or in a closed loop: deliveries per second and per CPU second
    Room(RoomArgs),
    /// Publish in rooms some of whose members stop reading: what becomes of them, of the others and of the server's memory
    Slow(SlowArgs),
    /// Send messages between pairs of clients, at a steady rate or in a closed loop: latency, and messages per CPU second
    Unicast(UnicastArgs),
    /// Send messages that are answered, at a steady rate or in a closed loop: echoes per second, and what they cost
    Echo(EchoArgs),
    /// Chat in the `im` dialect, at a steady rate or in a closed loop: acknowledged messages per second, and what they cost
    Chat(ChatArgs),
    /// Push to users over HTTP or through Redis, at a steady rate or in a closed loop: pushes per second, and what they cost
    Push(PushArgs),
    /// Fill a live room with phones and walls: time from what a phone says to the walls, and from there to all phones
    Live(LiveArgs),
    /// A city: drivers and passengers, chats, rooms, pushes over HTTP and through Redis, all at a time: latency of each kind
    Mixed(MixedArgs),
    /// The same for a long time, with clients that come and go: does memory or latency grow?
    Soak(SoakArgs),
    /// Be the yardstick: a server that writes every message once to every subscriber, one write each
    RawServer(ServerArgs),
    /// Be an application: a service that answers every request with 200, at once and without a word
    Sink(ServerArgs),
    /// Send numbered messages between clients of all nodes of a cluster: is anything lost in silence, doubled or swapped?
    Check(CheckArgs),
    /// Start a cluster, break and repair it again and again, and check all the while
    Chaos(ChaosArgs),
}

/// Options of `idle`.
#[derive(Args, Clone, Debug)]
pub struct IdleArgs {
    /// Options of every scenario.
    #[command(flatten)]
    pub common: Common,
    /// How to talk to the server.
    #[command(flatten)]
    pub server: ServerFile,
    /// Path to connect to; {i} is the number of the connection [default: the server's]
    #[arg(long)]
    pub path: Option<Template>,
    /// Message that every connection sends once; empty: none [default: the server's]
    #[arg(long, value_name = "TEXT")]
    pub send: Option<Template>,
    /// What the answer contains; empty: wait for no answer [default: the server's]
    #[arg(long, value_name = "TEXT")]
    pub expect: Option<Template>,
    /// Time to settle between the exchange and the reading of the memory
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = parse_seconds)]
    pub settle: Duration,
}

impl IdleArgs {
    /// The message of every connection and its answer, if there is one.
    #[must_use]
    pub fn echo(&self) -> Option<Echo> {
        Echo::of(
            &self.server.read(),
            self.send.as_ref(),
            self.expect.as_ref(),
        )
    }
}

/// Options of `handshake`.
#[derive(Args, Clone, Debug)]
pub struct HandshakeArgs {
    /// Options of every scenario.
    #[command(flatten)]
    pub common: Common,
    /// How to talk to the server.
    #[command(flatten)]
    pub server: ServerFile,
    /// Path to connect to; {i} is the number of the connection [default: the server's]
    #[arg(long)]
    pub path: Option<Template>,
}

/// Options of `storm`.
#[derive(Args, Clone, Debug)]
pub struct StormArgs {
    /// Options of every scenario; `--parallel` does not count, as all come at once.
    #[command(flatten)]
    pub common: Common,
    /// Path to connect to; {i} is the number of the connection
    #[arg(long, default_value = "/ws/?client_id=c{i}&token=t{i}")]
    pub path: Template,
    /// Come back up to so long after the time that the server has asked for, each client at its own moment
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = parse_seconds)]
    pub jitter: Duration,
}

/// Options of `unicast`.
#[derive(Args, Clone, Debug)]
pub struct UnicastArgs {
    /// Options of every scenario; clients 0 and 1 are a pair, 2 and 3, and so on.
    #[command(flatten)]
    pub common: Common,
    /// How to talk to the server.
    #[command(flatten)]
    pub server: ServerFile,
    /// Messages per second, of all clients together, each at its own time whatever became of those before
    #[arg(long, value_name = "MSGS", value_parser = parse_rate, required_unless_present_any = ["outstanding", "positions"])]
    pub rate: Option<f64>,
    /// Instead of a rate: messages under way at any time, of all clients together; each is answered by another one
    #[arg(long, value_name = "COUNT", value_parser = parse_outstanding, conflicts_with = "rate")]
    pub outstanding: Option<usize>,
    /// Instead of messages: positions per second of each driver, the first of each pair, to its passenger
    #[arg(long, value_name = "HERTZ", value_parser = parse_rate, conflicts_with_all = ["rate", "outstanding", "given"])]
    pub positions: Option<f64>,
    /// Size of a message when it is delivered
    #[arg(long, value_name = "BYTES", default_value = "128")]
    pub bytes: usize,
    /// Run so long before measuring
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = parse_seconds)]
    pub warmup: Duration,
    /// Process of Redis, for its CPU time
    #[arg(long, value_name = "PID")]
    pub redis_pid: Option<u32>,
}

impl UnicastArgs {
    /// How pairs talk, and what is done with messages.
    ///
    /// # Errors
    /// One line, when nobody says how to.
    pub fn parts(&self) -> Result<(Pair, Habits), String> {
        let server = self.server.read();
        let missing = || "--server: the file has no [pair]".to_owned();
        Ok((server.pair.ok_or_else(missing)?, server.habits))
    }
}

/// Options of `chat`.
#[derive(Args, Clone, Debug)]
pub struct ChatArgs {
    /// Options of every scenario; of clients 0 and 1 the first writes to the second, of 2 and 3, and so on.
    #[command(flatten)]
    pub common: Common,
    /// Private key that logins are signed with, PEM; the server has its public half in dialect.im.public_keys
    #[arg(long, value_name = "FILE")]
    pub im_key: PathBuf,
    /// User that client 0 is; client 1 is the next one, and so on
    #[arg(long, value_name = "USER", default_value = "1", value_parser = parse_count)]
    pub first_user: usize,
    /// Messages per second, of all senders together, each at its own time whatever became of those before
    #[arg(long, value_name = "MSGS", value_parser = parse_rate, required_unless_present = "outstanding")]
    pub rate: Option<f64>,
    /// Instead of a rate: messages that each sender has under way at any time
    #[arg(long, value_name = "COUNT", value_parser = parse_outstanding, conflicts_with = "rate")]
    pub outstanding: Option<usize>,
    /// Size of the text of a message
    #[arg(long, value_name = "BYTES", default_value = "64", value_parser = parse_count)]
    pub bytes: usize,
    /// Another packet than a message; {seq} is a number of its own, {i} the other user of the pair
    #[arg(long, value_name = "TEXT")]
    pub packet: Option<Template>,
    /// Run so long before measuring
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = parse_seconds)]
    pub warmup: Duration,
    /// Admin address of a node, where pairs are made friends; without it they have to be already
    #[arg(long, value_name = "ADDR", value_parser = parse_address)]
    pub admin: Option<SocketAddr>,
    /// API key of that node with the scope "admin"; better given by the environment, as LOADTEST_API_KEY
    #[arg(long, value_name = "KEY", value_parser = parse_key)]
    pub key: Option<ApiKey>,
}

/// Options of `raw-server` and `sink`.
#[derive(Args, Clone, Debug)]
pub struct ServerArgs {
    /// Address to listen on
    #[arg(long, value_name = "ADDR", value_parser = parse_address)]
    pub listen: SocketAddr,
    /// Run on this CPU only
    #[arg(long)]
    pub cpu: Option<usize>,
}

/// Options of `check`.
#[derive(Args, Clone, Debug)]
pub struct CheckArgs {
    /// Public addresses of all nodes, separated by commas
    #[arg(long, value_name = "ADDR", value_delimiter = ',', required = true, value_parser = parse_address)]
    pub to: Vec<SocketAddr>,
    /// Admin addresses of all nodes, separated by commas, for what they say they have lost
    #[arg(long, value_name = "ADDR", value_delimiter = ',', required = true, value_parser = parse_address)]
    pub admin: Vec<SocketAddr>,
    /// Number of clients
    #[arg(short = 'n', long, value_name = "COUNT", value_parser = parse_pairable)]
    pub connections: usize,
    /// How long to send
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = parse_seconds)]
    pub secs: Duration,
    /// Messages per second, of all clients together
    #[arg(long, value_name = "MSGS", default_value = "200", value_parser = parse_rate)]
    pub rate: f64,
    /// Durable messages per second, pushed by all nodes together; none are without an API key
    #[arg(long, value_name = "MSGS", default_value = "20", value_parser = parse_durable_rate)]
    pub durable_rate: f64,
    /// API key of the nodes with the scope "publish"; better given by the environment, as LOADTEST_API_KEY
    #[arg(long, value_name = "KEY", value_parser = parse_key)]
    pub key: Option<ApiKey>,
    /// Write all figures to this file
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

/// Options of `chaos`.
#[derive(Args, Clone, Debug)]
pub struct ChaosArgs {
    /// How long to go on; a fault that has begun is finished
    #[arg(long, value_name = "MINUTES", value_parser = parse_minutes, required_unless_present = "smoke")]
    pub minutes: Option<Duration>,
    /// A short run with a kill, a freeze and a restart of Redis instead of faults drawn from the seed
    #[arg(long, conflicts_with = "minutes")]
    pub smoke: bool,
    /// What the faults are drawn from [default: any]
    #[arg(long, value_name = "NUMBER")]
    pub seed: Option<u64>,
    /// The gateway's program
    #[arg(long, value_name = "PATH")]
    pub gateway: PathBuf,
    /// Number of nodes
    #[arg(long, value_name = "COUNT", default_value = "3", value_parser = parse_pairable)]
    pub nodes: usize,
    /// Number of clients
    #[arg(short = 'n', long, value_name = "COUNT", default_value = "12", value_parser = parse_pairable)]
    pub connections: usize,
    /// Messages per second, of all clients together
    #[arg(long, value_name = "MSGS", default_value = "200", value_parser = parse_rate)]
    pub rate: f64,
    /// Durable messages per second, pushed by all nodes together; 0: none
    #[arg(long, value_name = "MSGS", default_value = "20", value_parser = parse_durable_rate)]
    pub durable_rate: f64,
    /// Write all figures to this file
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

/// Why there is no command.
#[derive(Debug)]
pub enum ParseError {
    /// Help or version was asked for; this is it.
    Shown(String),
    /// Wrong usage, in one line.
    Wrong(String),
}

/// Reads the command line, the program's name included.
///
/// # Errors
/// See [`ParseError`].
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, ParseError> {
    match Cli::try_parse_from(arguments) {
        Ok(cli) => Ok(cli.command),
        Err(error) if matches!(error.kind(), DisplayHelp | DisplayVersion) => {
            Err(ParseError::Shown(error.to_string()))
        }
        Err(error) => Err(ParseError::Wrong(one_line(&error))),
    }
}

/// The message of clap without its advice, in one line: it goes to logs and to other programs.
fn one_line(error: &clap::Error) -> String {
    if error.kind() == DisplayHelpOnMissingArgumentOrSubcommand {
        let cli = Cli::command();
        let names: Vec<&str> = cli.get_subcommands().map(clap::Command::get_name).collect();
        let names = names.join(", ");
        return format!("error: a subcommand is missing: {names} (see --help)");
    }
    let text = error.to_string();
    let message: Vec<&str> = text
        .lines()
        .map(str::trim)
        .take_while(|line| !line.is_empty())
        .collect();
    message.join(" ")
}
