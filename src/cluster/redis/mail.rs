//! Mail in Redis: a stream for each user who has some.

use bytes::Bytes;
use redis::{Value, cmd};

use super::{
    errors::{from_value, unexpected},
    keys::Keys,
    reader, replicas,
    servers::Servers,
};
use crate::{
    clock::Clock,
    cluster::streams::StreamsError,
    mail::{Bounds, Letter, LetterId, Mail, MailError, PAGE, Pending, Posted, Put},
    topic::Topic,
};

/// The field of a letter, also in [`PUT`].
const BODY: &str = "m";
/// Adds a letter behind the newest one, and has the oldest ones go: says what it is named, how many
/// went, and behind which one it stands.
const PUT: &str = "local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1) \
    local id = redis.call('XADD', KEYS[1], '*', 'm', ARGV[1]) \
    local dropped = redis.call('XTRIM', KEYS[1], 'MAXLEN', ARGV[2]) \
    redis.call('PEXPIRE', KEYS[1], ARGV[3]) \
    return {id, dropped, last[1] and last[1][1] or '0-0'}";
/// Removes letters. The stream outlives the last one for a while: as long as it is there, no name of a
/// letter comes twice, whatever the clock does.
const REMOVE: &str = "redis.call('XDEL', KEYS[1], unpack(ARGV)) \
    if redis.call('XLEN', KEYS[1]) == 0 then redis.call('PEXPIRE', KEYS[1], 60000) end return 0";
/// Most letters that one call of the script removes, far below what `unpack` takes.
const REMOVED_MAX: usize = 1000;

/// An entry of a stream: its name, and its fields.
type Entry = (String, Vec<(String, Vec<u8>)>);

/// The mail of a cluster.
#[derive(Debug)]
pub struct RedisMail {
    servers: Servers,
    keys: Keys,
    settings: Settings,
}

/// How mail is kept.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How much, and how long.
    pub bounds: Bounds,
    /// How many replicas must have a letter before it is answered for.
    pub replicas: u32,
    /// The time, which may differ from Redis' by seconds.
    pub clock: Clock,
}

impl RedisMail {
    pub(super) fn new(servers: Servers, keys: Keys, settings: Settings) -> Self {
        Self {
            servers,
            keys,
            settings,
        }
    }

    async fn put_all(&self, letters: Vec<(Topic, Bytes)>) -> Result<Vec<Put>, StreamsError> {
        let Settings {
            bounds, replicas, ..
        } = &self.settings;
        let mut commands = Vec::with_capacity(2 * letters.len());
        for (user, body) in &letters {
            let key = self.keys.mail(user.id());
            let mut put = cmd("EVAL");
            put.arg(PUT).arg(1).arg(&key).arg(&body[..]);
            put.arg(bounds.letters_max)
                .arg(bounds.keep.as_millis() as u64);
            commands.push((key.clone(), put));
            if let Some(wait) = replicas::wait(*replicas) {
                commands.push((key, wait));
            }
        }
        let answers = self.servers.call_in_time(commands).await?;
        let step = 1 + usize::from(0 < *replicas);
        let put = answers.chunks(step).map(|answers| {
            let [put, copies @ ..] = answers else {
                return Err(unexpected());
            };
            if let [copies] = copies {
                replicas::check(copies, *replicas)?;
            }
            let (id, dropped, after): (String, u64, String) = from_value(put.clone())?;
            Ok(Put {
                posted: Posted {
                    id: letter_id(&id)?,
                    after: letter_id(&after)?,
                },
                dropped,
            })
        });
        put.collect()
    }

    async fn read_all(&self, users: Vec<Topic>) -> Result<Vec<Vec<Letter>>, StreamsError> {
        let Settings { bounds, clock, .. } = &self.settings;
        let keep_ms = bounds.keep.as_millis() as u64;
        let oldest_ms = clock.now().unix_ms.saturating_sub(keep_ms);
        let commands = users.iter().map(|user| {
            let key = self.keys.mail(user.id());
            let mut range = cmd("XRANGE");
            range
                .arg(&key)
                .arg(oldest_ms)
                .arg("+")
                .arg("COUNT")
                .arg(PAGE);
            (key, range)
        });
        let answers = self.servers.call_in_time(commands.collect()).await?;
        answers.into_iter().map(letters).collect()
    }

    async fn remove_all(&self, letters: Vec<(Topic, Vec<LetterId>)>) -> Result<(), StreamsError> {
        let mut commands = Vec::with_capacity(letters.len());
        for (user, ids) in &letters {
            let key = self.keys.mail(user.id());
            for ids in ids.chunks(REMOVED_MAX) {
                let mut remove = cmd("EVAL");
                remove.arg(REMOVE).arg(1).arg(&key);
                for LetterId(time_ms, number) in ids {
                    remove.arg(format!("{time_ms}-{number}"));
                }
                commands.push((key.clone(), remove));
            }
        }
        self.servers.call_in_time(commands).await.map(drop)
    }
}

impl Mail for RedisMail {
    fn put(&self, letters: Vec<(Topic, Bytes)>) -> Pending<'_, Vec<Put>> {
        Box::pin(async move { self.put_all(letters).await.map_err(mail_error) })
    }

    fn read(&self, users: Vec<Topic>) -> Pending<'_, Vec<Vec<Letter>>> {
        Box::pin(async move { self.read_all(users).await.map_err(mail_error) })
    }

    fn remove(&self, letters: Vec<(Topic, Vec<LetterId>)>) -> Pending<'_, ()> {
        Box::pin(async move { self.remove_all(letters).await.map_err(mail_error) })
    }
}

fn letters(answer: Value) -> Result<Vec<Letter>, StreamsError> {
    let entries: Vec<Entry> = from_value(answer)?;
    let letters = entries.into_iter().map(|(id, fields)| {
        let body = fields.into_iter().find(|(name, _)| name == BODY);
        Ok(Letter {
            id: letter_id(&id)?,
            // One without a body is not ours, and cannot be read.
            body: body.map(|(_, body)| body.into()).unwrap_or_default(),
        })
    });
    letters.collect()
}

fn letter_id(id: &str) -> Result<LetterId, StreamsError> {
    let position = reader::position(id).ok_or_else(unexpected)?;
    Ok(LetterId(position.time_ms, position.number))
}

fn mail_error(error: StreamsError) -> MailError {
    MailError(error.to_string().into())
}
