//! Options of `slow`.

use std::time::Duration;

use clap::Args;

use super::values::{parse_count, parse_percent, parse_rate, parse_seconds};
use super::{Common, RoomFrames, Sizes};

/// Options of `slow`.
#[derive(Args, Clone, Debug)]
pub struct SlowArgs {
    /// Options of every scenario; it is measured for --secs before anybody stops reading, and as long after that.
    #[command(flatten)]
    pub common: Common,
    /// The rooms.
    #[command(flatten)]
    pub sizes: Sizes,
    /// Messages per second in each room, each at its own time whatever became of those before
    #[arg(long, value_name = "MSGS", default_value = "20", value_parser = parse_rate)]
    pub room_rate: f64,
    /// What members send and receive.
    #[command(flatten)]
    pub frames: RoomFrames,
    /// So many of 100 connections stop reading
    #[arg(long, value_name = "PERCENT", default_value = "10", value_parser = parse_percent)]
    pub slow: f64,
    /// So many of 100 that have stopped read again after --stall; the others do in the end, to see what became of them
    #[arg(long, value_name = "PERCENT", default_value = "50", value_parser = parse_percent)]
    pub resume: f64,
    /// How long those do not read who go on
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = parse_seconds)]
    pub stall: Duration,
    /// Bytes that a system keeps for who does not read, as small devices do
    #[arg(long, value_name = "BYTES", default_value = "4096", value_parser = parse_count)]
    pub receive_buffer: usize,
    /// Run so long before measuring
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = parse_seconds)]
    pub warmup: Duration,
}
