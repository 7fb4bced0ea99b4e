//! Rules that no single value can keep by itself: bounds, and what keys demand of one another.

mod backend;
mod calls;
mod dialects;
mod im;
mod jobs;
mod origin;
mod room;
mod warnings;

use std::{collections::BTreeSet, fs::File, path::Path, time::Duration};

pub(super) use warnings::warnings;

use self::origin::{ORIGIN, is_origin};
use super::{Config, Mistake};
use crate::topic::ROOM_CHARS_MAX;

/// Schemes of the ways to Redis: alone, with Sentinel, as Cluster.
const REDIS_SCHEMES: &[&str] = &[
    "redis://",
    "rediss://",
    "redis+sentinel://",
    "rediss+sentinel://",
    "redis+cluster://",
    "rediss+cluster://",
];
const STORE_SCHEMES: &[&str] = &["sqlite://", "mysql://"];
/// Kept nowhere: for tests, and for whoever asks for it.
const STORE_MEMORY: &str = "sqlite::memory:";
/// A page is put together in memory, of messages of up to `limits.message_bytes_max`.
const HISTORY_PAGE_MAX: usize = 1000;
/// More than a machine has for one client; an outbox counts up to 4 GiB.
const OUTBOX_BYTES_MAX: usize = 1 << 30;
/// Every shard has a thread and buffers of its own.
const SHARDS_MAX: u16 = 1024;

/// Finds every rule that `config` breaks.
pub(super) fn check(config: &Config, mistakes: &mut Vec<Mistake>) {
    let unreadable = mistakes.clone();
    let mut check = Check {
        config,
        unreadable,
        mistakes,
    };
    check.listeners();
    check.credentials();
    check.neighbours();
    check.limits();
    check.durations();
    check.backend();
    check.dialects();
}

struct Check<'a> {
    config: &'a Config,
    /// What could not be read. It has its default now, about which there is nothing to be said.
    unreadable: Vec<Mistake>,
    mistakes: &'a mut Vec<Mistake>,
}

impl Check<'_> {
    fn mistake(&mut self, key: impl Into<String>, problem: impl Into<String>) {
        let key = key.into();
        let covers = |mistake: &Mistake| match mistake.key().strip_prefix(&key) {
            // Of one element of a list the whole list has its default.
            Some(rest) => is_index(rest) || ["", "_file"].contains(&rest),
            None => key.strip_prefix(mistake.key()).is_some_and(is_below),
        };
        if !self.unreadable.iter().any(covers) {
            self.mistakes.push(Mistake::new(key, problem));
        }
    }

    fn listeners(&mut self) {
        let listen = &self.config.listen;
        if listen.public.is_empty() {
            self.mistake("listen.public", "is empty, expected at least one address");
        }
        let mut taken = BTreeSet::new();
        let listeners = listen
            .public
            .iter()
            .map(|address| ("listen.public", address));
        for (key, address) in listeners.chain([("listen.admin", &listen.admin)]) {
            if address.port() != 0 && !taken.insert(address) {
                self.mistake(key, format!("has {address}, which is taken already"));
            }
            if self.config.development && !address.ip().is_loopback() {
                let problem = format!(
                    "is {address}, expected a loopback address: in development mode anyone may do \
                     anything (set development = false and configure credentials)"
                );
                self.mistake(key, problem);
            }
        }
        for (index, origin) in listen.origins.iter().enumerate() {
            if !is_origin(origin) {
                let problem = format!("is {origin:?}, expected {ORIGIN}");
                self.mistake(format!("listen.origins[{index}]"), problem);
            }
        }
        if let Some(tls) = &listen.tls {
            self.readable("listen.tls.cert", &tls.cert);
            self.readable("listen.tls.key", &tls.key);
        }
    }

    fn readable(&mut self, key: &str, path: &Path) {
        if let Err(error) = File::open(path) {
            let path = path.display();
            self.mistake(key, format!("is {path}, which cannot be read: {error}"));
        }
    }

    fn credentials(&mut self) {
        let keys = &self.config.api.keys;
        if keys.is_empty() && !self.config.listen.admin.ip().is_loopback() {
            let problem = "is missing, expected at least one key, since listen.admin is no loopback \
                           address";
            self.mistake("api.keys", problem);
        }
        for (index, key) in keys.iter().enumerate() {
            let text = key.key.expose();
            if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
                let problem = "is not usable, expected visible ASCII characters without blanks, \
                               since it travels in a header";
                self.mistake(format!("api.keys[{index}].key"), problem);
            }
            if keys[..index].iter().any(|other| other.key == key.key) && !key.key.is_empty() {
                self.mistake(format!("api.keys[{index}].key"), "stands there twice");
            }
        }
    }

    fn neighbours(&mut self) {
        let cluster = &self.config.cluster;
        if let Some(redis) = &cluster.redis
            && !starts_with_any(redis.expose(), REDIS_SCHEMES)
        {
            let problem = format!(
                "is not usable, expected {} and a host",
                one_of(REDIS_SCHEMES)
            );
            self.mistake("cluster.redis", problem);
        }
        if cluster.prefix.contains(['{', '}']) {
            // Braces are the tags that put keys which belong together onto one node of Redis.
            self.mistake("cluster.prefix", "has braces, expected a text without them");
        }
        let store = self.config.store.url.expose();
        if store != STORE_MEMORY && !starts_with_any(store, STORE_SCHEMES) {
            let problem = format!("is not usable, expected {} and more", one_of(STORE_SCHEMES));
            self.mistake("store.url", problem);
        } else if cluster.redis.is_some() && store == STORE_MEMORY {
            let problem = "is sqlite::memory:, into which each node of a cluster would move what \
                           others look for, expected mysql://, or sqlite:// and a path";
            self.mistake("store.url", problem);
        } else if cluster.redis.is_none() && store.starts_with("mysql://") {
            let problem = "is mysql://, which this version has no use for without cluster.redis, \
                           expected sqlite:// and a path";
            self.mistake("store.url", problem);
        }
        let mail = &self.config.mail;
        if mail.keep.is_zero() {
            self.mistake("mail.keep", "is 0, expected more");
        }
        if mail.letters_max == 0 {
            self.mistake("mail.letters_max", "is 0, expected at least 1");
        }
        let shards = self.config.runtime.shards;
        if SHARDS_MAX < shards {
            let problem = format!("is {shards}, expected at most {SHARDS_MAX}");
            self.mistake("runtime.shards", problem);
        }
    }

    fn limits(&mut self) {
        let limits = &self.config.limits;
        for (key, value) in [
            ("message_bytes_max", limits.message_bytes_max),
            ("outbox_bytes_max", limits.outbox_bytes_max),
            ("outboxes_bytes_max", limits.outboxes_bytes_max),
            ("connections_max", limits.connections_max),
            ("handshakes_pending_max", limits.handshakes_pending_max),
            ("header_bytes_max", limits.header_bytes_max),
            ("topics_per_session_max", limits.topics_per_session_max),
            (
                "calls_per_session_max",
                usize::from(limits.calls_per_session_max),
            ),
            ("uplink_bytes_max", limits.uplink_bytes_max),
            ("history_page_max", limits.history_page_max),
            ("room_chars_max", limits.room_chars_max),
        ] {
            if value == 0 {
                self.mistake(format!("limits.{key}"), "is 0, expected at least 1");
            }
        }
        for (key, value, max) in [
            (
                "outbox_bytes_max",
                limits.outbox_bytes_max,
                OUTBOX_BYTES_MAX,
            ),
            (
                "history_page_max",
                limits.history_page_max,
                HISTORY_PAGE_MAX,
            ),
            ("room_chars_max", limits.room_chars_max, ROOM_CHARS_MAX),
        ] {
            if max < value {
                let problem = format!("is {value}, expected at most {max}");
                self.mistake(format!("limits.{key}"), problem);
            }
        }
        if limits.messages_burst == Some(0) && 0 < limits.messages_per_second {
            let problem = "is 0, expected at least 1, since limits.messages_per_second is a limit";
            self.mistake("limits.messages_burst", problem);
        }
        if self.config.drain.rate == 0 {
            self.mistake("drain.rate", "is 0, expected at least 1");
        }
        if self.config.listen.accept_backlog == 0 {
            self.mistake("listen.accept_backlog", "is 0, expected at least 1");
        }
    }

    fn durations(&mut self) {
        let Config {
            limits, dialect, ..
        } = self.config;
        for (key, duration) in [
            ("limits.idle", limits.idle),
            ("limits.message_timeout", limits.message_timeout),
            ("limits.handshake_timeout", limits.handshake_timeout),
            ("dialect.ride.login_timeout", dialect.ride.login_timeout),
            ("dialect.device.auth_timeout", dialect.device.auth_timeout),
            ("dialect.im.token_max_age", dialect.im.token_max_age),
        ] {
            self.not_zero(key, duration);
        }
    }

    fn not_zero(&mut self, key: &str, duration: Duration) {
        if duration.is_zero() {
            self.mistake(key, "is 0, expected a duration such as \"10s\"");
        }
    }
}

fn is_below(rest: &str) -> bool {
    rest.starts_with(['.', '['])
}

fn is_index(rest: &str) -> bool {
    let index = rest
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    index.is_some_and(|index| index.bytes().all(|byte| byte.is_ascii_digit()))
}

fn starts_with_any(text: &str, beginnings: &[&str]) -> bool {
    beginnings.iter().any(|beginning| {
        text.strip_prefix(beginning)
            .is_some_and(|rest| !rest.is_empty())
    })
}

fn one_of(words: &[&str]) -> String {
    words.join(" or ")
}
