//! Opening connections, a bounded number at a time; closing them again at once when handshakes are what is measured.

use std::ops::Range;
use std::time::{Duration, Instant};

use super::{Plan, RunError};
use crate::client::Loss;
use crate::clock;
use crate::engine::{Engine, Handler, Io};
use crate::template::Template;

const POLL: Duration = Duration::from_millis(100);

/// What a ramp does with a connection once it is open.
#[derive(Debug)]
pub(super) enum Then<'a> {
    /// Keeps it, and sends this first. Connection `index` has the same number as `id`.
    Keep(Option<&'a Template>),
    /// Closes it, and opens the next under the same `id`.
    Close,
}

/// Opens the connections of a plan.
#[derive(Debug)]
pub(super) struct Ramp<'a> {
    plan: &'a Plan<'a>,
    then: Then<'a>,
    next: usize,
    end: usize,
    opened: usize,
    /// The connection that is opening in each lane. A lane is a place among the parallel ones.
    lanes: Vec<Option<usize>>,
    progress: Instant,
}

impl<'a> Ramp<'a> {
    /// A ramp for the connections `indexes` of the plan.
    pub(super) fn new(
        plan: &'a Plan<'a>,
        then: Then<'a>,
        indexes: Range<usize>,
        parallel: usize,
    ) -> Self {
        Self {
            plan,
            then,
            next: indexes.start,
            end: indexes.end,
            opened: 0,
            lanes: vec![None; parallel.min(indexes.len())],
            progress: clock::now(),
        }
    }

    /// Runs until all are open or lost, or until `deadline`, or until nothing happened for `patience`. Gives how many
    /// were open.
    pub(super) fn run(
        mut self,
        engine: &mut Engine,
        patience: Duration,
        deadline: Option<Instant>,
    ) -> Result<usize, RunError> {
        for lane in 0..self.lanes.len() {
            self.fill(&mut engine.io, lane);
        }
        while self.lanes.iter().any(Option::is_some) {
            engine.poll(POLL, &mut self)?;
            let now = clock::now();
            if deadline.is_some_and(|deadline| deadline <= now) {
                self.give_up(&mut engine.io, None);
            } else if patience < now - self.progress {
                self.give_up(&mut engine.io, Some(&Loss::TimedOut));
            }
        }
        Ok(self.opened)
    }

    /// Starts the next connection in a free lane; those that fail at once are counted and passed over.
    fn fill(&mut self, io: &mut Io, lane: usize) {
        self.lanes[lane] = None;
        while self.next < self.end {
            let index = self.next;
            self.next += 1;
            let id = match self.then {
                Then::Keep(_) => index,
                Then::Close => lane,
            };
            match self.plan.open(io, id, index) {
                Ok(()) => {
                    self.lanes[lane] = Some(id);
                    return;
                }
                Err(loss) => io.count_loss(&loss),
            }
        }
    }

    fn give_up(&mut self, io: &mut Io, loss: Option<&Loss>) {
        self.next = self.end;
        for lane in &mut self.lanes {
            let Some(id) = lane.take() else { continue };
            io.close(id);
            if let Some(loss) = loss {
                io.count_loss(loss);
            }
        }
    }

    fn lane_of(&self, id: usize) -> Option<usize> {
        match self.then {
            Then::Close => Some(id),
            Then::Keep(_) => self.lanes.iter().position(|lane| *lane == Some(id)),
        }
    }
}

impl Handler for Ramp<'_> {
    fn opened(&mut self, io: &mut Io, id: usize) {
        let Some(lane) = self.lane_of(id) else { return };
        self.progress = clock::now();
        self.opened += 1;
        match self.then {
            Then::Keep(Some(hello)) => io.send_text(id, hello.for_index(id).as_bytes()),
            Then::Keep(None) => {}
            Then::Close => io.close(id),
        }
        self.fill(io, lane);
    }

    fn lost(&mut self, io: &mut Io, id: usize, _loss: &Loss) {
        // One that was open already may be lost too while others are opening: it has no lane any more.
        let Some(lane) = self.lane_of(id) else { return };
        self.progress = clock::now();
        self.fill(io, lane);
    }
}
