//! The newest steps, within a bound in bytes.

use std::collections::VecDeque;

use super::{STEP_BYTES, What};
use crate::{
    id::Member,
    trace::{Step, TraceId},
};

/// A step as it is kept.
#[derive(Debug)]
pub(super) struct Remembered {
    pub(super) time_ms: u64,
    pub(super) trace: TraceId,
    /// In which life of the node it happened.
    pub(super) life: u32,
    pub(super) what: What,
}

/// The newest steps, in their order.
#[derive(Debug)]
pub(super) struct Ring {
    steps: VecDeque<Remembered>,
    bytes: usize,
    /// The time of the newest step that has given way, or of the beginning.
    since_ms: u64,
}

impl Ring {
    pub(super) fn new(since_ms: u64) -> Self {
        Self {
            steps: VecDeque::new(),
            bytes: 0,
            since_ms,
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn since_ms(&self) -> u64 {
        self.since_ms
    }

    /// Remembers a step. Says how many had to give way.
    pub(super) fn push(&mut self, step: Remembered, bytes_max: usize) -> u64 {
        self.bytes += step.bytes();
        self.steps.push_back(step);
        self.make_room(bytes_max)
    }

    /// Keeps no more than this from now on, what is remembered included. Says how many had to give way.
    pub(super) fn shrink(&mut self, bytes_max: usize, now_ms: u64) -> u64 {
        let overwritten = self.make_room(bytes_max);
        if bytes_max == 0 {
            self.since_ms = now_ms;
            self.steps.shrink_to_fit();
        }
        overwritten
    }

    fn make_room(&mut self, bytes_max: usize) -> u64 {
        let mut overwritten = 0;
        while bytes_max < self.bytes
            && let Some(oldest) = self.steps.pop_front()
        {
            self.bytes -= oldest.bytes();
            self.since_ms = oldest.time_ms;
            overwritten += 1;
        }
        overwritten
    }

    /// The steps of one message.
    pub(super) fn steps(&self, trace: TraceId) -> impl Iterator<Item = &Remembered> {
        self.steps.iter().filter(move |step| step.trace == trace)
    }
}

impl Remembered {
    fn bytes(&self) -> usize {
        STEP_BYTES + self.what.heap_bytes()
    }

    /// The step as it is told. `lives` are those of the node.
    pub(super) fn report(&self, lives: &[Member]) -> Step {
        self.what.report(self.time_ms, &lives[self.life as usize])
    }
}
