//! When what was approved was heard, in any number of processes.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::meter::Latencies;
use crate::scenario::Merge;

/// When what was approved was heard, in nanoseconds.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(super) struct Times {
    /// When measuring began.
    pub(super) recorded_from: u64,
    /// When each word that was approved had been due, and when it was approved.
    pub(super) approvals: Vec<(u64, u64)>,
    /// When the last phone had heard each of them, as far as there is one.
    pub(super) heard: Vec<u64>,
}

impl Times {
    /// How long it took until the last phone of all had heard what was said while it was measured: from each approval,
    /// and from when each word was due.
    pub(super) fn to_last(&self) -> (Latencies, Latencies) {
        let mut to_last = (Latencies::default(), Latencies::default());
        for ((due, approved), heard) in self.approvals.iter().zip(&self.heard) {
            if self.recorded_from <= *due {
                let since = |begin: &u64| Duration::from_nanos(heard.saturating_sub(*begin));
                to_last.0.record(since(approved));
                to_last.1.record(since(due));
            }
        }
        to_last
    }
}

impl Merge for Times {
    /// Everybody has heard what was heard in all processes, and that is when it was in the last one.
    fn merge(&mut self, other: Self) {
        self.recorded_from = self.recorded_from.min(other.recorded_from);
        if self.approvals.len() < other.approvals.len() {
            self.approvals = other.approvals;
        }
        self.heard.truncate(other.heard.len());
        for (heard, elsewhere) in self.heard.iter_mut().zip(other.heard) {
            *heard = elsewhere.max(*heard);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_phone_of_all_processes_counts() {
        let times = |approvals: &[(u64, u64)], heard: &[u64]| Times {
            recorded_from: 20,
            approvals: approvals.to_vec(),
            heard: heard.to_vec(),
        };
        let approvals = [(10, 11), (20, 25), (30, 31)];
        let mut all = times(&approvals[..2], &[50, 60]);
        all.merge(times(&approvals, &[40, 75, 80]));
        assert_eq!((all.approvals.len(), &*all.heard), (3, &[50, 75][..]));
        // What was due before it was measured is none of it.
        let (from_approval, from_say) = all.to_last();
        assert_eq!((from_approval.len(), from_say.len()), (1, 1));
        assert_eq!((from_approval.max_ms(), from_say.max_ms()), (50e-6, 55e-6));
    }
}
