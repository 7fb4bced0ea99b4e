//! Frames of the `room` dialect, both ways.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::{
    dialect::{
        Incoming,
        json::{self, Json, Object, ObjectWriter},
    },
    id::UserId,
};

/// What a client has said.
#[derive(Debug)]
pub(super) enum Said<'a> {
    /// Something for one user or one room.
    Envelope(Envelope<'a>),
    /// An agent's word about a customer.
    Order(Order),
    /// An envelope or an agent's word that cannot be read, in words that the client may read.
    Malformed(&'static str),
    /// Anything else: an object perhaps.
    Other(Option<Object<'a>>),
}

/// A message with an address: `{"type":1,"from":"1","to":"2","message":[..]}`.
#[derive(Debug)]
pub(super) struct Envelope<'a> {
    pub(super) kind: Kind,
    /// A user or a room; never empty.
    pub(super) to: Cow<'a, str>,
    /// The client's own value.
    message: &'a RawValue,
}

/// For whom an envelope is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Single,
    Group,
}

/// What an agent wants done with a customer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Order {
    /// Who serves it from now on; nobody if it is `None`.
    pub(super) to: Option<UserId>,
    pub(super) customer: UserId,
}

/// What is said in chat mode: `{"message":any,"from":"<room>"}`.
#[derive(Debug)]
pub(super) struct Chat<'a> {
    pub(super) room: Cow<'a, str>,
    pub(super) message: &'a RawValue,
}

/// The `type` of an object, if it makes an envelope of it.
enum Type {
    Envelope(Kind),
    /// An integer that stands for nothing, or several.
    Unknown,
    /// No integer.
    None,
}

/// Reads a message; a binary one that is UTF-8 like a text.
pub(super) fn read(message: Incoming<'_>, is_agent: bool) -> Said<'_> {
    let Some(object) = message.text().and_then(object) else {
        return Said::Other(None);
    };
    let read = match type_of(&object) {
        Type::Envelope(kind) => Envelope::read(&object, kind).map(Said::Envelope),
        Type::Unknown => Err("type is neither 1 nor 2"),
        Type::None if is_agent => match Order::read(&object) {
            Some(order) => order.map(Said::Order),
            None => return Said::Other(Some(object)),
        },
        Type::None => return Said::Other(Some(object)),
    };
    read.unwrap_or_else(Said::Malformed)
}

/// What an application is told that a text is.
pub(super) fn kind_of(text: &str) -> &'static str {
    match object(text).map(|object| type_of(&object)) {
        Some(Type::Envelope(kind)) => kind.event(),
        _ => "message",
    }
}

fn object(text: &str) -> Option<Object<'_>> {
    match json::parse(text)? {
        Json::Object(object) => Some(object),
        Json::Null | Json::Other => None,
    }
}

fn type_of(object: &Object<'_>) -> Type {
    let is_type = |(name, value): &(&RawValue, &RawValue)| {
        json::is_key(name, "type") && is_integer(value.get())
    };
    let mut types = object.fields().filter(is_type);
    match types.next() {
        None => Type::None,
        Some((_, value)) if object.find("type").is_ok() => match value.get() {
            "1" => Type::Envelope(Kind::Single),
            "2" => Type::Envelope(Kind::Group),
            _ => Type::Unknown,
        },
        Some(_) => Type::Unknown,
    }
}

fn is_integer(number: &str) -> bool {
    let digits = number.strip_prefix('-').unwrap_or(number);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// A text or a number that is not empty, as text.
fn name<'a>(object: &Object<'a>, key: &str) -> Option<Cow<'a, str>> {
    let value = object.find(key).ok()??;
    json::id(value).filter(|name| !name.is_empty())
}

fn user(object: &Object<'_>, key: &str) -> Option<UserId> {
    name(object, key)?.parse().ok()
}

// === impl Envelope ===

impl<'a> Envelope<'a> {
    /// Its `from` is not looked at: who it is from is known.
    fn read(object: &Object<'a>, kind: Kind) -> Result<Self, &'static str> {
        let to = name(object, "to").ok_or("to is missing, or neither a text nor a number")?;
        let message = object.find("message").map_err(|_| "message stands twice")?;
        Ok(Self {
            kind,
            to,
            message: message.ok_or("message is missing")?,
        })
    }

    /// As it is delivered.
    pub(super) fn stamped(&self, from: &UserId) -> Vec<u8> {
        ObjectWriter::new()
            .number("type", self.kind.number())
            .text("from", from.as_str())
            .text("to", &self.to)
            .raw("message", self.message.get().as_bytes())
            .finish()
    }
}

// === impl Kind ===

impl Kind {
    /// What the message is called on its way.
    pub(super) const fn event(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Group => "group",
        }
    }

    const fn number(self) -> u64 {
        match self {
            Self::Single => 1,
            Self::Group => 2,
        }
    }
}

// === impl Order ===

impl Order {
    /// `None`: it is none.
    fn read(object: &Object<'_>) -> Option<Result<Self, &'static str>> {
        let kind = json::string(object.find("type").ok()??)?;
        let is_transfer = match &*kind {
            "transfer" => true,
            "release" => false,
            _ => return None,
        };
        let to = user(object, "to");
        if is_transfer && to.is_none() {
            return Some(Err("to is no user"));
        }
        let order = user(object, "customer").map(|customer| Self {
            to: to.filter(|_| is_transfer),
            customer,
        });
        Some(order.ok_or("customer is no user"))
    }

    /// What comes back with the outcome of the call.
    pub(super) fn reference(&self) -> Box<str> {
        format!("{}:{}", self.name(), self.customer.as_str()).into()
    }

    const fn name(&self) -> &'static str {
        match self.to {
            Some(_) => "transfer",
            None => "release",
        }
    }
}

// === impl Chat ===

impl<'a> Chat<'a> {
    /// `None`: a key is missing, or stands twice, or the room is neither a text nor a number.
    pub(super) fn read(object: &Object<'a>) -> Option<Self> {
        let room = json::id(object.find("from").ok()??)?;
        let message = object.find("message").ok()??;
        Some(Self { room, message })
    }
}

/// It was done.
pub(super) fn done(order: &str, customer: &str) -> Vec<u8> {
    ObjectWriter::new()
        .text("type", "ok")
        .text("of", order)
        .text("customer", customer)
        .finish()
}

/// It came to nothing.
pub(super) fn error(code: u64, message: &str) -> Vec<u8> {
    begun_error(code, message).finish()
}

/// What an agent wanted of a customer came to nothing.
pub(super) fn order_error(code: u64, message: &str, order: &str, customer: &str) -> Vec<u8> {
    begun_error(code, message)
        .text("of", order)
        .text("customer", customer)
        .finish()
}

fn begun_error(code: u64, message: &str) -> ObjectWriter {
    ObjectWriter::new()
        .text("type", "error")
        .number("code", code)
        .text("message", message)
}
