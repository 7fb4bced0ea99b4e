//! Dues in Redis: a hash for each member, with a field for each session that owes something and for each
//! room that the member is in, and one that says that the member may keep anything.

use std::sync::LazyLock;

use bytes::Bytes;
use redis::cmd;

use super::{
    errors::from_value,
    keys::Keys,
    script::{Call, Script},
    servers::Servers,
};
use crate::{
    cluster::streams::StreamsError,
    dues::{Cursor, Deeds, Done, Dues, DuesError, Page, Pending, Unfit},
    duty::{Deed, Duty, Record, shared_tag},
    id::{Member, SessionId},
    topic::Topic,
};

/// The field that is there from the opening to the closing; also in the scripts.
const OPEN: &str = "@";
/// Before the name of a room.
const ROOM: &str = "room:";
/// Fields of a page, about.
const PAGE: usize = 256;
/// How long it is remembered that something was done that is still owed: a week.
const DONE_MS: u64 = 7 * 24 * 3600 * 1000;
/// And when it is owed no more: longer than any deadline.
const SETTLED_MS: u64 = 3600 * 1000;

/// Sets fields, given with their values, if the hash is open.
static PUT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "if not redis.call('HGET', KEYS[1], '@') then return 0 end
for i = 1, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
return 1",
    )
});

/// Removes the hash if it says nothing but that it is open.
static CLOSE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local is = redis.call('HLEN', KEYS[1])
if is == 0 then return 1 end
if is > 1 or not redis.call('HGET', KEYS[1], '@') then return 0 end
return redis.call('DEL', KEYS[1])",
    )
});

/// Gives the time in milliseconds, if the hash is there.
static TIME: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "if not redis.call('HGET', KEYS[1], '@') then return false end
local now = redis.call('TIME')
return now[1] * 1000 + math.floor(now[2] / 1000)",
    )
});

/// Changes the first key, unless the second one says that this was done, which it does from then on. That
/// comes first: it needs memory, and what follows does not. The arguments: the deadline, how long it is
/// remembered, and what is to be done.
static DO: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local now = redis.call('TIME')
if now[1] * 1000 + math.floor(now[2] / 1000) > tonumber(ARGV[1]) then return 'late' end
if not redis.call('SET', KEYS[2], '1', 'NX', 'PX', ARGV[2]) then return 'before' end
local done
if ARGV[3] == 'srem' then done = redis.pcall('SREM', KEYS[1], ARGV[4])
else done = redis.pcall('DEL', KEYS[1]) end
if type(done) == 'table' and done.err then return 'failed' end
return 'now'",
    )
});

/// Whether a key can be changed: looks at it in the way that [`DO`] does. A set that is not there is one.
static LOOK: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "if ARGV[1] ~= 'srem' then return 1 end
local is = redis.pcall('SISMEMBER', KEYS[1], '')
return (type(is) == 'table' and is.err) and 0 or 1",
    )
});

/// What is owed in a cluster.
#[derive(Clone, Debug)]
pub struct RedisDues {
    pub(super) servers: Servers,
    pub(super) keys: Keys,
}

impl RedisDues {
    pub(super) fn new(servers: Servers, keys: Keys) -> Self {
        Self { servers, keys }
    }

    /// Sets fields of a member, if it is open.
    pub(super) async fn put(
        &self,
        member: &Member,
        fields: impl IntoIterator<Item = (String, Bytes)>,
    ) -> Result<(), DuesError> {
        let mut call = self.call(member);
        for (field, value) in fields {
            call.arg(field);
            call.arg(value);
        }
        let (is_open, _) = PUT.run(&self.servers, call).await?;
        match from_value::<u64>(is_open)? {
            0 => Err(DuesError::Lost),
            _ => Ok(()),
        }
    }

    /// Removes fields of a member.
    pub(super) async fn take(
        &self,
        member: &Member,
        fields: impl IntoIterator<Item = String>,
    ) -> Result<(), DuesError> {
        let key = self.keys.sessions(member);
        let mut remove = cmd("HDEL");
        remove.arg(&key);
        let mut is_empty = true;
        for field in fields {
            remove.arg(field);
            is_empty = false;
        }
        if !is_empty {
            self.servers.call_one(&key, remove).await?;
        }
        Ok(())
    }

    fn call(&self, member: &Member) -> Call {
        let mut call = Call::default();
        call.key(self.keys.sessions(member));
        call
    }

    async fn write_all(&self, records: Vec<Record>) -> Result<(), DuesError> {
        let Some(first) = records.first() else {
            return Ok(());
        };
        let member = first.session.member.clone();
        let fields = records
            .iter()
            .map(|record| (field(record), record.encode()));
        self.put(&member, fields).await
    }

    async fn remove_all(&self, records: Vec<Record>) -> Result<(), DuesError> {
        let Some(first) = records.first() else {
            return Ok(());
        };
        let member = first.session.member.clone();
        self.take(&member, records.iter().map(field)).await?;
        let guards = records.iter().flat_map(|record| {
            let duties = record.duties.iter();
            duties.filter_map(|duty| self.guard(&record.session, duty))
        });
        let commands: Vec<_> = guards
            .map(|guard| {
                let expire = cmd("PEXPIRE").arg(&guard).arg(SETTLED_MS).take();
                (guard, expire)
            })
            .collect();
        if !commands.is_empty() {
            self.servers.call_in_time(commands).await?;
        }
        Ok(())
    }

    async fn read_page(&self, member: Member, from: Cursor) -> Result<Page, DuesError> {
        let key = self.keys.sessions(&member);
        let cursor = if from.0.is_empty() { "0" } else { &*from.0 };
        let mut scan = cmd("HSCAN");
        scan.arg(&key).arg(cursor).arg("COUNT").arg(PAGE);
        let answer = self.servers.call_one(&key, scan).await?;
        let (next, fields): (String, Vec<(String, Vec<u8>)>) = from_value(answer)?;
        let mut page = Page {
            next: (next != "0").then(|| Cursor(next.into())),
            ..Page::default()
        };
        for (name, value) in fields {
            if name == OPEN {
                continue;
            }
            if let Some(room) = name.strip_prefix(ROOM).map(Topic::room) {
                page.rooms.extend(room.ok());
                continue;
            }
            let session = format!("{member}.{name}").parse::<SessionId>().ok();
            let record = session.and_then(|session| Record::decode(session, &value).ok());
            match record {
                Some(record) => page.records.push(record),
                None => tracing::warn!(%member, field = name, "what is owed cannot be read"),
            }
        }
        Ok(page)
    }

    async fn close_one(&self, member: Member) -> Result<bool, DuesError> {
        let (closed, _) = CLOSE.run(&self.servers, self.call(&member)).await?;
        Ok(from_value::<u64>(closed)? == 1)
    }

    async fn ask_time(&self, member: Member) -> Result<Option<u64>, DuesError> {
        let (time, _) = TIME.run(&self.servers, self.call(&member)).await?;
        Ok(from_value(time)?)
    }

    async fn check_deed(&self, deed: &Deed) -> Result<Result<(), Unfit>, DuesError> {
        let Some(key) = deed.key() else {
            return Ok(Ok(()));
        };
        let unfit = |text: &str| Ok(Err(Unfit(text.into())));
        if self.keys.has_prefix(key) {
            return unfit("the key is one of the gateway's own");
        }
        if shared_tag(key).is_none() {
            return unfit("the braces in the key are not those of a tag, expected {tag} or none");
        }
        let mut call = Call::default();
        call.key(key.to_owned());
        call.arg(verb(deed));
        match LOOK.run(&self.servers, call).await {
            Ok((fits, _)) if from_value::<u64>(fits.clone())? == 1 => Ok(Ok(())),
            Ok(_) => unfit("the key is no set"),
            Err(StreamsError::Refused(reason)) => unfit(&reason),
            Err(error) => Err(error.into()),
        }
    }

    async fn do_deed(
        &self,
        session: &SessionId,
        duty: &Duty,
        deadline_ms: u64,
    ) -> Result<Done, DuesError> {
        let (Some(key), Some(guard)) = (duty.deed.key(), self.guard(session, duty)) else {
            return Ok(Done::Failed("it changes no key that can be changed".into()));
        };
        let mut call = Call::default();
        call.key(key.to_owned());
        call.key(guard);
        call.arg(deadline_ms.to_string());
        call.arg(DONE_MS.to_string());
        call.arg(verb(&duty.deed));
        if let Deed::RedisSrem { member, .. } = &duty.deed {
            call.arg(Bytes::copy_from_slice(member.as_bytes()));
        }
        let answer = match DO.run(&self.servers, call).await {
            Ok((answer, _)) => from_value::<String>(answer)?,
            Err(StreamsError::Refused(reason)) => return Ok(Done::Failed(reason)),
            Err(error) => return Err(error.into()),
        };
        Ok(match &*answer {
            "before" => Done::Before,
            "late" => Done::Late,
            "now" => Done::Now,
            _ => Done::Failed("the key is no set".into()),
        })
    }

    /// What says that a duty was done, where its key is; none if it changes no key, or one beside which
    /// nothing else can be put.
    fn guard(&self, session: &SessionId, duty: &Duty) -> Option<String> {
        let tag = shared_tag(duty.deed.key()?)?;
        Some(self.keys.done(tag, &format!("{session}:{}", duty.id)))
    }
}

impl Dues for RedisDues {
    fn open(&self, me: &Member) -> Pending<'_, ()> {
        let key = self.keys.sessions(me);
        let open = cmd("HSET").arg(&key).arg(OPEN).arg("1").take();
        Box::pin(async move {
            self.servers.call_one(&key, open).await?;
            Ok(())
        })
    }

    /// The list of members of the cluster has them.
    fn members(&self) -> Pending<'_, Vec<Member>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn is_open(&self, member: &Member) -> Pending<'_, bool> {
        let key = self.keys.sessions(member);
        let look = cmd("HGET").arg(&key).arg(OPEN).take();
        Box::pin(async move {
            let found: Option<Vec<u8>> = from_value(self.servers.call_one(&key, look).await?)?;
            Ok(found.is_some())
        })
    }

    fn write(&self, records: Vec<Record>) -> Pending<'_, ()> {
        Box::pin(self.write_all(records))
    }

    fn remove(&self, records: Vec<Record>) -> Pending<'_, ()> {
        Box::pin(self.remove_all(records))
    }

    fn read(&self, member: &Member, from: Cursor) -> Pending<'_, Page> {
        Box::pin(self.read_page(member.clone(), from))
    }

    fn close(&self, member: &Member) -> Pending<'_, bool> {
        Box::pin(self.close_one(member.clone()))
    }
}

impl Deeds for RedisDues {
    fn check<'a>(&'a self, deed: &'a Deed) -> Pending<'a, Result<(), Unfit>> {
        Box::pin(self.check_deed(deed))
    }

    fn time(&self, member: &Member) -> Pending<'_, Option<u64>> {
        Box::pin(self.ask_time(member.clone()))
    }

    fn carry_out<'a>(
        &'a self,
        session: &'a SessionId,
        duty: &'a Duty,
        deadline_ms: u64,
    ) -> Pending<'a, Done> {
        Box::pin(self.do_deed(session, duty, deadline_ms))
    }
}

impl From<StreamsError> for DuesError {
    fn from(error: StreamsError) -> Self {
        Self::Unavailable(error.to_string().into())
    }
}

/// The field of a session's record.
fn field(record: &Record) -> String {
    record.session.serial.to_string()
}

/// The field of a room.
pub(super) fn room_field(room: &Topic) -> String {
    format!("{ROOM}{}", room.id())
}

fn verb(deed: &Deed) -> &'static str {
    match deed {
        Deed::RedisSrem { .. } => "srem",
        Deed::Call { .. } | Deed::Publish { .. } | Deed::RedisDel { .. } | Deed::Rise => "del",
    }
}
