//! Deadlines of sessions: a wheel with one slot per 100 ms, and one entry per session.
//!
//! A session that only talks costs nothing here: its entry fires at the earliest time at which it
//! could have become idle, and is entered again for the time that follows from what it did since.

use std::sync::Weak;

use parking_lot::Mutex;

use crate::session::Session;

/// Length of a tick, in milliseconds. Deadlines are never early, and late by up to two ticks.
pub const TICK_MS: u64 = 100;
/// Ticks that the wheel spans; what is later is entered again on the way. Not more, since the entry
/// of a session that has ended keeps its memory until it fires: in a storm of reconnects that is as
/// many of them as come in this time.
const SLOTS: u32 = 128;

/// The deadlines of one shard's sessions.
#[derive(Debug)]
pub struct Timers(Mutex<Wheel<Weak<Session>>>);

/// A timing wheel. Pure: somebody else says what time it is.
#[derive(Debug)]
struct Wheel<T> {
    slots: Box<[Vec<T>]>,
    /// Everything up to here has fired.
    fired: u32,
}

// === impl Timers ===

impl Default for Timers {
    fn default() -> Self {
        Self(Mutex::new(Wheel::new(0)))
    }
}

impl Timers {
    /// Has a session looked at in tick `at`, or in the last tick of the wheel's span if that is
    /// earlier. Says in which.
    pub fn enter(&self, at: u32, session: Weak<Session>) -> u32 {
        self.0.lock().enter(at, session)
    }

    /// Takes out everything that is due in tick `now` or before.
    pub fn due(&self, now: u32) -> Vec<Weak<Session>> {
        let mut due = Vec::new();
        self.0.lock().advance(now, &mut due);
        due
    }
}

// === impl Wheel ===

impl<T> Wheel<T> {
    fn new(now: u32) -> Self {
        Self {
            slots: (0..SLOTS).map(|_| Vec::new()).collect(),
            fired: now,
        }
    }

    fn enter(&mut self, at: u32, item: T) -> u32 {
        let at = at.clamp(self.fired + 1, self.fired + SLOTS);
        self.slots[(at % SLOTS) as usize].push(item);
        at
    }

    fn advance(&mut self, now: u32, due: &mut Vec<T>) {
        while self.fired < now {
            self.fired += 1;
            let slot = &mut self.slots[(self.fired % SLOTS) as usize];
            due.append(slot);
            if 64 < slot.capacity() {
                *slot = Vec::new();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_is_entered_in_the_past_or_beyond_the_span() {
        let mut wheel = Wheel::new(10);
        assert_eq!(wheel.enter(5, 'a'), 11);
        assert_eq!(wheel.enter(10 + SLOTS + 5, 'b'), 10 + SLOTS);
    }

    proptest! {
        #[test]
        fn everything_fires_once_and_in_its_tick(
            entries in prop::collection::vec((0..2 * SLOTS, 0..30u32), 0..200),
        ) {
            let mut wheel = Wheel::new(0);
            let mut expect = Vec::new();
            let mut fired = Vec::new();
            let mut now = 0;
            for (index, (at, step)) in entries.into_iter().enumerate() {
                let entered = wheel.enter(now + at, index);
                expect.push((entered, index));
                for _ in 0..step {
                    now += 1;
                    let mut due = Vec::new();
                    wheel.advance(now, &mut due);
                    fired.extend(due.into_iter().map(|index| (now, index)));
                }
            }
            let mut due = Vec::new();
            for tick in now + 1..=now + SLOTS {
                wheel.advance(tick, &mut due);
                fired.extend(due.drain(..).map(|index| (tick, index)));
            }
            fired.sort_unstable();
            expect.sort_unstable();
            prop_assert_eq!(fired, expect);
        }
    }
}
