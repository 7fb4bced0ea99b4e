//! What the user of a member has to be allowed, tried once before anything depends on it.
//!
//! The commands are those of the other modules, on a key that nobody else has, and leave nothing.

use redis::{Cmd, cmd};

use super::{CONSUMER, INBOX_GROUP, script::Script, streams::REMOVE};

/// How long the key holds, should it not be allowed to delete it.
const HOLD_MS: u64 = 1000;

/// Every command there is: first those that leave nothing behind although others are not allowed.
pub(super) fn commands(key: &str) -> [Vec<Cmd>; 2] {
    let mut first = plain(key);
    first.extend(sets_and_lists(key));
    [first, streams(key)]
}

fn plain(key: &str) -> Vec<Cmd> {
    vec![
        with("SET", key, &["probe", "PX", &HOLD_MS.to_string()]),
        with("GET", key, &[]),
        with("DEL", key, &[]),
        with("XLEN", key, &[]),
        with("EVAL", REMOVE, &["3", key, key, key]),
        by_digest(key),
        with("SADD", key, &["probe"]),
        with("SMEMBERS", key, &[]),
        with("SREM", key, &["probe"]),
        with("DEL", key, &[]),
        cmd("TIME"),
        with("ZADD", key, &["1", "probe"]),
        with("PEXPIRE", key, &[&HOLD_MS.to_string()]),
        with("ZRANGEBYSCORE", key, &["-inf", "2", "LIMIT", "0", "1"]),
        with("ZCARD", key, &[]),
        with("ZSCORE", key, &["probe"]),
        with("ZRANGE", key, &["0", "0"]),
        with("ZREVRANGE", key, &["0", "0"]),
        with("ZREM", key, &["probe"]),
        with("DEL", key, &[]),
        with("HINCRBY", key, &["last", "1"]),
        with("PEXPIRE", key, &[&HOLD_MS.to_string()]),
        with("HSET", key, &["1", "probe"]),
        with("HGET", key, &["1"]),
        with("HLEN", key, &[]),
        with("HSCAN", key, &["0"]),
        with("HMGET", key, &["1"]),
        with("HDEL", key, &["1"]),
        with("DEL", key, &[]),
    ]
}

fn sets_and_lists(key: &str) -> Vec<Cmd> {
    vec![
        with("SISMEMBER", key, &["probe"]),
        with("GEOADD", key, &["XX", "0", "0", "probe"]),
        with("ZREVRANGEBYSCORE", key, &["+inf", "(0", "LIMIT", "0", "1"]),
        with("LINDEX", key, &["-1"]),
        with("RPOP", key, &[]),
    ]
}

/// The script that was told just before.
fn by_digest(key: &str) -> Cmd {
    let mut run = Script::new(REMOVE).by_digest();
    run.arg(&["3", key, key, key]).take()
}

fn streams(key: &str) -> Vec<Cmd> {
    let group = INBOX_GROUP;
    vec![
        with("XGROUP", "CREATE", &[key, group, "$", "MKSTREAM"]),
        with("XGROUP", "SETID", &[key, group, "$"]),
        with("XADD", key, &["NOMKSTREAM", "*", "f", "probe"]),
        with(
            "XREADGROUP",
            "GROUP",
            &[group, CONSUMER, "COUNT", "1", "STREAMS", key, ">"],
        ),
        with("XPENDING", key, &[group, "IDLE", "0", "-", "+", "1"]),
        with("XCLAIM", key, &[group, CONSUMER, "0", "0-1"]),
        with("XINFO", "STREAM", &[key]),
        with("XRANGE", key, &["-", "+"]),
        with("XREVRANGE", key, &["+", "-"]),
        with("XTRIM", key, &["MAXLEN", "1"]),
        with("XACK", key, &[group, "0-1"]),
        with("XDEL", key, &["0-1"]),
        with("XGROUP", "DESTROY", &[key, group]),
        with("DEL", key, &[]),
    ]
}

fn with(name: &str, first: &str, others: &[&str]) -> Cmd {
    cmd(name).arg(first).arg(others).take()
}
