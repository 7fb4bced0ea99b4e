//! The `device` dialect: status of devices and tasks, pushed to whoever watches them.
//!
//! Every frame is `{"type","data","time"}`. The first one of a client is `auth`; what its token
//! grants decides what it hears and what it may publish.
//!
//! **Invariant:** a client publishes only to topics that its grant lists.

mod class;
mod conversation;
mod extras;
mod frame;
#[cfg(test)]
mod tests;

use std::{borrow::Cow, sync::Arc, time::Duration};

use super::{Conversation, Dialect, DialectId, Hello, Offers, Profile, Refusal, json};
use crate::{
    close::{CloseForm, CloseReason},
    frame::Frame,
    message::Message,
    topic::ROOM_CHARS_MAX,
};

pub use self::class::classified;
use self::conversation::Talk;

/// How the dialect is configured.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whether clients of the document or of the running original are served.
    pub profile: Profile,
    /// How long a client has for the `auth` frame.
    pub auth_timeout: Duration,
    /// How long a client may be silent before it is sent `{"type":"ping"}`; zero: for ever.
    pub heartbeat: Duration,
    /// How many pings in a row may stay unanswered before the session ends; 0: any number. The
    /// document's own client answers none.
    pub ping_limit: u32,
    /// Longest name of a room that a client wants to join, in characters.
    pub room_chars_max: usize,
    /// What applications have for its clients.
    pub offers: Arc<Offers>,
}

/// The dialect with its settings.
#[derive(Debug)]
pub struct Device {
    settings: Arc<Settings>,
}

// === impl Settings ===

impl Default for Settings {
    fn default() -> Self {
        Self {
            profile: Profile::default(),
            auth_timeout: Duration::from_secs(10),
            heartbeat: Duration::from_secs(30),
            ping_limit: 0,
            room_chars_max: ROOM_CHARS_MAX,
            offers: Arc::default(),
        }
    }
}

// === impl Device ===

impl Device {
    /// The dialect as these settings have it.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings: Arc::new(settings),
        }
    }
}

impl Dialect for Device {
    fn id(&self) -> DialectId {
        DialectId::Device
    }

    /// A type. Of a login nobody is told: it has a credential.
    fn kind_of<'a>(&self, text: &'a str) -> Option<Cow<'a, str>> {
        json::text_at(text, "type").filter(|kind| kind != "auth")
    }

    fn accept(&self, hello: &Hello<'_>) -> Result<Box<dyn Conversation>, Refusal> {
        let talk = Talk::new(self.settings.clone(), hello.session.clone());
        Ok(Box::new(talk))
    }

    /// `{"type":<event>,"data":<data>,"time":<unix seconds>}`.
    fn encode(&self, message: &Message) -> Frame {
        let seconds = message.time_ms / 1000;
        Frame::text(&frame::envelope(&message.event, &message.data, seconds))
    }

    /// The codes of [`CloseReason::form`], but that in the observed profile a malformed frame, as in
    /// the original, is answered by nothing and the connection drops.
    fn close_form(&self, reason: CloseReason) -> CloseForm {
        match (self.settings.profile, reason) {
            (Profile::Observed, CloseReason::Violation) => CloseForm::None,
            _ => reason.form(),
        }
    }
}
