//! How a session ends as a receiver: what its client is still sent, and when its socket goes.

use std::sync::Arc;

use parking_lot::MutexGuard;

use super::{Begun, Standing, State, Subscriber};
use crate::{
    close::{CloseForm, CloseReason},
    frame::Frame,
    outbox::Entry,
    router::transport::End,
};

impl Subscriber {
    /// Ends the session. The first reason wins; says whether this one did.
    pub fn close(self: &Arc<Self>, reason: CloseReason) -> bool {
        let mut state = self.state.lock();
        let first = self.close_locked(&mut state, reason);
        self.wake(state);
        first
    }

    /// Ends the session when what its client has called for is answered; at once if that is nothing.
    pub fn leave(self: &Arc<Self>, reason: CloseReason) {
        let mut state = self.state.lock();
        state.leaving = Some(reason);
        self.end_answered(state);
    }

    /// The client calls for something, while at most so many calls may be under way.
    pub fn begin_call(&self, max: u16) -> Begun {
        let mut state = self.state.lock();
        if state.standing() != Standing::Open {
            Begun::ForNobody
        } else if max <= state.calls {
            Begun::TooMany
        } else {
            state.calls += 1;
            Begun::Call
        }
    }

    /// The client has its answer to a call that was begun.
    pub fn end_call(self: &Arc<Self>) {
        let mut state = self.state.lock();
        state.calls -= 1;
        self.end_answered(state);
    }

    fn end_answered(self: &Arc<Self>, mut state: MutexGuard<'_, State>) {
        if let Some(reason) = state.leaving.filter(|_| state.calls == 0)
            && self.close_locked(&mut state, reason)
        {
            self.wake(state);
        }
    }

    /// Whether the session still does what its client says.
    pub fn standing(&self) -> Standing {
        self.state.lock().standing()
    }

    /// Answers the client's own Close and ends the session.
    pub fn close_echo(self: &Arc<Self>, code: Option<u16>) {
        let form = code.map_or(CloseForm::Empty, CloseForm::Code);
        let mut state = self.state.lock();
        state.client_closed = true;
        if let Some(frame) = Frame::close(form, "")
            && state.outbox.close_with(CloseReason::ClientClosed, frame)
        {
            self.shard.watch_closing(self);
        } else if state.outbox.is_empty() {
            // Our Close has left before: theirs is the answer, and the connection is over.
            self.transport.end(End::Both);
        }
        self.wake(state);
    }

    /// Why the session was closed, if it was.
    pub fn closed(&self) -> Option<CloseReason> {
        self.state.lock().outbox.closed()
    }

    /// The answer to our Close is overdue: nothing more is written, which the client can see. Says whether
    /// there was an answer to wait for.
    pub fn stop_waiting(&self) -> bool {
        let mut state = self.state.lock();
        let waits = state.awaits_answer && state.outbox.is_finished() && !state.client_closed;
        state.awaits_answer = false;
        if waits {
            self.transport.end(End::Write);
        }
        waits
    }

    /// Ends the connection.
    pub fn end(&self, how: End) {
        self.transport.end(how);
    }

    /// Gives up what waits: the connection is gone.
    pub fn forget(&self) {
        self.abandon(&mut self.state.lock());
    }

    pub(super) fn abandon(&self, state: &mut State) {
        let before = state.outbox.bytes();
        state.outbox.abandon(CloseReason::ClientGone);
        self.shard.account(before, 0);
    }

    pub(super) fn close_locked(self: &Arc<Self>, state: &mut State, reason: CloseReason) -> bool {
        let before = state.outbox.bytes();
        if state.outbox.closed().is_none()
            && let Some(farewell) = self.dialect.farewell(reason)
        {
            // It is the last one: there is room for it, whatever waits.
            state
                .outbox
                .push(Entry::frame(farewell, self.seen()), usize::MAX);
        }
        let form = self.dialect.close_form(reason);
        let first = state.outbox.close(reason, form);
        if first {
            state.awaits_answer = reason.awaits_answer() && form != CloseForm::None;
            self.shard.account(before, state.outbox.bytes());
            self.shard.watch_closing(self);
        }
        first
    }
}
