//! Rooms with members who stop reading: they do not count among those whom messages have to reach.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::client::Loss;
use crate::clock;
use crate::engine::{Handler, Io};
use crate::scenario::arrivals::Remainder;
use crate::scenario::rooms::Rooms;
use crate::scenario::traffic::Traffic;
use crate::scenario::{RunError, judge};

/// The close code of a server for a client that does not take its messages: try again later.
const SLOW: u16 = 1013;

/// What became of clients that had stopped reading.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Fates {
    /// Closed with 1013.
    pub closed_1013: u64,
    /// Closed with another code or with none.
    pub closed_otherwise: u64,
    /// Reset, or ended otherwise.
    pub reset: u64,
    /// Still open in the end.
    pub still_open: u64,
}

impl Fates {
    fn add(&mut self, loss: &Loss) {
        let count = match loss {
            Loss::Closed(Some(SLOW)) => &mut self.closed_1013,
            Loss::Closed(_) => &mut self.closed_otherwise,
            _ => &mut self.reset,
        };
        *count += 1;
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.closed_1013 += other.closed_1013;
        self.closed_otherwise += other.closed_otherwise;
        self.reset += other.reset;
        self.still_open += other.still_open;
    }

    pub(super) fn ended(&self) -> u64 {
        self.closed_1013 + self.closed_otherwise + self.reset
    }
}

/// A member who stops reading.
#[derive(Debug)]
struct Slow {
    id: usize,
    /// Whether it goes on after a while.
    goes_on: bool,
    has_ended: bool,
}

/// Rooms, and those of their members who stop reading.
#[derive(Debug)]
pub(super) struct Stalled {
    pub(super) rooms: Rooms,
    /// By their numbers.
    slow: Vec<Slow>,
    /// When those who go on do.
    resume_at: Option<Instant>,
    /// Of those who go on, and of the others.
    fates: [Fates; 2],
}

impl Stalled {
    /// The slow members, in the order of their numbers, and whether each goes on after a while.
    pub(super) fn new(rooms: Rooms, slow: &[(usize, bool)]) -> Self {
        let slow = slow.iter().map(|(id, goes_on)| Slow {
            id: *id,
            goes_on: *goes_on,
            has_ended: false,
        });
        Self {
            rooms,
            slow: slow.collect(),
            resume_at: None,
            fates: [Fates::default(); 2],
        }
    }

    /// The slow stop reading. Those who go on do so after `length`.
    pub(super) fn stall(&mut self, io: &mut Io, length: Duration, buffer_bytes: usize) {
        for slow in &self.slow {
            io.stall(slow.id, buffer_bytes);
        }
        self.resume_at = Some(clock::now() + length);
    }

    /// Everybody reads.
    pub(super) fn resume_all(&mut self, io: &mut Io) {
        self.resume_at = None;
        for slow in self.slow.iter().filter(|slow| !slow.has_ended) {
            io.resume(slow.id);
        }
    }

    /// How many stop reading, and how many of them go on after a while.
    pub(super) fn counts(&self) -> (usize, usize) {
        let going_on = self.slow.iter().filter(|slow| slow.goes_on);
        (self.slow.len(), going_on.count())
    }

    /// What has become of those who went on, and of the others.
    pub(super) fn fates(&self) -> [Fates; 2] {
        let mut fates = self.fates;
        for slow in self.slow.iter().filter(|slow| !slow.has_ended) {
            fates[usize::from(!slow.goes_on)].still_open += 1;
        }
        fates
    }

    fn ended(&self) -> u64 {
        self.fates.iter().map(Fates::ended).sum()
    }
}

/// Whether the one at this place is among so many of 100, spread evenly.
pub(super) fn is_chosen(place: usize, percent: f64) -> bool {
    chosen_before(place, percent) < chosen_before(place + 1, percent)
}

/// How many are among them of those before this place.
pub(super) fn chosen_before(place: usize, percent: f64) -> usize {
    (place as f64 * percent / 100.0).floor() as usize
}

impl Traffic for Stalled {
    fn stalled(&self) -> &'static str {
        self.rooms.stalled()
    }

    fn record(&mut self) {
        self.rooms.record();
    }

    fn stop_recording(&mut self) {
        self.rooms.stop_recording();
    }

    fn end(&mut self) {
        self.rooms.end();
    }

    fn send_next(&mut self, io: &mut Io, due: Instant) {
        self.rooms.send_next(io, due);
    }

    /// Those who read may not be lost.
    fn check(&mut self, io: &mut Io, now: Instant) -> Result<(), RunError> {
        if self.ended() < io.losses().total() {
            return judge(io.losses());
        }
        if self.resume_at.is_some_and(|at| at <= now) {
            self.resume_at = None;
            for slow in self.slow.iter().filter(|slow| slow.goes_on) {
                io.resume(slow.id);
            }
        }
        Ok(())
    }

    fn progress(&self) -> u64 {
        self.rooms.progress()
    }

    fn under_way(&self) -> usize {
        self.rooms.under_way()
    }

    fn remainder(&self) -> Remainder {
        self.rooms.remainder()
    }
}

impl Handler for Stalled {
    #[inline]
    fn message(&mut self, id: usize, bytes: u64) {
        self.rooms.message(id, bytes);
    }

    #[inline]
    fn after_read(&mut self, io: &mut Io, id: usize) {
        self.rooms.after_read(io, id);
    }

    fn lost(&mut self, io: &mut Io, id: usize, loss: &Loss) {
        match self.slow.binary_search_by_key(&id, |slow| slow.id) {
            Ok(place) => {
                let slow = &mut self.slow[place];
                slow.has_ended = true;
                self.fates[usize::from(!slow.goes_on)].add(loss);
            }
            Err(_) => self.rooms.lost(io, id, loss),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chosen_are_spread_evenly() {
        let chosen = |percent| -> Vec<usize> {
            (0..10).filter(|place| is_chosen(*place, percent)).collect()
        };
        assert_eq!(chosen(20.0), [4, 9]);
        assert_eq!(chosen(50.0), [1, 3, 5, 7, 9]);
        assert_eq!((chosen(0.0).len(), chosen(100.0).len()), (0, 10));
    }

    #[test]
    fn ends_are_told_apart() {
        let mut fates = Fates::default();
        for loss in [
            Loss::Closed(Some(1013)),
            Loss::Closed(Some(1000)),
            Loss::Closed(None),
            Loss::Reset,
        ] {
            fates.add(&loss);
        }
        assert_eq!(
            (fates.closed_1013, fates.closed_otherwise, fates.reset),
            (1, 2, 1)
        );
        assert_eq!(fates.ended(), 4);
        fates.still_open = 5;
        fates.merge(fates);
        assert_eq!((fates.ended(), fates.still_open), (8, 10));
    }
}
