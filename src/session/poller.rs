//! The poller of a shard: which of its clients have sent something, and whose sockets take bytes again.
//!
//! An epoll of its own within the runtime's. A runtime has a task and a record of readiness for each
//! socket, which would be as big as all that an idle session has beside them; here it has a place in a table.
//!
//! **Invariant:** a session is read by the poller alone, and not while it pauses. Readiness is told once
//! (`EPOLLET`), so that every read goes on until the socket is drained, also after a pause.

use std::{
    collections::VecDeque,
    fmt, io, mem,
    os::fd::OwnedFd,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use parking_lot::Mutex;
use rustix::{
    event::{
        Timespec,
        epoll::{self, Event, EventData, EventFlags},
    },
    io::Errno,
};
use tokio::{
    io::{Interest, unix::AsyncFd},
    sync::Notify,
    task,
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{
    Context, Ending, Session,
    reading::{Cause, Turn},
};
use crate::close::CloseReason;

/// Most sockets that are asked for at a time.
const EVENTS_MAX: usize = 256;
/// The clock is asked after this many turns of sessions, and after each long one.
const TURNS_PER_CLOCK: usize = 16;
/// Longest time before the flusher gets a turn.
const TURN_MAX: Duration = Duration::from_millis(1);
const NOTHING: Event = Event {
    flags: EventFlags::empty(),
    data: EventData::new_u64(0),
};
const AT_ONCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 0,
};

/// The sockets of one shard's sessions.
#[derive(Debug)]
pub struct Poller {
    epoll: OwnedFd,
    table: Mutex<Table<Ending>>,
    /// Sessions that go on reading without being told that they can.
    resumed: Mutex<VecDeque<(Place, Cause)>>,
    /// Some do.
    resuming: Notify,
    /// Nobody is read for any more.
    has_ended: AtomicBool,
}

/// Where a session stands in the table; its number is never given to another one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Place(u64);

#[derive(Debug)]
struct Table<T> {
    rows: Vec<Row<T>>,
    vacant: Vec<u32>,
}

/// A place, and how many have had it before.
#[derive(Debug)]
struct Row<T> {
    holder: Option<T>,
    life: u32,
}

/// Has a session read again when its pause is over, however that ends.
pub(super) struct Resuming {
    pub(super) session: Arc<Session>,
    pub(super) place: Place,
}

// === impl Poller ===

impl Poller {
    /// No sessions.
    ///
    /// # Errors
    ///
    /// The system gives no epoll.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            table: Mutex::default(),
            resumed: Mutex::default(),
            resuming: Notify::new(),
            has_ended: AtomicBool::new(false),
        })
    }

    /// Reads for a session from now on, until its connection is over. Must run on the shard's own thread.
    pub(super) fn enter(&self, ending: Ending) {
        if self.has_ended.load(Relaxed) {
            return;
        }
        let session = Arc::clone(&ending.0);
        let place = self.table.lock().enter(ending);
        let data = EventData::new_u64(place.0);
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        if let Err(error) = epoll::add(&self.epoll, &*session.socket, data, flags) {
            tracing::warn!(%error, "cannot watch a socket");
            session.subscriber.close(CloseReason::TransportError);
            self.leave(place);
        } else if session.socket.may_hold() {
            self.resume(place, Cause::More);
        }
    }

    fn resume(&self, place: Place, cause: Cause) {
        self.resumed.lock().push_back((place, cause));
        self.resuming.notify_one();
    }

    fn leave(&self, place: Place) {
        // Dropped when the table is free again: much is done at the end of a session.
        let ending = self.table.lock().leave(place);
        drop(ending);
    }
}

// === impl Table ===

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self {
            rows: Vec::new(),
            vacant: Vec::new(),
        }
    }
}

impl<T> Table<T> {
    fn enter(&mut self, holder: T) -> Place {
        let index = self.vacant.pop().unwrap_or_else(|| {
            self.rows.push(Row {
                holder: None,
                life: 0,
            });
            self.rows.len() as u32 - 1
        });
        let row = &mut self.rows[index as usize];
        row.holder = Some(holder);
        Place::new(index, row.life)
    }

    fn find(&self, place: Place) -> Option<&T> {
        let row = self.rows.get(place.index())?;
        row.holder.as_ref().filter(|_| row.life == place.life())
    }

    fn leave(&mut self, place: Place) -> Option<T> {
        self.find(place)?;
        let row = &mut self.rows[place.index()];
        row.life = row.life.wrapping_add(1);
        self.vacant.push(place.index() as u32);
        row.holder.take()
    }

    fn is_empty(&self) -> bool {
        self.vacant.len() == self.rows.len()
    }
}

// === impl Place ===

impl Place {
    fn new(index: u32, life: u32) -> Self {
        Self(u64::from(life) << 32 | u64::from(index))
    }

    fn index(self) -> usize {
        self.0 as u32 as usize
    }

    fn life(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

// === impl Resuming ===

impl Drop for Resuming {
    fn drop(&mut self) {
        let poller = &self.session.context.poller;
        poller.resume(self.place, Cause::Resumed);
    }
}

impl fmt::Debug for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ending").field(&self.0.subscriber).finish()
    }
}

/// Reads for the sessions of a shard until `stop` fires and none is left. Dropping it ends them. Must run on
/// the shard's own thread.
///
/// # Errors
///
/// The epoll cannot be watched.
pub async fn run(context: Arc<Context>, stop: CancellationToken) -> io::Result<()> {
    let mut turns = Turns {
        context,
        ready: Vec::with_capacity(EVENTS_MAX),
        resumed: VecDeque::new(),
        count: 0,
        started: Instant::now(),
    };
    let epoll = turns.context.poller.epoll.try_clone()?;
    // As sound as for a listener: it owns its descriptor.
    #[expect(deprecated)]
    let epoll = AsyncFd::with_interest(epoll, Interest::READABLE)?;
    let poller = &Arc::clone(&turns.context).poller;
    while !stop.is_cancelled() || !poller.table.lock().is_empty() {
        tokio::select! {
            ready = epoll.readable() => {
                let mut ready = ready?;
                if turns.of_ready().await? {
                    ready.clear_ready();
                }
            }
            () = poller.resuming.notified() => {}
            () = stop.cancelled(), if !stop.is_cancelled() => {}
        }
        turns.of_resumed().await;
    }
    Ok(())
}

/// The turns of one shard's sessions.
struct Turns {
    context: Arc<Context>,
    /// Whose sockets are ready, and for what.
    ready: Vec<(Place, EventFlags)>,
    resumed: VecDeque<(Place, Cause)>,
    /// Turns that were given.
    count: usize,
    /// When others had theirs.
    started: Instant,
}

impl Turns {
    /// Gives a turn to those whose sockets are ready. Says whether these were all.
    async fn of_ready(&mut self) -> io::Result<bool> {
        let is_all = self.look()?;
        let ready = mem::take(&mut self.ready);
        for (place, flags) in &ready {
            let is_long = self.turn(*place, Cause::Ready(*flags));
            self.let_others_go_on(is_long).await;
        }
        self.ready = ready;
        Ok(is_all)
    }

    /// Asks whose sockets are ready. Says whether these are all.
    fn look(&mut self) -> io::Result<bool> {
        self.ready.clear();
        let mut events = [NOTHING; EVENTS_MAX];
        let count = match epoll::wait(&self.context.poller.epoll, &mut events, Some(&AT_ONCE)) {
            Ok(count) => count,
            Err(Errno::INTR) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        for event in &events[..count] {
            let (flags, data) = (event.flags, event.data);
            self.ready.push((Place(data.u64()), flags));
        }
        Ok(count < EVENTS_MAX)
    }

    /// Gives a turn to those who have more to read, or whose pause is over.
    async fn of_resumed(&mut self) {
        mem::swap(&mut self.resumed, &mut self.context.poller.resumed.lock());
        while let Some((place, cause)) = self.resumed.pop_front() {
            let is_long = self.turn(place, cause);
            self.let_others_go_on(is_long).await;
        }
    }

    /// Gives a session a turn. Says whether that may have been a long one: there was more than it reads at a time.
    fn turn(&mut self, place: Place, cause: Cause) -> bool {
        let poller = &self.context.poller;
        let found = {
            let table = poller.table.lock();
            table.find(place).map(|ending| Arc::clone(&ending.0))
        };
        let Some(session) = found else { return false };
        // A mistake of ours that one client finds is not to end the sessions of all others.
        let turn = catch_unwind(AssertUnwindSafe(|| session.turn(cause)));
        match turn {
            Ok(Turn::Wait) => {}
            Ok(Turn::Again) => {
                poller.resume(place, Cause::More);
                return true;
            }
            Ok(Turn::Pause(pause)) => {
                let resuming = Resuming { session, place };
                let wait = async move { resuming.session.wait(pause).await };
                self.context.tracker.spawn(wait);
            }
            Ok(Turn::End) | Err(_) => {
                // What has broken there may break its end, too.
                let _ = catch_unwind(AssertUnwindSafe(|| poller.leave(place)));
            }
        }
        false
    }

    async fn let_others_go_on(&mut self, is_long: bool) {
        self.count = self.count.wrapping_add(1);
        let is_time = is_long || self.count.is_multiple_of(TURNS_PER_CLOCK);
        if is_time && TURN_MAX <= self.started.elapsed() {
            task::yield_now().await;
            self.started = Instant::now();
        }
    }
}

impl Drop for Turns {
    fn drop(&mut self) {
        let poller = &self.context.poller;
        poller.has_ended.store(true, Relaxed);
        let rows = mem::take(&mut poller.table.lock().rows);
        drop(rows);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_takes_16_bytes_here() {
        assert_eq!(size_of::<Row<Ending>>(), 16);
    }

    #[test]
    fn a_place_is_one_holders_and_not_that_of_the_next_one() {
        let mut table = Table::default();
        let (a, b) = (table.enter('a'), table.enter('b'));
        assert_eq!((table.find(a), table.find(b)), (Some(&'a'), Some(&'b')));
        assert_eq!(table.leave(a), Some('a'));
        assert_eq!(table.find(a), None);
        assert_eq!(table.leave(a), None);
        let c = table.enter('c');
        assert_eq!(
            (c.index(), a.index()),
            (0, 0),
            "what is vacant is taken first"
        );
        assert_eq!((table.find(a), table.find(c)), (None, Some(&'c')));
        assert!(!table.is_empty());
        assert_eq!((table.leave(b), table.leave(c)), (Some('b'), Some('c')));
        assert!(table.is_empty());
    }
}
