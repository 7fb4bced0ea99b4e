//! The journal in Redis: a stream of what was accepted and is in no database yet.
//!
//! What was accepted is in the stream, then in both, then in the database alone. A history is read in
//! this order, so that nothing slips through between the two.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, LazyLock},
};

use bytes::Bytes;
use redis::cmd;

use super::{
    errors::from_value,
    keys::{self, JournalKeys},
    script::{Call, Script},
    servers::Servers,
    writer::{Draft, Writer},
};
use crate::{
    cluster::streams::StreamsError,
    envelope::record,
    id::Person,
    journal::{
        Accepted, Journal,
        gather::{Done, Gatherer, Together},
    },
    store::{Content, MessageStore, Of, Pending, Query, Record, RecordId, StoreError},
};

/// Fewest and most entries of one page: some of them may not meet all conditions.
const PAGE_MIN: usize = 50;
const PAGE_MAX: usize = 200;

/// A page of a set: the least id that was looked at, and what stands in the stream under each id, newest
/// first. The keys are the set and the stream; the arguments the bounds and the length. An id without
/// an entry goes: that was removed by somebody who could not read it.
static PAGE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local ids = redis.call('ZREVRANGEBYSCORE', KEYS[1], ARGV[1], ARGV[2], 'LIMIT', 0, ARGV[3])
local entries = {}
for _, id in ipairs(ids) do
  local found = redis.call('XRANGE', KEYS[2], id .. '-0', id .. '-0')
  if found[1] then
    local fields, body = found[1][2], ''
    for at = 1, #fields, 2 do
      if fields[at] == 'm' then body = fields[at + 1] end
    end
    entries[#entries + 1] = {id, body}
  else
    redis.call('ZREM', KEYS[1], id)
  end
end
return {ids[#ids] or '', entries}",
    )
});

/// The journal of a cluster.
#[derive(Debug)]
pub struct RedisJournal {
    servers: Servers,
    keys: JournalKeys,
    gatherer: Gatherer<Acceptor>,
    store: Arc<dyn MessageStore>,
}

/// Accepts what has come while the last call was under way.
#[derive(Debug)]
struct Acceptor {
    servers: Servers,
    writer: Writer,
}

/// The answer of [`PAGE`].
type Page = (String, Vec<(String, Vec<u8>)>);

// === impl RedisJournal ===

impl RedisJournal {
    pub(super) fn new(servers: Servers, writer: Writer, store: Arc<dyn MessageStore>) -> Self {
        let keys = writer.keys.clone();
        let acceptor = Acceptor {
            servers: servers.clone(),
            writer,
        };
        Self {
            servers,
            keys,
            gatherer: Gatherer::new(acceptor),
            store,
        }
    }

    /// What a query asks for of that which is in no database yet, by id.
    async fn unmoved(&self, query: &Query) -> Result<BTreeMap<RecordId, Record>, StreamsError> {
        let keys = &self.keys;
        let sets = match &query.of {
            Of::Chat(person) => vec![keys.of_person(*person)],
            Of::Topic(topic) => {
                let mut sets = vec![keys.of_topic(topic)];
                sets.extend(topic.person().map(|person| keys.of_person(person)));
                sets
            }
        };
        let mut records = BTreeMap::new();
        for set in sets {
            let found = self.of_set(set, query).await?;
            records.extend(found.into_iter().map(|record| (record.id, record)));
        }
        Ok(records)
    }

    /// Reads a set by the page until there are enough that meet all conditions.
    async fn of_set(&self, set: String, query: &Query) -> Result<Vec<Record>, StreamsError> {
        let mut before = query
            .before
            .map_or("+inf".to_owned(), |id| format!("({}", id.0));
        let mut records = Vec::new();
        while records.len() < query.max {
            let mut call = Call::default();
            call.key(set.clone());
            call.key(self.keys.stream.clone());
            call.arg(before);
            call.arg(format!("({}", query.after.0));
            let missing = query.max - records.len();
            call.arg(missing.clamp(PAGE_MIN, PAGE_MAX).to_string());
            let (answer, _) = PAGE.run(&self.servers, call).await?;
            let (least, entries): Page = from_value(answer)?;
            if least.is_empty() {
                break;
            }
            before = format!("({least}");
            let found = entries.into_iter().filter_map(|(id, body)| read(&id, body));
            records.extend(found.filter(|record| is_asked_for(record, query)));
        }
        records.truncate(query.max);
        Ok(records)
    }

    async fn read_history(&self, query: Query) -> Result<Vec<Record>, StoreError> {
        // What is moved between the two is in the second one.
        let unmoved = self.servers.in_time(self.unmoved(&query)).await;
        let mut records = unmoved.map_err(store_error)?;
        let Query { max, since_ms, .. } = query;
        let moved = self.store.history(query).await?;
        // A store may go by ids, and messages of older servers are older than theirs.
        let moved = moved
            .into_iter()
            .filter(|record| since_ms <= record.time_ms);
        records.extend(moved.map(|record| (record.id, record)));
        Ok(records.into_values().rev().take(max).collect())
    }
}

// === impl Acceptor ===

impl Acceptor {
    async fn accept_all(&self, drafts: &[Draft]) -> Result<Vec<Accepted>, StreamsError> {
        let strangers = self.strangers(drafts).await?;
        let may = |draft: &&Draft| pair(&draft.content).is_none_or(|it| !strangers.contains(&it));
        let allowed: Vec<&Draft> = drafts.iter().filter(may).collect();
        let mut given = self.writer.write(&allowed).await?.into_iter();
        let accepted = drafts.iter().map(|draft| {
            let given = if may(&draft) { given.next() } else { None };
            given.map_or(Accepted::NotFriends, |(id, is_repeat)| Accepted::Kept {
                id,
                is_repeat,
            })
        });
        Ok(accepted.collect())
    }

    /// Senders and receivers who are no friends.
    async fn strangers(&self, drafts: &[Draft]) -> Result<HashSet<(Person, Person)>, StreamsError> {
        let pairs: HashSet<_> = drafts
            .iter()
            .filter_map(|draft| pair(&draft.content))
            .collect();
        if pairs.is_empty() {
            return Ok(pairs);
        }
        let commands = pairs.iter().map(|(from, to)| {
            let key = keys::friends(*from);
            let command = cmd("SISMEMBER").arg(&key).arg(to.number()).take();
            (key, command)
        });
        let answers = self.servers.call_in_time(commands.collect()).await?;
        let mut strangers = HashSet::new();
        for (pair, answer) in pairs.into_iter().zip(answers) {
            if !from_value::<bool>(answer)? {
                strangers.insert(pair);
            }
        }
        Ok(strangers)
    }

    async fn done(&self, drafts: &[Draft]) -> Done {
        self.accept_all(drafts).await.map_err(store_error)
    }
}

impl Together for Acceptor {
    /// What Redis refuses may be the fault of one call, so each is repeated alone then; those that were
    /// kept are found.
    fn accept(&self, calls: Vec<Vec<Content>>) -> Pending<'_, Vec<Done>> {
        Box::pin(async move {
            let lengths: Vec<usize> = calls.iter().map(Vec::len).collect();
            let drafts: Vec<Draft> = calls.into_iter().flatten().map(draft).collect();
            let accepted = match self.accept_all(&drafts).await {
                Ok(accepted) => accepted,
                Err(StreamsError::Refused(_)) if 1 < lengths.len() => {
                    let mut done = Vec::with_capacity(lengths.len());
                    let mut rest = &drafts[..];
                    for length in lengths {
                        let (drafts, others) = rest.split_at(length);
                        done.push(self.done(drafts).await);
                        rest = others;
                    }
                    return Ok(done);
                }
                Err(error) => return Err(store_error(error)),
            };
            let mut accepted = accepted.into_iter();
            let done = lengths
                .into_iter()
                .map(|length| Ok(accepted.by_ref().take(length).collect()));
            Ok(done.collect())
        })
    }
}

impl Journal for RedisJournal {
    fn accept(&self, contents: Vec<Content>) -> Pending<'_, Vec<Accepted>> {
        Box::pin(self.gatherer.accept(contents))
    }

    fn history(&self, query: Query) -> Pending<'_, Vec<Record>> {
        Box::pin(self.read_history(query))
    }
}

fn draft(content: Content) -> Draft {
    Draft {
        digest: content.digest(),
        content,
        time_ms: None,
    }
}

/// Who writes to whom.
fn pair(content: &Content) -> Option<(Person, Person)> {
    match content {
        Content::Chat(chat) => Some((chat.from, chat.to)),
        Content::Push(_) => None,
    }
}

/// One that cannot be read is in no history, and is dealt with by who moves it.
fn read(id: &str, body: Vec<u8>) -> Option<Record> {
    let id = RecordId(id.parse().ok()?);
    record::decode(id, &Bytes::from(body)).ok()
}

/// Whether a record of the right set and with an id between the bounds meets the other conditions.
fn is_asked_for(record: &Record, query: &Query) -> bool {
    let is_from = |from: Person| record.content.is_chat_from(from);
    query.since_ms <= record.time_ms && query.from.is_none_or(is_from)
}

pub(super) fn store_error(error: StreamsError) -> StoreError {
    StoreError::Unavailable(error.to_string().into())
}
