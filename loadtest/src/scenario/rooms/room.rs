//! One room: who publishes, what is under way.

use std::collections::VecDeque;
use std::time::Instant;

use crate::scenario::message::{Message, Purpose};

/// The state of a room.
#[derive(Debug)]
pub(in crate::scenario) struct Room {
    pub(super) publisher: usize,
    message: Message,
    /// Members whose connections are open.
    pub(super) members: usize,
    /// Messages that have reached everybody.
    pub(super) completed: u64,
    /// Those behind them, which are under way.
    pub(super) slots: VecDeque<Slot>,
    /// Messages that may be published now.
    pub(super) free: usize,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    /// Members that do not have the message yet.
    pub(super) missing: usize,
    pub(super) due: Instant,
}

impl Room {
    /// A room whose publisher is that connection.
    pub(in crate::scenario) fn new(publisher: usize, message: Message) -> Self {
        Self {
            publisher,
            message,
            members: 0,
            completed: 0,
            slots: VecDeque::new(),
            free: 0,
        }
    }

    pub(in crate::scenario) fn publisher(&self) -> usize {
        self.publisher
    }

    pub(in crate::scenario) fn message(&self) -> &Message {
        &self.message
    }

    /// Whether the oldest message under way has reached everybody.
    pub(super) fn is_complete(&self) -> bool {
        self.slots.front().is_some_and(|slot| slot.missing == 0)
    }

    /// Appends a message as it is sent, due then.
    pub(super) fn publish(&mut self, due: Instant, frames: &mut Vec<u8>) {
        let number = self.completed + self.slots.len() as u64;
        self.message.encode(frames, Purpose::Load, number);
        self.expect(due);
    }

    /// A message is on its way, due then.
    pub(super) fn expect(&mut self, due: Instant) {
        self.slots.push_back(Slot {
            missing: self.members,
            due,
        });
    }
}
