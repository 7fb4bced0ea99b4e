//! The `ride` dialect: a relay between passengers, drivers and a backend.
//!
//! A client's token is its address. What a client sends reaches the sessions of the target token as
//! the very text it sent; nothing is acknowledged and nothing is stored.
//!
//! **Invariant:** no token, however it is spelled, names an address outside the configured realm,
//! and no client but a backend with its secret has an address that begins with `backend/`.

mod address;
mod conversation;
mod frame;
mod relay;
mod settings;
#[cfg(test)]
mod tests;

use std::{borrow::Cow, sync::Arc};

use super::{Conversation, Dialect, DialectId, Hello, Profile, Refusal, json, query_text};
use crate::{
    close::{CloseForm, CloseReason},
    dialect::json::{Json, ObjectWriter},
    frame::Frame,
    message::Message,
};

use self::conversation::Talk;
pub use self::settings::{Backend, Settings, Tokens};

/// The dialect with its settings.
#[derive(Debug)]
pub struct Ride {
    settings: Arc<Settings>,
}

// === impl Ride ===

impl Ride {
    /// The dialect as these settings have it.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings: Arc::new(settings),
        }
    }

    /// The message in a payload `{"target_token":T,"data":{..}}` that a backend of the original
    /// system published for its bridge: `data`, with its `target_token` set to `T`.
    ///
    /// `None` where the original bridge passes nothing on either: no target, or `data` that is
    /// empty or no object.
    pub fn bridged(&self, payload: &str) -> Option<Message> {
        relay::bridged(&self.settings, payload)
    }
}

impl Dialect for Ride {
    fn id(&self) -> DialectId {
        DialectId::Ride
    }

    /// A flag. Of a login nobody is told: it is a credential.
    fn kind_of<'a>(&self, text: &'a str) -> Option<Cow<'a, str>> {
        json::text_at(text, frame::FLAG).filter(|kind| kind != "login")
    }

    /// Accepts everybody: who stays is decided after the upgrade, as in the original.
    fn accept(&self, hello: &Hello<'_>) -> Result<Box<dyn Conversation>, Refusal> {
        // Of a key that stands twice the first value counts, as in every look-up by name.
        let value = |key| query_text(hello.query, key);
        let talk = Talk::new(self.settings.clone(), value("client_id"), value("token"));
        Ok(Box::new(talk))
    }

    /// A relayed frame as it came; anything else as
    /// `{"flag":<event>,"target_token":<name of the topic>, ..the fields of data}`.
    ///
    /// Data that is no object stands under `data`. The two mandatory keys are the envelope's: fields
    /// of the same names inside data are left out, so that no key stands twice.
    fn encode(&self, message: &Message) -> Frame {
        if let Some(relay) = &message.relay
            && relay.dialect == DialectId::Ride
        {
            return Frame::text(&relay.text);
        }
        let mut frame = ObjectWriter::new()
            .text(frame::FLAG, &message.event)
            .text(frame::TARGET, self.settings.name_of(&message.topic));
        let data = std::str::from_utf8(&message.data)
            .ok()
            .and_then(json::parse);
        if let Some(Json::Object(data)) = data {
            for (name, value) in data.fields() {
                if !json::is_key(name, frame::FLAG) && !json::is_key(name, frame::TARGET) {
                    frame = frame.field(name, value);
                }
            }
        } else {
            frame = frame.raw("data", &message.data);
        }
        Frame::text(&frame.finish())
    }

    /// Documented: the codes of [`CloseReason::form`], but 1008 for a client that logged itself out:
    /// the dialect ends a session in one way, whatever led to it.
    ///
    /// Observed: an empty Close for whatever the dialect or a policy ends, as the original program
    /// knows no codes. Those of the transport, and the invitations to come back, stay: a client
    /// that reads them gains by it, and one that does not loses nothing.
    fn close_form(&self, reason: CloseReason) -> CloseForm {
        use CloseReason as R;
        match (self.settings.profile, reason) {
            (
                Profile::Observed,
                R::AuthFailed
                | R::AuthTimeout
                | R::Forbidden
                | R::HeartbeatLost
                | R::Idle
                | R::Kicked
                | R::LoggedOut
                | R::MessageTimeout
                | R::Superseded
                | R::TooManyTopics
                | R::Violation,
            ) => CloseForm::Empty,
            (Profile::Documented, R::LoggedOut) => CloseForm::Code(1008),
            _ => reason.form(),
        }
    }
}
