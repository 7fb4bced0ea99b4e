//! Threads that read beside the one that writes: the log of a file lets them.

use std::{path::Path, sync::Arc, thread};

use parking_lot::Mutex;
use rusqlite::{Connection, OpenFlags};
use tokio::{
    sync::{mpsc, oneshot},
    time,
};

use super::{CALL_TIMEOUT, DatabaseError, LOCK_TIMEOUT, WAITING_MAX, failed};

/// Threads, each with a connection of its own: one that reads much is not in the way of all others.
const THREADS: usize = 2;

/// The readers of one file.
#[derive(Clone)]
pub(super) struct Readers(mpsc::Sender<Read>);

type Read = Box<dyn FnOnce(&Connection) + Send>;

impl Readers {
    /// Starts the threads. They end with the last of the clones.
    pub(super) fn start(path: &Path) -> Result<Self, Box<dyn std::error::Error>> {
        let (reads, waiting) = mpsc::channel(WAITING_MAX);
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..THREADS {
            // As the other one was opened, but it makes no file.
            let flags = OpenFlags::default().difference(OpenFlags::SQLITE_OPEN_CREATE);
            let connection = Connection::open_with_flags(path, flags)?;
            connection.busy_timeout(LOCK_TIMEOUT)?;
            // Who opens a file for reading only cannot read a log that nobody has begun yet.
            connection.pragma_update(None, "query_only", true)?;
            let waiting = Arc::clone(&waiting);
            thread::Builder::new()
                .name("sqlite-read".into())
                .spawn(move || serve(&connection, &waiting))?;
        }
        Ok(Self(reads))
    }

    /// See [`super::Database::read`].
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, DatabaseError> {
        let (done, answer) = oneshot::channel();
        let read: Read = Box::new(move |connection| {
            // Who has given up must not cost the others time.
            if !done.is_closed() {
                let _ = done.send(in_transaction(connection, work).map_err(failed));
            }
        });
        let reading = async {
            let gone = || DatabaseError::Failed("the database's readers have ended".into());
            self.0.send(read).await.map_err(|_| gone())?;
            answer.await.map_err(|_| gone())?
        };
        let read = time::timeout(CALL_TIMEOUT, reading).await;
        read.unwrap_or(Err(DatabaseError::Timeout))
    }
}

fn serve(connection: &Connection, waiting: &Mutex<mpsc::Receiver<Read>>) {
    loop {
        // Who waits has the lock, who works has not.
        let next = waiting.lock().blocking_recv();
        let Some(read) = next else {
            return;
        };
        read(connection);
    }
}

/// Several statements see the same.
fn in_transaction<T>(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    connection.execute_batch("BEGIN")?;
    let made = work(connection);
    let ended = connection.execute_batch("COMMIT");
    if !connection.is_autocommit() {
        let _ = connection.execute_batch("ROLLBACK");
    }
    made.and_then(|made| ended.map(|()| made))
}
