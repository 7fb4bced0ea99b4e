//! What endpoints are still to be told, in Redis: a stream for each member, which others take over
//! when it is dead, and one for all that was given up.
//!
//! A stream is made when its member is in the list of members, and what is added needs one that is
//! there: nothing is ever kept where nobody would look for it.

mod dead;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use redis::{Cmd, Value, cmd};
use tokio::sync::watch;

pub use self::dead::RedisGraveyard;
use super::{
    errors::from_value,
    group::{Given, Group},
    keys::Keys,
    reader,
    servers::Servers,
};
use crate::{
    cluster::streams::{READ_WAIT, StreamsError},
    dispatch::{Dispatch, DispatchError, DispatchId, Dispatches, Pending},
    estate::{self, Estate, EstateError},
    id::Member,
};

/// The group of every stream.
const GROUP: &str = "hooks";
/// Most entries that are moved from a dead member's stream at once. With the longest bodies these are
/// some megabytes.
const MOVED_MAX: usize = 100;
/// Removes a stream that has no entry.
const REMOVE: &str = "if redis.call('XLEN', KEYS[1]) == 0 then return redis.call('DEL', KEYS[1]) end \
    return 0";

/// What the present one of its lives a node keeps for endpoints; absent while it is no member.
pub type Current = watch::Receiver<Option<Arc<dyn Dispatches>>>;

/// The streams of a node's lives, one after the other.
#[derive(Debug)]
pub struct RedisHooks {
    servers: Servers,
    keys: Keys,
    current: watch::Sender<Option<Arc<dyn Dispatches>>>,
    member: parking_lot::Mutex<Option<Member>>,
}

/// The stream of one member.
#[derive(Debug)]
struct RedisDispatches {
    servers: Servers,
    stream: String,
    dead: String,
    group: Group,
    /// Entries may have been given out that nobody has heard of.
    is_doubtful: AtomicBool,
}

/// An entry of a stream: its name, and its fields.
type Entry = (String, Vec<(String, Vec<u8>)>);

// === impl RedisHooks ===

impl RedisHooks {
    pub(super) fn new(servers: Servers, keys: Keys) -> Self {
        Self {
            servers,
            keys,
            current: watch::Sender::new(None),
            member: parking_lot::Mutex::default(),
        }
    }

    /// What the present life keeps.
    pub fn current(&self) -> Current {
        self.current.subscribe()
    }

    /// What was given up, of all members.
    pub fn graveyard(&self) -> RedisGraveyard {
        RedisGraveyard::new(self.servers.clone(), self.keys.hooks_dead())
    }

    async fn open_for(&self, me: &Member) -> Result<(), StreamsError> {
        let stream = self.keys.hooks(me);
        let mut create = cmd("XGROUP");
        create.arg(&["CREATE", &stream, GROUP, "0", "MKSTREAM"]);
        match self.servers.call_one(&stream, create).await {
            Err(StreamsError::Refused(text)) if text.contains("BUSYGROUP") => {}
            made => drop(made?),
        }
        if self.member.lock().replace(me.clone()).as_ref() != Some(me) {
            let group = Group::new(self.servers.clone(), stream.clone(), GROUP, Duration::MAX);
            self.current.send_replace(Some(Arc::new(RedisDispatches {
                servers: self.servers.clone(),
                stream,
                dead: self.keys.hooks_dead(),
                group,
                is_doubtful: AtomicBool::new(true),
            })));
        }
        Ok(())
    }

    async fn take_over(&self, dead: &Member) -> Result<(), StreamsError> {
        let from = self.keys.hooks(dead);
        let me = self.member.lock().clone().filter(|me| me != dead);
        let me = me.ok_or(StreamsError::Lost)?;
        let to = self.keys.hooks(&me);
        let mut count = 0;
        loop {
            let mut range = cmd("XRANGE");
            range.arg(&from).arg(&["-", "+", "COUNT"]).arg(MOVED_MAX);
            let answer = self.servers.call_one(&from, range).await?;
            let entries: Vec<Entry> = from_value(answer)?;
            if entries.is_empty() {
                break;
            }
            let adding = entries.iter().map(|(_, fields)| add(&to, fields)).collect();
            let added = self.servers.call_in_time(adding).await?;
            if added.contains(&Value::Nil) {
                // This life is over too.
                return Err(StreamsError::Lost);
            }
            let mut delete = cmd("XDEL");
            delete.arg(&from);
            for (id, _) in &entries {
                delete.arg(id);
            }
            self.servers.call_one(&from, delete).await?;
            count += entries.len();
        }
        let remove = cmd("EVAL").arg(REMOVE).arg(1).arg(&from).take();
        self.servers.call_one(&from, remove).await?;
        if 0 < count {
            tracing::info!(%dead, count, "took over what a dead member had to tell endpoints");
        }
        Ok(())
    }

    async fn is_empty(&self, me: &Member) -> Result<bool, StreamsError> {
        let stream = self.keys.hooks(me);
        let remove = cmd("EVAL").arg(REMOVE).arg(1).arg(&stream).take();
        let length = cmd("XLEN").arg(&stream).take();
        let commands = [remove, length].map(|command| (stream.clone(), command));
        let answers = self.servers.call_in_time(commands.into()).await?;
        let length = answers.into_iter().next_back().unwrap_or(Value::Nil);
        Ok(from_value::<u64>(length)? == 0)
    }
}

impl Estate for RedisHooks {
    fn open(&self, me: &Member) -> estate::Pending<'_, ()> {
        let me = me.clone();
        Box::pin(async move { self.open_for(&me).await.map_err(estate_error) })
    }

    fn inherit(&self, dead: &Member) -> estate::Pending<'_, ()> {
        let dead = dead.clone();
        Box::pin(async move { self.take_over(&dead).await.map_err(estate_error) })
    }

    /// Removes the stream if there is nothing in it.
    fn is_settled(&self, me: &Member) -> estate::Pending<'_, bool> {
        let me = me.clone();
        Box::pin(async move { self.is_empty(&me).await.map_err(estate_error) })
    }
}

// === impl RedisDispatches ===

impl RedisDispatches {
    async fn add_all(&self, dispatches: Vec<Dispatch>) -> Result<(), DispatchError> {
        let commands = dispatches
            .iter()
            .map(|dispatch| add(&self.stream, &fields(dispatch)));
        let added = self.servers.call_in_time(commands.collect()).await;
        match added.map_err(dispatch_error)?.contains(&Value::Nil) {
            true => Err(DispatchError::Absent),
            false => Ok(()),
        }
    }

    /// What was given out to a call whose answer nobody has heard, or else what is new.
    async fn read_behind(
        &self,
        after: DispatchId,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Given>, StreamsError> {
        let mut after = after.to_string();
        while self.is_doubtful.load(Relaxed) {
            let given = self.group.read_from(&after, max, wait).await?;
            let Some(last) = given.last() else {
                break;
            };
            after.clone_from(&last.id);
            // Those that were removed have no fields.
            if given.iter().any(|given| !given.fields.is_empty()) {
                return Ok(given);
            }
        }
        // Until the answer has come, which it may not.
        self.is_doubtful.store(true, Relaxed);
        let given = self.group.read_from(">", max, wait.min(READ_WAIT)).await?;
        self.is_doubtful.store(false, Relaxed);
        Ok(given)
    }

    async fn find(&self, id: DispatchId) -> Result<Option<Dispatch>, StreamsError> {
        let id = id.to_string();
        let range = cmd("XRANGE").arg(&self.stream).arg(&id).arg(&id).take();
        let answer = self.servers.call_one(&self.stream, range).await?;
        let entries: Vec<Entry> = from_value(answer)?;
        Ok(entries.into_iter().next().map(|(_, fields)| read(fields)))
    }

    async fn remove(&self, ids: &[DispatchId]) -> Result<(), StreamsError> {
        if ids.is_empty() {
            return Ok(());
        }
        let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
        let acknowledge = cmd("XACK").arg(&self.stream).arg(GROUP).arg(&ids).take();
        let delete = cmd("XDEL").arg(&self.stream).arg(&ids).take();
        let commands = [acknowledge, delete].map(|command| (self.stream.clone(), command));
        self.servers.call_in_time(commands.into()).await.map(drop)
    }

    async fn bury_one(
        &self,
        id: DispatchId,
        dispatch: &Dispatch,
        reason: &str,
    ) -> Result<(), StreamsError> {
        // Before it is removed: twice among the dead is better than nowhere.
        dead::add(&self.servers, &self.dead, dispatch, reason).await?;
        self.remove(&[id]).await
    }
}

impl Dispatches for RedisDispatches {
    fn add(&self, dispatches: Vec<Dispatch>) -> Pending<'_, ()> {
        Box::pin(self.add_all(dispatches))
    }

    fn next(
        &self,
        after: DispatchId,
        max: usize,
        wait: Duration,
    ) -> Pending<'_, Vec<(DispatchId, Dispatch)>> {
        Box::pin(async move {
            let given = self.read_behind(after, max, wait).await;
            let given = given.map_err(dispatch_error)?.into_iter();
            let given = given.filter(|given| !given.fields.is_empty());
            given
                .map(|given| Ok((id_of(&given.id)?, read(given.fields))))
                .collect()
        })
    }

    fn read(&self, id: DispatchId) -> Pending<'_, Option<Dispatch>> {
        Box::pin(async move { self.find(id).await.map_err(dispatch_error) })
    }

    fn done(&self, ids: Vec<DispatchId>) -> Pending<'_, ()> {
        Box::pin(async move { self.remove(&ids).await.map_err(dispatch_error) })
    }

    fn bury(&self, id: DispatchId, dispatch: Dispatch, reason: String) -> Pending<'_, ()> {
        Box::pin(async move {
            let burying = self.bury_one(id, &dispatch, &reason);
            burying.await.map_err(dispatch_error)
        })
    }
}

/// Adds an entry to a stream that is there.
fn add<T: AsRef<[u8]>>(stream: &str, fields: &[(String, T)]) -> (String, Cmd) {
    let mut add = cmd("XADD");
    add.arg(stream).arg("NOMKSTREAM").arg("*");
    for (name, value) in fields {
        add.arg(name).arg(value.as_ref());
    }
    (stream.to_owned(), add)
}

fn fields(dispatch: &Dispatch) -> Vec<(String, Vec<u8>)> {
    let Dispatch {
        url,
        lane,
        event,
        id,
        since_ms,
        body,
    } = dispatch;
    let fields = [
        ("url", url.as_bytes()),
        ("lane", lane.as_bytes()),
        ("event", event.as_bytes()),
        ("id", id.as_bytes()),
        ("since", since_ms.to_string().as_bytes()),
        ("body", body),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_vec()));
    fields.into()
}

/// One that lacks something is for no endpoint, and is found to be.
fn read(fields: Vec<(String, Vec<u8>)>) -> Dispatch {
    let mut dispatch = Dispatch {
        url: "".into(),
        lane: "".into(),
        event: "".into(),
        id: "".into(),
        since_ms: 0,
        body: bytes::Bytes::new(),
    };
    for (name, value) in fields {
        if name == "body" {
            dispatch.body = value.into();
            continue;
        }
        let text = String::from_utf8(value).unwrap_or_default();
        match name.as_str() {
            "url" => dispatch.url = text.into(),
            "lane" => dispatch.lane = text.into(),
            "event" => dispatch.event = text.into(),
            "id" => dispatch.id = text.into(),
            "since" => dispatch.since_ms = text.parse().unwrap_or_default(),
            _ => {}
        }
    }
    dispatch
}

fn id_of(text: &str) -> Result<DispatchId, DispatchError> {
    let position = reader::position(text);
    let position = position.ok_or_else(|| DispatchError::Unavailable("an id that is none".into()));
    position.map(|position| DispatchId(position.time_ms, position.number))
}

fn dispatch_error(error: StreamsError) -> DispatchError {
    match error {
        StreamsError::Lost => DispatchError::Absent,
        error => DispatchError::Unavailable(error.to_string().into()),
    }
}

fn estate_error(error: StreamsError) -> EstateError {
    EstateError(error.to_string().into())
}
