//! Queues in Redis: a stream with one group, and a sorted set for what is for later.
//!
//! All nodes are one consumer: what one of them has taken and never done is given to whoever looks
//! for it, and no consumer is left over when a node goes.

use std::time::Duration;

use bytes::Bytes;
use redis::{Value, aio::MultiplexedConnection, cmd};
use tokio::{
    sync::Mutex,
    time::{self, Instant},
};

use super::{
    CONSUMER,
    errors::{from_value, meaning},
    keys::{Keys, QueueKeys},
    servers::Servers,
};
use crate::{
    cluster::streams::{CALL_TIMEOUT, READ_WAIT, StreamsError},
    queue::{DEAD_MAX, Entry, EntryId, Pending, Queue, QueueError, Taken},
};

/// The group of every queue.
const GROUP: &str = "gateways";
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
    claim_after: Duration,
    taking: Mutex<Taking>,
}

/// One take after the other, on a connection of their own, since they wait on it.
#[derive(Default)]
struct Taking {
    connection: Option<MultiplexedConnection>,
    /// When to look for what is due.
    look: Option<Instant>,
    /// When to look for what somebody has taken and not done.
    claim: Option<Instant>,
}

impl RedisQueue {
    pub(super) fn new(servers: Servers, keys: &Keys, name: &str, claim_after: Duration) -> Self {
        Self {
            servers,
            keys: keys.queue(name),
            claim_after,
            taking: Mutex::default(),
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
        let mut taking = self.taking.lock().await;
        loop {
            if taking.look.is_none_or(|at| at <= Instant::now()) {
                self.move_due().await?;
                taking.look = Some(Instant::now() + LOOK);
            }
            if taking.claim.is_none_or(|at| at <= Instant::now()) {
                let taken = self.claim(max).await?;
                if !taken.is_empty() {
                    return Ok(taken);
                }
                taking.claim = Some(Instant::now() + self.claim_after / 4);
            }
            let left = until.saturating_duration_since(Instant::now());
            let taken = match self.read(&mut taking, max, left.min(LOOK)).await {
                Err(StreamsError::Lost) => {
                    self.make_group().await?;
                    continue;
                }
                read => read?,
            };
            if !taken.is_empty() || until <= Instant::now() {
                return Ok(taken);
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

    async fn make_group(&self) -> Result<(), StreamsError> {
        let stream = &self.keys.stream;
        let mut create = cmd("XGROUP");
        create.arg(&["CREATE", stream, GROUP, "0", "MKSTREAM"]);
        match self
            .servers
            .call_in_time(vec![(stream.clone(), create)])
            .await
        {
            Err(StreamsError::Refused(text)) if text.contains("BUSYGROUP") => Ok(()),
            made => made.map(drop),
        }
    }

    /// What somebody has taken and not done for too long.
    async fn claim(&self, max: usize) -> Result<Vec<Taken>, StreamsError> {
        let stream = &self.keys.stream;
        let idle_ms = self.claim_after.as_millis() as u64;
        let mut pending = cmd("XPENDING");
        pending.arg(stream).arg(GROUP).arg("IDLE").arg(idle_ms);
        pending.arg(&["-", "+"]).arg(max);
        let answer = match self
            .servers
            .call_in_time(vec![(stream.clone(), pending)])
            .await
        {
            Err(StreamsError::Lost) => return Ok(Vec::new()),
            answer => answer?.remove(0),
        };
        let pending: Vec<(String, String, u64, u64)> = from_value(answer)?;
        if pending.is_empty() {
            return Ok(Vec::new());
        }
        let mut claim = cmd("XCLAIM");
        claim.arg(stream).arg(GROUP).arg(CONSUMER).arg(idle_ms);
        for (id, ..) in &pending {
            claim.arg(id);
        }
        let answer = self
            .servers
            .call_in_time(vec![(stream.clone(), claim)])
            .await?
            .remove(0);
        let attempts = |id: &str| {
            let before = pending.iter().find(|(other, ..)| other == id);
            before.map_or(1, |(.., deliveries)| deliveries + 1)
        };
        let claimed: Vec<Fields> = from_value(answer)?;
        Ok(taken(claimed, attempts))
    }

    /// What nobody has taken yet.
    async fn read(
        &self,
        taking: &mut Taking,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Taken>, StreamsError> {
        let stream = &self.keys.stream;
        let mut connection = match taking.connection.take() {
            Some(connection) => connection,
            None => self.servers.dedicated(stream).await?,
        };
        let mut read = cmd("XREADGROUP");
        read.arg(&["GROUP", GROUP, CONSUMER, "COUNT"]).arg(max);
        // 0 would be for ever.
        read.arg("BLOCK").arg(wait.as_millis().max(1) as u64);
        read.arg("STREAMS").arg(stream).arg(">");
        let reading = read.query_async::<Value>(&mut connection);
        let answer = match time::timeout(READ_WAIT + CALL_TIMEOUT, reading).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                let error = meaning(&error);
                if error == StreamsError::Lost {
                    taking.connection = Some(connection);
                } else {
                    self.servers.forget();
                }
                return Err(error);
            }
            Err(_) => {
                self.servers.forget();
                return Err(StreamsError::Unavailable("no answer in time".into()));
            }
        };
        taking.connection = Some(connection);
        let streams: Option<Vec<(String, Vec<Fields>)>> = from_value(answer)?;
        let entries = streams.unwrap_or_default().into_iter();
        Ok(taken(entries.flat_map(|(_, entries)| entries), |_| 1))
    }

    async fn remove(&self, entries: &[EntryId]) -> Result<(), StreamsError> {
        if entries.is_empty() {
            return Ok(());
        }
        let stream = &self.keys.stream;
        let mut acknowledge = cmd("XACK");
        acknowledge.arg(stream).arg(GROUP);
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

impl std::fmt::Debug for Taking {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Taking").finish_non_exhaustive()
    }
}

/// An entry of a stream: its name, and its fields; a claimed one that was deleted has none.
type Fields = (String, Option<Vec<(String, Vec<u8>)>>);

fn taken(entries: impl IntoIterator<Item = Fields>, attempts: impl Fn(&str) -> u64) -> Vec<Taken> {
    let taken = entries.into_iter().map(|(id, fields)| {
        let mut fields = fields.unwrap_or_default().into_iter();
        let body = fields.find(|(name, _)| name == BODY);
        Taken {
            attempts: attempts(&id),
            id: EntryId(id.into()),
            // Without one it is not what anybody can work with, and is found so.
            body: body.map(|(_, body)| Bytes::from(body)).unwrap_or_default(),
        }
    });
    taken.collect()
}

fn queue_error(error: StreamsError) -> QueueError {
    QueueError(error.to_string().into())
}
