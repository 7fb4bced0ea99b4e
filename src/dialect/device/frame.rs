//! Frames of the `device` dialect, both ways.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::{
    dialect::{
        Incoming, Now,
        json::{self, Json, Object, ObjectWriter},
    },
    id::SessionId,
};

/// The server's own sign of life. The original sends exactly this, without a time.
pub(super) const HEARTBEAT: &[u8] = br#"{"type":"ping"}"#;

/// What a client can call its frames by, so that it knows the answers.
const NAMES: [&str; 2] = ["id", "seq"];
/// Longest one, in bytes of JSON.
const NAME_BYTES_MAX: usize = 128;
const WRONG_NAME: &str = "id and seq are numbers or texts of up to 128 bytes as JSON";

/// What a client asks for.
#[derive(Debug)]
pub(super) enum Command<'a> {
    /// Whether the server is alive.
    Ping,
    /// The client is alive.
    Pong,
    /// To be let in.
    Auth { token: Option<Cow<'a, str>> },
    /// Whatever its type stands for.
    Other(Request<'a>),
}

/// A frame whose type is none of the dialect's own.
#[derive(Debug)]
pub(super) struct Request<'a> {
    pub(super) kind: Cow<'a, str>,
    /// The data as it came: an object or an array.
    pub(super) data: &'a RawValue,
    /// The whole frame.
    pub(super) text: &'a str,
    fields: Object<'a>,
}

/// What a client has called a frame by, to know the answer by it: a part of that answer.
#[derive(Debug)]
pub(super) struct Names(Vec<u8>);

/// Reads a message; a binary one that is UTF-8 like a text.
///
/// # Errors
///
/// It is malformed, in words that the client may read. A `type` or `data` that stands twice is
/// malformed: the gateway and the next reader could take different ones. Within `data`, a token or
/// topic that stands twice is none.
pub(super) fn read(message: Incoming<'_>) -> Result<Command<'_>, &'static str> {
    let text = message.text().ok_or("the frame is not UTF-8")?;
    let Some(Json::Object(frame)) = json::parse(text) else {
        return Err("the frame is not a JSON object");
    };
    let kind = frame.find("type").map_err(|_| "type stands twice")?;
    let kind = kind
        .and_then(non_empty)
        .ok_or("type is missing or not a string")?;
    let data = frame.find("data").map_err(|_| "data stands twice")?;
    match &*kind {
        "ping" => return Ok(Command::Ping),
        "pong" => return Ok(Command::Pong),
        _ => {}
    }
    let data = data.filter(|data| data.get().starts_with(['{', '[']));
    let data = data.ok_or("data is neither an object nor an array")?;
    Ok(match &*kind {
        "auth" => Command::Auth {
            token: field(data, "token"),
        },
        _ => Command::Other(Request {
            kind,
            data,
            text: text.trim_ascii(),
            fields: frame,
        }),
    })
}

fn field<'a>(data: &'a RawValue, key: &str) -> Option<Cow<'a, str>> {
    non_empty(object(data.get())?.find(key).ok()??)
}

// === impl Request ===

impl<'a> Request<'a> {
    /// A text in the data that is not empty.
    pub(super) fn field(&self, key: &str) -> Option<Cow<'a, str>> {
        field(self.data, key)
    }

    /// `id` and `seq` of the frame, numbers or short texts.
    ///
    /// # Errors
    ///
    /// One of them is something else, or stands twice, in words that the client may read.
    pub(super) fn names(&self) -> Result<Names, &'static str> {
        let mut names = Vec::new();
        for key in NAMES {
            let value = self.fields.find(key).map_err(|_| WRONG_NAME)?;
            let Some(value) = value.filter(|value| value.get() != "null") else {
                continue;
            };
            if NAME_BYTES_MAX < value.get().len() || json::id(value).is_none() {
                return Err(WRONG_NAME);
            }
            names.extend_from_slice(format!(",\"{key}\":").as_bytes());
            names.extend_from_slice(value.get().as_bytes());
        }
        Ok(Names(names))
    }
}

// === impl Names ===

impl Names {
    /// What comes back with the outcome of a call: these, and the type of the frame.
    pub(super) fn reference(&self, kind: &str) -> Box<str> {
        // JSON has no such character outside of its texts, nor as it is inside.
        let names = String::from_utf8_lossy(&self.0);
        format!("{names}\0{kind}").into()
    }

    /// The other way round.
    pub(super) fn of_reference(reference: &str) -> (Self, &str) {
        let (names, kind) = reference.split_once('\0').unwrap_or(("", reference));
        (Self(names.as_bytes().to_vec()), kind)
    }

    /// The frame with these at its end.
    pub(super) fn added_to(&self, mut frame: Vec<u8>) -> Vec<u8> {
        frame.pop();
        frame.extend_from_slice(&self.0);
        frame.push(b'}');
        frame
    }
}

/// The object in a text, if it is one.
pub(super) fn object(text: &str) -> Option<Object<'_>> {
    match json::parse(text)? {
        Json::Object(object) => Some(object),
        Json::Null | Json::Other => None,
    }
}

/// Any frame of the server but its heartbeat and the answer to a client's.
pub(super) fn envelope(event: &str, data: &[u8], unix_seconds: u64) -> Vec<u8> {
    ObjectWriter::new()
        .text("type", event)
        .raw("data", data)
        .number("time", unix_seconds)
        .finish()
}

/// The client is let in.
pub(super) fn welcome(session: &SessionId, now: Now) -> Vec<u8> {
    let data = ObjectWriter::new()
        .text("status", "ok")
        .text("client_id", &session.to_string())
        .finish();
    envelope("auth", &data, now.unix_seconds())
}

/// Something went wrong.
pub(super) fn error(code: u64, message: &str, now: Now) -> Vec<u8> {
    let data = ObjectWriter::new()
        .number("code", code)
        .text("message", message)
        .finish();
    envelope("error", &data, now.unix_seconds())
}

/// A frame of this type came to nothing.
pub(super) fn failure(code: u64, message: &str, kind: &str, now: Now) -> Vec<u8> {
    let data = ObjectWriter::new()
        .number("code", code)
        .text("message", message)
        .text("type", kind)
        .finish();
    envelope("error", &data, now.unix_seconds())
}

/// The client has joined a room, or left it.
pub(super) fn membership(kind: &str, room: &str, now: Now) -> Vec<u8> {
    let data = ObjectWriter::new()
        .text("status", "ok")
        .text("room", room)
        .finish();
    envelope(kind, &data, now.unix_seconds())
}

/// The answer to a client's ping. It has a time as every frame has that is not the heartbeat, and
/// no data, as the ping has none.
pub(super) fn pong(now: Now) -> Vec<u8> {
    ObjectWriter::new()
        .text("type", "pong")
        .number("time", now.unix_seconds())
        .finish()
}

fn non_empty(value: &RawValue) -> Option<Cow<'_, str>> {
    json::string(value).filter(|text| !text.is_empty())
}
