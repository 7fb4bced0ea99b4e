//! When connections are pinged, so that a server does not take for gone who only listens.
//!
//! An interval has [`TURNS`] turns, in each of which every so manieth connection is looked at: pings are spread evenly, and
//! a connection that says something itself has none.

use std::ops::Range;
use std::time::{Duration, Instant};

use crate::clock;

/// Within the limits of common servers and proxies, which are a minute.
const INTERVAL: Duration = Duration::from_secs(20);
/// Parts of an interval.
const TURNS: u32 = 64;

/// The turns so far.
#[derive(Debug)]
pub(super) struct Pulse {
    /// Absent if nobody is pinged.
    turn: Option<Duration>,
    began: Instant,
    now: u32,
}

impl Default for Pulse {
    fn default() -> Self {
        Self::new(INTERVAL, clock::now())
    }
}

impl Pulse {
    /// Who is silent for `interval` is pinged before another one is over; nobody if it is 0.
    pub(super) fn new(interval: Duration, began: Instant) -> Self {
        let turn = interval / TURNS;
        Self {
            turn: (!turn.is_zero()).then_some(turn),
            began,
            now: 0,
        }
    }

    /// The turn that it is.
    pub(super) fn now(&self) -> u32 {
        self.now
    }

    /// The turns that have begun since the last call, at most one interval of them.
    pub(super) fn begun(&mut self, now: Instant) -> Range<u32> {
        let Some(turn) = self.turn else {
            return 0..0;
        };
        let turns = (now - self.began).as_nanos() / turn.as_nanos();
        let before = self.now;
        self.now = u32::try_from(turns).unwrap_or(u32::MAX);
        let first = (before + 1).max(self.now.saturating_sub(TURNS - 1));
        first..self.now.saturating_add(1)
    }

    /// Which of so many connections are looked at in a turn.
    pub(super) fn looked_at(turn: u32, connections: usize) -> impl Iterator<Item = usize> {
        (turn as usize % TURNS as usize..connections).step_by(TURNS as usize)
    }

    /// Whether nothing was said for an interval, since this turn.
    pub(super) fn is_silent(&self, spoke: u32) -> bool {
        TURNS <= self.now.saturating_sub(spoke)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_silent_is_pinged_within_two_intervals_whenever_it_is_looked() {
        for step_ms in [1, 7, 310, 5_000, 60_000] {
            let began = clock::now();
            let mut pulse = Pulse::new(INTERVAL, began);
            let connections = 1_000;
            let mut spoke = vec![0; connections];
            let mut pings = vec![0; connections];
            let mut at = Duration::ZERO;
            while at < 6 * INTERVAL {
                at += Duration::from_millis(step_ms);
                for turn in pulse.begun(began + at) {
                    for number in Pulse::looked_at(turn, connections) {
                        if pulse.is_silent(spoke[number]) {
                            spoke[number] = pulse.now();
                            pings[number] += 1;
                        }
                    }
                }
            }
            let least = if step_ms < 20_000 { 3 } else { 2 };
            assert!(
                pings.iter().all(|count| (least..=6).contains(count)),
                "{step_ms} ms: {pings:?}"
            );
        }
    }

    #[test]
    fn who_speaks_is_not_pinged_nor_anybody_without_an_interval() {
        let began = clock::now();
        let mut pulse = Pulse::new(INTERVAL, began);
        assert_eq!(pulse.begun(began + INTERVAL * 3).len(), TURNS as usize);
        assert!(pulse.is_silent(pulse.now() - TURNS) && !pulse.is_silent(pulse.now() - TURNS + 1));
        let mut never = Pulse::new(Duration::ZERO, began);
        assert!(never.begun(began + INTERVAL * 3).is_empty());
    }
}
