//! Frames of clients.

use std::borrow::Cow;

use bytes::Bytes;

use super::{
    Party,
    escape::{escaped, escaped_text},
};
use crate::{
    dialect::{
        Incoming, Profile,
        json::{self, Json, Object, ObjectWriter, is_key},
    },
    id::SessionId,
};

/// What the server says itself in every request, whatever the client says.
const INJECTED: [&str; 3] = ["fd", "code", "auth"];
const METHOD: &str = "method";
/// Longest text that may be the number of the heartbeat.
const NUMBER_BYTES_MAX: usize = 32;

/// What a client has sent.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Frame {
    /// Its sign of life.
    Heartbeat,
    /// A method it calls.
    Request(Request),
}

/// A method that a client calls.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Request {
    /// As the client has written it, escaped; empty if there is none.
    pub(super) method: Box<str>,
    /// The whole frame with texts escaped, and with what the server says itself.
    pub(super) body: Bytes,
}

/// Reads a message; a binary one that is UTF-8 like a text. Nothing: it is neither a heartbeat nor a JSON
/// object. The original takes arrays too, which have no method.
pub(super) fn read(
    message: Incoming<'_>,
    profile: Profile,
    session: &SessionId,
    party: &Party,
) -> Option<Frame> {
    let text = message.text()?;
    if is_heartbeat(text) {
        return Some(Frame::Heartbeat);
    }
    let object = match json::parse(text)? {
        Json::Object(object) => object,
        Json::Other if profile == Profile::Observed && text.trim_ascii().starts_with('[') => {
            return Some(Frame::Request(request(None, session, party)));
        }
        Json::Null | Json::Other => return None,
    };
    let request = match escaped(text) {
        Cow::Borrowed(_) => request(Some(&object), session, party),
        Cow::Owned(text) => match json::parse(&text)? {
            Json::Object(object) => request(Some(&object), session, party),
            Json::Null | Json::Other => return None,
        },
    };
    Some(Frame::Request(request))
}

/// As the original compares: any number that is two.
fn is_heartbeat(text: &str) -> bool {
    let text = text.trim_ascii();
    let allowed = |byte: u8| byte.is_ascii_digit() || b"+-.eE".contains(&byte);
    text.len() <= NUMBER_BYTES_MAX
        && text.bytes().all(allowed)
        && text.parse::<f64>().is_ok_and(|number| number == 2.0)
}

fn request(object: Option<&Object<'_>>, session: &SessionId, party: &Party) -> Request {
    // Of two, what most parsers take; the body has that one alone.
    let method = object.and_then(|object| object.last(METHOD));
    let mut body = ObjectWriter::new();
    for (name, value) in object.into_iter().flat_map(Object::fields) {
        let is_other =
            is_key(name, METHOD) && method.is_some_and(|used| !std::ptr::eq(used, value));
        if !is_other && !INJECTED.iter().any(|key| is_key(name, key)) {
            body = body.field(name, value);
        }
    }
    let body = body
        .text("fd", &session.to_string())
        .text("code", &escaped_text(&party.code))
        .raw("auth", &party.to_json());
    Request {
        method: method.and_then(json::id).unwrap_or_default().into(),
        body: body.finish().into(),
    }
}
