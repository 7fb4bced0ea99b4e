//! What an endpoint reads: one JSON object.

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::{
    happening::{Happening, Party, What},
    id::UserId,
    message::MessageId,
    topic::Topic,
};

/// What every body has, and then what its event adds.
#[derive(Serialize)]
struct Body<'a> {
    event: &'static str,
    id: &'a str,
    session: Option<String>,
    user: Option<&'a str>,
    dialect: Option<&'static str>,
    node: &'a str,
    /// Seconds since the Unix epoch, as in every other request of ours.
    time: u64,
    #[serde(flatten)]
    details: Details<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Details<'a> {
    Call {
        method: &'a str,
        params: &'a RawValue,
    },
    Closed {
        reason: &'a str,
        duration_ms: Option<u64>,
        rooms: Vec<&'a str>,
    },
    Message {
        kind: &'a str,
        data: &'a RawValue,
    },
    Opened {
        remote: std::net::IpAddr,
    },
    Room {
        room: &'a str,
    },
    Undeliverable {
        to: &'a str,
        message: Message<'a>,
        sender: Option<&'a str>,
    },
}

#[derive(Serialize)]
struct Message<'a> {
    id: Name<'a>,
    event: &'a str,
}

/// The id of a message, as the API tells it.
#[derive(Serialize)]
#[serde(untagged)]
enum Name<'a> {
    Number(u64),
    Text(&'a str),
}

/// The body that tells of a happening.
pub(super) fn encode(happening: &Happening) -> Bytes {
    let Happening {
        id,
        time_ms,
        member,
        what,
    } = happening;
    let party = what.party();
    let user = party.and_then(|Party { user, .. }| user.as_ref());
    let body = Body {
        event: what.kind().label(),
        id,
        session: party.map(|party| party.session.to_string()),
        user: user.map(|user| user.as_str()),
        dialect: party.map(|party| party.dialect.label()),
        node: member.node(),
        time: time_ms / 1000,
        details: details(what),
    };
    serde_json::to_vec(&body)
        .expect("texts, numbers and JSON are JSON")
        .into()
}

fn details(what: &What) -> Details<'_> {
    match what {
        What::CallDue { method, params, .. } => Details::Call {
            method,
            params: raw(params),
        },
        What::MessageReceived { kind, data, .. } => Details::Message {
            kind,
            data: raw(data),
        },
        What::RoomOccupied { room } | What::RoomVacated { room } => {
            Details::Room { room: room.id() }
        }
        What::SessionClosed {
            reason,
            duration_ms,
            rooms,
            ..
        } => Details::Closed {
            reason,
            duration_ms: *duration_ms,
            rooms: rooms.iter().map(Topic::id).collect(),
        },
        What::SessionOpened { remote, .. } => Details::Opened { remote: *remote },
        What::Undeliverable {
            topic,
            message,
            event,
            sender,
        } => Details::Undeliverable {
            to: topic.as_str(),
            message: Message {
                id: match message {
                    MessageId::Number(number) => Name::Number(*number),
                    MessageId::Text(text) => Name::Text(text),
                },
                event,
            },
            sender: sender.as_ref().map(UserId::as_str),
        },
    }
}

/// What is no JSON value is told as `null`, so that the rest can be read.
fn raw(json: &[u8]) -> &RawValue {
    serde_json::from_slice(json).unwrap_or(RawValue::NULL)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::dialect::DialectId;

    #[track_caller]
    fn check(what: What, expect: Value) {
        let happening = Happening {
            id: "h1".into(),
            time_ms: 1_700_000_000_999,
            member: "gw-1.18f3".parse().unwrap(),
            what,
        };
        let body: Value = serde_json::from_slice(&encode(&happening)).unwrap();
        let mut all = json!({
            "id": "h1", "session": null, "user": null, "dialect": null, "node": "gw-1",
            "time": 1_700_000_000,
        });
        let fields = expect.as_object().unwrap().clone();
        all.as_object_mut().unwrap().extend(fields);
        assert_eq!(body, all);
    }

    fn who() -> Party {
        Party {
            session: "gw-1.18f3.1".parse().unwrap(),
            user: Some("anna".parse().unwrap()),
            dialect: DialectId::Ride,
        }
    }

    #[test]
    fn every_event_says_what_it_is_about() {
        let of_session = |mut fields: Value| {
            let object = fields.as_object_mut().unwrap();
            object.insert("session".into(), json!("gw-1.18f3.1"));
            object.insert("user".into(), json!("anna"));
            object.insert("dialect".into(), json!("ride"));
            fields
        };
        check(
            What::SessionOpened {
                who: who(),
                remote: [192, 0, 2, 1].into(),
            },
            of_session(json!({"event": "session.opened", "remote": "192.0.2.1"})),
        );
        check(
            What::SessionClosed {
                who: who(),
                reason: "idle".into(),
                duration_ms: Some(7),
                rooms: vec!["room:a".parse().unwrap()],
            },
            of_session(json!({
                "event": "session.closed", "reason": "idle", "duration_ms": 7, "rooms": ["a"],
            })),
        );
        check(
            What::MessageReceived {
                who: who(),
                kind: "order".into(),
                data: r#"{"n":1.50}"#.into(),
            },
            of_session(json!({"event": "message.received", "kind": "order", "data": {"n": 1.5}})),
        );
        check(
            What::CallDue {
                who: who(),
                url: "http://h/".into(),
                method: "shop.bye".into(),
                params: "not json".into(),
            },
            of_session(json!({"event": "call.due", "method": "shop.bye", "params": null})),
        );
        let room = || "room:a".parse().unwrap();
        for (what, event) in [
            (What::RoomOccupied { room: room() }, "room.occupied"),
            (What::RoomVacated { room: room() }, "room.vacated"),
        ] {
            check(what, json!({"event": event, "room": "a"}));
        }
        check(
            What::Undeliverable {
                topic: "user:bert".parse().unwrap(),
                message: MessageId::Number(7),
                event: "e".into(),
                sender: None,
            },
            json!({
                "event": "undeliverable", "to": "user:bert", "message": {"id": 7, "event": "e"},
                "sender": null,
            }),
        );
    }

    #[test]
    fn data_is_told_as_it_came() {
        let happening = Happening {
            id: "h1".into(),
            time_ms: 0,
            member: "gw-1.18f3".parse().unwrap(),
            what: What::MessageReceived {
                who: who(),
                kind: "order".into(),
                data: r#"{"n": 1.50, "big": 12345678901234567890123}"#.into(),
            },
        };
        let body = encode(&happening);
        let text = std::str::from_utf8(&body).unwrap();
        assert!(
            text.ends_with(r#""data":{"n": 1.50, "big": 12345678901234567890123}}"#),
            "{text}"
        );
    }
}
