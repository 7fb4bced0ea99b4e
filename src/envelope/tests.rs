use bytes::Bytes;
use proptest::prelude::*;

use super::{Body, Claimed, DecodeError, Delta, Encoded, Envelope, Version, letter};
use crate::{
    dialect::DialectId,
    duty::{Change, Changed, Deed, Duty},
    id::{Serial, SessionId},
    message::{ConflationKey, DeliveryClass, Message, MessageId, Relay, Sender},
    peer::{
        Answer, DataChange, DataOutcome, Joined, PageQuery, Question, SessionDetails, SessionInfo,
    },
    trace::{Event, Explained, Step, Tailed, TraceId, WatchQuery},
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

/// Every version that this node knows.
fn versions() -> impl Iterator<Item = Version> {
    (0..=u8::MAX).filter_map(Version::of_number)
}

/// What comes back is what was sent, in every version; messages have no equality of their own.
#[track_caller]
fn check(envelope: &Envelope) {
    for version in versions() {
        let encoded = envelope.encode(version);
        let back = encoded.decode().unwrap();
        assert_eq!(back.encode(version), encoded);
        // A user does not show in the text, so that it is compared for its own sake above.
        assert_eq!(format!("{back:?}"), format!("{envelope:?}"));
    }
}

fn encoded(version: Version, bytes: impl Into<Bytes>) -> Encoded {
    Encoded {
        version: version.number(),
        bytes: bytes.into(),
    }
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
    for version in versions() {
        let encoded = same.encode(version);
        assert!(encoded.bytes.len() < other.encode(version).bytes.len());
        let Envelope::Message(back) = encoded.decode().unwrap() else {
            panic!("it is a message");
        };
        assert_eq!(back.relay.unwrap().text, message.data);
    }
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
        Question::Explain(TraceId::of_text("a")),
        Question::Tail(WatchQuery {
            watch: u64::MAX,
            topic: "room:x".parse().unwrap(),
            with_data: true,
        }),
        Question::Unknown,
    ] {
        check(&Envelope::Ask { id: 5, question });
    }
}

fn step() -> Step {
    Step {
        time_ms: 1_700_000_000_000,
        name: "written".into(),
        facts: vec![("session".into(), "gw.1.2".into())],
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
        Answer::Explained(Explained {
            steps: vec![step()],
            left_out: 2,
            since_ms: 3,
            sample: 4,
        }),
        Answer::Tailed(Tailed {
            events: vec![Event {
                number: 5,
                trace: TraceId::of_text("a"),
                step: step(),
            }],
            sessions: 6,
            is_refused: true,
        }),
        Answer::Unknown,
    ] {
        check(&Envelope::Answer { id: 6, answer });
    }
}

#[test]
fn what_only_some_messages_have_stands_behind_what_older_members_read() {
    let mut message = message();
    message.expires_ms = Some(1_700_000_001_000);
    check(&Envelope::Message(message.clone()));
    message.except = Some(["gw.1.2".parse().unwrap(), "gw.1.3".parse().unwrap()].into());
    message.spares_sender = true;
    check(&Envelope::Message(message.clone()));
    check(&Envelope::Retained(message.clone()));
    for version in [Version::One, Version::Two] {
        let plain = Envelope::Message(self::message()).encode(version).bytes;
        let whole = Envelope::Message(message.clone()).encode(version).bytes;
        assert_eq!(whole[..plain.len()], plain);
        // What newer members will say there is passed over.
        let newer = b"\x82\xa3new\x01\xaaexpires_ms\x05";
        let newer = encoded(version, [&plain[..], newer].concat());
        let Envelope::Message(back) = newer.decode().unwrap() else {
            panic!("it is a message");
        };
        assert_eq!((back.expires_ms, back.except), (Some(5), None));
        let cut = encoded(version, whole.slice(..whole.len() - 1));
        assert!(matches!(cut.decode(), Err(DecodeError::Form(_))));
    }
}

/// Members of older releases write and read these.
#[test]
fn the_bytes_of_version_1_and_2_never_change() {
    let mut message = Message::new("room:x".parse().unwrap(), "e", Bytes::from_static(b"[1]"));
    message.time_ms = 5;
    let message = Envelope::Message(message);
    let parts = b"\x9b\x81\xa6Number\x00\xa6room:x\xa1e\xc4\x03[1]\xc0\x05\x00\xc0\xc0\xc0\xc0";
    let one = message.encode(Version::One).bytes;
    assert_eq!(one, [&b"\x81\xa7Message"[..], parts].concat());
    let two = message.encode(Version::Two).bytes;
    assert_eq!(two, [&b"\x01"[..], parts].concat());
    let ask = Envelope::Ask {
        id: 7,
        question: Question::Drain,
    };
    assert_eq!(
        ask.encode(Version::One).bytes,
        &b"\x81\xa3Ask\x92\x07\xa5Drain"[..]
    );
    let two = b"\x04\0\0\0\0\0\0\0\x07\xa5Drain";
    assert_eq!(ask.encode(Version::Two).bytes, &two[..]);
    let deltas = [Delta::Up, Delta::Reaped("g.1".into())];
    let one = Delta::encode(&deltas, Version::One);
    assert_eq!(one, &b"\x01\x92\xa2Up\x81\xa6Reaped\xa3g.1"[..]);
    let two = Delta::encode(&deltas, Version::Two);
    assert_eq!(two, &b"\x02\x06\0\0\0\0\x04\0\0\0\x04\xa3g.1"[..]);
}

#[test]
fn from_version_2_on_what_is_not_known_is_told_apart() {
    let number = [0, 0, 0, 0, 0, 0, 0, 7];
    let question = encoded(Version::Two, [&[4][..], &number, b"\xa3New"].concat());
    let answer = encoded(
        Version::Two,
        [&[5][..], &number, b"\x81\xa3New\x01"].concat(),
    );
    let unknown = Question::Unknown;
    assert!(
        matches!(question.decode(), Ok(Envelope::Ask { id: 7, question }) if question == unknown)
    );
    let unknown = Answer::Unknown;
    assert!(matches!(answer.decode(), Ok(Envelope::Answer { id: 7, answer }) if answer == unknown));
    let kind = encoded(Version::Two, vec![200]);
    assert!(matches!(
        kind.decode(),
        Err(DecodeError::Value("the kind", _))
    ));
    // In the log it is passed over.
    let log = Bytes::from_static(b"\x02\xc8\0\0\0\x01x\x06\0\0\0\0");
    assert_eq!(Delta::decode(log).unwrap(), (Version::Two, vec![Delta::Up]));
    // Version 1 cannot.
    let question = encoded(Version::One, b"\x81\xa3Ask\x92\x07\xa3New".to_vec());
    assert!(matches!(question.decode(), Err(DecodeError::Form(_))));
}

#[test]
fn what_a_message_holds_is_not_copied() {
    for version in versions() {
        let encoded = Envelope::Message(message()).encode(version);
        let Envelope::Message(back) = encoded.decode().unwrap() else {
            panic!();
        };
        assert!(encoded.bytes.as_ptr_range().contains(&back.data.as_ptr()));
    }
}

#[test]
fn letters_are_read_in_whichever_version_they_were_kept() {
    let shown = format!("{:?}", message());
    let check =
        |letter: &Bytes| assert_eq!(format!("{:?}", letter::decode(letter).unwrap()), shown);
    check(&letter::encode(&message()));
    for version in versions() {
        let Encoded { version, bytes } = Envelope::encode_message(&message(), version);
        check(&[&[version][..], &bytes].concat().into());
    }
    // Those that were written before letters had versions.
    check(&Envelope::encode_message(&message(), Version::One).bytes);
    let newer = Bytes::from_static(&[100, 1]);
    assert!(matches!(
        letter::decode(&newer),
        Err(DecodeError::Version(100))
    ));
    assert!(letter::decode(&Bytes::new()).is_err());
    let ring = Envelope::Ring("user:7".parse().unwrap()).encode(Version::One);
    assert!(letter::decode(&ring.bytes).is_err());
}

#[test]
fn a_body_is_split_into_what_was_put_into_it() {
    let mut body = Body::new(1);
    assert!(body.is_empty());
    let parts = ["a", "", "ccc"].map(|text| encoded(Version::One, text));
    for part in &parts {
        body.push(part);
    }
    assert_eq!(body.count(), 3);
    let bytes = body.finish();
    assert_eq!(Body::split(bytes.clone()).unwrap(), parts);
    let cut = bytes.slice(..bytes.len() - 1);
    assert!(matches!(Body::split(cut), Err(DecodeError::CutOff)));
}

#[test]
fn a_newer_version_is_counted_and_refused_as_such() {
    let body = Bytes::from_static(b"\x64\0\0\0\x01a\0\0\0\x01b");
    let envelopes = Body::split(body.clone()).unwrap();
    assert_eq!(envelopes.len(), 2);
    for envelope in envelopes {
        assert!(matches!(envelope.decode(), Err(DecodeError::Version(100))));
    }
    assert!(matches!(
        Delta::decode(body),
        Err(DecodeError::Version(100))
    ));
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
    for version in versions() {
        let body = Delta::encode(&deltas, version);
        assert_eq!(Delta::decode(body).unwrap(), (version, deltas.to_vec()));
    }
}

proptest! {
    #[test]
    fn nothing_that_arrives_is_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let bytes = Bytes::from(bytes);
        for version in versions() {
            let _ = encoded(version, bytes.clone()).decode();
        }
        let _ = letter::decode(&bytes);
        let _ = Delta::decode(bytes.clone());
        let _ = Body::split(bytes);
    }

    #[test]
    fn a_changed_envelope_is_no_panic(at in 0_usize..200, byte: u8) {
        for version in versions() {
            let mut bytes = Envelope::Message(message()).encode(version).bytes.to_vec();
            let at = at % bytes.len();
            bytes[at] = byte;
            let _ = encoded(version, bytes).decode();
        }
    }
}
