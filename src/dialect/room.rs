//! The `room` dialect: rooms that a client comes to by its path, pushes to them, chat, and customer
//! service.
//!
//! What others publish reaches a client as the data alone. What a client says is answered with a fixed
//! text, or said to a room; an envelope goes to one user or to one room, with the name of who has sent
//! it.
//!
//! **Invariant:** a client is nobody, and hears nothing, before somebody has let it into its room; and
//! nothing is said in the name of a user who has not been let in as that one.

mod address;
mod conversation;
mod frame;
mod party;
#[cfg(test)]
mod tests;

use std::{borrow::Cow, sync::Arc};

use super::{Conversation, Dialect, DialectId, Hello, Offers, Profile, Refusal};
use crate::{
    close::{CloseForm, CloseReason},
    frame::Frame,
    message::Message,
    topic::ROOM_CHARS_MAX,
};

pub use self::address::NAME_CHARS_MAX;
use self::conversation::{Presented, Talk};

/// The tutorial's answer to whatever a client says.
pub const REPLY: &str = "不要回复不要回复！！！";

/// Longest name that people can be called by, in characters.
const DISPLAY_CHARS_MAX: usize = 100;

/// How the dialect is configured.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whether clients of the document or of the running original are served.
    pub profile: Profile,
    /// What a client's frame does.
    pub mode: Mode,
    /// What it is answered with where it does nothing.
    pub reply: Box<str>,
    /// Whether anyone may join a room that has no meaning.
    pub open: bool,
    /// Whether clients are believed who they say they are, and rooms with a meaning are rooms like any
    /// other: for trying things out.
    pub believes: bool,
    /// Longest name of a room in a path, in characters; [`NAME_CHARS_MAX`] at most.
    pub room_chars_max: usize,
    /// What applications have for its clients.
    pub offers: Arc<Offers>,
}

/// What a client's frame does.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Mode {
    /// It is said to a room.
    Chat,
    /// It gets a fixed answer; only applications publish.
    #[default]
    Push,
}

/// The dialect with its settings.
#[derive(Debug)]
pub struct Room {
    settings: Arc<Settings>,
}

/// Whether people can be called by this name; who has another one is called by the id.
pub fn is_display_name(name: &str) -> bool {
    let is_plain = !name.chars().any(char::is_control);
    is_plain && (1..=DISPLAY_CHARS_MAX).contains(&name.chars().count())
}

// === impl Settings ===

impl Default for Settings {
    fn default() -> Self {
        Self {
            profile: Profile::default(),
            mode: Mode::default(),
            reply: REPLY.into(),
            open: false,
            believes: false,
            room_chars_max: ROOM_CHARS_MAX,
            offers: Arc::default(),
        }
    }
}

// === impl Room ===

impl Room {
    /// The dialect as these settings have it.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings: Arc::new(settings),
        }
    }
}

impl Dialect for Room {
    fn id(&self) -> DialectId {
        DialectId::Room
    }

    /// `single` and `group` for envelopes, `message` for everything else, whatever it is.
    fn kind_of<'a>(&self, text: &'a str) -> Option<Cow<'a, str>> {
        Some(Cow::Borrowed(frame::kind_of(text)))
    }

    /// Refuses only what is no name of a room. Who stays is decided after the upgrade, so that a page is
    /// told a reason: a browser shows none of an upgrade that was refused.
    fn accept(&self, hello: &Hello<'_>) -> Result<Box<dyn Conversation>, Refusal> {
        let room = address::room_of(hello.path, self.settings.room_chars_max).ok_or(Refusal {
            status: 404,
            header: None,
        })?;
        let presented = Presented::read(hello.query, &self.settings);
        let talk = Talk::new(
            self.settings.clone(),
            hello.session.clone(),
            room,
            presented,
        );
        Ok(Box::new(talk))
    }

    /// The data alone; none is `null`, as in the original.
    fn encode(&self, message: &Message) -> Frame {
        match &*message.data {
            [] => Frame::text(b"null"),
            data => Frame::text(data),
        }
    }

    /// The codes of [`CloseReason::form`], but 1011 for a frame that cannot be read: in the original it
    /// is an exception of the server's.
    fn close_form(&self, reason: CloseReason) -> CloseForm {
        match reason {
            CloseReason::Violation => CloseForm::Code(1011),
            _ => reason.form(),
        }
    }
}
