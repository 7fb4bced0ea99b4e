//! Schedules in Redis: a sorted set of their next times, and a hash of what they say, both on the server of
//! the stream of pushes.

use std::sync::LazyLock;

use bytes::Bytes;
use redis::FromRedisValue;

use super::{
    errors::{from_value, unexpected},
    keys::{Keys, ScheduleKeys},
    script::{Call, Script},
    servers::Servers,
};
use crate::{
    cluster::streams::StreamsError,
    schedules::{
        Added, Due, Entry, Firing, PAGE_MAX, Pending, SCHEDULES_MAX, Schedules, SchedulesError,
    },
};

/// Adds a schedule: its id, its next time, what it says, and how many there may be. Gives what is there.
static ADD: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local is = redis.call('HGET', KEYS[2], ARGV[1])
if is then return {'known', is, redis.call('ZSCORE', KEYS[1], ARGV[1])} end
if redis.call('HLEN', KEYS[2]) >= tonumber(ARGV[4]) then return {'full', '', '0'} end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
return {'new', '', '0'}",
    )
});
/// Those whose time has come, or, with a place to begin, all: how many, and from where.
static LOOK: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local until_ms, from = now, 0
if ARGV[2] ~= '' then until_ms, from = '+inf', ARGV[2] end
local ids = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', until_ms, 'WITHSCORES', 'LIMIT', from, ARGV[1])
local entries = {}
for at = 1, #ids, 2 do
  entries[#entries + 1] = {ids[at], ids[at + 1], redis.call('HGET', KEYS[2], ids[at]) or ''}
end
return {now, entries}",
    )
});
/// What is known of one.
static FIND: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local is = redis.call('HGET', KEYS[2], ARGV[1])
return {is or '', is and redis.call('ZSCORE', KEYS[1], ARGV[1]) or '0'}",
    )
});
/// Fires an occurrence, if it is still the next one of the same schedule: its id, time and what it says;
/// the next time; what is pushed.
static FIRE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local next = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not next or tonumber(next) ~= tonumber(ARGV[2]) then return 0 end
if redis.call('HGET', KEYS[2], ARGV[1]) ~= ARGV[3] then return 0 end
if ARGV[5] ~= '' then redis.call('XADD', KEYS[3], '*', 'message', ARGV[5]) end
if ARGV[4] ~= '' then
  redis.call('ZADD', KEYS[1], ARGV[4], ARGV[1])
else
  redis.call('ZREM', KEYS[1], ARGV[1])
  redis.call('HDEL', KEYS[2], ARGV[1])
end
return 1",
    )
});
/// Removes one.
static REMOVE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "redis.call('ZREM', KEYS[1], ARGV[1])
return redis.call('HDEL', KEYS[2], ARGV[1])",
    )
});

/// The schedules of a cluster.
#[derive(Debug)]
pub struct RedisSchedules {
    servers: Servers,
    keys: ScheduleKeys,
}

/// Id, next time, what it says.
type Row = (String, f64, Vec<u8>);

// === impl RedisSchedules ===

impl RedisSchedules {
    pub(super) fn new(servers: Servers, keys: &Keys) -> Self {
        Self {
            servers,
            keys: keys.schedules(),
        }
    }

    async fn run<T: FromRedisValue>(
        &self,
        script: &Script,
        arguments: Vec<Bytes>,
    ) -> Result<T, StreamsError> {
        let mut call = Call::default();
        for key in [&self.keys.next, &self.keys.all, &self.keys.pushes] {
            call.key(key.clone());
        }
        call.arguments = arguments;
        let (answer, _) = script.run(&self.servers, call).await?;
        from_value(answer)
    }

    async fn add_one(&self, entry: Entry) -> Result<Added, StreamsError> {
        let max = number(SCHEDULES_MAX as u64);
        let arguments = vec![text(&entry.id), number(entry.next_ms), entry.body, max];
        let (added, body, next_ms): (String, Vec<u8>, f64) = self.run(&ADD, arguments).await?;
        match &*added {
            "new" => Ok(Added::New),
            "full" => Ok(Added::Full),
            "known" => Ok(Added::Known(Entry {
                id: entry.id,
                next_ms: next_ms as u64,
                body: body.into(),
            })),
            _ => Err(unexpected()),
        }
    }

    async fn look(&self, max: usize, offset: Option<usize>) -> Result<Due, StreamsError> {
        let from = offset.map_or(Bytes::new(), |offset| number(offset as u64));
        let looking = self.run(&LOOK, vec![number(max as u64), from]);
        let (now_ms, rows): (u64, Vec<Row>) = looking.await?;
        let entries = rows.into_iter().map(|(id, next_ms, body)| Entry {
            id: id.into(),
            next_ms: next_ms as u64,
            body: body.into(),
        });
        Ok(Due {
            now_ms,
            entries: entries.collect(),
        })
    }

    async fn fire_one(&self, firing: Firing) -> Result<bool, StreamsError> {
        let Firing {
            entry,
            next_ms,
            push,
        } = firing;
        let arguments = vec![
            text(&entry.id),
            number(entry.next_ms),
            entry.body,
            next_ms.map_or(Bytes::new(), number),
            push.unwrap_or_default(),
        ];
        let fired: u64 = self.run(&FIRE, arguments).await?;
        Ok(fired == 1)
    }

    async fn find_one(&self, id: &str) -> Result<Option<Entry>, StreamsError> {
        let (body, next_ms): (Vec<u8>, f64) = self.run(&FIND, vec![text(id)]).await?;
        Ok((!body.is_empty()).then(|| Entry {
            id: id.into(),
            next_ms: next_ms as u64,
            body: body.into(),
        }))
    }

    async fn remove_one(&self, id: &str) -> Result<bool, StreamsError> {
        let removed: u64 = self.run(&REMOVE, vec![text(id)]).await?;
        Ok(removed == 1)
    }
}

impl Schedules for RedisSchedules {
    fn add(&self, entry: Entry) -> Pending<'_, Added> {
        Box::pin(async move { self.add_one(entry).await.map_err(schedules_error) })
    }

    fn due(&self, max: usize) -> Pending<'_, Due> {
        Box::pin(async move { self.look(max, None).await.map_err(schedules_error) })
    }

    fn fire(&self, occurrence: Firing) -> Pending<'_, bool> {
        Box::pin(async move { self.fire_one(occurrence).await.map_err(schedules_error) })
    }

    fn find<'a>(&'a self, id: &'a str) -> Pending<'a, Option<Entry>> {
        Box::pin(async move { self.find_one(id).await.map_err(schedules_error) })
    }

    fn list(&self, offset: usize) -> Pending<'_, Vec<Entry>> {
        Box::pin(async move {
            let listed = self.look(PAGE_MAX, Some(offset)).await;
            Ok(listed.map_err(schedules_error)?.entries)
        })
    }

    fn remove<'a>(&'a self, id: &'a str) -> Pending<'a, bool> {
        Box::pin(async move { self.remove_one(id).await.map_err(schedules_error) })
    }

    fn now_ms(&self) -> Pending<'_, u64> {
        Box::pin(async move {
            let looked = self.look(0, None).await;
            Ok(looked.map_err(schedules_error)?.now_ms)
        })
    }
}

fn text(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn number(number: u64) -> Bytes {
    number.to_string().into()
}

fn schedules_error(error: StreamsError) -> SchedulesError {
    SchedulesError(error.to_string().into())
}
