//! How something comes to wait for the socket of a session, and how long it has.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use tokio::time::Instant;

use super::{State, Subscriber};
use crate::{
    close::CloseReason,
    frame::Frame,
    message::MessageId,
    outbox::{Entry, Pushed},
    recorder::{Fate, What},
};

/// What waits for the socket of a session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Waiting {
    /// Bytes of data, with what keeping them costs.
    pub bytes: usize,
    /// Since when the oldest of it has been here, in deciseconds of uptime.
    pub since: u32,
}

impl Subscriber {
    /// Queues an answer to the client. Says whether the caller must have it flushed.
    pub fn reply(self: &Arc<Self>, frame: Frame) -> bool {
        let entry = Entry::frame(frame, self.seen());
        if self.is_watched() {
            let (session, bytes) = (self.serial, entry.bytes.len());
            let recorder = self.shard.recorder();
            recorder.note_session(session, What::Replied { session, bytes }, &[]);
        }
        self.push(std::slice::from_ref(&entry))
    }

    /// Sends one data frame to this session.
    #[cfg(test)]
    pub fn send(self: &Arc<Self>, frame: Frame) {
        if self.reply(frame) {
            self.shard.mark_dirty(Arc::clone(self));
        }
    }

    /// Queues entries in order. Says whether the caller must have it flushed.
    pub fn push(self: &Arc<Self>, entries: &[Entry]) -> bool {
        self.push_locked(&mut self.state.lock(), entries)
    }

    /// Queues a message that may come again, if it was not given before, as a letter either. Says whether the caller must
    /// have it flushed.
    pub fn push_once(
        self: &Arc<Self>,
        message: &MessageId,
        published: Instant,
        entry: &Entry,
    ) -> bool {
        let mut state = self.state.lock();
        let rare = state.rare.get_or_insert_default();
        let letters = rare.letters.as_ref();
        let is_letter = letters.is_some_and(|letters| letters.has_given(message));
        let recent = rare.recent.get_or_insert_default();
        if is_letter || !recent.is_new(message, published) {
            entry.end(Fate::Repeated);
            return false;
        }
        self.push_locked(&mut state, std::slice::from_ref(entry))
    }

    pub(super) fn push_locked(self: &Arc<Self>, state: &mut State, entries: &[Entry]) -> bool {
        let limits = self.shard.limits();
        if limits.outboxes_bytes_max() <= self.shard.outbox_bytes() {
            while self.relieve(state) {}
        }
        let mut before = state.outbox.bytes();
        let mut overflow = 0 < before && limits.outboxes_bytes_max() <= self.shard.outbox_bytes();
        for entry in entries {
            if overflow {
                break;
            }
            self.note_latest(state, entry);
            let bytes_max = limits.outbox_bytes_max();
            let mut pushed = state.outbox.push(entry.clone(), bytes_max);
            while pushed == Pushed::Overflow {
                self.shard.account(before, state.outbox.bytes());
                let is_relieved = self.relieve(state);
                before = state.outbox.bytes();
                if !is_relieved {
                    break;
                }
                pushed = state.outbox.push(entry.clone(), bytes_max);
            }
            match pushed {
                Pushed::Queued | Pushed::Closed => {}
                Pushed::Conflated => self.shard.stats.conflated.add(1),
                Pushed::Overflow => overflow = true,
            }
        }
        self.shard.account(before, state.outbox.bytes());
        if overflow {
            self.close_locked(state, CloseReason::SlowConsumer);
        }
        state.mark()
    }

    /// Bytes of data that wait for the socket.
    pub fn waiting_bytes(&self) -> usize {
        self.state.lock().outbox.bytes()
    }

    /// What waits for the socket, if anything does.
    pub fn waiting(&self) -> Option<Waiting> {
        let state = self.state.lock();
        let since = state.outbox.since()?;
        Some(Waiting {
            bytes: state.outbox.bytes(),
            since,
        })
    }

    /// Whether somebody may follow it.
    pub fn is_watched(&self) -> bool {
        self.is_watched.load(Relaxed)
    }

    /// Somebody follows it.
    pub fn watch(&self) {
        self.is_watched.store(true, Relaxed);
    }
}
