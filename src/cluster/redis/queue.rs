//! Queues in Redis: a stream with one group, and a sorted set for what is for later.

use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use redis::cmd;
use tokio::time::Instant;

use super::{
    group::{Given, Group},
    keys::{Keys, QueueKeys},
    servers::Servers,
};
use crate::{
    cluster::streams::StreamsError,
    queue::{DEAD_MAX, Entry, EntryId, Pending, Queue, QueueError, Taken},
};

/// The field of an entry.
const BODY: &str = "message";
/// Puts an entry aside under a number of its own.
const PUT_ASIDE: &str = "local id = redis.call('HINCRBY', KEYS[2], 'last', 1) \
    redis.call('HSET', KEYS[2], id, ARGV[2]) redis.call('ZADD', KEYS[1], ARGV[1], id) return id";
/// Moves what is due into the stream, by the clock of Redis.
const MOVE_DUE: &str = "local now = redis.call('TIME') \
    local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', \
        now[1] * 1000 + math.floor(now[2] / 1000), 'LIMIT', 0, 100) \
    for _, id in ipairs(due) do \
        local body = redis.call('HGET', KEYS[2], id) \
        if body then redis.call('XADD', KEYS[3], '*', 'message', body) end \
        redis.call('ZREM', KEYS[1], id) redis.call('HDEL', KEYS[2], id) \
    end return #due";
/// Between two looks for entries whose time has come.
const LOOK: Duration = Duration::from_millis(500);

/// One queue of a cluster.
#[derive(Debug)]
pub struct RedisQueue {
    servers: Servers,
    keys: QueueKeys,
    group_name: &'static str,
    group: Group,
    /// When to look for what is due.
    look: Mutex<Option<Instant>>,
}

impl RedisQueue {
    pub(super) fn new(
        servers: Servers,
        keys: &Keys,
        name: &str,
        group_name: &'static str,
        claim_after: Duration,
    ) -> Self {
        let keys = keys.queue(name);
        let group = Group::new(
            servers.clone(),
            keys.stream.clone(),
            group_name,
            claim_after,
        );
        Self {
            servers,
            keys,
            group_name,
            group,
            look: Mutex::default(),
        }
    }

    async fn push_all(&self, entries: Vec<Entry>) -> Result<(), StreamsError> {
        let QueueKeys {
            stream,
            later,
            bodies,
            ..
        } = &self.keys;
        let commands = entries.iter().map(|Entry { body, at_ms }| match at_ms {
            None => {
                let mut add = cmd("XADD");
                add.arg(stream).arg("*").arg(BODY).arg(&body[..]);
                (stream.clone(), add)
            }
            Some(at_ms) => {
                let mut put = cmd("EVAL");
                put.arg(PUT_ASIDE).arg(2).arg(later).arg(bodies);
                put.arg(*at_ms).arg(&body[..]);
                (later.clone(), put)
            }
        });
        self.servers
            .call_in_time(commands.collect())
            .await
            .map(drop)
    }

    async fn take_within(&self, max: usize, wait: Duration) -> Result<Vec<Taken>, StreamsError> {
        let until = Instant::now() + wait;
        loop {
            let look = *self.look.lock();
            if look.is_none_or(|at| at <= Instant::now()) {
                self.move_due().await?;
                *self.look.lock() = Some(Instant::now() + LOOK);
            }
            let left = until.saturating_duration_since(Instant::now());
            let given = self.group.take(max, left.min(LOOK)).await?;
            if !given.is_empty() || until <= Instant::now() {
                return Ok(given.into_iter().map(taken).collect());
            }
        }
    }

    async fn move_due(&self) -> Result<(), StreamsError> {
        let QueueKeys {
            stream,
            later,
            bodies,
            ..
        } = &self.keys;
        let mut due = cmd("EVAL");
        due.arg(MOVE_DUE).arg(3).arg(later).arg(bodies).arg(stream);
        self.servers
            .call_in_time(vec![(later.clone(), due)])
            .await
            .map(drop)
    }

    async fn remove(&self, entries: &[EntryId]) -> Result<(), StreamsError> {
        if entries.is_empty() {
            return Ok(());
        }
        let stream = &self.keys.stream;
        let mut acknowledge = cmd("XACK");
        acknowledge.arg(stream).arg(self.group_name);
        let mut delete = cmd("XDEL");
        delete.arg(stream);
        for EntryId(id) in entries {
            acknowledge.arg(&**id);
            delete.arg(&**id);
        }
        let commands = [acknowledge, delete].map(|command| (stream.clone(), command));
        self.servers.call_in_time(commands.into()).await.map(drop)
    }

    async fn bury_one(&self, entry: Taken, reason: &str) -> Result<(), StreamsError> {
        let dead = &self.keys.dead;
        let mut add = cmd("XADD");
        add.arg(dead).arg(&["MAXLEN", "~"]).arg(DEAD_MAX).arg("*");
        add.arg(BODY).arg(&entry.body[..]);
        add.arg("reason").arg(reason).arg("id").arg(&*entry.id.0);
        // Before it is removed: twice among the dead is better than nowhere.
        self.servers.call_in_time(vec![(dead.clone(), add)]).await?;
        self.remove(&[entry.id]).await
    }
}

impl Queue for RedisQueue {
    fn push(&self, entries: Vec<Entry>) -> Pending<'_, ()> {
        Box::pin(async move { self.push_all(entries).await.map_err(queue_error) })
    }

    fn take(&self, max: usize, wait: Duration) -> Pending<'_, Vec<Taken>> {
        Box::pin(async move { self.take_within(max, wait).await.map_err(queue_error) })
    }

    fn done(&self, entries: Vec<EntryId>) -> Pending<'_, ()> {
        Box::pin(async move { self.remove(&entries).await.map_err(queue_error) })
    }

    fn bury(&self, entry: Taken, reason: String) -> Pending<'_, ()> {
        Box::pin(async move { self.bury_one(entry, &reason).await.map_err(queue_error) })
    }
}

fn taken(entry: Given) -> Taken {
    let mut fields = entry.fields.into_iter();
    let body = fields.find(|(name, _)| name == BODY);
    Taken {
        id: EntryId(entry.id.into()),
        attempts: entry.attempts,
        // Without one it is not what anybody can work with, and is found so.
        body: body.map(|(_, body)| Bytes::from(body)).unwrap_or_default(),
    }
}

fn queue_error(error: StreamsError) -> QueueError {
    QueueError(error.to_string().into())
}
