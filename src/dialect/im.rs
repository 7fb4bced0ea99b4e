//! The `im` dialect: chat between customers and couriers, acknowledged and stored.
//!
//! A client is known by the token in its path. What it sends to a friend is stored, then on its way, and
//! then acknowledged; everything else it sends is a question to the server.
//!
//! **Invariant:** a packet that cannot be read is answered by one error and ends nothing.

mod answer;
mod conversation;
mod coordinates;
mod packet;
mod settings;
#[cfg(test)]
mod tests;
mod value;

use std::borrow::Cow;

use super::{ChatDraft, Claim, Conversation, Dialect, DialectId, Hello, Profile, Refusal, json};
use crate::{
    close::{CloseForm, CloseReason},
    dialect::json::ObjectWriter,
    frame::Frame,
    id::{Person, UserId},
    iso8601,
    message::{DeliveryClass, Message, MessageId, Relay},
    record::RecordId,
    topic::Topic,
};

use self::conversation::Talk;
pub use self::settings::{Coordinates, Sessions, Settings};

/// The dialect with its settings.
#[derive(Debug)]
pub struct Im {
    settings: Settings,
}

// === impl Im ===

impl Im {
    /// The dialect as these settings have it.
    pub fn new(settings: Settings) -> Self {
        Self { settings }
    }
}

impl Dialect for Im {
    fn id(&self) -> DialectId {
        DialectId::Im
    }

    /// A type.
    fn kind_of<'a>(&self, text: &'a str) -> Option<Cow<'a, str>> {
        json::text_at(text, "type")
    }

    /// Accepts everybody: a bad token is answered after the upgrade, as in the original. The token is the
    /// last segment of the path that is not empty.
    fn accept(&self, hello: &Hello<'_>) -> Result<Box<dyn Conversation>, Refusal> {
        let mut segments = hello.path.rsplit('/');
        let token = segments.find(|segment| !segment.is_empty());
        let talk = Talk::new(self.settings, token.unwrap_or_default());
        Ok(Box::new(talk))
    }

    /// A chat message as it was relayed; anything else as a packet of the system,
    /// `{"id","from","type":"s","msg":<data>,"timestamp":<milliseconds>}`.
    fn encode(&self, message: &Message) -> Frame {
        if let Some(relay) = &message.relay
            && relay.dialect == DialectId::Im
        {
            return Frame::text(&relay.text);
        }
        let packet = match &message.id {
            MessageId::Number(number) => ObjectWriter::new().number("id", *number),
            MessageId::Text(text) => ObjectWriter::new().text("id", text),
        };
        let sender = message.sender.as_ref();
        let packet = match sender.and_then(|sender| sender.user.as_ref()) {
            Some(user) => from(packet, user),
            None => packet.number("from", 0),
        };
        let packet = packet
            .text("type", "s")
            .raw("msg", &message.data)
            .number("timestamp", message.time_ms);
        Frame::text(&packet.finish())
    }

    /// Who is sent away is told so.
    fn farewell(&self, reason: CloseReason) -> Option<Frame> {
        match reason {
            CloseReason::Kicked | CloseReason::Superseded => Some(Frame::text(answer::FAREWELL)),
            _ => None,
        }
    }

    /// The codes of [`CloseReason::form`], but that in the observed profile the two ends that the
    /// original program knows have none.
    fn close_form(&self, reason: CloseReason) -> CloseForm {
        match (self.settings.profile, reason) {
            (Profile::Observed, CloseReason::AuthFailed | CloseReason::Superseded) => {
                CloseForm::Empty
            }
            _ => reason.form(),
        }
    }
}

/// The sender, as a number if it is a user of this dialect.
fn from(packet: ObjectWriter, user: &UserId) -> ObjectWriter {
    match user.person() {
        Some(person) => packet.number("from", person.number()),
        None => packet.text("from", user.as_str()),
    }
}

/// What only one session of a user may hold.
fn claim(user: Person) -> Claim {
    Claim(format!("im\0{user}").into())
}

/// A message of one user to another, as it is on its way: clients of this dialect receive
/// `{"id":<packet id>,"from","type","msg","timestamp":<ISO>}`, others its event `chat`.
pub fn chat_message(from: Person, draft: &ChatDraft, id: RecordId) -> Message {
    let data = ObjectWriter::new()
        .number("from", from.number())
        .text("type", draft.kind.encode_utf8(&mut [0; 4]))
        .raw("msg", draft.json.as_bytes())
        .finish();
    let text = ObjectWriter::new()
        .raw("id", draft.packet_id.as_bytes())
        .number("from", from.number())
        .text("type", draft.kind.encode_utf8(&mut [0; 4]))
        .raw("msg", draft.json.as_bytes())
        .text("timestamp", &iso8601::format(id.time_ms()))
        .finish();
    let mut message = Message::new(Topic::user(&draft.to.into()), "chat", data.into());
    message.id = MessageId::Number(id.0);
    message.class = DeliveryClass::Durable;
    message.relay = Some(Relay {
        dialect: DialectId::Im,
        text: text.into(),
    });
    message
}

/// What a customer is told when a courier has taken an order: an `s` packet with the order's id.
pub fn order_taken(courier: Person, customer: Person, order: &str) -> Message {
    let data = serde_json::to_vec(order).expect("memory takes every write");
    let mut message = Message::new(Topic::user(&customer.into()), "order_taken", data.into());
    message.id = MessageId::Text(format!("order:{order}:{courier}").into());
    message
}
