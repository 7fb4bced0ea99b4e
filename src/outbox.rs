//! The outbox: frames waiting to be written to one socket.
//!
//! It is bounded in bytes, and what does not fit ends the session: a client that comes back to a gap
//! it knows of is better off than one with a gap it does not. Only a message of class `latest` may
//! take the place of another one.
//!
//! **Invariant:** bytes leave in the order: the entry that is partly written, control frames, data
//! in the order of arrival, the Close frame. Nothing is queued after the Close.

use std::{collections::VecDeque, io::IoSlice};

use bytes::Bytes;

use crate::{
    close::{CloseForm, CloseReason},
    frame::Frame,
    message::ConflationKey,
};

/// Most control frames that wait; a client that pings without reading gets an answer to its newest
/// Ping (RFC 6455, section 5.5.3, allows that).
const CONTROLS_MAX: usize = 16;
/// A queue that grew over this many entries gives its memory back when it is empty.
const KEPT_ENTRIES_MAX: usize = 16;

/// A bounded queue to one socket. Pure: somebody else owns the socket and the lock.
#[derive(Debug, Default)]
pub struct Outbox {
    /// Taken out of its queue when a part of it was written; `sent` bytes of it are gone.
    partial: Option<Entry>,
    sent: usize,
    control: Vec<Bytes>,
    /// The head of the queue stands inline: a session that keeps up never allocates.
    first: Option<Entry>,
    /// Not empty only if `first` is not.
    rest: VecDeque<Entry>,
    last: Option<Bytes>,
    /// Bytes of data that wait, without controls and Close.
    bytes: usize,
    closed: Option<CloseReason>,
}

/// One or more whole frames that are written together.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The frames' bytes.
    pub bytes: Bytes,
    /// How many frames.
    pub frames: u32,
    /// Which waiting entry it replaces.
    pub key: Option<ConflationKey>,
}

/// What became of a push.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Pushed {
    /// The outbox is closed; nothing was queued.
    Closed,
    /// It took the place of a waiting entry with its key.
    Conflated,
    /// There is no room. Nothing was queued, and the caller closes the outbox.
    Overflow,
    /// It waits at the end.
    Queued,
}

/// What left the outbox with a write.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Advanced {
    /// Data frames that are whole on the wire now.
    pub frames: u32,
    /// Bytes of data that no longer wait.
    pub bytes: usize,
}

// === impl Outbox ===

impl Outbox {
    /// Queues `entry`, unless more than `bytes_max` bytes would wait then.
    pub fn push(&mut self, entry: Entry, bytes_max: usize) -> Pushed {
        if self.closed.is_some() {
            return Pushed::Closed;
        }
        let total = self.bytes;
        if let Some(key) = entry.key
            && let Some(waiting) = self.waiting_mut(key)
        {
            let total = total - waiting.bytes.len() + entry.bytes.len();
            if bytes_max < total {
                return Pushed::Overflow;
            }
            *waiting = entry;
            self.bytes = total;
            return Pushed::Conflated;
        }
        if bytes_max < total + entry.bytes.len() {
            return Pushed::Overflow;
        }
        self.bytes += entry.bytes.len();
        if self.first.is_none() {
            self.first = Some(entry);
        } else {
            self.rest.push_back(entry);
        }
        Pushed::Queued
    }

    /// Queues a Ping or Pong before all data that has not begun to leave.
    pub fn push_control(&mut self, frame: Frame) -> Pushed {
        if self.closed.is_some() {
            return Pushed::Closed;
        }
        if self.control.len() == CONTROLS_MAX {
            self.control.pop();
            self.control.push(frame.into_bytes());
            return Pushed::Conflated;
        }
        self.control.push(frame.into_bytes());
        Pushed::Queued
    }

    /// Ends the outbox with a Close of this form. The first reason wins: says whether this one did.
    pub fn close(&mut self, reason: CloseReason, form: CloseForm) -> bool {
        if self.closed.is_some() {
            return false;
        }
        self.closed = Some(reason);
        self.last = Frame::close(form, reason.label()).map(Frame::into_bytes);
        if !reason.flushes_outbox() {
            self.control.clear();
            self.first = None;
            self.rest = VecDeque::new();
            self.bytes = self
                .partial
                .as_ref()
                .map_or(0, |entry| entry.bytes.len() - self.sent);
        }
        true
    }

    /// Like [`Self::close`], but the Close frame is `frame`: the echo of the client's own.
    pub fn close_with(&mut self, reason: CloseReason, frame: Frame) -> bool {
        let first = self.close(reason, CloseForm::None);
        if first {
            self.last = Some(frame.into_bytes());
        }
        first
    }

    /// Why the outbox was closed, if it was.
    pub fn closed(&self) -> Option<CloseReason> {
        self.closed
    }

    /// Whether nothing waits, not even a Close.
    pub fn is_empty(&self) -> bool {
        self.partial.is_none()
            && self.control.is_empty()
            && self.first.is_none()
            && self.last.is_none()
    }

    /// Whether everything that will ever be written has been written.
    pub fn is_finished(&self) -> bool {
        self.closed.is_some() && self.is_empty()
    }

    /// Bytes of data that wait.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Fills `slices` with what leaves next, until they are full or hold `bytes_max` bytes, and says
    /// how many were filled. At least one if anything waits.
    pub fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>], bytes_max: usize) -> usize {
        let partial = self.partial.iter().map(|entry| &entry.bytes[self.sent..]);
        let data = self
            .first
            .iter()
            .chain(&self.rest)
            .map(|entry| &entry.bytes[..]);
        let control = self.control.iter().map(|bytes| &bytes[..]);
        let last = self.last.iter().map(|bytes| &bytes[..]);
        let mut filled = 0;
        let mut bytes = 0;
        for part in partial.chain(control).chain(data).chain(last) {
            if filled == slices.len() || bytes_max <= bytes {
                break;
            }
            slices[filled] = IoSlice::new(part);
            filled += 1;
            bytes += part.len();
        }
        filled
    }

    /// Takes note that `written` bytes of [`Self::slices`] have left.
    pub fn advance(&mut self, mut written: usize) -> Advanced {
        let mut advanced = Advanced::default();
        if let Some(entry) = self.partial.take() {
            let left = entry.bytes.len() - self.sent;
            let data = entry.frames != 0;
            if written < left {
                self.sent += written;
                self.account(data, written, &mut advanced);
                self.partial = Some(entry);
                return advanced;
            }
            written -= left;
            self.account(data, left, &mut advanced);
            advanced.frames += entry.frames;
        }
        while 0 < written {
            let Some(entry) = self.pop() else { break };
            let data = entry.frames != 0;
            if written < entry.bytes.len() {
                self.account(data, written, &mut advanced);
                self.sent = written;
                self.partial = Some(entry);
                return advanced;
            }
            written -= entry.bytes.len();
            self.account(data, entry.bytes.len(), &mut advanced);
            advanced.frames += entry.frames;
        }
        advanced
    }

    fn account(&mut self, data: bool, bytes: usize, advanced: &mut Advanced) {
        if data {
            self.bytes -= bytes;
            advanced.bytes += bytes;
        }
    }

    /// The next entry in the order of leaving. Controls and the Close count no frames.
    fn pop(&mut self) -> Option<Entry> {
        let control = |bytes| Entry {
            bytes,
            frames: 0,
            key: None,
        };
        if !self.control.is_empty() {
            let bytes = self.control.remove(0);
            if self.control.is_empty() {
                self.control = Vec::new();
            }
            return Some(control(bytes));
        }
        if let Some(entry) = self.first.take() {
            self.first = self.rest.pop_front();
            if self.first.is_none() && KEPT_ENTRIES_MAX < self.rest.capacity() {
                self.rest = VecDeque::new();
            }
            return Some(entry);
        }
        self.last.take().map(control)
    }

    fn waiting_mut(&mut self, key: ConflationKey) -> Option<&mut Entry> {
        let waiting = self.first.iter_mut().chain(&mut self.rest);
        waiting.rev().find(|entry| entry.key == Some(key))
    }
}

#[cfg(test)]
mod tests;
