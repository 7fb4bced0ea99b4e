//! The node's clock: the one place that reads the time for the pure parts.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use crate::dialect::Now;

/// Reads both clocks of a [`Now`].
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
    ahead: Duration,
}

impl Clock {
    /// A clock whose uptime begins now.
    pub fn start() -> Self {
        Self {
            start: Instant::now(),
            ahead: Duration::ZERO,
        }
    }

    /// This clock, with the wall's time so much ahead: for tests of what takes days.
    #[must_use]
    pub const fn ahead(self, ahead: Duration) -> Self {
        Self { ahead, ..self }
    }

    /// The time.
    pub fn now(&self) -> Now {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH);
        Now {
            uptime: self.uptime(),
            unix_ms: unix.map_or(0, |since| (since + self.ahead).as_millis() as u64),
        }
    }

    /// Time since the start.
    pub fn uptime(&self) -> Duration {
        self.start.elapsed()
    }
}
