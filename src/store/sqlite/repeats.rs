//! Repeats: by which it is known for a day what was accepted and settled.

use rusqlite::{CachedStatement, Connection, OptionalExtension as _, params};

use super::messages::signed;
use crate::{
    digest,
    record::{Content, RecordId},
};

/// Entries that are looked at for each that is added: all of them before as many have come again.
const LOOKS: usize = 2;
/// The least number of entries that are looked at.
const LOOKS_MIN: usize = 16;

pub(super) const SELECT_REPEAT: &str = "SELECT id FROM repeat WHERE key = ?1 AND ?2 <= id";
const REMEMBER: &str = "REPLACE INTO repeat (key, id) VALUES (?1, ?2)";
pub(super) const SELECT_END: &str =
    "SELECT key FROM repeat WHERE ?1 < key ORDER BY key LIMIT 1 OFFSET ?2";
pub(super) const SWEEP: &str = "DELETE FROM repeat WHERE ?1 < key AND key <= ?2 AND id < ?3";
const SWEEP_REST: &str = "DELETE FROM repeat WHERE ?1 < key AND id < ?2";

/// What files of the first versions have instead, for the day that it counts.
const HAS_OLDER: &str = "SELECT 1 FROM accepted LIMIT 1";
pub(super) const SELECT_OLDER: &str = "SELECT id FROM accepted WHERE digest = ?1 AND ?2 <= id";
pub(super) const SWEEP_OLDER: &str = "DELETE FROM accepted WHERE digest IN
    (SELECT digest FROM accepted WHERE id < ?1 ORDER BY id LIMIT ?2)";

/// Looks repeats up.
pub(super) struct Repeats<'a> {
    select: CachedStatement<'a>,
    /// Absent once nothing is left of it.
    older: Option<CachedStatement<'a>>,
    oldest: RecordId,
}

/// Forgets what is no repeat any more, in turns from one end of the keys to the other.
#[derive(Debug, Default)]
pub(super) struct Sweep(Vec<u8>);

// === impl Repeats ===

impl<'a> Repeats<'a> {
    /// Those that were accepted under this id or a later one.
    pub(super) fn since(oldest: RecordId, connection: &'a Connection) -> rusqlite::Result<Self> {
        let has_older = connection.prepare_cached(HAS_OLDER)?.exists([])?;
        let older = has_older.then(|| connection.prepare_cached(SELECT_OLDER));
        Ok(Self {
            select: connection.prepare_cached(SELECT_REPEAT)?,
            older: older.transpose()?,
            oldest,
        })
    }

    /// The record of which another one with this content is a repeat.
    pub(super) fn find(
        &mut self,
        content: &Content,
        digest: &[u8; 16],
    ) -> rusqlite::Result<Option<RecordId>> {
        let oldest = signed(self.oldest.0);
        let key = key(content, digest);
        let found = self.select.query_one(params![&key[..], oldest], id);
        if let Some(found) = found.optional()? {
            return Ok(Some(found));
        }
        match &mut self.older {
            Some(select) => {
                let found = select.query_one(params![&digest[..], oldest], id);
                found.optional()
            }
            None => Ok(None),
        }
    }
}

/// Knows repeats of contents from now on, those of an earlier one under the same key no more.
pub(super) fn remember<'a>(
    connection: &Connection,
    contents: impl Iterator<Item = (&'a Content, RecordId)>,
) -> rusqlite::Result<()> {
    let mut remember = connection.prepare_cached(REMEMBER)?;
    for (content, RecordId(id)) in contents {
        if let Some(digest) = content.digest() {
            remember.execute(params![&key(content, &digest)[..], signed(id)])?;
        }
    }
    Ok(())
}

// === impl Sweep ===

impl Sweep {
    /// Forgets what is older than this among some, after so many were added.
    pub(super) fn turn(
        &mut self,
        connection: &Connection,
        oldest: RecordId,
        added: usize,
    ) -> rusqlite::Result<()> {
        let looks = signed((LOOKS * added).max(LOOKS_MIN) as u64);
        let oldest = signed(oldest.0);
        connection
            .prepare_cached(SWEEP_OLDER)?
            .execute(params![oldest, looks])?;
        let mut select = connection.prepare_cached(SELECT_END)?;
        let end = select.query_one(params![self.0, looks], |row| row.get::<_, Vec<u8>>(0));
        match end.optional()? {
            Some(end) => {
                let mut sweep = connection.prepare_cached(SWEEP)?;
                sweep.execute(params![self.0, end, oldest])?;
                self.0 = end;
            }
            None => {
                let mut sweep = connection.prepare_cached(SWEEP_REST)?;
                sweep.execute(params![self.0, oldest])?;
                self.0.clear();
            }
        }
        Ok(())
    }
}

/// Under which a content is known: behind the sender and what it calls the message, or the topic, so
/// that what is accepted after one another stands near each other where clients count.
fn key(content: &Content, digest: &[u8; 16]) -> [u8; 32] {
    let (place, name) = match content {
        Content::Chat(chat) => {
            let from = chat.from.number().to_be_bytes();
            (from, chat.packet_id.as_deref().unwrap_or_default())
        }
        Content::Push(push) => {
            let topic = digest::of_parts([push.topic.as_str().as_bytes()]);
            (*topic.first_chunk().expect("it has 16"), &*push.name)
        }
    };
    let mut key = [0; 32];
    key[..8].copy_from_slice(&place);
    match name.parse::<u64>() {
        Ok(number) => key[8..16].copy_from_slice(&number.to_be_bytes()),
        Err(_) => {
            let begin = name.trim_start_matches('"').bytes();
            key[8..16]
                .iter_mut()
                .zip(begin)
                .for_each(|(to, byte)| *to = byte);
        }
    }
    key[16..].copy_from_slice(digest);
    key
}

fn id(row: &rusqlite::Row<'_>) -> rusqlite::Result<RecordId> {
    Ok(RecordId(row.get::<_, i64>(0)?.cast_unsigned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        id::Person,
        record::Chat,
        store::sqlite::{Database, DatabaseError},
    };

    fn content(from: u64, packet_id: &str) -> Content {
        let person = Person::new(from).unwrap();
        Content::Chat(Chat {
            from: person,
            to: person,
            kind: 't',
            msg: "".into(),
            packet_id: Some(packet_id.into()),
            is_online: false,
        })
    }

    fn key_of(from: u64, packet_id: &str) -> [u8; 32] {
        let content = content(from, packet_id);
        key(&content, &content.digest().unwrap())
    }

    #[test]
    fn what_a_client_counts_stands_in_that_order_and_what_differs_apart() {
        let keys = [
            key_of(1, "2"),
            key_of(1, "10"),
            key_of(1, "256"),
            key_of(1, "\"a\""),
            key_of(1, "\"ab\""),
            key_of(2, "1"),
            key_of(256, "1"),
        ];
        assert!(keys.is_sorted_by(|one, next| one < next));
        // Alike up to what has room there, and the digest tells them apart.
        assert_ne!(key_of(1, "\"12345678a\""), key_of(1, "\"12345678b\""));
        assert_ne!(key_of(1, "1"), key_of(1, "01"));
    }

    #[tokio::test]
    async fn everything_that_is_old_is_forgotten_in_turns() {
        let (old, new) = (RecordId::at(1000), RecordId::at(2000));
        let database = Database::of_test();
        let sweeping = database.transact(move |on| {
            let contents: Vec<_> = (1..=300).map(|from| content(from, "1")).collect();
            let ids = [old, new, old].into_iter().cycle();
            remember(on, contents.iter().zip(ids))?;
            let count = "SELECT count(*) FROM repeat";
            let count = || on.query_one(count, [], |row| row.get::<_, i64>(0));
            let (mut sweep, mut counts) = (Sweep::default(), vec![count()?]);
            for _ in 0..300 / (LOOKS * 20) + 1 {
                sweep.turn(on, new, 20)?;
                counts.push(count()?);
            }
            // From the beginning again.
            assert!(sweep.0.is_empty());
            remember(on, contents[..1].iter().map(|content| (content, old)))?;
            sweep.turn(on, new, 0)?;
            counts.push(count()?);
            let mut repeats = Repeats::since(new, on)?;
            let mut find = |content: &Content| repeats.find(content, &content.digest().unwrap());
            assert_eq!(
                (find(&contents[0])?, find(&contents[1])?),
                (None, Some(new))
            );
            Ok(counts)
        });
        let counts: Result<Vec<i64>, DatabaseError> = sweeping.await;
        let counts = counts.unwrap();
        assert!(
            counts
                .windows(2)
                .all(|pair| pair[1] <= pair[0] && pair[0] - pair[1] <= 40)
        );
        assert_eq!((counts[0], counts[counts.len() - 1]), (300, 100));
    }
}
