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

/// What a client asks for.
#[derive(Debug)]
pub(super) enum Command<'a> {
    /// Whether the server is alive.
    Ping,
    /// The client is alive.
    Pong,
    /// To be let in.
    Auth { token: Option<Cow<'a, str>> },
    /// To have something published.
    Publish {
        event: Cow<'a, str>,
        /// The topic, if `data` names one.
        to: Option<Cow<'a, str>>,
        /// The data as it came.
        data: &'a RawValue,
    },
}

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
    let field = |key| non_empty(object(data.get())?.find(key).ok()??);
    Ok(match &*kind {
        "auth" => Command::Auth {
            token: field("token"),
        },
        _ => Command::Publish {
            to: field("to"),
            event: kind,
            data,
        },
    })
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
