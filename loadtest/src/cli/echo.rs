//! Options of `echo`.

use std::time::Duration;

use clap::Args;

use super::values::{parse_outstanding, parse_rate, parse_seconds};
use super::{Common, ServerFile};
use crate::template::Template;

/// Options of `echo`.
#[derive(Args, Clone, Debug)]
pub struct EchoArgs {
    /// Options of every scenario; each connection is a client that is answered.
    #[command(flatten)]
    pub common: Common,
    /// Messages per second, of all clients together, each at its own time whatever became of those before
    #[arg(long, value_name = "MSGS", value_parser = parse_rate, required_unless_present = "outstanding")]
    pub rate: Option<f64>,
    /// Instead of a rate: messages that each client has under way at any time
    #[arg(long, value_name = "COUNT", value_parser = parse_outstanding, conflicts_with = "rate")]
    pub outstanding: Option<usize>,
    /// How to talk to the server.
    #[command(flatten)]
    pub server: ServerFile,
    /// Path to connect to; {i} is the number of the connection [default: the server's]
    #[arg(long)]
    pub path: Option<Template>,
    /// Message that every client sends once, after connecting and the server's greeting
    #[arg(long, value_name = "FRAME")]
    pub hello: Option<Template>,
    /// What is sent; {i} is the number of the connection, {seq} that of the message, in 10 characters, {pad} fills up to --bytes [default: the server's]
    #[arg(long, value_name = "TEXT")]
    pub message: Option<Template>,
    /// What the answer contains; empty: anything is an answer [default: the server's]
    #[arg(long, value_name = "TEXT")]
    pub expect: Option<Template>,
    /// Size of a message [default: as long as it is without {pad}]
    #[arg(long, value_name = "BYTES")]
    pub bytes: Option<usize>,
    /// Run so long before measuring
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = parse_seconds)]
    pub warmup: Duration,
}
