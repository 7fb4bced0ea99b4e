//! The `live` dialect: live rooms with phones and big screens, and methods that clients call by name.
//!
//! Who a client is stands in its `auth`, which is read before the upgrade. Every frame of a client is a
//! JSON object with a `method`; what the gateway has itself and what applications answer look the same.
//!
//! **Invariant:** nothing of a client's texts goes on its way before `& < > "` in them are escaped.

mod answer;
mod call;
mod conversation;
mod escape;
mod frame;
mod party;
mod route;
#[cfg(test)]
mod tests;

use std::{borrow::Cow, fmt, sync::Arc};

use super::{Conversation, Dialect, DialectId, Hello, Offers, Profile, Refusal, json, query_text};
use crate::{
    close::{CloseForm, CloseReason},
    frame::Frame,
    message::Message,
};

use self::conversation::Talk;
pub use self::{
    answer::{INDEX, Reply},
    call::{Builtin, Effect, LiveCall},
    escape::{escaped, escaped_text},
    party::{CODE_CHARS_MAX, NICKNAME_CHARS_MAX, Party},
};

/// What a client without a good `auth` is told: 403, and this header that its kind looks for.
const REFUSAL: Refusal = Refusal {
    status: 403,
    header: Some(("message", "error auth")),
};

/// Reads what clients prove themselves with.
pub trait Passes: fmt::Debug + Send + Sync + 'static {
    /// Who comes with this `auth`, if it is good at this time.
    fn read(&self, auth: &str, unix_seconds: u64) -> Option<Party>;
}

/// How the dialect is configured.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whether clients of the document or of the running original are served.
    pub profile: Profile,
    /// Whether each frame is answered with a receipt before it is worked on.
    pub receipts: bool,
    /// Who somebody is.
    pub passes: Arc<dyn Passes>,
    /// What the gateway answers itself.
    pub builtins: Vec<Builtin>,
    /// What applications have for its clients.
    pub offers: Arc<Offers>,
}

/// The dialect with its settings.
#[derive(Debug)]
pub struct Live {
    settings: Arc<Settings>,
}

// === impl Live ===

impl Live {
    /// The dialect as these settings have it.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings: Arc::new(settings),
        }
    }
}

impl Dialect for Live {
    fn id(&self) -> DialectId {
        DialectId::Live
    }

    /// A method.
    fn kind_of<'a>(&self, text: &'a str) -> Option<Cow<'a, str>> {
        json::text_at(text, "method")
    }

    /// Refuses whoever has no good `auth` in the query.
    fn accept(&self, hello: &Hello<'_>) -> Result<Box<dyn Conversation>, Refusal> {
        let auth = query_text(hello.query, "auth").ok().flatten();
        let auth = auth.ok_or(REFUSAL)?;
        let passes = &self.settings.passes;
        let party = passes.read(&auth, hello.now.unix_seconds());
        let party = Arc::new(party.ok_or(REFUSAL)?);
        let talk = Talk::new(Arc::clone(&self.settings), hello.session.clone(), party);
        Ok(Box::new(talk))
    }

    /// `{"status":200,"event":<event>,"info":<what the dialect has to say of it>,"param":<data>}`.
    fn encode(&self, message: &Message) -> Frame {
        let reply = Reply::of_message(&message.event, message.data.clone());
        Frame::text(&reply.encode(self.settings.profile))
    }

    /// The codes of [`CloseReason::form`], but that in the observed profile the two ends that the
    /// original program knows are none: the connection drops.
    fn close_form(&self, reason: CloseReason) -> CloseForm {
        match (self.settings.profile, reason) {
            (Profile::Observed, CloseReason::Idle | CloseReason::Violation) => CloseForm::None,
            _ => reason.form(),
        }
    }
}
