//! Readers of streams: each has a connection of its own, since it blocks it.

use std::time::Duration;

use bytes::Bytes;
use redis::{Cmd, Pipeline, Value, aio::MultiplexedConnection, cmd};

use super::{
    CONSUMER, INBOX_GROUP,
    errors::{from_value, meaning, unavailable},
    servers::Servers,
};
use crate::{
    cluster::streams::{Entry, Inbox, Position, READ_WAIT, Reader, StreamsError},
    id::Member,
};

/// Most entries that are read at once.
const COUNT: usize = 256;
/// Pause where the server came back at once although there was nothing.
const PAUSE: Duration = Duration::from_millis(10);

/// Reads one stream as the one consumer of a group.
struct Stream {
    servers: Servers,
    key: String,
    group: String,
    connection: Option<MultiplexedConnection>,
}

/// Reads the log from a member's own cursor.
#[derive(Debug)]
pub struct LogReader(Stream);

/// Reads an inbox: first what was given out and not acknowledged, then what is new.
#[derive(Debug)]
pub struct InboxReader {
    stream: Stream,
    /// Behind this one, entries may wait that were given out before.
    pending: Option<String>,
}

// === impl Stream ===

impl Stream {
    /// Reads from `start`, after `before` has been carried out; `>` is what nobody has been given yet.
    async fn read(
        &mut self,
        before: Vec<Cmd>,
        start: &str,
        options: &[&str],
    ) -> Result<Vec<(Position, Entry)>, StreamsError> {
        let mut read = cmd("XREADGROUP");
        read.arg(&["GROUP", &self.group, CONSUMER, "COUNT"])
            .arg(COUNT);
        read.arg("BLOCK").arg(READ_WAIT.as_millis() as u64);
        read.arg(options);
        read.arg(&["STREAMS", &self.key, start]);
        let mut commands = Pipeline::new();
        for command in before {
            commands.add_command(command);
        }
        commands.add_command(read);
        let answers = self.query(&commands).await?;
        entries(answers.into_iter().next_back().unwrap_or(Value::Nil))
    }

    async fn query(&mut self, commands: &Pipeline) -> Result<Vec<Value>, StreamsError> {
        // Taken out: a call that is dropped or fails leaves a connection that may still be blocked.
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.servers.dedicated(&self.key).await?,
        };
        match commands.query_async(&mut connection).await {
            Ok(answer) => {
                self.connection = Some(connection);
                Ok(answer)
            }
            Err(error) => {
                let meaning = meaning(&error);
                if matches!(meaning, StreamsError::Unavailable(_)) {
                    self.servers.forget();
                }
                Err(meaning)
            }
        }
    }
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stream")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

// === impl LogReader ===

impl LogReader {
    pub(super) fn new(servers: Servers, key: String, me: &Member) -> Self {
        Self(Stream {
            servers,
            key,
            group: me.to_string(),
            connection: None,
        })
    }
}

impl Reader for LogReader {
    async fn next(&mut self) -> Result<Vec<(Position, Entry)>, StreamsError> {
        let Self(stream) = self;
        let servers = stream.servers.clone();
        let reading = stream.read(Vec::new(), ">", &["NOACK"]);
        servers.in_time_to_read(reading).await
    }
}

// === impl InboxReader ===

impl InboxReader {
    pub(super) fn new(servers: Servers, key: String) -> Self {
        Self {
            stream: Stream {
                servers,
                key,
                group: INBOX_GROUP.to_owned(),
                connection: None,
            },
            pending: Some("0".to_owned()),
        }
    }

    async fn read(
        &mut self,
        acknowledged: &[Position],
    ) -> Result<Vec<(Position, Entry)>, StreamsError> {
        let servers = self.stream.servers.clone();
        let reading = self.try_read(acknowledged);
        let read = servers.in_time_to_read(reading).await;
        if read.is_err() {
            // What the server may have given out to the call that failed is read again.
            self.pending = Some("0".to_owned());
        }
        if read.as_ref().is_ok_and(Vec::is_empty) {
            tokio::time::sleep(PAUSE).await;
        }
        read
    }

    async fn try_read(
        &mut self,
        acknowledged: &[Position],
    ) -> Result<Vec<(Position, Entry)>, StreamsError> {
        let mut removals = self.removals(acknowledged);
        while let Some(after) = self.pending.take() {
            let before = std::mem::take(&mut removals);
            let entries = self.stream.read(before, &after, &[]).await?;
            if let Some((last, _)) = entries.last() {
                self.pending = Some(last.to_string());
                return Ok(entries);
            }
        }
        self.stream.read(removals, ">", &[]).await
    }

    /// The commands that acknowledge.
    fn removals(&self, positions: &[Position]) -> Vec<Cmd> {
        if positions.is_empty() {
            return Vec::new();
        }
        let ids: Vec<String> = positions.iter().map(Position::to_string).collect();
        let key = &self.stream.key;
        let (mut acknowledge, mut delete) = (cmd("XACK"), cmd("XDEL"));
        acknowledge.arg(key).arg(&self.stream.group).arg(&ids);
        delete.arg(key).arg(&ids);
        vec![acknowledge, delete]
    }
}

impl Reader for InboxReader {
    async fn next(&mut self) -> Result<Vec<(Position, Entry)>, StreamsError> {
        self.read(&[]).await
    }
}

impl Inbox for InboxReader {
    async fn acknowledge(&mut self, positions: Vec<Position>) -> Result<(), StreamsError> {
        let removals = self.removals(&positions).into_iter();
        let commands = removals.map(|command| (self.stream.key.clone(), command));
        let commands = commands.collect();
        self.stream.servers.call_in_time(commands).await.map(drop)
    }

    /// The answers come with those to the read, so that nobody waits for them.
    async fn acknowledge_and_next(
        &mut self,
        positions: Vec<Position>,
    ) -> Result<Vec<(Position, Entry)>, StreamsError> {
        self.read(&positions).await
    }
}

/// A stream in the answer to a read: its key, and ids and fields of its entries.
type NamedStream = (String, Vec<(String, Value)>);

/// Reads the answer to a read of one stream. Entries that were deleted since have no fields, and what
/// is not of our form is left out.
fn entries(answer: Value) -> Result<Vec<(Position, Entry)>, StreamsError> {
    let streams: Option<Vec<NamedStream>> = from_value(answer)?;
    let streams = streams.unwrap_or_default().into_iter();
    let mut entries = Vec::new();
    for (id, fields) in streams.flat_map(|(_, entries)| entries) {
        let position = position(&id).ok_or_else(|| unavailable("an id that is none"))?;
        let fields: Option<Vec<(String, Vec<u8>)>> = from_value(fields)?;
        if let Some(entry) = fields.and_then(entry) {
            entries.push((position, entry));
        }
    }
    Ok(entries)
}

fn entry(fields: Vec<(String, Vec<u8>)>) -> Option<Entry> {
    let (mut from, mut lane, mut sequence, mut body) = (None, None, None, None);
    for (name, value) in fields {
        match name.as_str() {
            "f" => from = String::from_utf8(value).ok()?.parse().ok(),
            "l" => lane = String::from_utf8(value).ok()?.parse().ok(),
            "s" => sequence = String::from_utf8(value).ok()?.parse().ok(),
            "b" => body = Some(Bytes::from(value)),
            _ => {}
        }
    }
    Some(Entry {
        from: from?,
        lane: lane?,
        sequence: sequence?,
        body: body?,
    })
}

/// The position that an id of an entry names.
pub(super) fn position(id: &str) -> Option<Position> {
    let (time_ms, number) = id.split_once('-')?;
    Some(Position {
        time_ms: time_ms.parse().ok()?,
        number: number.parse().ok()?,
    })
}
