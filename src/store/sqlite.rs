//! SQLite, for one node: one file, one thread that writes, and one commit for all that has come
//! meanwhile.
//!
//! A commit is a write to the disk that has to be waited for. While one is under way everything for
//! the next one collects, so that the disk sets the pace and not the number of callers. Who only reads
//! does so on threads beside it, and holds up no commit.

mod arrivals;
mod batch;
mod contacts;
mod drafts;
mod dues;
mod hooks;
mod jobs;
mod journal;
mod mail;
mod messages;
mod office;
mod orders;
mod queue;
mod readers;
mod recipients;
mod repeats;
mod sayings;
mod schedules;
mod schema;
mod settle;

#[cfg(test)]
mod tests;

use std::{
    fmt,
    fs::OpenOptions,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};

use rusqlite::{Connection, TransactionBehavior};
use tokio::{
    sync::{mpsc, oneshot},
    time,
};

use self::{arrivals::Arrivals, readers::Readers, recipients::Recipients};
pub use self::{
    contacts::SqliteContacts, drafts::SqliteDrafts, dues::SqliteDues, hooks::SqliteHooks,
    jobs::SqliteJobs, journal::SqliteJournal, mail::SqliteMail, messages::SqliteMessages,
    office::SqliteOffice, orders::SqliteOrders, queue::SqliteQueue, sayings::SqliteSayings,
    schedules::SqliteSchedules,
};
use super::StoreError;

/// Calls that wait for the thread before callers have to.
const WAITING_MAX: usize = 4096;
/// Most calls of one transaction.
const BATCH_MAX: usize = 1024;
/// Longest time of a call, from its caller's view.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// How long another process may hold the file.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);
/// Pages of 4 KiB that the log may have before they are moved into the file.
const CHECKPOINT_PAGES: u32 = 4096;
/// KiB of pages that the writer keeps in memory, at most. The indices have a place of their own for each
/// sender and receiver, so that a commit of a thousand messages touches thousands of pages: those that
/// find no room are written twice, and read again.
const CACHE_KIB: i32 = 64 * 1024;

/// A database. The threads end with the last of its clones.
#[derive(Clone)]
pub struct Database {
    calls: mpsc::Sender<Call>,
    /// Absent: nobody but the one connection sees what is in it.
    readers: Option<Readers>,
    recipients: Arc<Recipients>,
    arrivals: Arc<Arrivals>,
}

/// Where a database is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Place {
    /// In a file, made if it is not there, for its owner alone.
    File(PathBuf),
    /// Nowhere: it ends with the process.
    Memory,
}

/// Why a call of the database came to nothing.
#[allow(missing_docs)] // The messages say it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum DatabaseError {
    #[error("{path}: {reason}")]
    Open { path: Box<str>, reason: Box<str> },
    #[error("{0}")]
    Failed(Box<str>),
    #[error("no answer in time")]
    Timeout,
    #[error(
        "it was made by a newer version: its tables are of version {found}, and this one knows {known}"
    )]
    Newer { found: i64, known: i64 },
}

/// Works on the connection, if there is a transaction, and gives what answers its caller once it is
/// known whether that holds.
type Call = Box<dyn FnOnce(Result<&Connection, DatabaseError>) -> Answer + Send>;
type Answer = Box<dyn FnOnce(Result<(), DatabaseError>) + Send>;

impl Place {
    /// Reads `sqlite://path` and `sqlite::memory:`.
    pub fn of_url(url: &str) -> Option<Self> {
        if url == "sqlite::memory:" {
            return Some(Self::Memory);
        }
        let path = url.strip_prefix("sqlite://")?;
        (!path.is_empty()).then(|| Self::File(path.into()))
    }
}

impl Database {
    /// Opens a database, brings its tables to what this version needs, and starts its threads. Others
    /// may open the same file at the same time.
    ///
    /// # Errors
    ///
    /// [`DatabaseError::Open`] with the reason; one is that a newer version has made it.
    pub fn open(place: &Place) -> Result<Self, DatabaseError> {
        let opened = Self::open_place(place);
        opened.map_err(|reason| DatabaseError::Open {
            path: match place {
                Place::File(path) => path.display().to_string().into(),
                Place::Memory => "memory".into(),
            },
            reason: reason.to_string().into(),
        })
    }

    fn open_place(place: &Place) -> Result<Self, Box<dyn std::error::Error>> {
        let mut connection = match place {
            Place::File(path) => open_file(path)?,
            Place::Memory => Connection::open_in_memory()?,
        };
        prepare(&connection)?;
        schema::migrate(&mut connection)?;
        if let Err(error) = settle_rest(&mut connection) {
            // Histories have it, and it is tried again once something is accepted.
            tracing::warn!(%error, "messages of before cannot be put into their tables; they wait");
        }
        let recipients = Arc::new(Recipients::load(&connection)?);
        let readers = match place {
            Place::File(path) => Some(Readers::start(path)?),
            Place::Memory => None,
        };
        let (calls, waiting) = mpsc::channel(WAITING_MAX);
        thread::Builder::new()
            .name("sqlite".into())
            .spawn(move || serve(connection, waiting))?;
        Ok(Self {
            calls,
            readers,
            recipients,
            arrivals: Arc::default(),
        })
    }

    /// A database that ends with the test.
    #[cfg(test)]
    pub fn of_test() -> Self {
        Self::open(&Place::Memory).expect("there is memory")
    }

    /// Has `work` done on a connection that cannot write, beside what is written meanwhile. It sees
    /// one state of the database: all that was answered for before the call, or a later one.
    ///
    /// # Errors
    ///
    /// [`DatabaseError`].
    ///
    /// Cancel safe.
    pub async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, DatabaseError> {
        match &self.readers {
            Some(readers) => readers.read(work).await,
            None => self.transact(work).await,
        }
    }

    /// Has `work` done in a transaction, and answers when it is committed: on disk. An error of its
    /// own undoes it, and nothing else.
    ///
    /// # Errors
    ///
    /// [`DatabaseError`]; after [`DatabaseError::Timeout`] it may be done all the same.
    ///
    /// Not cancel safe: it may be done or not.
    pub async fn transact<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, DatabaseError> {
        self.call(work, |_: bool| ()).await
    }

    /// Has `work` done as [`Self::transact`] does, on what has arrived, too. What it does to that comes
    /// to nothing with the rest.
    async fn transact_arrivals<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Arrivals, &Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, DatabaseError> {
        let (arrivals, ending) = (self.arrivals(), self.arrivals());
        let ended = move |is_committed: bool| {
            if !is_committed {
                ending.undone();
            }
        };
        let work = move |connection: &Connection| {
            let made = work(&arrivals, connection);
            // Another call of the same transaction may come next.
            made.inspect_err(|_| arrivals.undone())
        };
        self.call(work, ended).await
    }

    fn arrivals(&self) -> Arc<Arrivals> {
        Arc::clone(&self.arrivals)
    }

    /// `ended` is told whether what was done holds, before anything else is done.
    async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
        ended: impl FnOnce(bool) + Send + 'static,
    ) -> Result<T, DatabaseError> {
        let (done, answer) = oneshot::channel();
        let call: Call = Box::new(move |connection| {
            let made = connection.and_then(|connection| in_savepoint(connection, work));
            Box::new(move |committed: Result<(), DatabaseError>| {
                let made = committed.and(made);
                ended(made.is_ok());
                // The caller may have given up.
                let _ = done.send(made);
            })
        });
        let calling = async {
            let gone = || DatabaseError::Failed("the database's thread has ended".into());
            self.calls.send(call).await.map_err(|_| gone())?;
            answer.await.map_err(|_| gone())?
        };
        let called = time::timeout(CALL_TIMEOUT, calling).await;
        called.unwrap_or(Err(DatabaseError::Timeout))
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").finish_non_exhaustive()
    }
}

fn open_file(path: &Path) -> Result<Connection, Box<dyn std::error::Error>> {
    // What is in it is between users. The files beside it get the same mode.
    let mut options = OpenOptions::new();
    options.create(true).append(true).mode(0o600).open(path)?;
    Ok(Connection::open(path)?)
}

/// Settles what a life before has left, if there is anything.
fn settle_rest(connection: &mut Connection) -> rusqlite::Result<()> {
    let arrivals = Arrivals::default();
    if arrivals.read(connection)?.is_empty() {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    settle::settle(&arrivals, &transaction)?;
    transaction.commit()
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(LOCK_TIMEOUT)?;
    schema::in_time(|| connection.pragma_update(None, "journal_mode", "WAL"))?;
    // The log is on the disk when a commit is over, not only with the kernel.
    connection.pragma_update(None, "synchronous", "FULL")?;
    // Less than 0: it is KiB, not pages.
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)
}

fn serve(connection: Connection, mut waiting: mpsc::Receiver<Call>) {
    while let Some(first) = waiting.blocking_recv() {
        let mut calls = vec![first];
        while calls.len() < BATCH_MAX
            && let Ok(call) = waiting.try_recv()
        {
            calls.push(call);
        }
        commit(&connection, calls);
    }
}

/// One transaction for all of them; each has a savepoint of its own.
fn commit(connection: &Connection, calls: Vec<Call>) {
    let begun = connection.execute_batch("BEGIN IMMEDIATE").map_err(failed);
    let answers = calls.into_iter().map(|call| match &begun {
        // A disk that is full ends the transaction. What came after that would be one of its own.
        Ok(()) if connection.is_autocommit() => call(Err(undone())),
        Ok(()) => call(Ok(connection)),
        Err(error) => call(Err(error.clone())),
    });
    let answers: Vec<Answer> = answers.collect();
    let committed = begun.and_then(|()| connection.execute_batch("COMMIT").map_err(failed));
    if !connection.is_autocommit() {
        // What is left of a commit that failed would be in the way of the next one.
        let _ = connection.execute_batch("ROLLBACK");
    }
    for answer in answers {
        answer(committed.clone());
    }
}

fn in_savepoint<T>(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> Result<T, DatabaseError> {
    connection.execute_batch("SAVEPOINT call").map_err(failed)?;
    let made = work(connection);
    let end = match made {
        Ok(_) => "RELEASE call",
        Err(_) => "ROLLBACK TO call; RELEASE call",
    };
    let ended = connection.execute_batch(end);
    made.and_then(|made| ended.map(|()| made)).map_err(failed)
}

fn undone() -> DatabaseError {
    DatabaseError::Failed("what was called for at the same time has undone it".into())
}

fn failed(error: rusqlite::Error) -> DatabaseError {
    DatabaseError::Failed(error.to_string().into())
}

impl From<DatabaseError> for StoreError {
    fn from(error: DatabaseError) -> Self {
        Self::Unavailable(error.to_string().into())
    }
}
