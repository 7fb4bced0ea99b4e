//! A session's socket: what is written into it, and when.

use std::{
    io::{self, IoSlice},
    mem,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use super::{Flushed, State, Subscriber};
use crate::{close::CloseReason, outbox::Entry, router::transport::End};

/// Most slices of one vectored write.
const SLICES_MAX: usize = 64;
/// Most bytes of one turn of one session, so that a session with a full outbox does not delay others.
const TURN_BYTES_MAX: usize = 64 * 1024;

impl Subscriber {
    /// Gives it an entry: into its socket if nothing waits before it, else, and what the socket does not take, into the
    /// outbox. Says whether the caller must have it flushed. For the shard's own thread.
    pub fn write_or_push(self: &Arc<Self>, entry: &Entry) -> bool {
        let mut state = self.state.lock();
        let state = &mut *state;
        let fits = entry.bytes.len() <= self.shard.limits().outbox_bytes_max();
        let mut written = 0;
        if fits
            && state.is_idle()
            && !self.transport.is_pending()
            && !self.has_letters.load(Relaxed)
        {
            self.note_latest(state, entry);
            // What has failed shows at the session's turn.
            let slices = &[IoSlice::new(&entry.bytes)];
            written = self.transport.try_write(slices).unwrap_or(0);
            if written == entry.bytes.len() && !self.transport.is_pending() {
                let stats = &self.shard.stats;
                stats.written(self.dialect_id, written, entry.frames);
                return false;
            }
        }
        let is_marked = self.push_locked(state, std::slice::from_ref(entry));
        if 0 < written {
            self.advance(state, written);
        }
        is_marked
    }

    /// Writes one turn of what waits, with one call of the system.
    pub fn flush(self: &Arc<Self>) -> Flushed {
        let mut state = self.state.lock();
        let state = &mut *state;
        self.ask_for_letters(state);
        if state.outbox.is_empty() && !self.transport.is_pending() {
            state.dirty = false;
            return state.finished().map_or(Flushed::Done, Flushed::Finished);
        }
        match self.write(state) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return state.block(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Flushed::More,
            Err(_) => {
                self.close_locked(state, CloseReason::TransportError);
                self.abandon(state);
                return Flushed::Finished(End::Reset);
            }
        }
        if self.transport.is_pending() {
            return state.block();
        }
        self.ask_for_letters(state);
        if !state.outbox.is_empty() {
            return Flushed::More;
        }
        state.dirty = false;
        state.finished().map_or(Flushed::Done, Flushed::Finished)
    }

    /// One call of the system. Says how many bytes have left the outbox.
    fn write(&self, state: &mut State) -> io::Result<usize> {
        let written = match state.outbox.single() {
            Some(bytes) => self.transport.try_write(&[IoSlice::new(bytes)]),
            None => {
                let mut slices = [IoSlice::new(&[]); SLICES_MAX];
                let filled = state.outbox.slices(&mut slices, TURN_BYTES_MAX);
                self.transport.try_write(&slices[..filled])
            }
        }?;
        self.advance(state, written);
        Ok(written)
    }

    /// Takes note that so much of what waits has left with one call of the system.
    fn advance(&self, state: &mut State, written: usize) {
        let before = state.outbox.bytes();
        let advanced = state.outbox.advance(written);
        self.shard.account(before, state.outbox.bytes());
        let stats = &self.shard.stats;
        stats.written(self.dialect_id, written, advanced.frames);
    }

    /// Writes ahead of the session's turn, since its outbox is full. Says whether that helped: if not,
    /// it is the client who is slow, and not the flusher's turn that comes late.
    pub(super) fn relieve(&self, state: &mut State) -> bool {
        // What has failed shows at the session's turn.
        !state.blocked
            && !state.outbox.is_empty()
            && self.write(state).is_ok_and(|written| 0 < written)
    }

    /// The socket takes bytes: if it did not before, the session stands in line for the flusher again.
    pub fn unblock(self: &Arc<Self>) {
        let mut state = self.state.lock();
        if mem::take(&mut state.blocked) {
            self.wake(state);
        }
    }

    /// Of what newer things replace, the socket takes little ahead.
    pub(super) fn note_latest(&self, state: &mut State, entry: &Entry) {
        if entry.key.is_some() && !mem::replace(&mut state.has_latest, true) {
            self.transport.take_little();
        }
    }
}

// === impl State ===

impl State {
    /// Whether nothing waits, and nobody is about to write.
    fn is_idle(&self) -> bool {
        !self.dirty && !self.blocked && self.outbox.is_empty() && self.outbox.closed().is_none()
    }

    fn block(&mut self) -> Flushed {
        self.dirty = false;
        self.blocked = true;
        Flushed::Blocked
    }
}
