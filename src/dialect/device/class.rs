//! Which messages of the `device` dialect replace older ones.

use std::{borrow::Cow, time::Duration};

use super::frame;
use crate::{
    dialect::json,
    message::{ConflationKey, Message},
    topic::{Topic, TopicKind},
};

/// How long the last status of a device is kept for those who subscribe later.
const STATUS_RETAINED: Duration = Duration::from_secs(24 * 60 * 60);
/// What the room of a device begins with; its id follows.
const DEVICE_ROOM_PREFIX: &str = "room:device/";

/// The message with the class that its event has in this dialect, whether a client publishes it or
/// an application:
///
/// - `device_status` is the latest of its device (`device_id` in the data, or the device whose room
///   it goes to), and the last one in a room is kept for a day. Elsewhere it is not: whoever logs in
///   as a user may speak another dialect, and expect silence;
/// - `task_status` is the latest of its task (`task_id` in the data);
/// - anything else, and a status of nothing in particular, stays as it is.
pub fn classified(mut message: Message) -> Message {
    let is_device = match &*message.event {
        "device_status" => true,
        "task_status" => false,
        _ => return message,
    };
    let field = if is_device { "device_id" } else { "task_id" };
    let of_room = device_of(&message.topic).filter(|_| is_device);
    let Some(id) = id_in(&message.data, field).or(of_room.map(Cow::Borrowed)) else {
        return message;
    };
    let parts = [&*message.event, message.topic.as_str(), &id];
    let key = ConflationKey::new(&parts.map(str::as_bytes));
    let is_kept = is_device && message.topic.kind() == TopicKind::Room;
    message.retain = is_kept.then_some(STATUS_RETAINED);
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
