//! Options of `push`.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;

use super::Common;
use super::values::{
    parse_address, parse_batch, parse_count, parse_key, parse_rate, parse_seconds,
};
use crate::key::ApiKey;

/// Options of `push`.
#[derive(Args, Clone, Debug)]
pub struct PushArgs {
    /// Options of every scenario; each connection is a user who is pushed to.
    #[command(flatten)]
    pub common: Common,
    /// Admin addresses of nodes that pushes are posted to, several separated by commas; pushers take turns
    #[arg(long, value_name = "ADDR", value_delimiter = ',', value_parser = parse_address, required_unless_present = "redis")]
    pub admin: Vec<SocketAddr>,
    /// API key of the nodes with the scope "publish"; better given by the environment, as LOADTEST_API_KEY
    #[arg(long, value_name = "KEY", value_parser = parse_key)]
    pub key: Option<ApiKey>,
    /// Instead of posting: address of the Redis that pushes are added to the stream of
    #[arg(long, value_name = "ADDR", value_parser = parse_address, conflicts_with = "admin")]
    pub redis: Option<SocketAddr>,
    /// Programs that push side by side, each with one call under way; several processes share them
    #[arg(long, value_name = "COUNT", default_value = "8", value_parser = parse_count)]
    pub pushers: usize,
    /// How many push in the processes before this one.
    #[arg(skip)]
    pub pushers_before: usize,
    /// Pushes in one call: of /api/publish/batch, or added in one pipeline
    #[arg(long, value_name = "COUNT", default_value = "1", value_parser = parse_batch)]
    pub batch: usize,
    /// Calls per second, of all pushers together, each at its own time [default: the next one as soon as one is answered]
    #[arg(long, value_name = "CALLS", value_parser = parse_rate)]
    pub rate: Option<f64>,
    /// Pushes that are accepted and have not come to their users, at most; calls wait meanwhile
    #[arg(long, value_name = "COUNT", default_value = "10000", value_parser = parse_count)]
    pub under_way: usize,
    /// Size of the text in a push
    #[arg(long, value_name = "BYTES", default_value = "64", value_parser = parse_count)]
    pub bytes: usize,
    /// Run so long before measuring
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = parse_seconds)]
    pub warmup: Duration,
}
