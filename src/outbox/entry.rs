//! An entry: what waits in an outbox as one.

use std::sync::Arc;

use bytes::Bytes;

use crate::{
    frame::Frame,
    message::ConflationKey,
    recorder::{Fate, Mark},
};

/// One or more whole frames that are written together.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The frames' bytes.
    pub bytes: Bytes,
    /// How many frames.
    pub frames: u32,
    /// Since when it has been here, in deciseconds of uptime.
    pub since: u32,
    /// Which waiting entry it replaces.
    pub key: Option<ConflationKey>,
    /// What takes note of its fate, if anybody wants to know of it.
    pub mark: Option<Arc<Mark>>,
}

impl Entry {
    /// One frame that replaces none, here since this decisecond of uptime.
    pub fn frame(frame: Frame, since: u32) -> Self {
        Self {
            bytes: frame.into_bytes(),
            frames: 1,
            since,
            key: None,
            mark: None,
        }
    }

    pub(super) fn note_queued(&self) {
        if let Some(mark) = &self.mark {
            mark.queued();
        }
    }

    /// Takes note of what becomes of it, if anybody wants to know.
    pub fn end(&self, fate: Fate) {
        if let Some(mark) = &self.mark {
            mark.end(fate);
        }
    }

    /// A control frame: it counts neither as a message nor as data that waits.
    pub(super) fn control(bytes: Bytes) -> Self {
        Self {
            bytes,
            frames: 0,
            since: 0,
            key: None,
            mark: None,
        }
    }

    pub(super) fn is_data(&self) -> bool {
        self.frames != 0
    }
}
