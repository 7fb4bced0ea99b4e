//! Packets of clients of the `im` dialect: `{"id","to","type","msg"}`.

use serde_json::value::RawValue;

use super::{
    answer::{Fault, NO_ID},
    coordinates,
    settings::{Coordinates, Settings},
    value::{self, field},
};
use crate::{
    dialect::{
        ChatDraft, Incoming, Profile, Request,
        json::{self, Json, Object},
    },
    id::{Person, UserId},
    iso8601,
    position::Position,
    record::ORDER_BYTES_MAX,
    record::{Of, Query, RecordId, TEXT_UNITS_MAX},
};

/// Longest id of a packet, in bytes, as it stands in its JSON.
const ID_BYTES_MAX: usize = 128;
/// Most rows of a history.
const ROWS_MAX: usize = 40;
/// Latest time that JavaScript knows, in milliseconds since the Unix epoch.
const TIME_MS_MAX: f64 = 8.64e15;

/// What a client has sent.
#[derive(Debug)]
pub(super) struct Packet<'a> {
    /// Its id, as it stands in its JSON; [`NO_ID`] if it has none that is good.
    pub(super) id: &'a str,
    /// What it asks for.
    pub(super) command: Result<Command, Fault>,
}

/// What a client asks for.
#[derive(Debug, PartialEq)]
pub(super) enum Command {
    /// Whether the server is alive.
    Ping,
    /// What a service has to do.
    Call(Request),
}

/// Reads a packet of the user `me`; a binary one that is UTF-8 like a text. Of a key that stands twice
/// the last value counts, as in JavaScript.
pub(super) fn read<'a>(message: Incoming<'a>, me: Person, settings: Settings) -> Packet<'a> {
    let json = message.text().and_then(json::parse);
    let fields = match &json {
        Some(Json::Object(fields)) => Some(fields),
        _ => None,
    };
    let id = fields.and_then(|fields| field(fields, "id"));
    let id = id.filter(|id| is_id(id)).map(RawValue::get);
    let command = fields
        .zip(id)
        .ok_or(Fault::BadData)
        .and_then(|(fields, id)| command(fields, id, me, settings));
    Packet {
        id: id.unwrap_or(NO_ID),
        command,
    }
}

/// A string or a number. It is echoed as it stands, and goes to the receiver of a message.
fn is_id(value: &RawValue) -> bool {
    value.get().len() <= ID_BYTES_MAX && value::text(value).is_some()
}

/// Every packet has `type` and `to`, and all but a ping have `msg`.
fn command(
    fields: &Object<'_>,
    id: &str,
    me: Person,
    settings: Settings,
) -> Result<Command, Fault> {
    let kind = field(fields, "type").and_then(json::string);
    let kind = kind.ok_or(Fault::BadData)?;
    let to = field(fields, "to").ok_or(Fault::BadData)?;
    if kind == "P" {
        return Ok(Command::Ping);
    }
    let msg = field(fields, "msg").ok_or(Fault::BadData)?;
    let request = match &*kind {
        "t" => Some(Request::Chat(chat('t', id, to, msg)?)),
        "i" => Some(Request::Chat(chat('i', id, to, msg)?)),
        "H" => history(msg, me, settings.profile).map(Request::History),
        "O" => user(msg).map(Request::Online),
        "S" => position(msg, settings.coordinates).map(Request::Locate),
        "T" => order(msg).map(Request::TakeOrder),
        _ => None,
    };
    request.map(Command::Call).ok_or(Fault::BadData)
}

fn chat(kind: char, id: &str, to: &RawValue, msg: &RawValue) -> Result<ChatDraft, Fault> {
    let to = value::person(to).ok_or(Fault::BadData)?;
    let text = value::text(msg).ok_or(Fault::BadData)?;
    if TEXT_UNITS_MAX < text.encode_utf16().count() {
        return Err(Fault::TooLong);
    }
    Ok(ChatDraft {
        to,
        kind,
        msg: text.into(),
        packet_id: id.into(),
        json: msg.get().into(),
    })
}

/// `{"id":<last id or -1>,"from":<user or -1>}`; in the document's words a time.
fn history(msg: &RawValue, me: Person, profile: Profile) -> Option<Query> {
    let mut query = Query {
        of: Of::Chat(me),
        after: RecordId::default(),
        before: None,
        since_ms: 0,
        from: None,
        max: ROWS_MAX,
    };
    if let Some(asked) = value::object(msg) {
        query.after = match field(&asked, "id") {
            Some(id) => RecordId(u64::try_from(value::integer(id)?).unwrap_or_default()),
            None => RecordId::default(),
        };
        query.from = match field(&asked, "from") {
            Some(from) if value::integer(from)? < 0 => None,
            Some(from) => Some(value::person(from)?),
            None => None,
        };
    } else {
        query.since_ms = match profile {
            Profile::Documented => time(msg)?,
            Profile::Observed => return None,
        };
    }
    Some(query)
}

/// Milliseconds since the Unix epoch, or ISO 8601.
fn time(value: &RawValue) -> Option<u64> {
    if let Some(time_ms) = json::string(value).and_then(|text| iso8601::parse(&text)) {
        return Some(u64::try_from(time_ms).unwrap_or_default());
    }
    // Rows have whole milliseconds, of which the next one is the first that is as late.
    let time_ms = value::number(value)?.ceil();
    (0.0..=TIME_MS_MAX)
        .contains(&time_ms)
        .then_some(time_ms as u64)
}

/// A user of any dialect; those of this one are numbers.
fn user(value: &RawValue) -> Option<UserId> {
    if let Some(name) = json::string(value) {
        return name.parse().ok();
    }
    let number = u64::try_from(value::integer(value)?).ok()?;
    number.to_string().parse().ok()
}

/// The document's spelling goes before the program's.
fn position(msg: &RawValue, coordinates: Coordinates) -> Option<Position> {
    let place = value::object(msg)?;
    let longitude = field(&place, "longtitude").or(field(&place, "longitude"))?;
    let latitude = field(&place, "latitude")?;
    coordinates::position(
        coordinates,
        value::number(longitude)?,
        value::number(latitude)?,
    )
}

fn order(value: &RawValue) -> Option<Box<str>> {
    let id = value::text(value)?;
    let is_id = (1..=ORDER_BYTES_MAX).contains(&id.len()) && !id.chars().any(char::is_control);
    is_id.then(|| id.into())
}
