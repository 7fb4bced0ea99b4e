//! What waits for a wall's word in live rooms, in Redis: a hash per room, and a sorted set that knows
//! the order.
//!
//! A value of the hash begins with `w` for waiting or `a` for approved; a draft follows as JSON.

use std::sync::LazyLock;

use redis::Value;
use serde::{Deserialize, Serialize};

use super::{
    errors::{from_value, unexpected},
    journal::store_error,
    keys::Keys,
    script::{Call, Script},
    servers::Servers,
};
use crate::{
    cluster::streams::StreamsError,
    sayings::{DRAFTS_KEPT, DRAFTS_MAX, Draft, Drafts},
    store::Pending,
};

/// Adds a draft behind all others, if there is room. The arguments: its id, what it says, its time, how
/// many there may be, and how long they are kept.
static ADD: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "if redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[4]) then return 0 end
local at = tonumber(ARGV[3]) * 1000
local last = redis.call('ZREVRANGE', KEYS[2], 0, 0)[1]
if last then at = math.max(at, tonumber(redis.call('ZSCORE', KEYS[2], last)) + 1) end
redis.call('HSET', KEYS[1], ARGV[1], 'w' .. ARGV[2])
redis.call('ZADD', KEYS[2], string.format('%.0f', at), ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[5])
redis.call('PEXPIRE', KEYS[2], ARGV[5])
return 1",
    )
});

/// Says that a draft is approved, and gives it.
static APPROVE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local is = redis.call('HGET', KEYS[1], ARGV[1])
if not is then return false end
is = string.sub(is, 2)
redis.call('HSET', KEYS[1], ARGV[1], 'a' .. is)
return is",
    )
});

/// Takes a draft out whose state is that of the second argument.
static REMOVE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local is = redis.call('HGET', KEYS[1], ARGV[1])
if not is or string.sub(is, 1, 1) ~= ARGV[2] then return 0 end
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[1])
return 1",
    )
});

/// Gives the oldest drafts, each with its id before it.
static LIST: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local found = {}
for _, id in ipairs(redis.call('ZRANGE', KEYS[2], 0, ARGV[1] - 1)) do
  local is = redis.call('HGET', KEYS[1], id)
  if is then
    found[#found + 1] = id
    found[#found + 1] = string.sub(is, 2)
  end
end
return found",
    )
});

/// Takes every draft out that waits.
static CLEAR: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local count = 0
for _, id in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
  local is = redis.call('HGET', KEYS[1], id)
  if not is or string.sub(is, 1, 1) == 'w' then
    redis.call('HDEL', KEYS[1], id)
    redis.call('ZREM', KEYS[2], id)
    count = count + 1
  end
end
return count",
    )
});

/// States of a draft.
const WAITS: &str = "w";
const IS_APPROVED: &str = "a";

/// The drafts of a cluster.
#[derive(Debug)]
pub struct RedisDrafts {
    servers: Servers,
    keys: Keys,
}

/// A draft in the hash, under its id.
#[derive(Deserialize, Serialize)]
struct Form<'a> {
    user: std::borrow::Cow<'a, str>,
    nickname: std::borrow::Cow<'a, str>,
    say: std::borrow::Cow<'a, str>,
    time: u64,
}

// === impl RedisDrafts ===

impl RedisDrafts {
    pub(super) fn new(servers: Servers, keys: Keys) -> Self {
        Self { servers, keys }
    }

    /// A call about a room.
    fn call(&self, code: &str) -> Call {
        let mut call = Call::default();
        for key in self.keys.drafts(code) {
            call.key(key);
        }
        call
    }

    async fn run(&self, script: &Script, call: Call) -> Result<Value, StreamsError> {
        Ok(script.run(&self.servers, call).await?.0)
    }

    async fn add_to(&self, code: &str, draft: &Draft) -> Result<bool, StreamsError> {
        let form = Form {
            user: (&*draft.user_id).into(),
            nickname: (&*draft.nickname).into(),
            say: (&*draft.say).into(),
            time: draft.time_ms,
        };
        let mut call = self.call(code);
        call.arg(draft.id.to_string());
        call.arg(serde_json::to_vec(&form).expect("texts and numbers are JSON"));
        call.arg(draft.time_ms.to_string());
        call.arg(DRAFTS_MAX.to_string());
        call.arg(DRAFTS_KEPT.as_millis().to_string());
        from_value(self.run(&ADD, call).await?)
    }

    async fn approve_in(&self, code: &str, id: &str) -> Result<Option<Draft>, StreamsError> {
        let mut call = self.call(code);
        call.arg(id.to_owned());
        let is: Option<Vec<u8>> = from_value(self.run(&APPROVE, call).await?)?;
        is.map(|is| draft(id, &is)).transpose()
    }

    async fn remove(&self, code: &str, id: &str, state: &str) -> Result<bool, StreamsError> {
        let mut call = self.call(code);
        call.arg(id.to_owned());
        call.arg(state.to_owned());
        from_value(self.run(&REMOVE, call).await?)
    }

    async fn list_of(&self, code: &str, max: usize) -> Result<Vec<Draft>, StreamsError> {
        let mut call = self.call(code);
        call.arg(max.to_string());
        let found: Vec<Vec<u8>> = from_value(self.run(&LIST, call).await?)?;
        let (pairs, _) = found.as_chunks::<2>();
        let drafts = pairs.iter().map(|[id, is]| {
            let id = str::from_utf8(id).map_err(|_| unexpected())?;
            draft(id, is)
        });
        drafts.collect()
    }

    async fn clear_of(&self, code: &str) -> Result<u64, StreamsError> {
        let call = self.call(code);
        from_value(self.run(&CLEAR, call).await?)
    }
}

impl Drafts for RedisDrafts {
    fn add<'a>(&'a self, code: &'a str, draft: Draft) -> Pending<'a, bool> {
        Box::pin(async move { self.add_to(code, &draft).await.map_err(store_error) })
    }

    fn approve<'a>(&'a self, code: &'a str, id: &'a str) -> Pending<'a, Option<Draft>> {
        Box::pin(async move { self.approve_in(code, id).await.map_err(store_error) })
    }

    fn take<'a>(&'a self, code: &'a str, id: &'a str) -> Pending<'a, bool> {
        Box::pin(async move {
            let taking = self.remove(code, id, IS_APPROVED);
            taking.await.map_err(store_error)
        })
    }

    fn reject<'a>(&'a self, code: &'a str, id: &'a str) -> Pending<'a, bool> {
        Box::pin(async move {
            let rejecting = self.remove(code, id, WAITS);
            rejecting.await.map_err(store_error)
        })
    }

    fn list<'a>(&'a self, code: &'a str, max: usize) -> Pending<'a, Vec<Draft>> {
        Box::pin(async move { self.list_of(code, max).await.map_err(store_error) })
    }

    fn clear<'a>(&'a self, code: &'a str) -> Pending<'a, u64> {
        Box::pin(async move { self.clear_of(code).await.map_err(store_error) })
    }
}

fn draft(id: &str, is: &[u8]) -> Result<Draft, StreamsError> {
    let form: Form<'_> = serde_json::from_slice(is).map_err(|_| unexpected())?;
    Ok(Draft {
        id: id.into(),
        user_id: form.user.into(),
        nickname: form.nickname.into(),
        say: form.say.into(),
        time_ms: form.time,
    })
}
