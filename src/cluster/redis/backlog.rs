//! The backlog: what the journal has accepted and is in no database yet, on its way there.

use std::{sync::LazyLock, time::Duration};

use bytes::Bytes;
use redis::{Value, cmd};

use super::{
    errors::{from_value, unexpected},
    group::{Given, Group},
    keys::JournalKeys,
    reader,
    script::{Call, Script},
    servers::Servers,
    writer,
};
use crate::{
    cluster::streams::StreamsError,
    envelope::{DecodeError, record},
    queue::DEAD_MAX,
    store::{Record, RecordId},
};

/// The group of all who move messages to a database.
const GROUP: &str = "archive";
/// Removes entries for good. The keys are the stream and sets; the arguments the group, and for each
/// entry its name, its id, and the two sets that it is in, or 0. Says how many were there. Commands take
/// 1,000 names at the most, since a script has room for some thousands of arguments.
static SETTLE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local count, names = 0, {}
for at = 2, #ARGV, 4 do names[#names + 1] = ARGV[at] end
for first = 1, #names, 1000 do
  local last = math.min(first + 999, #names)
  redis.call('XACK', KEYS[1], ARGV[1], unpack(names, first, last))
  count = count + redis.call('XDEL', KEYS[1], unpack(names, first, last))
end
for at = 2, #ARGV, 4 do
  for key = at + 2, at + 3 do
    if ARGV[key] ~= '0' then redis.call('ZREM', KEYS[tonumber(ARGV[key])], ARGV[at + 1]) end
  end
end
return count",
    )
});

/// The backlog of a cluster.
#[derive(Debug)]
pub struct RedisBacklog {
    servers: Servers,
    keys: JournalKeys,
    group: Group,
}

/// An entry of the backlog.
#[derive(Clone, Debug)]
pub struct Unmoved {
    /// Its name in the stream.
    id: String,
    /// What stands in it.
    fields: Vec<(String, Vec<u8>)>,
    /// The record that it is.
    pub record: Result<Record, Unreadable>,
}

/// Why an entry is no record.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Unreadable {
    /// It is for nobody.
    Never(Box<str>),
    /// It is for a newer node.
    Newer,
}

/// How far the database is behind.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Lag {
    /// Entries that are in no database.
    pub entries: u64,
    /// How old the oldest one of them is.
    pub oldest: Duration,
}

// === impl RedisBacklog ===

impl RedisBacklog {
    pub(super) fn new(servers: Servers, keys: JournalKeys, claim_after: Duration) -> Self {
        let group = Group::new(servers.clone(), keys.stream.clone(), GROUP, claim_after);
        Self {
            servers,
            keys,
            group,
        }
    }

    /// Takes up to `max` entries; waits for the first one, up to `wait`.
    ///
    /// # Errors
    ///
    /// The server cannot be used.
    pub async fn take(&self, max: usize, wait: Duration) -> Result<Vec<Unmoved>, StreamsError> {
        let given = self.group.take(max, wait).await?;
        // Those that somebody has removed in the meantime have nothing.
        let given = given.into_iter().filter(|given| !given.fields.is_empty());
        Ok(given.map(unmoved).collect())
    }

    /// Removes entries that are where they belong. Says how many of them were still there: others may
    /// have moved them too.
    ///
    /// # Errors
    ///
    /// The server cannot be used; then they may be gone or not.
    pub async fn settle(&self, entries: &[Unmoved]) -> Result<u64, StreamsError> {
        let mut call = Call::default();
        call.key(self.keys.stream.clone());
        call.arg(GROUP);
        for entry in entries {
            let sets = match &entry.record {
                Ok(record) => self.keys.add_sets(&record.content, &mut call),
                // Nobody knows which ones; what they say of it goes when they are read.
                Err(_) => [0, 0],
            };
            call.arg(entry.id.clone());
            call.arg(entry.number().to_owned());
            for place in sets {
                call.arg(place.to_string());
            }
        }
        let (answer, _) = SETTLE.run(&self.servers, call).await?;
        from_value(answer)
    }

    /// Moves an entry to the dead ones. Twice if it was not known whether it has worked.
    ///
    /// # Errors
    ///
    /// The server cannot be used; then it may be there or not.
    pub async fn bury(&self, entry: &Unmoved, reason: &str) -> Result<(), StreamsError> {
        bury(
            &self.servers,
            &self.keys.dead,
            &entry.id,
            &entry.fields,
            reason,
        )
        .await?;
        self.settle(std::slice::from_ref(entry)).await.map(drop)
    }

    /// How far the database is behind, by Redis' clock.
    ///
    /// # Errors
    ///
    /// The server cannot be used.
    pub async fn lag(&self) -> Result<Lag, StreamsError> {
        let stream = &self.keys.stream;
        let mut first = cmd("XRANGE");
        first.arg(stream).arg(&["-", "+", "COUNT", "1"]);
        let commands = [cmd("TIME"), cmd("XLEN").arg(stream).take(), first];
        let commands = commands.map(|command| (stream.clone(), command));
        let answers = self.servers.call_in_time(commands.into()).await?;
        let [time, entries, first]: [Value; 3] = answers.try_into().map_err(|_| unexpected())?;
        let (seconds, microseconds): (u64, u64) = from_value(time)?;
        let now_ms = seconds * 1000 + microseconds / 1000;
        let first: Vec<(String, Value)> = from_value(first)?;
        let oldest = first.first().and_then(|(id, _)| reader::position(id));
        let oldest_ms = oldest.map_or(now_ms, |oldest| RecordId(oldest.time_ms).time_ms());
        Ok(Lag {
            entries: from_value(entries)?,
            oldest: Duration::from_millis(now_ms.saturating_sub(oldest_ms)),
        })
    }
}

// === impl Unmoved ===

impl Unmoved {
    /// What stands before the number in its name: the id of the record.
    fn number(&self) -> &str {
        self.id
            .split_once('-')
            .map_or(&self.id, |(number, _)| number)
    }
}

/// Adds what nothing can be done with to the dead ones, with the reason.
pub(super) async fn bury(
    servers: &Servers,
    dead: &str,
    id: &str,
    fields: &[(String, Vec<u8>)],
    reason: &str,
) -> Result<(), StreamsError> {
    let mut add = cmd("XADD");
    add.arg(dead).arg(&["MAXLEN", "~"]).arg(DEAD_MAX).arg("*");
    add.arg("reason").arg(reason).arg("id").arg(id);
    for (name, value) in fields {
        add.arg(name).arg(&value[..]);
    }
    let commands = vec![(dead.to_owned(), add)];
    servers.call_in_time(commands).await.map(drop)
}

fn unmoved(Given { id, fields, .. }: Given) -> Unmoved {
    Unmoved {
        record: read(&id, writer::body(&fields)),
        id,
        fields,
    }
}

fn read(id: &str, body: Option<Bytes>) -> Result<Record, Unreadable> {
    let never = |reason: &str| Unreadable::Never(reason.into());
    let id = reader::position(id).filter(|id| id.number == 0);
    let id = id.ok_or_else(|| never("its name is no id of a record"))?;
    let body = body.ok_or_else(|| never("it has no body"))?;
    record::decode(RecordId(id.time_ms), &body).map_err(|error| match error {
        DecodeError::Version(_) => Unreadable::Newer,
        // Its source may have what stands in it.
        error => never(&error.to_string()),
    })
}
