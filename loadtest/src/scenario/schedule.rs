//! The open loop: every message has its time, whatever became of those before it.

use std::time::{Duration, Instant};

use crate::clock;

/// When messages are due.
#[derive(Debug)]
pub(super) struct Schedule {
    began: Instant,
    rate: f64,
    sent: u64,
}

impl Schedule {
    /// So many a second, from now on.
    pub(super) fn new(rate: f64) -> Self {
        Self {
            began: clock::now(),
            rate,
            sent: 0,
        }
    }

    /// When the next message is due. From the beginning each time, so that no error adds up.
    pub(super) fn next(&self) -> Instant {
        self.began + Duration::from_secs_f64(self.sent as f64 / self.rate)
    }

    /// Calls `send` for each message that is due by now, with its time.
    pub(super) fn send_due(&mut self, now: Instant, mut send: impl FnMut(Instant)) {
        loop {
            if now < self.next() {
                return;
            }
            send(self.take_next());
        }
    }

    /// When the next message is due, which is now taken for sent.
    pub(super) fn take_next(&mut self) -> Instant {
        let due = self.next();
        self.sent += 1;
        due
    }
}
