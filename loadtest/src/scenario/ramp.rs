//! Opening connections, a bounded number at a time; closing them again at once when handshakes are what is measured.

use std::ops::Range;
use std::time::{Duration, Instant};

use super::{Plan, RunError};
use crate::client::Loss;
use crate::clock;
use crate::engine::{Engine, Handler, Io};
use crate::server::greeting::Greeting;

const POLL: Duration = Duration::from_millis(100);

/// What a ramp does with a connection once it is open, and the greeting of the plan is over.
#[derive(Clone, Copy, Debug)]
pub(super) enum Then {
    /// Keeps it. Connection `index` has the same number as `id`.
    Keep,
    /// Closes it, and opens the next under the same `id`.
    Close,
}

/// Opens the connections of a plan.
#[derive(Debug)]
pub(super) struct Ramp<'a> {
    plan: &'a Plan<'a>,
    then: Then,
    begin: usize,
    next: usize,
    end: usize,
    opened: usize,
    /// The connection that is opening in each lane. A lane is a place among the parallel ones.
    lanes: Vec<Option<Lane>>,
    began: Instant,
    progress: Instant,
}

#[derive(Clone, Debug)]
struct Lane {
    id: usize,
    /// Its number in the plan.
    index: usize,
    greeting: Greeting,
}

impl<'a> Ramp<'a> {
    /// A ramp for the connections `indexes` of the plan.
    pub(super) fn new(
        plan: &'a Plan<'a>,
        then: Then,
        indexes: Range<usize>,
        parallel: usize,
    ) -> Self {
        let now = clock::now();
        Self {
            plan,
            then,
            begin: indexes.start,
            next: indexes.start,
            end: indexes.end,
            opened: 0,
            lanes: vec![None; parallel.min(indexes.len())],
            began: now,
            progress: now,
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
        loop {
            for lane in 0..self.lanes.len() {
                if self.lanes[lane].is_none() {
                    self.fill(&mut engine.io, lane);
                }
            }
            let is_opening = self.lanes.iter().any(Option::is_some);
            if !is_opening && self.next == self.end {
                break;
            }
            let now = clock::now();
            let pause = self.due().saturating_duration_since(now).min(POLL);
            let pause = if self.lanes.iter().all(Option::is_some) {
                POLL
            } else {
                pause
            };
            engine.poll(pause, &mut self)?;
            let now = clock::now();
            if !is_opening {
                // It is not the server that is waited for.
                self.progress = now;
            }
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
        while self.next < self.end && self.due() <= clock::now() {
            let index = self.next;
            self.next += 1;
            let id = match self.then {
                Then::Keep => index,
                Then::Close => lane,
            };
            match self.plan.open(io, id, index) {
                Ok(()) => {
                    self.lanes[lane] = Some(Lane {
                        id,
                        index,
                        greeting: Greeting::default(),
                    });
                    return;
                }
                Err(loss) => io.count_loss(&loss),
            }
        }
    }

    /// When the next connection is to be started: at once, or evenly spread over the time of the plan.
    fn due(&self) -> Instant {
        let (done, all) = (self.next - self.begin, self.end - self.begin);
        self.began + self.plan.over.mul_f64(done as f64 / all.max(1) as f64)
    }

    fn give_up(&mut self, io: &mut Io, loss: Option<&Loss>) {
        self.next = self.end;
        for lane in &mut self.lanes {
            let Some(lane) = lane.take() else { continue };
            io.close(lane.id);
            if let Some(loss) = loss {
                io.count_loss(loss);
            }
        }
    }

    fn lane_of(&self, id: usize) -> Option<usize> {
        match self.then {
            Then::Close => Some(id),
            Then::Keep => {
                let is_its = |lane: &Option<Lane>| lane.as_ref().is_some_and(|lane| lane.id == id);
                self.lanes.iter().position(is_its)
            }
        }
    }

    /// Sends what is due in the greeting. When it is over, the next connection has the lane.
    fn greet(&mut self, io: &mut Io, id: usize, lane: usize) {
        let Some(Lane {
            index, greeting, ..
        }) = &mut self.lanes[lane]
        else {
            return;
        };
        let hello = self.plan.hello(*index);
        greeting.speak(hello, self.plan.seat(*index), |text| {
            io.send_text(id, text.as_bytes());
        });
        if !greeting.is_done(hello) {
            return;
        }
        self.opened += 1;
        if matches!(self.then, Then::Close) {
            io.close(id);
        }
        self.fill(io, lane);
    }

    /// Where a greeting is going on with connection `id`, if one is.
    fn greeting_of(&mut self, id: usize) -> Option<&mut Lane> {
        if !self.plan.has_hello() {
            return None;
        }
        let lane = self.lane_of(id)?;
        self.lanes[lane].as_mut()
    }
}

impl Handler for Ramp<'_> {
    fn opened(&mut self, io: &mut Io, id: usize) {
        let Some(lane) = self.lane_of(id) else { return };
        self.progress = clock::now();
        self.greet(io, id, lane);
    }

    fn payload(&mut self, id: usize, chunk: &[u8]) {
        let plan = self.plan;
        if let Some(lane) = self.greeting_of(id) {
            lane.greeting.hear(plan.hello(lane.index), chunk);
        }
    }

    fn message(&mut self, id: usize, _bytes: u64) {
        let plan = self.plan;
        if let Some(lane) = self.greeting_of(id)
            && lane
                .greeting
                .end_message(plan.hello(lane.index), plan.seat(lane.index))
        {
            self.progress = clock::now();
        }
    }

    fn after_read(&mut self, io: &mut Io, id: usize) {
        // Its greeting may be over, and another connection be on its way in the lane.
        if self.plan.has_hello()
            && io.is_open(id)
            && let Some(lane) = self.lane_of(id)
        {
            self.greet(io, id, lane);
        }
    }

    fn lost(&mut self, io: &mut Io, id: usize, _loss: &Loss) {
        // One that was open already may be lost too while others are opening: it has no lane any more.
        let Some(lane) = self.lane_of(id) else { return };
        self.progress = clock::now();
        self.fill(io, lane);
    }
}
