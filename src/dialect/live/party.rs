//! Who a client is, by its `auth`.

use serde_json::value::RawValue;

use super::escape::{escaped, escaped_text};
use crate::{
    dialect::json::{self, Object, ObjectWriter},
    id::UserId,
    topic::{ROOM_CHARS_MAX, Topic},
};

/// Longest nickname, in characters.
pub const NICKNAME_CHARS_MAX: usize = 256;
/// Longest code of a room that there can be, in characters.
pub const CODE_CHARS_MAX: usize = ROOM_CHARS_MAX - "live/users/".len();
/// Longest type, in bytes.
const KIND_BYTES_MAX: usize = 64;

/// Who a client is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Party {
    /// The user.
    pub user: UserId,
    /// The user's id as JSON, a number or a text, escaped.
    pub id: Box<str>,
    /// The type: `wechatUser`, `wall` or another.
    pub kind: Box<str>,
    /// The code of the room; empty if there is none.
    pub code: Box<str>,
    /// The nickname, escaped.
    pub nickname: Box<str>,
}

// === impl Party ===

impl Party {
    /// The party whose id stands in `id_key` of an object, beside `type`, `code` and `nickname`. Nobody:
    /// there is no id or no type, a key stands twice, or something is longer than it can be.
    pub fn read(object: &Object<'_>, id_key: &str) -> Option<Self> {
        let id = object.find(id_key).ok()??;
        let user = id_text(id)?.parse().ok()?;
        let kind = text(object, "type")?;
        let code = text(object, "code")?;
        let nickname = text(object, "nickname")?;
        let is_short =
            kind.len() <= KIND_BYTES_MAX && nickname.chars().count() <= NICKNAME_CHARS_MAX;
        (is_short && !kind.is_empty()).then(|| Self {
            user,
            id: escaped(id.get()).into(),
            kind: kind.into(),
            code: code.into(),
            nickname: escaped_text(&nickname).into(),
        })
    }

    /// Whether it is somebody with a phone.
    pub fn is_user(&self) -> bool {
        &*self.kind == "wechatUser"
    }

    /// Whether it is a big screen.
    pub fn is_wall(&self) -> bool {
        &*self.kind == "wall"
    }

    /// As applications and controllers are told, with texts escaped.
    pub fn to_json(&self) -> Vec<u8> {
        ObjectWriter::new()
            .raw("id", self.id.as_bytes())
            .text("type", &escaped_text(&self.kind))
            .text("code", &escaped_text(&self.code))
            .text("nickname", &self.nickname)
            .finish()
    }

    /// The room of those with phones in the party's room.
    ///
    /// # Errors
    ///
    /// The code is none that a room can have.
    pub fn users_room(&self) -> Result<Topic, crate::topic::ParseTopicError> {
        Topic::room(&format!("live/users/{}", self.code))
    }

    /// The room of the big screens in the party's room.
    ///
    /// # Errors
    ///
    /// The code is none that a room can have.
    pub fn walls_room(&self) -> Result<Topic, crate::topic::ParseTopicError> {
        Topic::room(&format!("live/walls/{}", self.code))
    }
}

/// The text of an id, unless it is one that the original takes for none.
fn id_text(value: &RawValue) -> Option<String> {
    let text = json::id(value)?;
    let is_number = !value.get().starts_with('"');
    let is_whole = text.bytes().all(|byte| byte.is_ascii_digit());
    match is_number {
        true => (is_whole && &*text != "0").then(|| text.into_owned()),
        false => (!text.is_empty()).then(|| text.into_owned()),
    }
}

/// The text or number of a field as text; empty if it is not there or null. Nothing: it is something
/// else, or stands twice.
fn text(object: &Object<'_>, key: &str) -> Option<String> {
    match object.find(key).ok()? {
        None => Some(String::new()),
        Some(value) if value.get() == "null" => Some(String::new()),
        Some(value) => Some(json::id(value)?.into_owned()),
    }
}
