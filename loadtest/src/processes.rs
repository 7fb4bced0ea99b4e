//! A run in several processes. One, which opens no connection itself, starts the others, which are this program with
//! the same options and `--part`. They say on their standard output, a line of JSON each, what they have counted, and
//! that they are ready for a phase; on their standard input they are told when it begins, for all of them at once.

mod fleet;
mod line;
mod merge;

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::client::Losses;
use crate::meter::Sample;
use crate::scenario::RunError;

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
fn monotonic_nanoseconds() -> i128 {
    let time = clock_gettime(ClockId::Monotonic);
    i128::from(time.tv_sec) * 1_000_000_000 + i128::from(time.tv_nsec)
}
