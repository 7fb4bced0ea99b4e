//! Workers: for each kind of jobs a task that takes them, has the application do them, and publishes what it
//! answers.
//!
//! A kind takes no more than it may do at a time. What waits is where jobs are kept, so that a service that
//! hangs is in nobody's way and costs no memory.

mod call;
mod duty;
mod worker;

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{
    runtime::Handle,
    time::{self, Instant},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::worker::Worker;
use super::{HttpClient, ingest::Publish};
use crate::{clock::Clock, config::Job as Kind, jobs::board::Board};

/// The queue that applications add jobs to.
pub const QUEUE: &str = "jobs";
/// Its consumer group.
pub const GROUP: &str = "jobs";
/// Between two looks at how many jobs there are.
const LOOK: Duration = Duration::from_secs(2);
/// Time for giving back what is not done at the end.
const GIVING_BACK: Duration = Duration::from_secs(2);

/// What workers work with.
#[derive(Clone, Debug)]
pub struct Parts {
    /// Where the jobs are.
    pub board: Board,
    /// Speaks to the services.
    pub client: HttpClient,
    /// Publishes what they answer.
    pub publisher: Arc<dyn Publish>,
    /// The time.
    pub clock: Clock,
}

/// The workers of a node.
#[derive(Debug)]
pub struct Workers {
    parts: Parts,
    runtime: Handle,
    running: Mutex<HashMap<String, Running>>,
    tasks: TaskTracker,
    /// No job is taken any more.
    stop: CancellationToken,
    /// What runs is given back.
    cut: CancellationToken,
}

#[derive(Debug)]
struct Running {
    kind: Kind,
    stop: CancellationToken,
}

// === impl Workers ===

impl Workers {
    /// Does jobs of no kind yet. Within a runtime, on which it goes on.
    pub fn begin(parts: Parts) -> Self {
        let workers = Self {
            parts,
            runtime: Handle::current(),
            running: Mutex::default(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            cut: CancellationToken::new(),
        };
        let watch = watch(workers.parts.board.clone(), workers.stop.clone());
        workers.tasks.spawn_on(watch, &workers.runtime);
        workers
    }

    /// Does jobs of these kinds from now on. What runs of the others ends as it began.
    pub fn set(&self, kinds: &[Kind]) {
        let mut running = self.running.lock();
        running.retain(|_, old| {
            let is_kept = kinds.contains(&old.kind);
            if !is_kept {
                old.stop.cancel();
            }
            is_kept
        });
        for kind in kinds {
            if running.contains_key(&kind.kind) || self.stop.is_cancelled() {
                continue;
            }
            let stop = self.stop.child_token();
            let worker = Worker::new(&self.parts, kind);
            let work = worker.run(stop.clone(), self.cut.clone());
            self.tasks.spawn_on(work, &self.runtime);
            let kind = kind.clone();
            running.insert(kind.kind.clone(), Running { kind, stop });
        }
        let names = kinds.iter().map(|kind| kind.kind.as_str().into());
        self.parts.board.set_kinds(names.collect());
    }

    /// Takes no job any more.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Waits for those that run, and gives back what is not done by then.
    pub async fn end(&self, until: Instant) {
        self.stop.cancel();
        self.tasks.close();
        let until = until.checked_sub(GIVING_BACK).unwrap_or_else(Instant::now);
        if time::timeout_at(until, self.tasks.wait()).await.is_err() {
            self.cut.cancel();
            self.tasks.wait().await;
        }
    }
}

/// Looks from time to time how many jobs there are.
async fn watch(board: Board, stop: CancellationToken) {
    loop {
        let stats = board.stats();
        match board.jobs().figures().await {
            Ok(figures) => {
                stats.open.set(figures.open);
                stats.buried.set(figures.dead);
                stats.oldest_ms.set(figures.oldest.as_millis() as u64);
            }
            Err(error) => {
                stats.errors.add(1);
                tracing::debug!(%error, "nobody knows how many jobs there are");
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = time::sleep(LOOK) => {}
        }
    }
}
