//! The list that older chat servers write into, on its way into the journal.
//!
//! The list and the journal's stream are on different servers of a Cluster. So one script takes entries
//! off the list and into a stream beside it, where each gets a name; under that name it is accepted by the
//! journal, once, however often that is tried; and then it goes.

use std::sync::LazyLock;

use redis::cmd;

use super::{
    backlog,
    errors::from_value,
    keys::LegacyKeys,
    script::{Call, Script},
    servers::Servers,
    writer::{BODY, Draft, Writer},
};
use crate::{cluster::streams::StreamsError, digest, store::Content};

/// Takes entries off the list, the oldest first, and gives the oldest ones of those that were taken. An
/// entry is in the stream before it leaves the list.
static DRAW: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "for _ = redis.call('XLEN', KEYS[2]) + 1, ARGV[1] do
  local entry = redis.call('LINDEX', KEYS[1], -1)
  if not entry then break end
  redis.call('XADD', KEYS[2], '*', 'm', entry)
  redis.call('RPOP', KEYS[1])
end
return redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', ARGV[1])",
    )
});

/// Messages of older chat servers.
#[derive(Debug)]
pub struct RedisLegacy {
    servers: Servers,
    keys: LegacyKeys,
    writer: Writer,
}

/// A message of an older chat server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Drawn {
    id: String,
    /// What stands in the list.
    pub text: Vec<u8>,
}

/// An entry of a stream: its name, and its fields.
type Entry = (String, Vec<(String, Vec<u8>)>);

// === impl RedisLegacy ===

impl RedisLegacy {
    pub(super) fn new(servers: Servers, keys: LegacyKeys, writer: Writer) -> Self {
        Self {
            servers,
            keys,
            writer,
        }
    }

    /// The oldest messages, up to `max` of them. They are given again until they are done with.
    ///
    /// # Errors
    ///
    /// The server cannot be used.
    pub async fn draw(&self, max: usize) -> Result<Vec<Drawn>, StreamsError> {
        let mut call = Call::default();
        call.key(self.keys.list.clone());
        call.key(self.keys.taken.clone());
        call.arg(max.to_string());
        let (answer, _) = DRAW.run(&self.servers, call).await?;
        let entries: Vec<Entry> = from_value(answer)?;
        let drawn = entries.into_iter().map(|(id, fields)| {
            let body = fields.into_iter().find(|(name, _)| name == BODY);
            let text = body.map(|(_, text)| text).unwrap_or_default();
            Drawn { id, text }
        });
        Ok(drawn.collect())
    }

    /// Writes messages into the journal, in order, each with the time at which it was accepted, in
    /// milliseconds since the Unix epoch. Says how many were not there yet.
    ///
    /// # Errors
    ///
    /// The server cannot be used; then they may be there or not, and it can be done again.
    pub async fn keep(&self, messages: Vec<(&Drawn, Content, u64)>) -> Result<usize, StreamsError> {
        let ids: Vec<String> = messages
            .iter()
            .map(|(drawn, ..)| drawn.id.clone())
            .collect();
        let drafts = messages.into_iter().map(|(drawn, content, time_ms)| Draft {
            content,
            time_ms: Some(time_ms),
            digest: Some(digest::of_parts([
                &b"legacy"[..],
                drawn.id.as_bytes(),
                &drawn.text,
            ])),
        });
        let drafts: Vec<Draft> = drafts.collect();
        let given = self.writer.write(&drafts).await?;
        self.remove(&ids).await?;
        Ok(given.iter().filter(|(_, is_repeat)| !is_repeat).count())
    }

    /// Moves a message to the journal's dead ones. Twice if it was not known whether it has worked.
    ///
    /// # Errors
    ///
    /// The server cannot be used; then it may be there or not.
    pub async fn bury(&self, drawn: &Drawn, reason: &str) -> Result<(), StreamsError> {
        let fields = [(BODY.to_owned(), drawn.text.clone())];
        let dead = &self.writer.keys.dead;
        backlog::bury(&self.servers, dead, &drawn.id, &fields, reason).await?;
        self.remove(std::slice::from_ref(&drawn.id)).await
    }

    async fn remove(&self, ids: &[String]) -> Result<(), StreamsError> {
        if ids.is_empty() {
            return Ok(());
        }
        let taken = &self.keys.taken;
        let delete = cmd("XDEL").arg(taken).arg(ids).take();
        let commands = vec![(taken.clone(), delete)];
        self.servers.call_in_time(commands).await.map(drop)
    }
}
