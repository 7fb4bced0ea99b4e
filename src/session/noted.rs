//! What is noted of a session that somebody wants to know of.

use super::Session;
use crate::{dialect::Incoming, id::Serial, recorder::What};

impl Session {
    /// The client was upgraded.
    pub(super) fn note_opened(&self) {
        let dialect = self.subscriber.dialect_id();
        self.note(|session| What::Opened { session, dialect });
    }

    /// The client has said something; looked at only if somebody may follow the session.
    pub(super) fn note_received(&self, message: Incoming<'_>) {
        let data = match message {
            Incoming::Text(text) => text.as_bytes(),
            Incoming::Binary(bytes) => bytes,
        };
        let (session, bytes) = (self.subscriber.serial, data.len());
        let recorder = self.context.router.recorder();
        recorder.note_session(session, What::Received { session, bytes }, data);
    }

    /// Takes note of a step, if somebody may want to know of it.
    pub(super) fn note(&self, what: impl FnOnce(Serial) -> What) {
        let recorder = self.context.router.recorder();
        if recorder.minds_sessions() {
            let session = self.subscriber.serial;
            recorder.note_session(session, what(session), &[]);
        }
    }
}
