//! Messages of the `ride` dialect: a frame's own text on its way to its target.

use bytes::Bytes;

use super::{frame, settings::Settings};
use crate::{
    dialect::{
        DialectId,
        json::{self, Json, Object, ObjectWriter},
    },
    message::{ConflationKey, Message, Relay},
    topic::Topic,
};

/// The flag of a position.
const POSITION: &str = "latlng";
/// The event of a frame without a flag, which the observed profile relays too.
const UNNAMED: &str = "message";

/// The message that carries `text` from `sender` to `topic`.
///
/// A position replaces an older one of the same sender and target that still waits: a phone that
/// stalls gets the newest point and not a queue of old ones.
pub(super) fn message(topic: Topic, flag: Option<&str>, text: Bytes, sender: &str) -> Message {
    let key = (flag == Some(POSITION))
        .then(|| ConflationKey::new(&[b"ride", sender.as_bytes(), topic.as_str().as_bytes()]));
    let mut message = Message::new(topic, flag.unwrap_or(UNNAMED), text.clone());
    message.relay = Some(Relay {
        dialect: DialectId::Ride,
        text,
    });
    match key {
        Some(key) => message.latest(key),
        None => message,
    }
}

/// The message of a payload for the original system's bridge; see [`super::Ride::bridged`].
pub(super) fn bridged(settings: &Settings, payload: &str) -> Option<Message> {
    let payload = object(payload)?;
    let target = frame::non_empty(payload.find(frame::TARGET).ok()??)?;
    let data = object(payload.find("data").ok()??.get())?;
    if data.is_empty() {
        return None;
    }
    let flag = data.last(frame::FLAG).and_then(frame::non_empty);
    let text = with_target(&data, &target);
    let topic = settings.topic(&target);
    // The bridge is one sender, as it is one client of the original.
    Some(message(topic, flag.as_deref(), text.into(), ""))
}

/// The object with its `target_token` set, in its place if there is one, else at the end.
fn with_target(data: &Object<'_>, target: &str) -> Vec<u8> {
    let mut writer = ObjectWriter::new();
    let mut is_set = false;
    for (name, value) in data.fields() {
        if !json::is_key(name, frame::TARGET) {
            writer = writer.field(name, value);
        } else if !is_set {
            is_set = true;
            writer = writer.text(frame::TARGET, target);
        }
    }
    if !is_set {
        writer = writer.text(frame::TARGET, target);
    }
    writer.finish()
}

fn object(text: &str) -> Option<Object<'_>> {
    match json::parse(text)? {
        Json::Object(object) => Some(object),
        Json::Null | Json::Other => None,
    }
}
