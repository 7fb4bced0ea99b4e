//! Jobs and schedules: where they are kept, and who does them.

use std::sync::Arc;

use tokio::time::Instant;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Node,
    kept::Publisher,
    opening::{Home, Opening},
};
use crate::{
    admin,
    backend::{
        HttpClient,
        ingest::{self, Publish, Publishing},
        jobs::{self, Workers},
        schedules,
    },
    clock::Clock,
    cluster::pictures::{List, Lists},
    config::Config,
    jobs::{Jobs, board::Board},
    queue::Queue,
    schedules::Schedules,
    stats::{IngestStats, JobStats, ScheduleStats},
    store::sqlite::{SqliteJobs, SqliteSchedules},
};

/// Where jobs and schedules are.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) board: Board,
    pub(super) schedules: Arc<dyn Schedules>,
    pub(super) schedule_stats: Arc<ScheduleStats>,
    /// What comes with a cluster.
    shared: Option<Shared>,
    /// What the intake of jobs counts.
    pub(super) intake: Arc<IngestStats>,
    client: HttpClient,
    clock: Clock,
}

/// Where other programs write jobs.
#[derive(Debug)]
struct Shared {
    queue: Arc<dyn Queue>,
    lists: Arc<Lists>,
}

/// Those who do it.
#[derive(Debug)]
pub(super) struct Workforce {
    workers: Workers,
    lists: Option<Arc<Lists>>,
}

/// Opens what is kept: in Redis, or in the store of a node that is alone.
pub(super) fn open(opening: &Opening<'_>) -> Work {
    let (keep, stats) = (opening.config.backend.jobs_keep, Arc::<JobStats>::default());
    let clock = opening.identity.clock;
    let board = |jobs: Arc<dyn Jobs>| Board::new(jobs, Arc::clone(&stats));
    let (board, schedules, shared): (_, Arc<dyn Schedules>, _) = match opening.home {
        Home::Store(database) => {
            let jobs = SqliteJobs::new(database.clone(), keep, clock);
            let schedules = SqliteSchedules::new(database.clone(), ingest::QUEUE, clock);
            (board(Arc::new(jobs)), Arc::new(schedules), None)
        }
        Home::Redis(membership) => {
            let redis = membership.redis();
            let jobs = redis.jobs(keep);
            let board = board(Arc::new(jobs.clone()));
            let queue = redis.queue_of(jobs::QUEUE, jobs::GROUP, ingest::CLAIM_AFTER);
            let shared = Shared {
                queue: Arc::new(queue),
                lists: Arc::new(Lists::new(jobs, board.clone())),
            };
            (board, Arc::new(redis.schedules()), Some(shared))
        }
    };
    Work {
        board,
        schedules,
        schedule_stats: Arc::default(),
        shared,
        intake: Arc::default(),
        client: opening.client.clone(),
        clock,
    }
}

impl Work {
    /// Begins to do it, until `stop` fires.
    pub(super) fn begin(
        &self,
        node: &Node,
        state: &Arc<admin::State>,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) -> Workforce {
        let config = node.config.load();
        let parts = jobs::Parts {
            board: self.board.clone(),
            client: self.client.clone(),
            publisher: Arc::new(Publisher(Arc::clone(state))),
            clock: self.clock,
        };
        let workforce = Workforce {
            workers: Workers::begin(parts),
            lists: self.shared.as_ref().map(|shared| Arc::clone(&shared.lists)),
        };
        workforce.set(&config);
        let clockwork = schedules::Parts {
            schedules: Arc::clone(&self.schedules),
            board: self.board.clone(),
            stats: Arc::clone(&self.schedule_stats),
        };
        tasks.spawn(schedules::run(clockwork, stop.clone()));
        if let Some(Shared { queue, lists }) = &self.shared {
            let intake = Arc::new(Intake(Arc::clone(state)));
            let (queue, stats) = (Arc::clone(queue), Arc::clone(&self.intake));
            tasks.spawn(ingest::run(queue, intake, stats, stop.clone()));
            tasks.spawn(Arc::clone(lists).run(stop.clone()));
        }
        workforce
    }
}

impl Workforce {
    /// Does jobs as this configuration says from now on.
    pub(super) fn set(&self, config: &Config) {
        let kinds = &config.backend.jobs;
        self.workers.set(kinds);
        if let Some(lists) = &self.lists {
            let named = kinds.iter().filter_map(|kind| {
                Some(List {
                    name: kind.legacy_list.as_deref()?.into(),
                    kind: kind.kind.as_str().into(),
                })
            });
            lists.set(named.collect());
        }
    }

    /// Takes no job any more.
    pub(super) fn stop(&self) {
        self.workers.stop();
    }

    /// Waits for what is under way, and gives back what is not done in time.
    pub(super) async fn end(&self, until: Instant) {
        self.workers.end(until).await;
    }
}

/// Adds jobs as the admin listener would.
#[derive(Debug)]
struct Intake(Arc<admin::State>);

impl Publish for Intake {
    fn publish<'a>(&'a self, id: &'a str, request: &'a [u8]) -> Publishing<'a> {
        Box::pin(self.0.file(id, request))
    }
}
