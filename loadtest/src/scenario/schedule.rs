//! The open loop: every message has its time, whatever became of those before it.

use std::time::{Duration, Instant};

use crate::clock;

/// When messages are due: at a rate that can rise evenly from nothing in the beginning, and fall to nothing in the end.
#[derive(Debug)]
pub(super) struct Schedule {
    began: Instant,
    rate: f64,
    /// How long the rate rises, in seconds.
    rise: f64,
    sent: u64,
    fall: Option<Fall>,
}

#[derive(Clone, Copy, Debug)]
struct Fall {
    began: Instant,
    /// How long the rate falls, in seconds.
    seconds: f64,
    /// Messages that were sent before.
    sent: u64,
}

impl Schedule {
    /// So many a second, from now on.
    pub(super) fn new(rate: f64) -> Self {
        Self::rising(rate, Duration::ZERO)
    }

    /// So many a second when the rate has risen for so long from now on.
    pub(super) fn rising(rate: f64, rise: Duration) -> Self {
        Self {
            began: clock::now(),
            rate,
            rise: rise.as_secs_f64(),
            sent: 0,
            fall: None,
        }
    }

    /// From now on the rate falls, and after so long nothing is due any more.
    pub(super) fn fall(&mut self, length: Duration) {
        self.fall = Some(Fall {
            began: clock::now(),
            seconds: length.as_secs_f64(),
            sent: self.sent,
        });
    }

    /// When the next message is due; `None` when none will be. From the beginning each time, so that no error adds up.
    pub(super) fn next(&self) -> Option<Instant> {
        let Some(fall) = self.fall else {
            let due = after_rise(self.sent as f64, self.rate, self.rise);
            return Some(self.began + Duration::from_secs_f64(due));
        };
        let number = (self.sent - fall.sent) as f64;
        let due = within_fall(number, self.rate, fall.seconds)?;
        Some(fall.began + Duration::from_secs_f64(due))
    }

    /// Calls `send` for each message that is due by now, with its time.
    pub(super) fn send_due(&mut self, now: Instant, mut send: impl FnMut(Instant)) {
        while let Some(due) = self.next() {
            if now < due {
                return;
            }
            self.sent += 1;
            send(due);
        }
    }

    /// When the next message is due, which is now taken for sent; `None` when none is due any more.
    pub(super) fn take_next(&mut self) -> Option<Instant> {
        let due = self.next();
        self.sent += 1;
        due
    }
}

/// When the message of this number is due, in seconds: while the rate rises, `rate * t^2 / (2 * rise)` were due by `t`.
fn after_rise(number: f64, rate: f64, rise: f64) -> f64 {
    let risen = rate * rise / 2.0;
    if number < risen {
        (2.0 * rise * number / rate).sqrt()
    } else {
        rise + (number - risen) / rate
    }
}

/// The same when the rate falls: `rate * (t - t^2 / (2 * fall))` were due by `t`.
fn within_fall(number: f64, rate: f64, fall: f64) -> Option<f64> {
    let rest = 1.0 - 2.0 * number / (rate * fall);
    (0.0 < rest).then(|| fall * (1.0 - rest.sqrt()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// How many are due within so many seconds.
    fn count(seconds: f64, due: impl Fn(f64) -> Option<f64>) -> usize {
        let numbers = (0..).map(f64::from);
        let due = numbers.map_while(due);
        due.take_while(|at| *at < seconds).count()
    }

    #[test]
    fn a_rate_rises_holds_and_falls_evenly() {
        let rising = |seconds| count(seconds, |number| Some(after_rise(number, 100.0, 2.0)));
        // A quarter of what is due in the rise is due in its first half.
        assert_eq!((rising(1.0), rising(2.0), rising(3.0)), (25, 100, 200));
        let falling = |seconds| count(seconds, |number| within_fall(number, 100.0, 2.0));
        assert_eq!((falling(1.0), falling(2.0), falling(1e9)), (75, 100, 100));
    }

    #[test]
    fn without_a_fall_there_is_always_a_next_one() {
        let mut schedule = Schedule::new(1_000.0);
        let first = schedule.take_next().unwrap();
        assert_eq!(schedule.next().unwrap() - first, Duration::from_millis(1));
        schedule.fall(Duration::ZERO);
        assert_eq!(schedule.next(), None);
        schedule.send_due(clock::now(), |_| panic!("nothing is due"));
    }

    proptest! {
        #[test]
        fn none_is_due_before_the_one_before_it(
            number in 0..10_000_u32, rate in 0.1..10_000.0_f64, length in 0.0..100.0_f64,
        ) {
            let number = f64::from(number);
            prop_assert!(after_rise(number, rate, length) <= after_rise(number + 1.0, rate, length));
            if let Some(next) = within_fall(number + 1.0, rate, length) {
                let before = within_fall(number, rate, length).unwrap();
                prop_assert!(before <= next && next <= length);
            }
        }
    }
}
