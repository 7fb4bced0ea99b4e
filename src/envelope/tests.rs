use bytes::Bytes;
use proptest::prelude::*;

use super::{Body, Claimed, DecodeError, Delta, Envelope};
use crate::{
    dialect::DialectId,
    duty::{Change, Changed, Deed, Duty},
    id::{Serial, SessionId},
    message::{ConflationKey, DeliveryClass, Message, MessageId, Relay, Sender},
    peer::{
        Answer, DataChange, DataOutcome, Joined, PageQuery, Question, SessionDetails, SessionInfo,
    },
};

fn message() -> Message {
    let mut message = Message::new(
        "room:a/b".parse().unwrap(),
        "e\u{1F600}",
        Bytes::from_static(br#"{"a":[1,"\u00e9"]}"#),
    );
    message.id = MessageId::Text("order-17".into());
    message.sender = Some(Sender {
        user: Some("7".parse().unwrap()),
        session: "gw.18f.2".parse().unwrap(),
    });
    message.time_ms = 1_700_000_000_123;
    message.class = DeliveryClass::Latest;
    message.conflate = Some(ConflationKey::new(&[b"x"]));
    message.relay = Some(Relay {
        dialect: DialectId::Ride,
        text: Bytes::from_static(b"{}"),
    });
    message.retain = Some(std::time::Duration::from_secs(86_400));
    message
}

/// What comes back is what was sent; messages have no equality of their own.
#[track_caller]
fn check(envelope: &Envelope) {
    let bytes = envelope.encode();
    let back = Envelope::decode(&bytes).unwrap();
    assert_eq!(back.encode(), bytes);
    // A user does not show in the text, so that it is compared for its own sake above.
    assert_eq!(format!("{back:?}"), format!("{envelope:?}"));
}

#[test]
fn a_text_that_is_relayed_as_it_is_travels_once() {
    let mut message = message();
    message.data = Bytes::from_static(&[b'x'; 100]);
    let with = |text: Bytes| {
        let relay = Relay {
            dialect: DialectId::Ride,
            text,
        };
        let relay = Some(relay);
        Envelope::Message(Message {
            relay,
            ..message.clone()
        })
    };
    let (same, other) = (with(message.data.clone()), with(Bytes::from_static(b"y")));
    check(&same);
    check(&other);
    assert!(same.encode().len() < other.encode().len());
    let Envelope::Message(back) = Envelope::decode(&same.encode()).unwrap() else {
        panic!("it is a message");
    };
    assert_eq!(back.relay.unwrap().text, message.data);
}

fn session() -> SessionId {
    "gw.1.2".parse().unwrap()
}

fn duty() -> Duty {
    Duty {
        id: "a".into(),
        deed: Deed::Call {
            url: "http://a/".into(),
            method: "m".into(),
            params: Bytes::from_static(b"[1.50]"),
        },
    }
}

#[test]
fn every_envelope_comes_back() {
    check(&Envelope::Message(message()));
    check(&Envelope::Retained(message()));
    check(&Envelope::Message(Message::new(
        "all".parse().unwrap(),
        "",
        Bytes::new(),
    )));
    check(&Envelope::Canary(u64::MAX));
}

#[test]
fn every_question_comes_back() {
    for question in [
        Question::Drain,
        Question::Sessions {
            topic: "user:7".parse().unwrap(),
            max: 3,
        },
        Question::Kick {
            topic: "session:gw.1.2".parse().unwrap(),
            reason: Some("why".into()),
        },
        Question::Owed(session()),
        Question::Owe {
            session: session(),
            change: Change::Add(duty()),
        },
        Question::Owe {
            session: session(),
            change: Change::Remove(None),
        },
        Question::Owe {
            session: session(),
            change: Change::Remove(Some("a".into())),
        },
        Question::Join {
            topic: "user:7".parse().unwrap(),
            room: "room:x".parse().unwrap(),
        },
        Question::Quit {
            topic: "room:x".parse().unwrap(),
            room: "room:x".parse().unwrap(),
        },
        Question::Rooms {
            after: Some("room:a".parse().unwrap()),
            max: 5,
        },
        Question::Page(PageQuery {
            topic: "all".parse().unwrap(),
            dialect: Some(DialectId::Ride),
            after: Some(Serial::new(3, 7)),
            max: 100,
        }),
        Question::Data {
            session: "gw.1.2".parse().unwrap(),
            change: DataChange::Merge("{}".into()),
        },
        Question::Data {
            session: "gw.1.2".parse().unwrap(),
            change: DataChange::Set("{}".into()),
        },
    ] {
        check(&Envelope::Ask { id: 5, question });
    }
}

#[test]
fn every_answer_comes_back() {
    let session = SessionInfo {
        id: "gw.1.2".parse().unwrap(),
        dialect: DialectId::Device,
        user: Some("7".parse().unwrap()),
        remote: "2001:db8::1".parse().unwrap(),
        since: 1,
        idle_seconds: 2,
    };
    for answer in [
        Answer::Done,
        Answer::Kicked(3),
        Answer::Owed(Changed::Gone),
        Answer::Owed(Changed::Kept(vec![duty(), duty()])),
        Answer::Owed(Changed::Missing),
        Answer::Owed(Changed::Taken),
        Answer::Owed(Changed::TooMany),
        Answer::Owed(Changed::Unknown),
        Answer::Sessions {
            count: 9,
            sessions: vec![session.clone()],
        },
        Answer::Joined(Joined {
            joined: 1,
            refused: 2,
        }),
        Answer::Quit(4),
        Answer::Rooms(vec!["room:a".parse().unwrap()]),
        Answer::Page(vec![SessionDetails {
            session,
            rooms: vec!["room:a".parse().unwrap()],
            data: "{\"a\":1}".into(),
        }]),
        Answer::Data(DataOutcome::Gone),
        Answer::Data(DataOutcome::Kept("{}".into())),
        Answer::Data(DataOutcome::TooLong(5000)),
    ] {
        check(&Envelope::Answer { id: 6, answer });
    }
}

#[test]
fn what_only_some_messages_have_stands_behind_what_older_members_read() {
    let plain = Envelope::Message(message()).encode();
    let mut message = message();
    message.expires_ms = Some(1_700_000_001_000);
    check(&Envelope::Message(message.clone()));
    message.except = Some(["gw.1.2".parse().unwrap(), "gw.1.3".parse().unwrap()].into());
    message.spares_sender = true;
    check(&Envelope::Message(message.clone()));
    check(&Envelope::Retained(message.clone()));
    let whole = Envelope::Message(message).encode();
    assert_eq!(whole[..plain.len()], plain);
    // What newer members will say there is passed over.
    let newer = b"\x82\xa3new\x01\xaaexpires_ms\x05";
    let newer = Bytes::from([&plain[..], newer].concat());
    let Envelope::Message(back) = Envelope::decode(&newer).unwrap() else {
        panic!("it is a message");
    };
    assert_eq!((back.expires_ms, back.except), (Some(5), None));
    let cut = whole.slice(..whole.len() - 1);
    assert!(matches!(Envelope::decode(&cut), Err(DecodeError::Form(_))));
}

#[test]
fn what_a_message_holds_is_not_copied() {
    let bytes = Envelope::Message(message()).encode();
    let Envelope::Message(back) = Envelope::decode(&bytes).unwrap() else {
        panic!();
    };
    assert!(bytes.as_ptr_range().contains(&back.data.as_ptr()));
}

#[test]
fn a_body_is_split_into_what_was_put_into_it() {
    let mut body = Body::new();
    assert!(body.is_empty());
    for text in ["a", "", "ccc"] {
        body.push(text.as_bytes());
    }
    assert_eq!(body.count(), 3);
    let bytes = body.finish();
    let parts = Body::split(bytes.clone()).unwrap();
    assert_eq!(parts, [&b"a"[..], b"", b"ccc"]);
    let cut = bytes.slice(..bytes.len() - 1);
    assert!(matches!(Body::split(cut), Err(DecodeError::CutOff)));
}

#[test]
fn a_newer_version_is_refused_as_such() {
    let newer = Bytes::from_static(&[2, 0]);
    assert!(matches!(
        Body::split(newer.clone()),
        Err(DecodeError::Version(2))
    ));
    assert!(matches!(Delta::decode(newer), Err(DecodeError::Version(2))));
}

#[test]
fn every_delta_comes_back() {
    let deltas = [
        Delta::Up,
        Delta::Want(None),
        Delta::Want(Some("gw.1".into())),
        Delta::Topics {
            joined: vec![1, u64::MAX],
            left: vec![],
        },
        Delta::Snapshot {
            number: 3,
            part: 1,
            last: true,
            topics: (0..1000).collect(),
        },
        Delta::Claims(vec![Claimed {
            key: (1, 2),
            holder: 3,
            since: Some((4, 5)),
        }]),
        Delta::Reaped("gw.2".into()),
        Delta::Down,
    ];
    let body = Delta::encode(&deltas);
    assert_eq!(Delta::decode(body).unwrap(), deltas);
}

proptest! {
    #[test]
    fn nothing_that_arrives_is_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let bytes = Bytes::from(bytes);
        let _ = Envelope::decode(&bytes);
        let _ = Delta::decode(bytes.clone());
        let _ = Body::split(bytes);
    }

    #[test]
    fn a_changed_envelope_is_no_panic(at in 0_usize..200, byte: u8) {
        let mut bytes = Envelope::Message(message()).encode().to_vec();
        let at = at % bytes.len();
        bytes[at] = byte;
        let _ = Envelope::decode(&bytes.into());
    }
}
