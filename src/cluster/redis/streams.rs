//! What members of a cluster have: leases, the log, and inboxes, in streams with consumer groups.

use bytes::Bytes;
use redis::{Cmd, Value, cmd};

use super::{
    INBOX_GROUP, Redis,
    errors::{from_value, unexpected},
    reader::{self, InboxReader, LogReader},
};
use crate::{
    cluster::streams::{
        Entry, LEASE, LOG_ENTRIES, Position, Pulse, REAP, Sent, Streams, StreamsError,
        new_generation,
    },
    id::Member,
};

/// Removes inbox, lease and right to reap, if the inbox has no entry. All have the same tag.
pub(super) const REMOVE: &str = "if redis.call('XLEN', KEYS[1]) == 0 then \
    redis.call('DEL', KEYS[1], KEYS[2], KEYS[3]) return 1 else return 0 end";

impl Redis {
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
