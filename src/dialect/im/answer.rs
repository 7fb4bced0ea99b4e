//! What the server says in the `im` dialect: one packet per text, with its keys in the order of the
//! original program.

use crate::{
    dialect::{Now, Outcome, Profile, json::ObjectWriter},
    iso8601,
    record::{Chat, Content, Record},
};

/// The id in packets that answer none.
pub(super) const NO_ID: &str = "0";
/// What a client is sent whose session somebody else ends.
pub(super) const FAREWELL: &[u8] =
    br#"{"id":0,"from":0,"type":"C","msg":"Server closes websocket"}"#;

/// Something a client is told that went wrong, in the words of the original program.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fault {
    /// The packet cannot be read.
    BadData,
    /// The token is refused.
    BadToken,
    /// A service did not do its part.
    Failed,
    /// There is no such order.
    NoOrder,
    /// The client is no courier, or not this order's.
    NoRight,
    /// The receiver is none of the sender's friends.
    NotFriends,
    /// The message is not known to be kept.
    NotStored,
    /// The client has taken the order before.
    Taken,
    /// The message has too many characters.
    TooLong,
}

/// The client is let in.
pub(super) fn welcome(profile: Profile, now: Now) -> Vec<u8> {
    let msg = match profile {
        Profile::Documented => "login in",
        Profile::Observed => "Connect successfully",
    };
    begin(NO_ID, "L")
        .text("msg", msg)
        .number("timestamp", now.unix_ms)
        .finish()
}

/// The server is alive. The document has its packet addressed, the program has not.
pub(super) fn pong(profile: Profile, id: &str) -> Vec<u8> {
    let packet = ObjectWriter::new()
        .raw("id", id.as_bytes())
        .number("from", 0);
    let packet = match profile {
        Profile::Documented => packet.number("to", 0),
        Profile::Observed => packet,
    };
    packet.text("type", "P").text("msg", "pong").finish()
}

/// Something went wrong.
pub(super) fn error(id: &str, fault: Fault) -> Vec<u8> {
    begin(id, "E").text("msg", fault.text()).finish()
}

/// What became of the call that packet `id` was.
pub(super) fn returned(profile: Profile, id: &str, outcome: Outcome, now: Now) -> Vec<u8> {
    match outcome {
        Outcome::Kept { time_ms } => kept(profile, id, time_ms),
        Outcome::History(records) => begin(id, "H")
            .raw("msg", &rows(profile, &records))
            .number("timestamp", now.unix_ms)
            .finish(),
        Outcome::Located => begin(id, "A").text("msg", "updated position").finish(),
        Outcome::Online(is_online) => begin(id, "O")
            .raw("msg", is_online.to_string().as_bytes())
            .number("timestamp", now.unix_ms)
            .finish(),
        Outcome::Taken { customer } => begin(id, "A")
            .text("msg", "success")
            .number("uid", customer.number())
            .finish(),
        Outcome::NoCourier | Outcome::NotYours => error(id, Fault::NoRight),
        Outcome::NoOrder => error(id, Fault::NoOrder),
        Outcome::NotFriends => error(id, Fault::NotFriends),
        Outcome::NotKept => error(id, Fault::NotStored),
        Outcome::TakenBefore => error(id, Fault::Taken),
        Outcome::Unavailable
        | Outcome::Answered(_)
        | Outcome::Live(_)
        | Outcome::NotAnswered(_)
        | Outcome::Service(_) => error(id, Fault::Failed),
    }
}

/// A message is stored, and on its way.
fn kept(profile: Profile, id: &str, time_ms: u64) -> Vec<u8> {
    let msg = match profile {
        Profile::Documented => "success",
        Profile::Observed => "",
    };
    begin(id, "A")
        .text("msg", msg)
        .number("timestamp", time_ms)
        .finish()
}

/// An array with the rows of chat messages, in their order.
fn rows(profile: Profile, records: &[Record]) -> Vec<u8> {
    let mut rows = vec![b'['];
    for record in records {
        // Others are not asked for.
        let Content::Chat(chat) = &record.content else {
            continue;
        };
        if 1 < rows.len() {
            rows.push(b',');
        }
        rows.extend(row(profile, record, chat));
    }
    rows.push(b']');
    rows
}

/// A row as the document has it; or as the driver of the original program gives it, to which a bit is a
/// buffer.
fn row(profile: Profile, record: &Record, chat: &Chat) -> Vec<u8> {
    let is_online = match (profile, chat.is_online) {
        (Profile::Documented, true) => "true",
        (Profile::Documented, false) => "false",
        (Profile::Observed, true) => r#"{"type":"Buffer","data":[1]}"#,
        (Profile::Observed, false) => r#"{"type":"Buffer","data":[0]}"#,
    };
    ObjectWriter::new()
        .number("id", record.id.0)
        .number("from", chat.from.number())
        .number("to", chat.to.number())
        .text("type", chat.kind.encode_utf8(&mut [0; 4]))
        .text("msg", &chat.msg)
        .raw("send", is_online.as_bytes())
        .text("timestamp", &iso8601::format(record.time_ms))
        .finish()
}

fn begin(id: &str, kind: &str) -> ObjectWriter {
    ObjectWriter::new()
        .raw("id", id.as_bytes())
        .number("from", 0)
        .text("type", kind)
}

// === impl Fault ===

impl Fault {
    const fn text(self) -> &'static str {
        match self {
            Self::BadData => "Bad data formation",
            Self::BadToken => "Invalidate token",
            Self::Failed => "Unknown error",
            Self::NoOrder => "Can't find order",
            Self::NoRight => "You have no right to do",
            Self::NotFriends => "You are not friends",
            Self::NotStored => "Fail to storage message",
            Self::Taken => "Already send!",
            Self::TooLong => "Message is too long",
        }
    }
}
