//! The form of messages that wait to be stored.
//!
//! They outlive members, so that their version is one of their own: MessagePack as arrays, fields are
//! only ever added at the end, and the version before it grows only if that does not do.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use serde::{Deserialize, Serialize};

use super::{DecodeError, topic, user};
use crate::{
    id::{Person, UserId},
    store::{Chat, Content, Push, Record, RecordId},
};

/// The version of the form that is written here.
const VERSION: u8 = 1;

#[derive(Deserialize, Serialize)]
struct WireRecord<'a> {
    /// When it was accepted, if its id does not say so.
    time_ms: Option<u64>,
    #[serde(borrow)]
    content: WireContent<'a>,
}

#[derive(Deserialize, Serialize)]
enum WireContent<'a> {
    #[serde(borrow)]
    Chat(WireChat<'a>),
    #[serde(borrow)]
    Push(WirePush<'a>),
}

#[derive(Deserialize, Serialize)]
struct WireChat<'a> {
    from: u64,
    to: u64,
    kind: char,
    msg: &'a str,
    packet_id: Option<&'a str>,
    is_online: bool,
}

#[derive(Deserialize, Serialize)]
struct WirePush<'a> {
    topic: &'a str,
    name: &'a str,
    event: &'a str,
    data: &'a serde_bytes::Bytes,
    sender: Option<&'a str>,
}

/// The bytes of a message that waits to be stored. `time_ms`: when it was accepted, in milliseconds since
/// the Unix epoch, if that is not what its id says.
pub fn encode(content: &Content, time_ms: Option<u64>) -> Bytes {
    let wire = WireRecord {
        time_ms,
        content: WireContent::of(content),
    };
    let mut writer = BytesMut::new().writer();
    writer.get_mut().put_u8(VERSION);
    rmp_serde::encode::write(&mut writer, &wire).expect("memory takes what is written");
    writer.into_inner().freeze()
}

/// Reads the message that was accepted under this id. What it holds shares the memory of `bytes`.
///
/// # Errors
///
/// The bytes are not what [`encode`] makes.
pub fn decode(id: RecordId, bytes: &Bytes) -> Result<Record, DecodeError> {
    let mut rest = bytes.clone();
    if rest.is_empty() {
        return Err(DecodeError::CutOff);
    }
    match rest.get_u8() {
        VERSION => {}
        version => return Err(DecodeError::Version(version)),
    }
    let wire: WireRecord<'_> = rmp_serde::from_slice(&rest).map_err(DecodeError::Form)?;
    Ok(Record {
        id,
        time_ms: wire.time_ms.unwrap_or(id.time_ms()),
        content: wire.content.read(&rest)?,
    })
}

// === impl WireContent ===

impl<'a> WireContent<'a> {
    fn of(content: &'a Content) -> Self {
        match content {
            Content::Chat(chat) => Self::Chat(WireChat {
                from: chat.from.number(),
                to: chat.to.number(),
                kind: chat.kind,
                msg: &chat.msg,
                packet_id: chat.packet_id.as_deref(),
                is_online: chat.is_online,
            }),
            Content::Push(push) => Self::Push(WirePush {
                topic: push.topic.as_str(),
                name: &push.name,
                event: &push.event,
                data: serde_bytes::Bytes::new(&push.data),
                sender: push.sender.as_ref().map(UserId::as_str),
            }),
        }
    }

    fn read(self, all: &Bytes) -> Result<Content, DecodeError> {
        Ok(match self {
            Self::Chat(chat) => Content::Chat(Chat {
                from: person(chat.from)?,
                to: person(chat.to)?,
                kind: chat.kind,
                msg: chat.msg.into(),
                packet_id: chat.packet_id.map(Into::into),
                is_online: chat.is_online,
            }),
            Self::Push(push) => Content::Push(Push {
                topic: topic(push.topic)?,
                name: push.name.into(),
                event: push.event.into(),
                data: all.slice_ref(push.data),
                sender: push.sender.map(user).transpose()?,
            }),
        })
    }
}

fn person(number: u64) -> Result<Person, DecodeError> {
    Person::new(number).ok_or(DecodeError::Value("the person", "is none"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: RecordId = RecordId::at(1_700_000_000_000);

    fn chat() -> Content {
        Content::Chat(Chat {
            from: Person::new(7).unwrap(),
            to: Person::new(300).unwrap(),
            kind: 't',
            msg: "h\u{e9}".into(),
            packet_id: Some("\"a\"".into()),
            is_online: true,
        })
    }

    fn push() -> Content {
        Content::Push(Push {
            topic: "room:x".parse().unwrap(),
            name: "5".into(),
            event: "e".into(),
            data: Bytes::from_static(b"[1]"),
            sender: Some("u".parse().unwrap()),
        })
    }

    /// Records of this form stand in servers: it never changes.
    #[test]
    fn the_bytes_are_those_that_were_agreed() {
        let expect = b"\x01\x92\xc0\x81\xa4Chat\x96\x07\xcd\x01\x2c\xa1t\xa3h\xc3\xa9\xa3\"a\"\xc3";
        assert_eq!(encode(&chat(), None), &expect[..]);
        let expect = b"\x01\x92\x05\x81\xa4Push\x95\xa6room:x\xa15\xa1e\xc4\x03[1]\xa1u";
        assert_eq!(encode(&push(), Some(5)), &expect[..]);
    }

    #[test]
    fn without_a_time_of_its_own_a_record_has_that_of_its_id() {
        let record = decode(ID, &encode(&chat(), None)).unwrap();
        assert_eq!((record.id, record.time_ms), (ID, 1_700_000_000_000));
        assert_eq!(record.content, chat());
        assert_eq!(decode(ID, &encode(&push(), Some(5))).unwrap().time_ms, 5);
    }

    #[test]
    fn what_a_newer_node_has_written_is_known_as_such() {
        let mut bytes = encode(&chat(), None).to_vec();
        bytes[0] = 2;
        assert!(matches!(
            decode(ID, &bytes.into()),
            Err(DecodeError::Version(2))
        ));
    }

    fn content() -> impl Strategy<Value = Content> {
        let person = (1..i64::MAX as u64).prop_filter_map("a person", Person::new);
        let text = || ".{0,40}".prop_map(String::into_boxed_str);
        let chat = (person.clone(), person, any::<char>(), text(), any::<bool>());
        let chat = (chat, proptest::option::of(text())).prop_map(
            |((from, to, kind, msg, is_online), packet_id)| {
                Content::Chat(Chat {
                    from,
                    to,
                    kind,
                    msg,
                    packet_id,
                    is_online,
                })
            },
        );
        let data = proptest::collection::vec(any::<u8>(), 0..50);
        let push = ("room:[a-z{}]{1,9}", text(), text(), data, "[a-z]{0,5}").prop_map(
            |(topic, name, event, data, sender)| {
                Content::Push(Push {
                    topic: topic.parse().unwrap(),
                    name,
                    event,
                    data: data.into(),
                    sender: sender.parse().ok(),
                })
            },
        );
        prop_oneof![chat, push]
    }

    proptest! {
        #[test]
        fn what_was_written_comes_back(content in content(), time_ms: Option<u64>) {
            let record = decode(ID, &encode(&content, time_ms)).unwrap();
            prop_assert_eq!(record.content, content);
            prop_assert_eq!(record.time_ms, time_ms.unwrap_or(ID.time_ms()));
        }

        #[test]
        fn nothing_that_stands_there_is_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..99)) {
            let _ = decode(ID, &bytes.into());
        }

        #[test]
        fn a_changed_record_is_no_panic(at in 0_usize..40, byte: u8) {
            let mut bytes = encode(&chat(), Some(1)).to_vec();
            let at = at % bytes.len();
            bytes[at] = byte;
            let _ = decode(ID, &bytes.into());
        }
    }
}
