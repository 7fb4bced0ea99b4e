//! Clients that come and go: one goes, and another one comes in its place.

use std::time::Instant;

use crate::engine::{Handler, Io};
use crate::scenario::arrivals::Remainder;
use crate::scenario::traffic::Traffic;
use crate::scenario::{Plan, RunError};

/// All of them.
#[derive(Debug)]
pub(super) struct Churn<'a> {
    plan: &'a Plan<'a>,
    /// How many are there at a time.
    clients: usize,
    /// Clients that have come so far, each of which is somebody else.
    come: usize,
    opened: u64,
    /// Whose turn it is to go.
    turn: usize,
}

impl<'a> Churn<'a> {
    /// So many at a time, none of whom is there.
    pub(super) fn new(plan: &'a Plan<'a>, clients: usize) -> Self {
        Self {
            plan,
            clients,
            come: 0,
            opened: 0,
            turn: 0,
        }
    }

    fn come(&mut self, io: &mut Io, id: usize) {
        if let Err(loss) = self.plan.open(io, id, self.come) {
            io.count_loss(&loss);
        }
        self.come += 1;
    }
}

impl Traffic for Churn<'_> {
    fn stalled(&self) -> &'static str {
        "clients are coming, and none is let in"
    }

    fn begin(&mut self, io: &mut Io) -> Result<(), RunError> {
        for id in 0..self.clients {
            self.come(io, id);
        }
        Ok(())
    }

    fn send_next(&mut self, io: &mut Io, _: Instant) {
        let id = self.turn;
        self.turn = (id + 1) % self.clients;
        io.close(id);
        self.come(io, id);
    }

    fn progress(&self) -> u64 {
        self.opened
    }

    /// Nobody waits for those who come.
    fn under_way(&self) -> usize {
        0
    }

    fn remainder(&self) -> Remainder {
        Remainder::default()
    }
}

impl Handler for Churn<'_> {
    fn opened(&mut self, _: &mut Io, _: usize) {
        self.opened += 1;
    }
}
