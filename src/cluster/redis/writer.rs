//! The one way into the journal's stream.
//!
//! A script gives each message its id, and writes it into the stream, into the sets that its history is
//! read from, and under its digest, by which a repeat is known. All keys are in the slot of the stream,
//! so that all of it happens or nothing.

use std::{borrow::Borrow, sync::LazyLock};

use bytes::Bytes;

use super::{
    errors::{from_value, unavailable, unexpected},
    keys::JournalKeys,
    replicas,
    script::{Call, Script},
    servers::Servers,
};
use crate::{
    clock::Clock,
    cluster::streams::StreamsError,
    envelope::record,
    journal::REPEATS_MS,
    store::{Content, RecordId},
};

/// The field of an entry, also in [`ACCEPT`].
pub(super) const BODY: &str = "m";
/// Most messages of one run of the script: nobody waits long for Redis.
const BATCH_MAX: usize = 100;
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Accepts messages. By number, the keys are the stream, the last id, four days of digests, and sets;
/// the arguments the third one of these days, how long a digest counts, and for each message its
/// digest, its body, and its two sets or 0.
///
/// Whoever finds `last` gone or outdated goes on behind what the stream remembers. Nothing has happened
/// when the first write is refused for want of memory, and that is the one into the stream. There is one
/// in every run, a repeat's too: replicas that have it have all that was before.
static ACCEPT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local day = math.floor(now / 86400000) - ARGV[1]
if day < -1 or 1 < day then return redis.error_reply('ERR its clock differs by a day') end
local today, yesterday = KEYS[5 + day], KEYS[4 + day]
local last = tonumber(redis.call('GET', KEYS[2]) or 0)
local function add(id, body)
  return redis.pcall('XADD', KEYS[1], string.format('%.0f-0', id), 'm', body)
end
local function is_error(answer) return type(answer) == 'table' and answer.err end
local ids = {}
for at = 3, #ARGV, 4 do
  local digest, body, found = ARGV[at], ARGV[at + 1], false
  if digest ~= '' then
    found = redis.call('HGET', today, digest) or redis.call('HGET', yesterday, digest)
    if found and math.floor(found / 1024) < now - ARGV[2] then found = false end
  end
  if found then
    ids[#ids + 1] = '=' .. found
  else
    local id = math.max(last + 1, now * 1024)
    local added = add(id, body)
    if is_error(added) and string.find(added.err, 'equal or smaller', 1, true) then
      local info = redis.call('XINFO', 'STREAM', KEYS[1])
      for field = 1, #info, 2 do
        if info[field] == 'last-generated-id' then
          id = math.max(id, string.match(info[field + 1], '^%d+') + 1)
        end
      end
      added = add(id, body)
    end
    if is_error(added) then return added end
    last = id
    local text = string.format('%.0f', id)
    for key = at + 2, at + 3 do
      if ARGV[key] ~= '0' then redis.call('ZADD', KEYS[tonumber(ARGV[key])], text, text) end
    end
    if digest ~= '' then redis.call('HSET', today, digest, text) end
    ids[#ids + 1] = text
  end
end
redis.call('SET', KEYS[2], string.format('%.0f', last))
redis.call('PEXPIRE', today, 172800000)
return ids",
    )
});

/// Writes into the journal's stream.
#[derive(Debug)]
pub(super) struct Writer {
    servers: Servers,
    pub(super) keys: JournalKeys,
    settings: Settings,
}

/// How messages are accepted.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How many replicas must have a message before it is answered for.
    pub replicas: u32,
    /// The time, which may differ from Redis' by hours.
    pub clock: Clock,
}

/// A message to be accepted.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) content: Content,
    /// When it was accepted, if that was before, in milliseconds since the Unix epoch.
    pub(super) time_ms: Option<u64>,
    /// What a repeat of it has in common with it, if that can be told.
    pub(super) digest: Option<[u8; 16]>,
}

/// What a message was given: its id, and whether it had it before.
pub(super) type Given = (RecordId, bool);

// === impl Writer ===

impl Writer {
    pub(super) fn new(servers: Servers, keys: JournalKeys, settings: Settings) -> Self {
        Self {
            servers,
            keys,
            settings,
        }
    }

    /// Writes messages, in order.
    pub(super) async fn write<D: Borrow<Draft>>(
        &self,
        drafts: &[D],
    ) -> Result<Vec<Given>, StreamsError> {
        let mut all = Vec::with_capacity(drafts.len());
        // One after the other: so their ids grow, however Redis is found.
        for drafts in drafts.chunks(BATCH_MAX) {
            let call = self.call(drafts);
            let (answer, copies) = ACCEPT.run(&self.servers, call).await?;
            if let Some(copies) = copies {
                replicas::check(&copies, self.settings.replicas)?;
            }
            let ids: Vec<String> = from_value(answer)?;
            if ids.len() != drafts.len() {
                return Err(unexpected());
            }
            for id in &ids {
                all.push(given(id)?);
            }
        }
        Ok(all)
    }

    fn call<D: Borrow<Draft>>(&self, drafts: &[D]) -> Call {
        let mut call = Call {
            then: replicas::wait(self.settings.replicas),
            ..Call::default()
        };
        let today = self.settings.clock.now().unix_ms / DAY_MS;
        call.key(self.keys.stream.clone());
        call.key(self.keys.last.clone());
        for day in today.saturating_sub(2)..=today + 1 {
            call.key(self.keys.seen(day));
        }
        call.arg(today.to_string());
        call.arg(REPEATS_MS.to_string());
        for draft in drafts.iter().map(Borrow::borrow) {
            let digest = draft.digest.map(|digest| digest.to_vec());
            call.arg(digest.unwrap_or_default());
            call.arg(record::encode(&draft.content, draft.time_ms));
            for place in self.keys.add_sets(&draft.content, &mut call) {
                call.arg(place.to_string());
            }
        }
        call
    }
}

// === impl JournalKeys ===

impl JournalKeys {
    /// Puts the sets of a message among the keys of a call. Says where they stand, 0 for none.
    pub(super) fn add_sets(&self, content: &Content, call: &mut Call) -> [usize; 2] {
        match content {
            Content::Chat(chat) => {
                let from = call.key(self.of_person(chat.from));
                let to = call.key(self.of_person(chat.to));
                [from, if from == to { 0 } else { to }]
            }
            Content::Push(push) => [call.key(self.of_topic(&push.topic)), 0],
        }
    }
}

/// The body of an entry, of its fields.
pub(super) fn body(fields: &[(String, Vec<u8>)]) -> Option<Bytes> {
    let body = fields.iter().find(|(name, _)| name == BODY);
    body.map(|(_, body)| Bytes::copy_from_slice(body))
}

fn given(text: &str) -> Result<Given, StreamsError> {
    let (id, is_repeat) = match text.strip_prefix('=') {
        Some(id) => (id, true),
        None => (text, false),
    };
    let id = id.parse().map_err(|_| unavailable("an id that is none"))?;
    Ok((RecordId(id), is_repeat))
}
