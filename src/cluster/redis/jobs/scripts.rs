//! What is done with jobs in one step. All keys have one tag.
//!
//! `KEYS`: the open ones and the dead, each with its time; what the key of a job begins with, and that of
//! the jobs of a kind, which has for each of them the time from which on it may be taken. A turn is good while
//! its number is the job's.

use std::sync::LazyLock;

use super::super::script::Script;

/// The time, in milliseconds.
macro_rules! now {
    () => {
        "local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
"
    };
}

/// Whether a turn is good: that of the job `id` with this number.
macro_rules! mine {
    () => {
        "local function mine(id, turn)
  local is = redis.call('HMGET', KEYS[3] .. id, 'state', 'turn')
  return is[1] == 'open' and is[2] == turn
end
"
    };
}

/// Whom and when, of a job: the answer too if it is asked for.
macro_rules! row {
    () => {
        "local function row(id, whole)
  local is = redis.call('HMGET', KEYS[3] .. id, 'kind', 'body', 'state', 'run', 'turn', 'reason', 'created')
  if not is[1] then return nil end
  local due = redis.call('ZSCORE', KEYS[4] .. is[1], id) or '0'
  local answer = whole and redis.call('HGET', KEYS[3] .. id, 'answer') or ''
  return {id, is[1], is[2], is[3], is[4] or '', is[5] or '0', is[6] or '', is[7], due, answer}
end
"
    };
}

macro_rules! script {
    ($(#[$doc:meta])* $name:ident = $($text:expr),+) => {
        $(#[$doc])*
        pub(super) static $name: LazyLock<Script> = LazyLock::new(|| Script::new(concat!($($text),+)));
    };
}

script! {
    /// Adds a job: its id, kind and body, how many may be open, and the list and entry that it stands for. One
    /// that had ended is not taken for a second: whoever adds it sees by then whether the entry is still there.
    ADD = now!(), "local id, job = ARGV[1], KEYS[3] .. ARGV[1]
local is = redis.call('HMGET', job, 'state', 'kind', 'body')
if is[1] and (is[1] == 'open' or ARGV[5] == '') then
  if is[2] == ARGV[2] and is[3] == ARGV[3] then return 'known' end
  return 'conflict'
end
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[4]) then return 'full' end
redis.call('ZREM', KEYS[2], id)
redis.call('DEL', job)
redis.call('HSET', job, 'kind', ARGV[2], 'body', ARGV[3], 'state', 'open', 'turn', 0, 'failures', 0, 'created', now)
if ARGV[5] ~= '' then redis.call('HSET', job, 'list', ARGV[5], 'entry', ARGV[6]) end
redis.call('ZADD', KEYS[1], now, id)
redis.call('ZADD', KEYS[4] .. ARGV[2], is[1] and now + 1000 or now, id)
return 'new'"
}

script! {
    /// Takes jobs of a kind: how many, and for how long.
    TAKE = now!(), "local due, taken = KEYS[4] .. ARGV[1], {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', due, '-inf', now, 'LIMIT', 0, ARGV[2])) do
  local job = KEYS[3] .. id
  local is = redis.call('HMGET', job, 'state', 'body', 'answer', 'failures', 'created')
  if is[1] == 'open' then
    local turn = redis.call('HINCRBY', job, 'turn', 1)
    redis.call('HSET', job, 'run', 1)
    redis.call('ZADD', due, now + ARGV[3], id)
    taken[#taken + 1] = {id, turn, is[2], is[3] or '', is[4], is[5]}
  else
    redis.call('ZREM', due, id)
    redis.call('ZREM', KEYS[1], id)
  end
end
return taken"
}

script! {
    /// Holds jobs for so long: the id, kind and number of each. Gives the places of those that are lost.
    HOLD = now!(), mine!(), "local lost = {}
for at = 2, #ARGV, 3 do
  local id = ARGV[at]
  if mine(id, ARGV[at + 2]) then
    redis.call('ZADD', KEYS[4] .. ARGV[at + 1], now + ARGV[1], id)
  else
    lost[#lost + 1] = (at - 2) / 3
  end
end
return lost"
}

script! {
    /// Keeps an answer: id, kind and number, for how long it is held, the answer.
    ANSWER = now!(), mine!(), "local id = ARGV[1]
if not mine(id, ARGV[3]) then return 0 end
redis.call('HSET', KEYS[3] .. id, 'answer', ARGV[5])
redis.call('ZADD', KEYS[4] .. ARGV[2], now + ARGV[4], id)
return 1"
}

script! {
    /// Gives a job back: id, kind and number, after how long it may be taken, and why, if it has failed.
    PUT_OFF = now!(), mine!(), "local id, job = ARGV[1], KEYS[3] .. ARGV[1]
if not mine(id, ARGV[3]) then return 0 end
redis.call('HDEL', job, 'run')
if ARGV[5] ~= '' then
  redis.call('HSET', job, 'reason', ARGV[5])
  redis.call('HINCRBY', job, 'failures', 1)
end
redis.call('ZADD', KEYS[4] .. ARGV[2], now + ARGV[4], id)
return 1"
}

script! {
    /// A job is done: id, kind and number, and how long it is known.
    DONE = now!(), mine!(), "local id, job = ARGV[1], KEYS[3] .. ARGV[1]
if not mine(id, ARGV[3]) then return 0 end
redis.call('ZREM', KEYS[1], id)
redis.call('ZREM', KEYS[4] .. ARGV[2], id)
redis.call('HSET', job, 'state', 'done')
redis.call('HDEL', job, 'run', 'reason', 'list', 'entry')
redis.call('PEXPIRE', job, ARGV[4])
return 1"
}

script! {
    /// A job is dead: id, kind and number, why, the name of its letter, how many are kept, and its body if it
    /// never was one.
    BURY = now!(), mine!(), "local id, kind, job = ARGV[1], ARGV[2], KEYS[3] .. ARGV[1]
if ARGV[7] then
  if redis.call('HGET', job, 'state') then return 0 end
  redis.call('HSET', job, 'kind', kind, 'body', ARGV[7], 'turn', 0, 'created', now)
elseif not mine(id, ARGV[3]) then
  return 0
end
redis.call('ZREM', KEYS[1], id)
redis.call('ZREM', KEYS[4] .. kind, id)
redis.call('HSET', job, 'state', 'dead', 'reason', ARGV[4], 'letter', ARGV[5])
redis.call('HDEL', job, 'run', 'list', 'entry')
redis.call('ZADD', KEYS[2], now, id)
while redis.call('ZCARD', KEYS[2]) > tonumber(ARGV[6]) do
  local oldest = redis.call('ZRANGE', KEYS[2], 0, 0)[1]
  redis.call('DEL', KEYS[3] .. oldest)
  redis.call('ZREM', KEYS[2], oldest)
end
return 1"
}

script! {
    /// Makes a dead job an open one. Gives the name of its letter.
    RETRY = now!(), "local id, job = ARGV[1], KEYS[3] .. ARGV[1]
local is = redis.call('HMGET', job, 'state', 'kind', 'letter')
if is[1] ~= 'dead' then return '' end
redis.call('HSET', job, 'state', 'open', 'failures', 0)
redis.call('HDEL', job, 'reason', 'letter', 'answer')
redis.call('ZREM', KEYS[2], id)
redis.call('ZADD', KEYS[1], now, id)
redis.call('ZADD', KEYS[4] .. is[2], now, id)
return is[3] or '-'"
}

script! {
    /// Forgets a job. Gives the name of its letter, or a dash if it has none.
    DROP = "local id, job = ARGV[1], KEYS[3] .. ARGV[1]
local is = redis.call('HMGET', job, 'kind', 'letter')
if not is[1] then return '' end
redis.call('ZREM', KEYS[1], id)
redis.call('ZREM', KEYS[2], id)
redis.call('ZREM', KEYS[4] .. is[1], id)
redis.call('DEL', job)
return is[2] or '-'"
}

script! {
    /// What is known of a job.
    FIND = now!(), row!(), "return {now, row(ARGV[1], true)}"
}

script! {
    /// What is known of the newest ones: of those at this place among the keys, and from where to where.
    LIST = now!(), row!(), "local rows = {now}
for _, id in ipairs(redis.call('ZREVRANGE', KEYS[tonumber(ARGV[1])], ARGV[2], ARGV[3])) do
  rows[#rows + 1] = row(id, false)
end
return rows"
}

script! {
    /// How many are open and dead, and how old the oldest open one is.
    FIGURES = now!(), "local oldest = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2]
return {redis.call('ZCARD', KEYS[1]), redis.call('ZCARD', KEYS[2]), oldest and now - oldest or 0}"
}
