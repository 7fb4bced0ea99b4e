//! Redis, alone, watched by Sentinels, or as a Cluster: leases, log and inboxes in streams with
//! consumer groups.
//!
//! Commands share one connection per server and end within `CALL_TIMEOUT`; readers block on
//! connections of their own. A call that fails is not repeated here: its fate is unknown, and whoever
//! made it knows how to repeat it. What it leads to is that the next call connects anew, and asks the
//! Sentinels or the Cluster again which server it has to talk to.
//!
//! **Invariant:** a password is in no error, no log and no debug output.

mod address;
mod backlog;
mod channel;
mod connect;
mod contacts;
mod credentials;
mod dues;
mod errors;
mod find;
mod group;
mod hooks;
mod jobs;
mod journal;
mod keys;
mod ledger;
mod legacy;
mod mail;
mod occupancy;
mod probe;
mod queue;
mod reader;
mod replicas;
mod schedules;
mod script;
mod servers;
mod writer;

use std::{path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use redis::{Cmd, Value, cmd};

use self::{
    address::Address,
    errors::{from_value, refused},
    keys::Keys,
    reader::{InboxReader, LogReader},
    servers::Servers,
    writer::Writer,
};
pub use self::{
    backlog::{Lag, RedisBacklog, Unmoved, Unreadable},
    channel::{RedisChannel, Subscription},
    contacts::RedisContacts,
    credentials::RedisCredentials,
    dues::RedisDues,
    hooks::{Current as CurrentHooks, RedisGraveyard, RedisHooks},
    jobs::RedisJobs,
    journal::RedisJournal,
    ledger::RedisLedger,
    legacy::{Drawn, RedisLegacy},
    mail::{RedisMail, Settings as MailSettings},
    queue::RedisQueue,
    schedules::RedisSchedules,
    writer::Settings as JournalSettings,
};
use super::streams::{
    Entry, LEASE, LOG_ENTRIES, Position, Pulse, REAP, Sent, Streams, StreamsError, new_generation,
};
use crate::{config::Secret, id::Member, store::MessageStore};

/// The consumer group of an inbox.
const INBOX_GROUP: &str = "gateway";
/// The consumer group of a queue of pushes.
const PUSH_GROUP: &str = "gateways";
/// The one consumer of a group.
const CONSUMER: &str = "node";
/// Removes inbox, lease and right to reap, if the inbox has no entry. All have the same tag.
const REMOVE: &str = "if redis.call('XLEN', KEYS[1]) == 0 then \
    redis.call('DEL', KEYS[1], KEYS[2], KEYS[3]) return 1 else return 0 end";

/// Where Redis is.
#[derive(Debug)]
pub struct Settings {
    /// Its address, with its password.
    pub url: Secret,
    /// Beginning of every key.
    pub prefix: String,
    /// Certificates, in PEM, that its own is checked with; absent: the public ones.
    pub ca: Option<PathBuf>,
}

/// A connection to Redis, made when it is needed.
#[derive(Debug)]
pub struct Redis {
    servers: Servers,
    keys: Keys,
}

// === impl Redis ===

impl Redis {
    /// Connects to nothing yet.
    ///
    /// # Errors
    ///
    /// [`StreamsError::Refused`] for an address that is none, or certificates that cannot be read.
    pub fn new(settings: Settings) -> Result<Self, StreamsError> {
        let Settings { url, prefix, ca } = settings;
        let address = Address::parse(url.expose()).map_err(refused)?;
        let ca = ca.map(std::fs::read).transpose();
        let ca =
            ca.map_err(|error| refused(format!("its certificates cannot be read: {error}")))?;
        Ok(Self {
            servers: Servers::new(address, ca),
            keys: Keys::new(prefix),
        })
    }

    /// The mail in it, over connections of its own: what waits for replicas, and pages of letters,
    /// delay nobody else.
    pub fn mail(&self, settings: MailSettings) -> RedisMail {
        let (servers, keys) = (self.servers.apart(), self.keys.clone());
        RedisMail::new(servers, keys, settings)
    }

    /// The credentials in it, over connections of their own.
    pub fn credentials(&self) -> RedisCredentials {
        RedisCredentials::new(self.servers.apart(), self.keys.clone())
    }

    /// The ledger in it, over connections of its own.
    pub fn ledger(&self) -> RedisLedger {
        RedisLedger::new(self.servers.apart(), self.keys.clone())
    }

    /// What is owed by sessions, and who is in which room, over connections of its own.
    pub fn dues(&self) -> RedisDues {
        RedisDues::new(self.servers.apart(), self.keys.clone())
    }

    /// A queue in it, over connections of its own. What was taken and is not done is given again after
    /// `claim_after`.
    pub fn queue(&self, name: &str, claim_after: Duration) -> RedisQueue {
        self.queue_of(name, PUSH_GROUP, claim_after)
    }

    /// A queue that is read as another group.
    pub fn queue_of(&self, name: &str, group: &'static str, claim_after: Duration) -> RedisQueue {
        RedisQueue::new(self.servers.apart(), &self.keys, name, group, claim_after)
    }

    /// The jobs in it, over connections of their own. Those that are done are known for `keep`.
    pub fn jobs(&self, keep: Duration) -> RedisJobs {
        RedisJobs::new(self.servers.apart(), &self.keys, keep)
    }

    /// The schedules in it, over connections of their own.
    pub fn schedules(&self) -> RedisSchedules {
        RedisSchedules::new(self.servers.apart(), &self.keys)
    }

    /// What endpoints are still to be told, over connections of its own.
    pub fn hooks(&self) -> RedisHooks {
        RedisHooks::new(self.servers.apart(), self.keys.clone())
    }

    /// A channel of applications, over a connection of its own. Its name has no prefix.
    pub fn channel(&self, name: &str) -> RedisChannel {
        RedisChannel::new(self.servers.apart(), name)
    }

    /// The journal in it, over connections of its own: what waits for replicas delays nobody else. What
    /// was accepted is moved to `store` by who runs [`super::archive::run`].
    pub fn journal(&self, settings: JournalSettings, store: Arc<dyn MessageStore>) -> RedisJournal {
        let servers = self.servers.apart();
        let writer = Writer::new(servers.clone(), self.keys.journal(), settings);
        RedisJournal::new(servers, writer, store)
    }

    /// What the journal has accepted and is in no database yet, over connections of its own. What was
    /// taken and not settled is given again after `claim_after`.
    pub fn backlog(&self, claim_after: Duration) -> RedisBacklog {
        RedisBacklog::new(self.servers.apart(), self.keys.journal(), claim_after)
    }

    /// Messages of older chat servers in it, which are written into the journal.
    pub fn legacy(&self, settings: JournalSettings) -> RedisLegacy {
        let servers = self.servers.apart();
        let writer = Writer::new(servers.clone(), self.keys.journal(), settings);
        RedisLegacy::new(servers, self.keys.legacy(), writer)
    }

    /// The contacts in it, over connections of their own.
    pub fn contacts(&self) -> RedisContacts {
        RedisContacts::new(self.servers.apart(), self.keys.clone())
    }

    /// Whether it is one that can be used: version 7.0 or newer, open to us, and to all that we do.
    ///
    /// # Errors
    ///
    /// [`StreamsError::Refused`] if it is not; [`StreamsError::Unavailable`] if it cannot be asked.
    pub async fn check(&self) -> Result<(), StreamsError> {
        let key = self.keys.probe(&new_generation());
        for commands in probe::commands(&key) {
            let commands = commands.into_iter().map(|command| (key.clone(), command));
            self.call(commands.collect()).await?;
        }
        Ok(())
    }

    /// Has each command carried out by the server of its key, those of one server in one pipeline.
    async fn call(&self, commands: Vec<(String, Cmd)>) -> Result<Vec<Value>, StreamsError> {
        self.servers.call_in_time(commands).await
    }

    /// Makes a consumer group, or puts the one that is there to `start`.
    async fn make_group(
        &self,
        key: &str,
        group: &str,
        start: &str,
        is_reset: bool,
    ) -> Result<(), StreamsError> {
        let mut create = cmd("XGROUP");
        create.arg(&["CREATE", key, group, start, "MKSTREAM"]);
        match self.servers.call_one(key, create).await {
            Err(StreamsError::Refused(text)) if text.contains("BUSYGROUP") => {}
            other => return other.map(drop),
        }
        if !is_reset {
            return Ok(());
        }
        let mut set = cmd("XGROUP");
        set.arg(&["SETID", key, group, start]);
        self.servers.call_one(key, set).await.map(drop)
    }

    /// Renews a lease, and tells who else has one.
    async fn renew(&self, me: &Member, info: Bytes) -> Result<Pulse, StreamsError> {
        let (lease, inbox) = (self.keys.lease(me), self.keys.inbox(me));
        let (generation, members) = (self.keys.generation(), self.keys.members());
        let fresh = new_generation();
        let mut renew = cmd("SET");
        renew
            .arg(&lease)
            .arg(&info[..])
            .arg("PX")
            .arg(LEASE.as_millis() as u64);
        let mut name = cmd("SET");
        name.arg(&generation).arg(&fresh).arg(&["NX", "GET"]);
        let commands = vec![
            (lease.clone(), renew),
            (inbox.clone(), cmd("XLEN").arg(&inbox).take()),
            (generation, name),
            (members.clone(), cmd("SMEMBERS").arg(&members).take()),
        ];
        let answers = self.call(commands).await?;
        let [_, waiting, before, listed] = answers.try_into().map_err(|_| unexpected())?;
        let before: Option<String> = from_value(before)?;
        let listed: Vec<String> = from_value(listed)?;
        let mut listed: Vec<Member> = listed.iter().filter_map(|text| text.parse().ok()).collect();
        listed.sort_by(|one, other| one.as_str().cmp(other.as_str()));
        Ok(Pulse {
            generation: before.unwrap_or(fresh).into(),
            inbox_entries: from_value(waiting)?,
            members: self.leases(listed).await?,
        })
    }

    /// Removes what a member has, if its inbox has no entry.
    async fn clear(&self, member: &Member) -> Result<bool, StreamsError> {
        let inbox = self.keys.inbox(member);
        let mut remove = cmd("EVAL");
        remove.arg(REMOVE).arg(3).arg(&inbox);
        remove
            .arg(self.keys.lease(member))
            .arg(self.keys.reaping(member));
        if from_value::<u64>(self.servers.call_one(&inbox, remove).await?)? == 0 {
            return Ok(false);
        }
        let (log, members) = (self.keys.log(), self.keys.members());
        let mut destroy = cmd("XGROUP");
        destroy.arg(&["DESTROY", &log, member.as_str()]);
        match self.servers.call_one(&log, destroy).await {
            // Without a log there is no cursor either.
            Err(StreamsError::Refused(text)) if text.contains("requires the key to exist") => {}
            other => drop(other?),
        }
        let list = cmd("SREM").arg(&members).arg(member.as_str()).take();
        self.servers.call_one(&members, list).await?;
        Ok(true)
    }

    /// The leases of these members.
    async fn leases(
        &self,
        members: Vec<Member>,
    ) -> Result<Vec<(Member, Option<Bytes>)>, StreamsError> {
        let commands = members.iter().map(|member| {
            let key = self.keys.lease(member);
            let command = cmd("GET").arg(&key).take();
            (key, command)
        });
        let answers = self.call(commands.collect()).await?;
        let leases = answers.into_iter().map(from_value::<Option<Vec<u8>>>);
        let leases: Vec<Option<Vec<u8>>> = leases.collect::<Result<_, _>>()?;
        let leases = leases.into_iter().map(|lease| lease.map(Bytes::from));
        Ok(members.into_iter().zip(leases).collect())
    }
}

impl Streams for Redis {
    type Log = LogReader;
    type Inbox = InboxReader;

    async fn beat(&self, me: &Member, info: Bytes) -> Result<Pulse, StreamsError> {
        self.servers.in_time(self.renew(me, info)).await
    }

    async fn enroll(&self, me: &Member) -> Result<(), StreamsError> {
        let key = self.keys.members();
        let add = cmd("SADD").arg(&key).arg(me.as_str()).take();
        self.servers.call_one(&key, add).await.map(drop)
    }

    async fn resign(&self, me: &Member) -> Result<(), StreamsError> {
        let key = self.keys.lease(me);
        let delete = cmd("DEL").arg(&key).take();
        self.servers.call_one(&key, delete).await.map(drop)
    }

    async fn begin_reaping(&self, dead: &Member, me: &Member) -> Result<bool, StreamsError> {
        let key = self.keys.reaping(dead);
        let mut take = cmd("SET");
        take.arg(&key)
            .arg(me.as_str())
            .arg("PX")
            .arg(REAP.as_millis() as u64);
        take.arg(&["NX", "GET"]);
        let holder: Option<String> = from_value(self.servers.call_one(&key, take).await?)?;
        // It is ours too if a call of ours had come through without an answer.
        Ok(holder.is_none_or(|holder| holder == me.as_str()))
    }

    async fn open_log(&self, me: &Member) -> Result<LogReader, StreamsError> {
        let key = self.keys.log();
        let making = self.make_group(&key, me.as_str(), "$", true);
        self.servers.in_time(making).await?;
        Ok(LogReader::new(self.servers.clone(), key, me))
    }

    async fn append(&self, entries: Vec<Entry>) -> Result<Vec<Position>, StreamsError> {
        let key = self.keys.log();
        let commands = entries.iter().map(|entry| {
            let mut add = cmd("XADD");
            add.arg(&key)
                .arg(&["MAXLEN", "~"])
                .arg(LOG_ENTRIES)
                .arg("*");
            (key.clone(), with_fields(add, entry))
        });
        let answers = self.call(commands.collect()).await?;
        let ids = answers.into_iter().map(|answer| {
            let id: String = from_value(answer)?;
            reader::position(&id).ok_or_else(unexpected)
        });
        ids.collect()
    }

    async fn open_inbox(&self, member: &Member) -> Result<InboxReader, StreamsError> {
        let key = self.keys.inbox(member);
        let making = self.make_group(&key, INBOX_GROUP, "0", false);
        self.servers.in_time(making).await?;
        Ok(InboxReader::new(self.servers.clone(), key))
    }

    async fn send(&self, entries: Vec<(Member, Entry)>) -> Result<Vec<Sent>, StreamsError> {
        let mut commands = Vec::with_capacity(2 * entries.len());
        for (member, entry) in &entries {
            let key = self.keys.inbox(member);
            let mut add = cmd("XADD");
            add.arg(&key).arg("NOMKSTREAM").arg("*");
            commands.push((key.clone(), with_fields(add, entry)));
            commands.push((key.clone(), cmd("XLEN").arg(key).take()));
        }
        let answers = self.call(commands).await?;
        let (answers, _) = answers.as_chunks::<2>();
        let sent = answers.iter().map(|[id, waiting]| match id {
            Value::Nil => Ok(Sent::Gone),
            _ => Ok(Sent::Stored {
                waiting: from_value(waiting.clone())?,
            }),
        });
        sent.collect()
    }

    async fn remove(&self, member: &Member) -> Result<bool, StreamsError> {
        self.servers.in_time(self.clear(member)).await
    }
}

fn with_fields(mut add: Cmd, entry: &Entry) -> Cmd {
    add.arg("f").arg(entry.from.as_str());
    add.arg("l").arg(entry.lane);
    add.arg("s").arg(entry.sequence);
    add.arg("b").arg(&entry.body[..]);
    add
}

fn unexpected() -> StreamsError {
    StreamsError::Unavailable("an answer that was not expected".into())
}
