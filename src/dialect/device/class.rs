//! Which messages of the `device` dialect replace older ones.

use std::{borrow::Cow, time::Duration};

use super::frame;
use crate::{
    dialect::json,
    message::{ConflationKey, Message},
    topic::Topic,
};

/// How long the last status of a device is kept for those who subscribe later.
const STATUS_RETAINED: Duration = Duration::from_secs(24 * 60 * 60);
/// What the room of a device begins with; its id follows.
const DEVICE_ROOM_PREFIX: &str = "room:device/";

/// The message with the class that its event has in this dialect, whoever publishes it:
///
/// - `device_status` is the latest of its device (`device_id` in the data, or the device whose room
///   it goes to), and the last one is kept for a day;
/// - `task_status` is the latest of its task (`task_id` in the data);
/// - anything else, and a status of nothing in particular, stays as it is.
pub fn classified(mut message: Message) -> Message {
    let (field, retain) = match &*message.event {
        "device_status" => ("device_id", Some(STATUS_RETAINED)),
        "task_status" => ("task_id", None),
        _ => return message,
    };
    let of_room = retain.and_then(|_| device_of(&message.topic));
    let Some(id) = id_in(&message.data, field).or(of_room.map(Cow::Borrowed)) else {
        return message;
    };
    let parts = [&*message.event, message.topic.as_str(), &id];
    let key = ConflationKey::new(&parts.map(str::as_bytes));
    message.retain = retain;
    message.latest(key)
}

fn id_in<'a>(data: &'a [u8], field: &str) -> Option<Cow<'a, str>> {
    let data = frame::object(std::str::from_utf8(data).ok()?)?;
    json::id(data.find(field).ok()??).filter(|id| !id.is_empty())
}

fn device_of(topic: &Topic) -> Option<&str> {
    topic.as_str().strip_prefix(DEVICE_ROOM_PREFIX)
}

/// The room of a device. `None`: its id cannot be part of a room's name.
pub(super) fn device_room(device: &str) -> Option<Topic> {
    if device.is_empty() {
        return None;
    }
    format!("{DEVICE_ROOM_PREFIX}{device}").parse().ok()
}
