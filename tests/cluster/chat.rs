//! What the tests of chat have: a store that can be told to fail, and nodes that move messages to it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use tidegate::{
    clock::Clock,
    cluster::{
        archive,
        redis::{JournalSettings, Redis},
    },
    journal::Journal,
    stats::ArchiveStats,
    store::{Chat, Content, MessageStore, Pending, Prunes, Query, Record, RecordId, StoreError},
};
use tokio::{
    sync::Notify,
    task::JoinSet,
    time::{self, Instant},
};
use tokio_util::sync::CancellationToken;

use crate::contracts;

/// Longest wait for what has no limit of its own.
const PATIENCE: Duration = Duration::from_secs(20);

/// A store in memory, which outlives whoever uses it.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    rows: BTreeMap<RecordId, Record>,
    calls: usize,
    takes_nothing: bool,
    gives_nothing: bool,
    gives_late: bool,
    asked: usize,
    hangs: bool,
    poison: BTreeSet<Box<str>>,
}

/// A node's archiver.
pub(crate) struct Archiver {
    pub(crate) stats: Arc<ArchiveStats>,
    stop: CancellationToken,
    task: JoinSet<()>,
}

// === impl Shelf ===

impl Shelf {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(crate) fn take_nothing(&self, is_so: bool) {
        self.state.lock().takes_nothing = is_so;
    }

    pub(crate) fn give_nothing(&self, is_so: bool) {
        self.state.lock().gives_nothing = is_so;
    }

    /// Whoever asks is answered when that is over, with what was there at first.
    pub(crate) fn give_late(&self, is_so: bool) {
        self.state.lock().gives_late = is_so;
        self.changed.notify_waiters();
    }

    /// Whoever inserts something hears nothing any more, though it is there.
    pub(crate) fn hang(&self, is_so: bool) {
        self.state.lock().hangs = is_so;
    }

    /// Never takes a message with this text.
    pub(crate) fn refuse(&self, msg: &str) {
        self.state.lock().poison.insert(msg.into());
    }

    /// Calls that would insert something, the failed ones included.
    pub(crate) fn calls(&self) -> usize {
        self.state.lock().calls
    }

    /// How often it was asked for a history.
    pub(crate) fn asked(&self) -> usize {
        self.state.lock().asked
    }

    /// The texts of all rows, in order.
    pub(crate) fn texts(&self) -> Vec<Box<str>> {
        let state = self.state.lock();
        let rows = state.rows.values();
        rows.map(|row| chat_of(row).msg.clone()).collect()
    }

    pub(crate) fn rows(&self) -> Vec<Record> {
        self.state.lock().rows.values().cloned().collect()
    }

    /// Waits until something holds of it.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let waiting = async {
            loop {
                let changed = self.changed.notified();
                if holds(self) {
                    return;
                }
                changed.await;
            }
        };
        if time::timeout(PATIENCE, waiting).await.is_err() {
            panic!("{what} has not come in {PATIENCE:?}");
        }
    }

    fn insert_all(&self, records: Vec<Record>) -> Result<bool, StoreError> {
        let mut state = self.state.lock();
        state.calls += 1;
        self.changed.notify_waiters();
        if state.takes_nothing {
            return Err(StoreError::Unavailable("it takes nothing".into()));
        }
        let is_poison = |record: &&Record| match &record.content {
            Content::Chat(chat) => state.poison.contains(&chat.msg),
            Content::Push(_) => false,
        };
        if let Some(Record { id, .. }) = records.iter().find(is_poison) {
            let (id, reason) = (*id, "it is poison".into());
            return Err(StoreError::Poison { id, reason });
        }
        for record in records {
            state.rows.entry(record.id).or_insert(record);
        }
        Ok(state.hangs)
    }
}

impl MessageStore for Shelf {
    fn insert(&self, records: Vec<Record>) -> Pending<'_, ()> {
        Box::pin(async move {
            if self.insert_all(records)? {
                std::future::pending::<()>().await;
            }
            Ok(())
        })
    }

    fn history(&self, query: Query) -> Pending<'_, Vec<Record>> {
        Box::pin(async move {
            if self.state.lock().gives_nothing {
                return Err(StoreError::Unavailable("it gives nothing".into()));
            }
            let found = contracts::expected(&self.rows(), &query);
            self.state.lock().asked += 1;
            self.changed.notify_waiters();
            self.until("the end of a delay", |shelf| !shelf.state.lock().gives_late)
                .await;
            Ok(found)
        })
    }
}

impl Prunes for Shelf {
    fn prune(&self, _: u64, _: usize) -> Pending<'_, u64> {
        Box::pin(async { Ok(0) })
    }
}

// === impl Archiver ===

impl Archiver {
    /// Begins to move what waits to the store.
    pub(crate) fn start(redis: &Redis, store: &Arc<Shelf>, claim_after: Duration) -> Self {
        let (stats, stop) = (Arc::default(), CancellationToken::new());
        let (backlog, store) = (redis.backlog(claim_after), Arc::clone(store));
        let running = archive::run(backlog, store, Arc::clone(&stats), stop.clone());
        let mut task = JoinSet::new();
        task.spawn(running);
        Self { stats, stop, task }
    }

    /// Its node ends as it should.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.task.join_all().await;
    }

    /// Its node dies, whatever it was about to do.
    pub(crate) async fn kill(mut self) {
        self.task.shutdown().await;
    }
}

/// A journal in this Redis.
pub(crate) fn journal(redis: &Redis, store: &Arc<Shelf>) -> Arc<dyn Journal> {
    journal_with(redis, store, 0)
}

pub(crate) fn journal_with(redis: &Redis, store: &Arc<Shelf>, replicas: u32) -> Arc<dyn Journal> {
    let store: Arc<Shelf> = Arc::clone(store);
    Arc::new(redis.journal(settings(replicas), store))
}

pub(crate) fn settings(replicas: u32) -> JournalSettings {
    JournalSettings {
        replicas,
        clock: Clock::start(),
    }
}

pub(crate) fn chat_of(record: &Record) -> &Chat {
    match &record.content {
        Content::Chat(chat) => chat,
        Content::Push(_) => panic!("it is a push"),
    }
}

/// Waits until nothing waits for the store.
pub(crate) async fn all_is_moved(redis: &Redis) {
    let backlog = redis.backlog(PATIENCE);
    let until = Instant::now() + PATIENCE;
    while 0 < backlog.lag().await.unwrap().entries {
        assert!(Instant::now() < until, "something waits for ever");
        // There is nobody who could tell.
        time::sleep(Duration::from_millis(10)).await;
    }
}
