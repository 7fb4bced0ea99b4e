//! Options of `live`.

use std::time::Duration;

use clap::Args;

use super::Common;
use super::values::{parse_count, parse_key, parse_rate, parse_seconds};
use crate::key::ApiKey;

/// Options of `live`.
#[derive(Args, Clone, Debug)]
pub struct LiveArgs {
    /// Options of every scenario; the first connections are the walls, all others phones.
    #[command(flatten)]
    pub common: Common,
    /// Number of walls among the connections; of several processes the first one has all of them
    #[arg(long, value_name = "COUNT", default_value = "3", value_parser = parse_count)]
    pub walls: usize,
    /// What phones say per second, all together, each at its own time; the first wall approves all of it at once
    #[arg(long, value_name = "SAYS", default_value = "5", value_parser = parse_rate)]
    pub rate: f64,
    /// The room
    #[arg(long, value_name = "CODE", default_value = "show")]
    pub code: String,
    /// Secret that credentials are signed with (HS256), one of dialect.live.keys; better given by the environment, as LOADTEST_LIVE_SECRET
    #[arg(long, value_name = "SECRET", value_parser = parse_key)]
    pub secret: Option<ApiKey>,
    /// Run so long before measuring
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = parse_seconds)]
    pub warmup: Duration,
}
