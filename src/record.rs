//! Records: messages that were accepted, and which of them somebody asks for.

use bytes::Bytes;

use crate::{
    digest,
    id::{Person, UserId},
    topic::Topic,
};

/// Bits of a [`RecordId`] below its time.
const COUNT_BITS: u32 = 10;
/// Longest text of a chat message, in UTF-16 code units, in which its clients count. A column of so
/// many characters holds it.
pub const TEXT_UNITS_MAX: usize = 1023;
/// Longest id of an order, in bytes.
pub const ORDER_BYTES_MAX: usize = 128;

/// A message that was accepted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Record {
    /// Names it, and orders it among all records.
    pub id: RecordId,
    /// When it was accepted, in milliseconds since the Unix epoch; that of its id, but for rows that are
    /// older than Tidegate.
    pub time_ms: u64,
    /// What it says.
    pub content: Content,
}

/// Names a record: grows in the order in which records are accepted, and stays below 2^53 for the next
/// centuries, so that JavaScript reads it exactly. Those of rows that are older than Tidegate count
/// from 1.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RecordId(pub u64);

/// What a record says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Content {
    /// A message of one user to another.
    Chat(Chat),
    /// A durable message to a topic.
    Push(Push),
}

/// A message of one user to another: a row of the table `message`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Chat {
    /// Who sends it.
    pub from: Person,
    /// Whom it is for.
    pub to: Person,
    /// `t` for a text, `i` for a picture.
    pub kind: char,
    /// The text, at most [`TEXT_UNITS_MAX`] long.
    pub msg: Box<str>,
    /// The id that the sender has given it, as it stands in its JSON. Rows that are older than
    /// Tidegate have none.
    pub packet_id: Option<Box<str>>,
    /// Whether the receiver was online when it was accepted.
    pub is_online: bool,
}

/// A durable message to a topic: a row of the table `topic_message`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Push {
    /// Where it went.
    pub topic: Topic,
    /// The id of the message, as it stands in JSON.
    pub name: Box<str>,
    /// What happened, in the publisher's words.
    pub event: Box<str>,
    /// One JSON value.
    pub data: Bytes,
    /// Who published it, if a user did.
    pub sender: Option<UserId>,
}

/// Which records are asked for. All conditions hold.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Query {
    /// Whose they are.
    pub of: Of,
    /// Only those with greater ids.
    pub after: RecordId,
    /// Only those with smaller ids.
    pub before: Option<RecordId>,
    /// Only those that are as old as this or newer, in milliseconds since the Unix epoch.
    pub since_ms: u64,
    /// Only chat messages that this user has sent.
    pub from: Option<Person>,
    /// Most records.
    pub max: usize,
}

/// Whose records are asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Of {
    /// Chat messages that this user has sent or received.
    Chat(Person),
    /// What was pushed to this topic; if it is that of a [`Person`], also its chat messages.
    Topic(Topic),
}

// === impl RecordId ===

impl RecordId {
    /// Where the ids begin that Tidegate gives out. Smaller ones are those of rows that are older, and
    /// do not tell the time. Tidegate would have had to begin on 13 January 1970.
    pub const FIRST: Self = Self(1 << 40);

    /// The least id of a record that is accepted at this time. Whatever time somebody asks for, it is
    /// none of an earlier one.
    pub const fn at(time_ms: u64) -> Self {
        Self(time_ms.saturating_mul(1 << COUNT_BITS))
    }

    /// The id of the next record, if the last one had this id: a millisecond has 1,024 of them, and those
    /// beyond that are the next one's.
    pub fn next(self, now_ms: u64) -> Self {
        Self(self.0 + 1).max(Self::at(now_ms))
    }

    /// When the record was accepted, in milliseconds since the Unix epoch.
    pub const fn time_ms(self) -> u64 {
        self.0 >> COUNT_BITS
    }
}

// === impl Query ===

impl Query {
    /// Whether all conditions hold for a record, but that there may be too many.
    pub fn asks_for(&self, record: &Record) -> bool {
        let is_whose = match &self.of {
            Of::Chat(person) => record.content.is_chat_of(*person),
            Of::Topic(topic) => {
                let person = topic.person();
                person.is_some_and(|person| record.content.is_chat_of(person))
                    || matches!(&record.content, Content::Push(push) if push.topic == *topic)
            }
        };
        is_whose
            && self.after < record.id
            && self.before.is_none_or(|before| record.id < before)
            && self.since_ms <= record.time_ms
            && self
                .from
                .is_none_or(|from| record.content.is_chat_from(from))
    }
}

// === impl Content ===

impl Content {
    /// What repeats of a message have in common, if that can be told: of chat all of it, and so another
    /// message under the packet id of one before is no repeat. To look it up costs the same however often
    /// a client uses one packet id.
    pub fn digest(&self) -> Option<[u8; 16]> {
        Some(match self {
            Self::Chat(chat) => digest::of_parts([
                &b"chat"[..],
                &chat.from.number().to_be_bytes(),
                chat.packet_id.as_deref()?.as_bytes(),
                &chat.to.number().to_be_bytes(),
                chat.kind.encode_utf8(&mut [0; 4]).as_bytes(),
                chat.msg.as_bytes(),
            ]),
            Self::Push(push) => digest::of_parts([
                &b"push"[..],
                push.topic.as_str().as_bytes(),
                push.name.as_bytes(),
            ]),
        })
    }

    /// Whether a user has said this.
    pub fn is_chat_from(&self, user: Person) -> bool {
        matches!(self, Self::Chat(chat) if chat.from == user)
    }

    /// Whether a user has said this, or was told it.
    fn is_chat_of(&self, user: Person) -> bool {
        matches!(self, Self::Chat(chat) if chat.from == user || chat.to == user)
    }

    /// Whose history it is in.
    pub fn people(&self) -> impl Iterator<Item = Person> {
        let people = match self {
            Self::Chat(chat) => [Some(chat.from), Some(chat.to).filter(|to| *to != chat.from)],
            Self::Push(push) => [push.topic.person(), None],
        };
        people.into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_grow_and_tell_the_time() {
        let first = RecordId::default().next(1_700_000_000_000);
        assert_eq!(first.time_ms(), 1_700_000_000_000);
        let second = first.next(1_700_000_000_000);
        assert_eq!((second.0, second.time_ms()), (first.0 + 1, first.time_ms()));
        // The clock went back.
        assert_eq!(second.next(1_600_000_000_000).0, second.0 + 1);
        assert!(second.next(1_700_000_000_001).time_ms() == 1_700_000_000_001);
        assert!(RecordId::at(8_000_000_000_000).0 < 1 << 53);
        assert_eq!(RecordId::at(1 << 60).0, u64::MAX);
    }
}
