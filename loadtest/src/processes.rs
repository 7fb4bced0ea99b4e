//! A run in several processes. One, which opens no connection itself, starts the others, which are this program with
//! the same options and `--part`. They say on their standard output, a line of JSON each, what they have counted, and
//! that they are ready for a phase; on their standard input they are told when it begins, for all of them at once. What
//! one has to know of another while it goes on is on a board that all of them see.

mod board;
mod fleet;
mod line;
mod merge;

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::client::Losses;
use crate::clock;
use crate::meter::Sample;
use crate::scenario::RunError;

pub use board::{Board, Sheet};
pub use fleet::{Ended, Fleet};
pub use line::{Line, say};

/// What a process says to the one that has started it.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    /// It could begin the next phase.
    Ready,
    /// What it has counted.
    Sample(Box<Sample>),
    /// It has come to its end.
    Done {
        /// What only the scenario knows to count.
        measured: Value,
        /// Connections lost.
        losses: Losses,
    },
    /// It cannot go on.
    Failed {
        /// Whether it is the options that are wrong.
        is_usage: bool,
        /// Why.
        text: String,
    },
}

impl Word {
    /// What a process says of its end.
    ///
    /// # Errors
    /// What was measured is no JSON.
    pub fn of_end(
        ended: Result<(impl Serialize, Losses), RunError>,
    ) -> Result<Self, serde_json::Error> {
        Ok(match ended {
            Ok((measured, losses)) => Self::Done {
                measured: serde_json::to_value(measured)?,
                losses,
            },
            Err(error) => Self::Failed {
                is_usage: matches!(error, RunError::Usage(_)),
                text: error.to_string(),
            },
        })
    }
}

/// The monotonic time in nanoseconds, which is the same in all processes of a machine.
fn monotonic() -> Duration {
    let time = clock_gettime(ClockId::Monotonic);
    Duration::try_from(time).unwrap_or_default()
}

/// A moment as all processes of a machine know it: nanoseconds of the monotonic clock.
#[must_use]
pub fn nanoseconds_of(moment: Instant) -> u64 {
    let (now, monotonic) = (clock::now(), monotonic());
    let nanoseconds = match moment.checked_duration_since(now) {
        Some(ahead) => monotonic + ahead,
        None => monotonic.saturating_sub(now - moment),
    };
    u64::try_from(nanoseconds.as_nanos()).unwrap_or(u64::MAX)
}

/// The moment of so many nanoseconds; `None` if this process cannot name it.
#[must_use]
pub fn moment_of(nanoseconds: u64) -> Option<Instant> {
    let (now, monotonic) = (clock::now(), monotonic());
    let moment = Duration::from_nanos(nanoseconds);
    match moment.checked_sub(monotonic) {
        Some(ahead) => now.checked_add(ahead),
        None => now.checked_sub(monotonic - moment),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_the_same_in_nanoseconds() {
        let now = clock::now();
        let second = Duration::from_secs(1);
        for moment in [now - second, now, now + second] {
            let back = moment_of(nanoseconds_of(moment)).unwrap();
            let error = back.max(moment) - back.min(moment);
            assert!(error < Duration::from_millis(100), "{error:?}");
        }
        let (before, after) = (nanoseconds_of(now), nanoseconds_of(now + second));
        assert!(before < after);
    }
}
