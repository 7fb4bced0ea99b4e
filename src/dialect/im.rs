//! The `im` dialect: chat between customers and couriers, acknowledged and stored.

use super::{ChatDraft, DialectId};
use crate::{
    dialect::json::ObjectWriter,
    id::Person,
    message::{DeliveryClass, Message, MessageId, Relay},
    store::RecordId,
    topic::Topic,
};

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
        .number("timestamp", id.time_ms())
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
