//! A token bucket of eight bytes: the rate of one client's messages, or of its other frames.

use std::time::Duration;

/// Thousandths of a frame that may be read now, and when that was reckoned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    thousandths: u32,
    /// Milliseconds of uptime; wraps after seven weeks, which fills the bucket once too much.
    at_ms: u32,
}

impl Bucket {
    /// A full bucket.
    pub(super) fn new() -> Self {
        Self {
            thousandths: u32::MAX,
            at_ms: 0,
        }
    }

    /// Takes out one. Says how long to wait before the next one, if it is empty then.
    pub(super) fn take(&mut self, uptime: Duration, rate: u32, burst: u32) -> Option<Duration> {
        let now_ms = uptime.as_millis() as u32;
        let passed = now_ms.wrapping_sub(self.at_ms);
        self.at_ms = now_ms;
        let gained = passed.saturating_mul(rate);
        let full = burst.max(1).saturating_mul(1000);
        let level = self.thousandths.saturating_add(gained).min(full);
        self.thousandths = level.saturating_sub(1000);
        let missing = 1000u32.saturating_sub(self.thousandths);
        if missing == 0 {
            return None;
        }
        Some(Duration::from_millis(u64::from(missing.div_ceil(rate))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let mut bucket = Bucket::new();
        let start = Duration::from_secs(5);
        for _ in 0..9 {
            assert_eq!(bucket.take(start, 2, 10), None);
        }
        assert_eq!(bucket.take(start, 2, 10), Some(Duration::from_millis(500)));
        let later = start + Duration::from_millis(500);
        assert_eq!(bucket.take(later, 2, 10), Some(Duration::from_millis(500)));
    }

    #[test]
    fn a_long_pause_gives_one_burst_and_not_more() {
        let mut bucket = Bucket::new();
        bucket.take(Duration::from_secs(1), 1, 2);
        assert_eq!(bucket.take(Duration::from_secs(1000), 1, 2), None);
        assert!(bucket.take(Duration::from_secs(1000), 1, 2).is_some());
    }
}
