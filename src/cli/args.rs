//! The words of the command line.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use clap::{Args, CommandFactory, Parser, Subcommand, error::ErrorKind};

use crate::config::{parse_duration, rsa::BITS};

/// What was asked for.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// The configuration file.
    pub config: Option<PathBuf>,
    /// What to do.
    pub command: Command,
}

/// A gateway that holds the WebSocket connections of applications which stay stateless.
#[derive(Debug, Parser)]
#[command(name = "tidegate", version)]
struct Cli {
    /// The configuration file; without one, and without TIDEGATE_ variables: development mode
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    start: Start,
    #[command(subcommand)]
    command: Option<Command>,
}

/// One verb of the command line.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Run a node (the default)
    Start(Start),
    /// Drain the node that runs here, and wait for its end
    Stop,
    /// Let the node that runs here read its configuration again
    Reload,
    /// Put another process, a daemon, in the place of the node that runs here, on the same sockets
    Restart,
    /// Show the node that runs here
    Status(Status),
    /// Say something to everybody who is connected to the node that runs here, or to its cluster
    Say {
        /// What to say
        text: String,
    },
    /// Show what happened to a message, on the node that runs here and the others of its cluster
    Explain(Explain),
    /// Follow what happens to a user, a room or a session, on the node that runs here and the others of its
    /// cluster
    Tail(Tail),
    /// Look for mistakes in a configuration
    Check,
    /// Print a credential that a client can log in with
    #[command(subcommand)]
    Token(Token),
    /// Make the keys that the tokens of a dialect are signed and checked with
    #[command(subcommand)]
    Keys(Keys),
    /// Show, retry and drop the jobs of the node that runs here, or of its cluster
    #[command(subcommand)]
    Jobs(Jobs),
}

/// How to start.
#[derive(Args, Clone, Debug, Default)]
pub struct Start {
    /// Go on in the background
    #[arg(long)]
    pub daemon: bool,
    /// This is the process in the background
    #[arg(long, hide = true)]
    pub daemon_child: bool,
    /// Take listening sockets there instead of binding them
    #[arg(long, hide = true, value_name = "PATH")]
    pub sockets: Option<PathBuf>,
    /// The process whose place this one takes while that still runs
    #[arg(long, hide = true, value_name = "PID")]
    pub replaces: Option<u32>,
}

/// What is to be shown of the node.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct Status {
    /// Fail unless it is ready for clients: what the health check of a container asks
    #[arg(long)]
    pub ready: bool,
}

/// Which message is meant.
#[derive(Args, Clone, Debug)]
pub struct Explain {
    /// The id that it was published with, or was given
    #[arg(value_name = "ID")]
    pub id: String,
    /// It is no id but a trace, as log lines have it
    #[arg(long)]
    pub trace: bool,
}

/// What is to be followed.
#[derive(Args, Clone, Debug)]
pub struct Tail {
    /// user:<id>, room:<name> or session:<id>
    #[arg(value_name = "TOPIC")]
    pub topic: String,
    /// Show the beginning of what messages say
    #[arg(long)]
    pub data: bool,
}

/// For which dialect a credential is wanted.
#[derive(Clone, Debug, Subcommand)]
pub enum Token {
    /// A credential for the ride dialect: a query, or a signed token where those are asked for
    Ride {
        /// The client id: driver_7 for driver 7, a backend's own for a backend
        #[arg(long, value_name = "ID")]
        client_id: String,
        /// The user's address; not needed for a backend
        #[arg(long)]
        token: Option<String>,
        /// How long a signed token lasts
        #[arg(long, default_value = "1h", value_parser = duration)]
        ttl: Duration,
    },
    /// A token for the im dialect, which lasts as long as dialect.im.token_max_age says
    Im {
        /// The user, a whole number
        #[arg(long)]
        id: u64,
    },
    /// An auth for the live dialect, which goes into the query
    Live {
        /// The user's id
        #[arg(long, value_name = "ID")]
        id: String,
        /// The type: wechatUser for somebody with a phone, wall for a big screen
        #[arg(long, value_name = "TYPE", default_value = "wechatUser")]
        r#type: String,
        /// The code of the room
        #[arg(long, default_value = "")]
        code: String,
        /// The nickname
        #[arg(long, default_value = "")]
        nickname: String,
        /// How long a signed one lasts
        #[arg(long, default_value = "1h", value_parser = duration)]
        ttl: Duration,
    },
    /// A token for the device dialect
    Device {
        /// The user
        #[arg(long, value_name = "ID")]
        user: String,
        /// A device to watch; may stand several times
        #[arg(long, value_name = "ID")]
        device: Vec<String>,
        /// A room to join; may stand several times
        #[arg(long, value_name = "NAME")]
        room: Vec<String>,
        /// A topic to publish to, room:* for all rooms; may stand several times
        #[arg(long, value_name = "TOPIC")]
        publish: Vec<String>,
        /// How long it lasts
        #[arg(long, default_value = "1h", value_parser = duration)]
        ttl: Duration,
    },
    /// A token for the room dialect
    Room {
        /// The user
        #[arg(long, value_name = "ID")]
        user: String,
        /// A room to join; may stand several times
        #[arg(long, value_name = "NAME")]
        room: Vec<String>,
        /// The user takes customers, in the room agents
        #[arg(long)]
        agent: bool,
        /// What people call the user
        #[arg(long)]
        name: Option<String>,
        /// How long it lasts
        #[arg(long, default_value = "1h", value_parser = duration)]
        ttl: Duration,
    },
}

/// For which dialect keys are wanted.
#[derive(Clone, Debug, Subcommand)]
pub enum Keys {
    /// A pair of RSA keys for the im dialect: im.pem, which signs, and im.pub.pem, which checks
    Im {
        /// How long the keys are: 2048, 3072, 4096 or 8192
        #[arg(long, default_value_t = BITS)]
        bits: u32,
        /// The folder to write them into
        #[arg(long, default_value = ".", value_name = "DIR")]
        out: PathBuf,
    },
}

/// What to do about jobs.
#[derive(Clone, Debug, Subcommand)]
pub enum Jobs {
    /// Show those that are neither done nor dead
    List {
        /// Show the dead ones
        #[arg(long)]
        dead: bool,
    },
    /// Try dead jobs again
    Retry(Which),
    /// Forget jobs, whatever their state is
    Drop(Which),
}

/// Which jobs are meant.
#[derive(Args, Clone, Debug)]
pub struct Which {
    /// Their ids
    #[arg(
        value_name = "ID",
        required_unless_present = "all",
        conflicts_with = "all"
    )]
    pub ids: Vec<String>,
    /// All dead jobs
    #[arg(long)]
    pub all: bool,
    /// The dead ones: those that --all means anyway
    #[arg(long)]
    pub dead: bool,
}

fn duration(text: &str) -> Result<Duration, &'static str> {
    parse_duration(text).ok_or("expected a duration such as \"60s\"")
}

/// Understands a command line.
///
/// # Errors
///
/// What to print instead, help and version included; it knows its exit code.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Invocation, clap::Error> {
    let cli = Cli::try_parse_from(arguments)?;
    let stray = cli.start.daemon || cli.start.daemon_child;
    let command = match cli.command {
        None => Command::Start(cli.start),
        Some(_) if stray => {
            let problem = "--daemon stands behind start, or alone";
            return Err(Cli::command().error(ErrorKind::ArgumentConflict, problem));
        }
        Some(command) => command,
    };
    Ok(Invocation {
        config: cli.config,
        command,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Invocation, clap::Error> {
        parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn no_verb_means_start() {
        for line in ["tidegate", "tidegate start", "tidegate --config a.toml"] {
            let invocation = parsed(line).unwrap();
            let Command::Start(start) = invocation.command else {
                panic!("{line}");
            };
            assert!(!start.daemon, "{line}");
        }
        for line in ["tidegate --daemon", "tidegate start --daemon"] {
            let command = parsed(line).unwrap().command;
            assert!(
                matches!(command, Command::Start(Start { daemon: true, .. })),
                "{line}"
            );
        }
    }

    #[test]
    fn the_file_may_stand_before_or_behind_the_verb() {
        for line in [
            "tidegate --config a.toml",
            "tidegate --config a.toml check",
            "tidegate check --config a.toml",
            "tidegate token --config a.toml device --user 1",
            "tidegate token device --user 1 --config a.toml",
        ] {
            assert_eq!(
                parsed(line).unwrap().config,
                Some("a.toml".into()),
                "{line}"
            );
        }
    }

    #[test]
    fn wrong_usage_exits_with_2_and_help_with_0() {
        for line in [
            "tidegate fly",
            "tidegate --daemon stop",
            "tidegate stop --daemon",
            "tidegate token",
            "tidegate token im",
            "tidegate token im --id x",
            "tidegate keys",
            "tidegate keys device",
            "tidegate jobs",
            "tidegate jobs retry",
            "tidegate jobs drop --dead",
            "tidegate jobs drop --all 7",
            "tidegate token device",
            "tidegate token live",
            "tidegate say",
            "tidegate explain",
            "tidegate tail",
            "tidegate token device --user 1 --ttl 5",
            "tidegate token room",
            "tidegate --config",
        ] {
            assert_eq!(parsed(line).unwrap_err().exit_code(), 2, "{line}");
        }
        for line in [
            "tidegate --help",
            "tidegate --version",
            "tidegate token ride --help",
            "tidegate keys im --help",
        ] {
            assert_eq!(parsed(line).unwrap_err().exit_code(), 0, "{line}");
        }
    }
}
