//! A server in this process: the twin of Redis for tests, and for members that share one process.
//!
//! It keeps the contract of [`super::streams`] to the letter and is never unavailable. Time is
//! tokio's, so that it can be paused.

mod data;

use std::{fmt, pin::pin, sync::Arc};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

use self::data::Data;
use super::streams::{
    Entry, Inbox, Position, Pulse, READ_WAIT, Reader, Sent, Streams, StreamsError,
};
use crate::id::Member;

/// One server. Clones are the same one.
#[derive(Clone, Default)]
pub struct Memory(Arc<Server>);

#[derive(Default)]
struct Server {
    data: Mutex<Data>,
    /// Something that readers may wait for has happened.
    news: Notify,
}

/// Reads the log from a member's own cursor.
#[derive(Debug)]
pub struct LogReader {
    memory: Memory,
    me: Member,
}

/// Reads an inbox: first what was given out and not acknowledged, then what is new.
#[derive(Debug)]
pub struct InboxReader {
    memory: Memory,
    member: Member,
    /// Behind this one, entries may wait that were given out before.
    pending: Option<Position>,
}

// === impl Memory ===

impl Memory {
    /// A server without any data.
    pub fn new() -> Self {
        Self::default()
    }

    /// Loses everything, as a server does that comes back empty.
    pub fn wipe(&self) {
        self.change(Data::wipe);
    }

    fn change<T>(&self, change: impl FnOnce(&mut Data) -> T) -> T {
        let changed = change(&mut self.0.data.lock());
        self.0.news.notify_waiters();
        changed
    }

    /// What `read` finds as soon as it finds something; nothing after [`READ_WAIT`].
    async fn wait<T>(
        &self,
        mut read: impl FnMut(&mut Data) -> Result<Vec<T>, StreamsError>,
    ) -> Result<Vec<T>, StreamsError> {
        let until = Instant::now() + READ_WAIT;
        loop {
            // What happens between the look and the wait ends the wait.
            let mut news = pin!(self.0.news.notified());
            news.as_mut().enable();
            let found = read(&mut self.0.data.lock())?;
            if !found.is_empty() || timeout_at(until, news).await.is_err() {
                return Ok(found);
            }
        }
    }
}

/// Without the data.
impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").finish_non_exhaustive()
    }
}

impl Streams for Memory {
    type Log = LogReader;
    type Inbox = InboxReader;

    async fn beat(&self, me: &Member, info: Bytes) -> Result<Pulse, StreamsError> {
        Ok(self.0.data.lock().beat(me, info))
    }

    async fn enroll(&self, me: &Member) -> Result<(), StreamsError> {
        self.0.data.lock().enroll(me);
        Ok(())
    }

    async fn resign(&self, me: &Member) -> Result<(), StreamsError> {
        self.0.data.lock().resign(me);
        Ok(())
    }

    async fn begin_reaping(&self, dead: &Member, me: &Member) -> Result<bool, StreamsError> {
        Ok(self.0.data.lock().begin_reaping(dead, me))
    }

    async fn open_log(&self, me: &Member) -> Result<LogReader, StreamsError> {
        self.0.data.lock().open_log(me);
        Ok(LogReader {
            memory: self.clone(),
            me: me.clone(),
        })
    }

    async fn append(&self, entries: Vec<Entry>) -> Result<Vec<Position>, StreamsError> {
        Ok(self.change(|data| data.append(entries)))
    }

    async fn open_inbox(&self, member: &Member) -> Result<InboxReader, StreamsError> {
        self.0.data.lock().open_inbox(member);
        Ok(InboxReader {
            memory: self.clone(),
            member: member.clone(),
            pending: Some(Position::default()),
        })
    }

    async fn send(&self, entries: Vec<(Member, Entry)>) -> Result<Vec<Sent>, StreamsError> {
        Ok(self.change(|data| data.send(entries)))
    }

    async fn remove(&self, member: &Member) -> Result<bool, StreamsError> {
        Ok(self.change(|data| data.remove(member)))
    }
}

// === impl LogReader ===

impl Reader for LogReader {
    async fn next(&mut self) -> Result<Vec<(Position, Entry)>, StreamsError> {
        let Self { memory, me } = self;
        memory.wait(|data| data.read_log(me)).await
    }
}

// === impl InboxReader ===

impl Reader for InboxReader {
    async fn next(&mut self) -> Result<Vec<(Position, Entry)>, StreamsError> {
        let Self {
            memory,
            member,
            pending,
        } = self;
        if let Some(after) = pending.take() {
            let entries = memory.0.data.lock().read_pending(member, after)?;
            if let Some((last, _)) = entries.last() {
                *pending = Some(*last);
                return Ok(entries);
            }
        }
        memory.wait(|data| data.read_inbox(member)).await
    }
}

impl Inbox for InboxReader {
    async fn acknowledge(&mut self, positions: Vec<Position>) -> Result<(), StreamsError> {
        let mut data = self.memory.0.data.lock();
        data.acknowledge(&self.member, &positions);
        Ok(())
    }
}
