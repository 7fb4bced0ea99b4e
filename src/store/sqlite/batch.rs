//! Batches: records of one commit behind one another, in one value.
//!
//! Each is a letter for its kind and its fields in order: numbers have eight bytes, the least first, and
//! texts follow their lengths. Nothing is left out, so that a batch says all there is.

use rusqlite::types::Type;

use crate::{
    id::Person,
    store::{Chat, Content, Push, Record, RecordId},
};

const CHAT: u8 = b'c';
const PUSH: u8 = b'p';
/// Stands for the length of a text that is not there.
const ABSENT: u64 = u64::MAX;

/// The bytes of a batch are none that this version has written.
#[derive(Debug, thiserror::Error)]
#[error("a batch of records cannot be read")]
pub(super) struct BatchError;

/// Reads one after the other.
struct Reader<'a>(&'a [u8]);

/// Puts a record behind those that are there. Its time is that of its id.
pub(super) fn write(batch: &mut Vec<u8>, record: &Record) {
    debug_assert_eq!(record.time_ms, record.id.time_ms());
    match &record.content {
        Content::Chat(chat) => {
            batch.push(CHAT);
            write_number(batch, record.id.0);
            write_number(batch, chat.from.number());
            write_number(batch, chat.to.number());
            write_number(batch, u32::from(chat.kind).into());
            write_number(batch, chat.is_online.into());
            write_bytes(batch, Some(chat.msg.as_bytes()));
            write_bytes(batch, chat.packet_id.as_deref().map(str::as_bytes));
        }
        Content::Push(push) => {
            batch.push(PUSH);
            write_number(batch, record.id.0);
            write_bytes(batch, Some(push.topic.as_str().as_bytes()));
            write_bytes(batch, Some(push.name.as_bytes()));
            write_bytes(batch, Some(push.event.as_bytes()));
            write_bytes(batch, Some(&push.data));
            let sender = push.sender.as_ref();
            write_bytes(batch, sender.map(|sender| sender.as_str().as_bytes()));
        }
    }
}

/// The records of a batch, in their order.
///
/// # Errors
///
/// See [`BatchError`].
pub(super) fn read(batch: &[u8]) -> Result<Vec<Record>, BatchError> {
    let (mut records, mut reader) = (Vec::new(), Reader(batch));
    while !reader.0.is_empty() {
        records.push(reader.record().ok_or(BatchError)?);
    }
    Ok(records)
}

fn write_number(batch: &mut Vec<u8>, number: u64) {
    batch.extend_from_slice(&number.to_le_bytes());
}

fn write_bytes(batch: &mut Vec<u8>, bytes: Option<&[u8]>) {
    write_number(batch, bytes.map_or(ABSENT, |bytes| bytes.len() as u64));
    batch.extend_from_slice(bytes.unwrap_or_default());
}

// === impl Reader ===

impl<'a> Reader<'a> {
    fn record(&mut self) -> Option<Record> {
        let (kind, rest) = self.0.split_first()?;
        self.0 = rest;
        let id = RecordId(self.number()?);
        let content = match *kind {
            CHAT => Content::Chat(self.chat()?),
            PUSH => Content::Push(self.push()?),
            _ => return None,
        };
        Some(Record {
            id,
            time_ms: id.time_ms(),
            content,
        })
    }

    fn chat(&mut self) -> Option<Chat> {
        Some(Chat {
            from: Person::new(self.number()?)?,
            to: Person::new(self.number()?)?,
            kind: char::from_u32(u32::try_from(self.number()?).ok()?)?,
            is_online: self.number()? != 0,
            msg: self.text()??.into(),
            packet_id: self.text()?.map(Box::from),
        })
    }

    fn push(&mut self) -> Option<Push> {
        Some(Push {
            topic: self.text()??.parse().ok()?,
            name: self.text()??.into(),
            event: self.text()??.into(),
            data: self.bytes()??.to_vec().into(),
            sender: match self.text()? {
                Some(sender) => Some(sender.parse().ok()?),
                None => None,
            },
        })
    }

    fn number(&mut self) -> Option<u64> {
        let (number, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*number))
    }

    /// Bytes, or that there are none.
    fn bytes(&mut self) -> Option<Option<&'a [u8]>> {
        let length = self.number()?;
        if length == ABSENT {
            return Some(None);
        }
        let (bytes, rest) = self.0.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        Some(Some(bytes))
    }

    fn text(&mut self) -> Option<Option<&'a str>> {
        match self.bytes()? {
            Some(bytes) => str::from_utf8(bytes).ok().map(Some),
            None => Some(None),
        }
    }
}

impl From<BatchError> for rusqlite::Error {
    fn from(error: BatchError) -> Self {
        Self::FromSqlConversionFailure(0, Type::Blob, Box::new(error))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn chat(from: u64, to: u64, kind: char, msg: &str, packet_id: Option<String>) -> Content {
        Content::Chat(Chat {
            from: Person::new(from).unwrap(),
            to: Person::new(to).unwrap(),
            kind,
            msg: msg.into(),
            packet_id: packet_id.map(Box::from),
            is_online: to.is_multiple_of(2),
        })
    }

    fn record(id: u64, content: Content) -> Record {
        let id = RecordId(id);
        Record {
            id,
            time_ms: id.time_ms(),
            content,
        }
    }

    fn push(data: Vec<u8>, sender: Option<&str>) -> Content {
        Content::Push(Push {
            topic: "room:\u{4f60}".parse().unwrap(),
            name: "\"1\"".into(),
            event: "".into(),
            data: data.into(),
            sender: sender.map(|sender| sender.parse().unwrap()),
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_and_a_part_of_it_is_not(
            from in 1..i64::MAX as u64,
            to in 1..i64::MAX as u64,
            kind: char,
            msg: String,
            packet_id: Option<String>,
            data: Vec<u8>,
            cut: prop::sample::Index,
        ) {
            let records = [
                record(1 << 50, chat(from, to, kind, &msg, packet_id)),
                record((1 << 50) + 1, push(data.clone(), None)),
                record(1 << 51, push(data, Some("a"))),
            ];
            let (mut batch, mut ends) = (Vec::new(), vec![0]);
            for record in &records {
                write(&mut batch, record);
                ends.push(batch.len());
            }
            prop_assert_eq!(&read(&batch).unwrap()[..], &records[..]);
            let cut = cut.index(batch.len());
            match ends.iter().position(|end| *end == cut) {
                Some(count) => prop_assert_eq!(&read(&batch[..cut]).unwrap()[..], &records[..count]),
                None => prop_assert!(read(&batch[..cut]).is_err()),
            }
        }

        #[test]
        fn whatever_stands_there_is_read_or_not(batch: Vec<u8>) {
            let _ = read(&batch);
        }
    }
}
