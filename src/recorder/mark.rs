//! Marks: what becomes of messages on their way through one session's outbox to its socket.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use smallvec::SmallVec;

use super::{Traced, What};
use crate::{close::CloseReason, id::Serial};

/// Messages that are written as one entry, those of them that somebody wants to know of.
#[derive(Debug, Default)]
pub struct Group(SmallVec<[Traced; 1]>);

/// Goes with one entry to one session, and takes note of its fate: once, and whatever it is.
#[derive(Debug)]
pub struct Mark {
    group: Arc<Group>,
    session: Serial,
    has_ended: AtomicBool,
}

/// What became of an entry.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fate {
    /// It waits in the mail of the session's user until that was read.
    Mailed,
    /// It was given up, since the session has ended, if it is known why.
    Dropped(Option<CloseReason>),
    /// The session was given it before.
    Repeated,
    /// A newer one took its place.
    Replaced,
    /// The session is not to get it.
    Spared,
    /// Its last byte was taken by the socket.
    Written,
}

// === impl Group ===

impl Group {
    /// These messages; none if nobody wants to know of any.
    pub fn of<'a>(messages: impl Iterator<Item = &'a Traced>) -> Option<Arc<Self>> {
        let messages: SmallVec<[Traced; 1]> = messages.cloned().collect();
        (!messages.is_empty()).then(|| Arc::new(Self(messages)))
    }

    /// A mark for this session.
    pub fn mark(self: &Arc<Self>, session: Serial) -> Arc<Mark> {
        Arc::new(Mark {
            group: Arc::clone(self),
            session,
            has_ended: AtomicBool::new(false),
        })
    }
}

// === impl Mark ===

impl Mark {
    /// The entry waits for the session's socket.
    pub fn queued(&self) {
        self.note(|session| What::Queued { session });
    }

    /// It has come to this. The first fate is the one.
    pub fn end(&self, fate: Fate) {
        if self.has_ended.swap(true, Relaxed) {
            return;
        }
        self.note(|session| match fate {
            Fate::Mailed => What::Mailed { session },
            Fate::Dropped(reason) => What::Dropped { session, reason },
            Fate::Repeated => What::Repeated { session },
            Fate::Replaced => What::Replaced { session },
            Fate::Spared => What::Spared { session },
            Fate::Written => What::Written { session },
        });
    }

    fn note(&self, what: impl Fn(Serial) -> What) {
        for message in &self.group.0 {
            message.note(what(self.session));
        }
    }
}

/// Whoever lets go of an entry without a word has given it up.
impl Drop for Mark {
    fn drop(&mut self) {
        self.end(Fate::Dropped(None));
    }
}
