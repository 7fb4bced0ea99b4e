//! The outbox: frames waiting to be written to one socket.
//!
//! It is bounded in bytes, and what does not fit ends the session: a client that comes back to a gap
//! it knows of is better off than one with a gap it does not. Only a message of class `latest` may
//! take the place of another one.
//!
//! **Invariant:** bytes leave in the order: the entry that is partly written, control frames, data
//! in the order of arrival, the Close frame. Nothing is queued after the Close.

mod entry;

use std::{collections::VecDeque, io::IoSlice};

use bytes::Bytes;

pub use self::entry::Entry;
use crate::{
    close::{CloseForm, CloseReason},
    frame::Frame,
    message::ConflationKey,
    recorder::Fate,
};

/// Charged for each entry that waits behind the head of the queue: its place in the queue and what
/// its shared bytes keep beside themselves. Without it, a client that asks for tiny answers and does
/// not read them would take twenty times its bound.
pub const ENTRY_COST: usize = 192;

/// Most control frames that wait; a client that pings without reading gets an answer to its newest
/// Ping (RFC 6455, section 5.5.3, allows that).
const CONTROLS_MAX: usize = 16;

/// A bounded queue to one socket. Pure: somebody else owns the socket and the lock.
#[derive(Debug, Default)]
pub struct Outbox {
    /// The head of the queue stands inline: a session that keeps up never allocates.
    first: Option<Entry>,
    /// Everything that a session that keeps up does not have.
    backlog: Option<Box<Backlog>>,
    /// Bytes of data that wait, without controls and Close. Half a word: each session has one.
    bytes: u32,
    closed: Option<CloseReason>,
}

/// What waits beside the head of the queue.
#[derive(Debug, Default)]
struct Backlog {
    /// Taken out of its queue when a part of it was written; `sent` bytes of it are gone.
    partial: Option<Entry>,
    sent: usize,
    control: VecDeque<Bytes>,
    /// Not empty only if `first` is there.
    rest: VecDeque<Entry>,
    last: Option<Bytes>,
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
    /// Queues `entry`, unless more than `bytes_max` bytes would wait then; 4 GiB are a limit too.
    pub fn push(&mut self, entry: Entry, bytes_max: usize) -> Pushed {
        if self.closed.is_some() {
            return Pushed::Closed;
        }
        let total = self.bytes();
        let bytes_max = bytes_max.min(u32::MAX as usize);
        if let Some(key) = entry.key
            && let Some(waiting_len) = self.waiting_mut(key).map(|waiting| waiting.bytes.len())
        {
            let total = total - waiting_len + entry.bytes.len();
            if bytes_max < total {
                return Pushed::Overflow;
            }
            self.bytes = self.bytes - waiting_len as u32 + entry.bytes.len() as u32;
            entry.note_queued();
            if let Some(waiting) = self.waiting_mut(key) {
                waiting.end(Fate::Replaced);
                *waiting = entry;
            }
            return Pushed::Conflated;
        }
        let cost = if self.first.is_some() { ENTRY_COST } else { 0 };
        if bytes_max < total + entry.bytes.len() + cost {
            return Pushed::Overflow;
        }
        self.bytes += entry.bytes.len() as u32;
        entry.note_queued();
        if self.first.is_none() {
            self.first = Some(entry);
        } else {
            self.backlog().rest.push_back(entry);
        }
        Pushed::Queued
    }

    /// Queues a Ping or Pong before all data that has not begun to leave.
    pub fn push_control(&mut self, frame: Frame) -> Pushed {
        if self.closed.is_some() {
            return Pushed::Closed;
        }
        let control = &mut self.backlog().control;
        let is_full = control.len() == CONTROLS_MAX;
        if is_full {
            control.pop_back();
        }
        control.push_back(frame.into_bytes());
        if is_full {
            Pushed::Conflated
        } else {
            Pushed::Queued
        }
    }

    /// Ends the outbox with a Close of this form. The first reason wins: says whether this one did.
    pub fn close(&mut self, reason: CloseReason, form: CloseForm) -> bool {
        if self.closed.is_some() {
            return false;
        }
        self.closed = Some(reason);
        if !reason.flushes_outbox() {
            self.end_waiting(reason);
            self.first = None;
            if let Some(backlog) = &mut self.backlog {
                backlog.control.clear();
                backlog.rest.clear();
            }
            self.bytes = self
                .backlog
                .as_ref()
                .map_or(0, |backlog| backlog.partial_bytes() as u32);
        }
        if let Some(frame) = Frame::close(form, reason.label()) {
            self.backlog().last = Some(frame.into_bytes());
        }
        self.release();
        true
    }

    /// Ends an outbox whose socket is gone; nothing waits any more. A reason that it was closed for before
    /// stays.
    pub fn abandon(&mut self, reason: CloseReason) {
        let reason = self.closed.unwrap_or(reason);
        self.end_waiting(reason);
        if let Some(partial) = self.partial() {
            partial.end(Fate::Dropped(Some(reason)));
        }
        *self = Self::default();
        self.close(reason, CloseForm::None);
    }

    /// Takes note of what is given up.
    fn end_waiting(&self, reason: CloseReason) {
        let backlog = self.backlog.as_deref();
        let rest = backlog.into_iter().flat_map(|backlog| &backlog.rest);
        for entry in self.first.iter().chain(rest) {
            entry.end(Fate::Dropped(Some(reason)));
        }
    }

    fn partial(&self) -> Option<&Entry> {
        self.backlog.as_ref()?.partial.as_ref()
    }

    /// Since when that has been here which leaves next, in deciseconds of uptime; absent if no data waits.
    pub fn since(&self) -> Option<u32> {
        let data = self.partial().filter(|entry| entry.is_data());
        data.or(self.first.as_ref()).map(|entry| entry.since)
    }

    /// Like [`Self::close`], but the Close frame is `frame`: the echo of the client's own.
    pub fn close_with(&mut self, reason: CloseReason, frame: Frame) -> bool {
        let first = self.close(reason, CloseForm::None);
        if first {
            self.backlog().last = Some(frame.into_bytes());
        }
        first
    }

    /// Why the outbox was closed, if it was.
    pub fn closed(&self) -> Option<CloseReason> {
        self.closed
    }

    /// Whether nothing waits, not even a Close.
    pub fn is_empty(&self) -> bool {
        self.first.is_none() && self.backlog.is_none()
    }

    /// Whether everything that will ever be written has been written.
    pub fn is_finished(&self) -> bool {
        self.closed.is_some() && self.is_empty()
    }

    /// Bytes of data that wait, with what keeping them costs.
    pub fn bytes(&self) -> usize {
        let behind = self
            .backlog
            .as_ref()
            .map_or(0, |backlog| backlog.rest.len());
        self.bytes as usize + behind * ENTRY_COST
    }

    /// What leaves next, if it is a single entry, as it is for a session that keeps up.
    pub fn single(&self) -> Option<&[u8]> {
        let is_single = self.backlog.is_none();
        self.first
            .as_ref()
            .filter(|_| is_single)
            .map(|entry| &entry.bytes[..])
    }

    /// Fills `slices` with what leaves next, until they are full or hold `bytes_max` bytes, and says
    /// how many were filled. At least one if anything waits.
    pub fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>], bytes_max: usize) -> usize {
        let backlog = self.backlog.as_deref();
        let before = backlog.into_iter().flat_map(Backlog::before_first);
        let first = self.first.iter().map(|entry| &entry.bytes[..]);
        let behind = backlog.into_iter().flat_map(Backlog::behind_first);
        let mut filled = 0;
        let mut bytes = 0;
        for part in before.chain(first).chain(behind) {
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
        while 0 < written {
            let Some((entry, sent)) = self.pop() else {
                break;
            };
            let left = entry.bytes.len() - sent;
            let gone = written.min(left);
            if entry.is_data() {
                self.bytes -= gone as u32;
                advanced.bytes += gone;
            }
            written -= gone;
            if gone < left {
                let backlog = self.backlog();
                backlog.sent = sent + gone;
                backlog.partial = Some(entry);
                return advanced;
            }
            entry.end(Fate::Written);
            advanced.frames += entry.frames;
        }
        self.release();
        advanced
    }

    /// Gives back the memory of a backlog that is none any more.
    fn release(&mut self) {
        let backlog = self.backlog.as_ref();
        if backlog.is_some_and(|backlog| backlog.is_empty()) {
            self.backlog = None;
        }
    }

    /// The next entry in the order of leaving, and how much of it has left.
    fn pop(&mut self) -> Option<(Entry, usize)> {
        if let Some(backlog) = &mut self.backlog {
            if let Some(entry) = backlog.partial.take() {
                return Some((entry, backlog.sent));
            }
            if let Some(bytes) = backlog.control.pop_front() {
                return Some((Entry::control(bytes), 0));
            }
        }
        if let Some(entry) = self.first.take() {
            let backlog = self.backlog.as_mut();
            self.first = backlog.and_then(|backlog| backlog.rest.pop_front());
            return Some((entry, 0));
        }
        let last = self.backlog.as_mut()?.last.take()?;
        Some((Entry::control(last), 0))
    }

    fn waiting_mut(&mut self, key: ConflationKey) -> Option<&mut Entry> {
        let rest = self
            .backlog
            .iter_mut()
            .flat_map(|backlog| &mut backlog.rest);
        let waiting = self.first.iter_mut().chain(rest);
        waiting.rev().find(|entry| entry.key == Some(key))
    }

    fn backlog(&mut self) -> &mut Backlog {
        self.backlog.get_or_insert_default()
    }
}

// === impl Backlog ===

impl Backlog {
    fn before_first(&self) -> impl Iterator<Item = &[u8]> {
        let partial = self.partial.iter().map(|entry| &entry.bytes[self.sent..]);
        partial.chain(self.control.iter().map(|bytes| &bytes[..]))
    }

    fn behind_first(&self) -> impl Iterator<Item = &[u8]> {
        let rest = self.rest.iter().map(|entry| &entry.bytes[..]);
        rest.chain(self.last.iter().map(|bytes| &bytes[..]))
    }

    /// Bytes of data that are still to come of the entry that is partly written.
    fn partial_bytes(&self) -> usize {
        let data = self.partial.as_ref().filter(|entry| entry.is_data());
        data.map_or(0, |entry| entry.bytes.len() - self.sent)
    }

    fn is_empty(&self) -> bool {
        self.partial.is_none()
            && self.control.is_empty()
            && self.rest.is_empty()
            && self.last.is_none()
    }
}

#[cfg(test)]
mod tests;
