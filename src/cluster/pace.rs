//! The pace of calls to the server: as they come at light load, and then no more than it is good for.
//!
//! An entry costs the server some tens of microseconds and a little for each of its envelopes. Calls that
//! follow one another as fast as they are answered would keep the server and two nodes busy with entries
//! of a few envelopes each, long before there is much to say. So entries have a rate, and those of a
//! short while may come ahead of it: who stays below the rate never waits, and who is above it waits
//! between two calls for the time of one entry, to however many members they go. Where that is too
//! fast for the server, its answers come later, and make the calls larger by themselves.

use std::time::Duration;

/// Time that each entry takes in the long run, and the longest pause.
const INTERVAL: Duration = Duration::from_millis(2);
/// So much may be ahead of the rate.
const AHEAD: Duration = Duration::from_millis(64);

/// When the next call is due.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// When all entries so far would have been sent at the rate.
    even: Duration,
}

impl Pace {
    /// Takes note of a call with so many entries, and gives the pause before the next one.
    pub(super) fn sent(&mut self, entries: usize, now: Duration) -> Duration {
        let cost = INTERVAL.saturating_mul(u32::try_from(entries).unwrap_or(u32::MAX));
        let even = self.even.max(now) + cost;
        // What is cut off would have to be made up for by longer pauses.
        self.even = even.min(now + AHEAD + INTERVAL);
        self.even.saturating_sub(now + AHEAD)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn below_the_rate_nobody_waits() {
        for members in 1..=9 {
            let mut pace = Pace::default();
            for number in 0..10_000 {
                let now = ms(2 * members * number);
                assert_eq!(pace.sent(members as usize, now), Duration::ZERO);
            }
        }
    }

    #[test]
    fn a_burst_goes_through_and_a_stream_is_held_to_the_rate() {
        let mut pace = Pace::default();
        let mut now = ms(1000);
        let pauses = (0..1000).map(|_| {
            let pause = pace.sent(1, now);
            now += pause;
            pause
        });
        let pauses: Vec<_> = pauses.collect();
        assert!(pauses[..32].iter().all(Duration::is_zero));
        assert!(pauses[32..].iter().all(|pause| *pause == INTERVAL));
        // A while later it is as before.
        assert!(pace.sent(1, now + AHEAD).is_zero());
    }

    #[test]
    fn no_pause_is_longer_than_the_time_of_an_entry() {
        let mut pace = Pace::default();
        assert_eq!(pace.sent(1000, ms(1)), INTERVAL);
        assert_eq!(pace.sent(usize::MAX, ms(1)), INTERVAL);
        assert_eq!(pace.sent(9, ms(3)), INTERVAL);
        // Nothing is made up for later.
        assert!(pace.sent(1, ms(3) + 2 * INTERVAL).is_zero());
    }
}
