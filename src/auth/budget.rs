//! Budgets: how often somebody may ask.

use tokio::time::Instant;

/// What somebody may still ask for now; less than nothing if it has taken more than it had.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    requests: f64,
    at: Instant,
}

impl Budget {
    /// A full one.
    pub(super) fn new(burst: f64, now: Instant) -> Self {
        Self {
            requests: burst,
            at: now,
        }
    }

    /// Takes a request, at `rate` a second and `burst` at once.
    ///
    /// # Errors
    ///
    /// After how many seconds there will be another one.
    pub(super) fn take(&mut self, rate: f64, burst: f64, now: Instant) -> Result<(), u64> {
        let gained = now.saturating_duration_since(self.at).as_secs_f64() * rate;
        self.requests = (self.requests + gained).min(burst);
        self.at = now;
        if self.requests < 1.0 {
            let seconds = (1.0 - self.requests) / rate;
            return Err((seconds.ceil() as u64).max(1));
        }
        self.requests -= 1.0;
        Ok(())
    }

    /// Takes more that was asked for at once with what was taken, though it may not be there: the next
    /// one waits for it.
    pub(super) fn owe(&mut self, requests: f64) {
        self.requests -= requests;
    }
}
