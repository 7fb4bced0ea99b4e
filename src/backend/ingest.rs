//! Ingest: what applications push through a queue, published by whichever node takes it.

use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;

use crate::{
    pauses::Pauses,
    queue::{EntryId, Queue, Taken},
    stats::IngestStats,
};

/// The queue of pushes.
pub const QUEUE: &str = "push";
/// What a node that died had taken is given to another one so long after. Longer than a publish waits
/// for room, so that no entry is with two nodes that live.
pub const CLAIM_AFTER: Duration = Duration::from_secs(30);
/// Most entries that are published side by side.
const BATCH_MAX: usize = 64;
/// How long to wait for entries before it is looked whether the node ends.
const WAIT: Duration = Duration::from_secs(1);
/// Whoever takes an entry for the last time buries it if it fails again: something is wrong with it,
/// or has been with the cluster for minutes.
const ATTEMPTS_MAX: u64 = 10;
/// First pause after a call of the queue that has failed.
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// Longest pause between calls that fail.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Publishes what stands in an entry.
pub trait Publish: fmt::Debug + Send + Sync + 'static {
    /// Publishes a request of `POST /api/publish`, which is the entry `id`. One without an id of its own
    /// is known by that.
    fn publish<'a>(&'a self, id: &'a str, request: &'a [u8]) -> Publishing<'a>;
}

/// The end of a publish.
pub type Publishing<'a> = Pin<Box<dyn Future<Output = Result<(), NotPublished>> + Send + 'a>>;

/// Why an entry was not published.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum NotPublished {
    /// Another time, or by another node, it may be.
    Busy(String),
    /// It never will be.
    Invalid(String),
}

/// Publishes what is in the queue until `stop` fires.
pub async fn run(
    queue: Arc<dyn Queue>,
    publisher: Arc<dyn Publish>,
    stats: Arc<IngestStats>,
    stop: CancellationToken,
) {
    let mut pauses = Pauses::new(PAUSE_MIN, PAUSE_MAX);
    loop {
        let taken = tokio::select! {
            () = stop.cancelled() => return,
            taken = queue.take(BATCH_MAX, WAIT) => taken,
        };
        let worked = match taken {
            Ok(entries) => work(&*queue, &*publisher, &stats, entries).await,
            Err(error) => Err(error),
        };
        let Err(error) = worked else {
            pauses.reset();
            continue;
        };
        stats.errors.add(1);
        tracing::debug!(%error, "pushes wait");
        tokio::select! {
            () = stop.cancelled() => return,
            () = pauses.wait() => {}
        }
    }
}

/// Publishes these; those that were busy are taken again later.
async fn work(
    queue: &dyn Queue,
    publisher: &dyn Publish,
    stats: &IngestStats,
    entries: Vec<Taken>,
) -> Result<(), crate::queue::QueueError> {
    let publishing = entries
        .iter()
        .map(|entry| publisher.publish(&entry.id.0, &entry.body));
    let published = join_all(publishing).await;
    let mut done: Vec<EntryId> = Vec::new();
    let mut dead = Vec::new();
    for (entry, published) in entries.into_iter().zip(published) {
        match published {
            Ok(()) => done.push(entry.id),
            Err(NotPublished::Invalid(reason)) => dead.push((entry, reason)),
            Err(NotPublished::Busy(reason)) if ATTEMPTS_MAX <= entry.attempts => {
                let reason = format!("was tried {} times: {reason}", entry.attempts);
                dead.push((entry, reason));
            }
            Err(NotPublished::Busy(reason)) => {
                stats.busy.add(1);
                tracing::debug!(%reason, "a push is tried again");
            }
        }
    }
    stats.done.add(done.len() as u64);
    if !done.is_empty() {
        queue.done(done).await?;
    }
    for (entry, reason) in dead {
        stats.dead.add(1);
        tracing::warn!(entry = %entry.id.0, %reason, "a push was refused and is with the dead ones");
        queue.bury(entry, reason).await?;
    }
    Ok(())
}
