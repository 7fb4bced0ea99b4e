//! Messages that have to reach everybody, in any number of processes.

use std::ops::Range;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::meter::Latencies;
use crate::scenario::Merge;

/// When messages were sent and had reached everybody, in nanoseconds.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(super) struct Spread {
    /// When it was measured.
    pub(super) recorded: Range<u64>,
    /// When each message was due, and when it was on its way.
    pub(super) sent: Vec<(u64, u64)>,
    /// When each of them had reached everybody, as far as they have: one reaches its last receiver before the next does.
    pub(super) reached: Vec<u64>,
}

impl Spread {
    /// How long it took until what was due while it was measured had reached everybody: since it was on its way, and since
    /// it was due.
    pub(super) fn to_last(&self) -> (Latencies, Latencies) {
        let mut to_last = (Latencies::default(), Latencies::default());
        for ((due, sent), reached) in self.sent.iter().zip(&self.reached) {
            if self.recorded.contains(due) {
                let since = |begin: &u64| Duration::from_nanos(reached.saturating_sub(*begin));
                to_last.0.record(since(sent));
                to_last.1.record(since(due));
            }
        }
        to_last
    }
}

impl Merge for Spread {
    /// Everybody has what has reached all processes, since it reached the last one.
    fn merge(&mut self, other: Self) {
        let (own, others) = (&mut self.recorded, other.recorded);
        *own = own.start.min(others.start)..own.end.max(others.end);
        if self.sent.len() < other.sent.len() {
            self.sent = other.sent;
        }
        self.reached.truncate(other.reached.len());
        for (reached, elsewhere) in self.reached.iter_mut().zip(other.reached) {
            *reached = elsewhere.max(*reached);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_receiver_of_all_processes_counts() {
        let spread = |sent: &[(u64, u64)], reached: &[u64]| Spread {
            recorded: 20..35,
            sent: sent.to_vec(),
            reached: reached.to_vec(),
        };
        let sent = [(10, 11), (20, 25), (36, 37)];
        let mut all = spread(&sent[..2], &[50, 60]);
        all.merge(spread(&sent, &[40, 75, 80]));
        assert_eq!((all.sent.len(), &*all.reached), (3, &[50, 75][..]));
        // What was due before it was measured is none of it, nor what was due behind that.
        all.reached.push(90);
        let (since_sent, since_due) = all.to_last();
        assert_eq!((since_sent.len(), since_due.len()), (1, 1));
        assert_eq!((since_sent.max_ms(), since_due.max_ms()), (50e-6, 55e-6));
    }
}
