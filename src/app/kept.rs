//! What the node keeps for later, mail, queues and chat: in Redis for a cluster, else in the store.

use std::sync::Arc;

use tokio::time::Instant;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    BuildError, Node,
    bridge::Bridge,
    farewells::Last,
    hooks,
    identity::Identity,
    member::Membership,
    opening::{Home, Opening},
    settings,
    stored::{self, Base, Moving, Stored},
    work::{self, Work, Workforce},
};
use crate::{
    admin,
    backend::{
        HttpClient,
        hooks::Hooks,
        ingest::{self, Publish, Publishing},
    },
    chat::{self, Desk},
    cluster::redis::MailSettings,
    config::Config,
    dues::NoDeeds,
    id::Person,
    ingress,
    ledger::Ledger,
    live::{self, Stage},
    mail::{
        Bounds, Mail,
        post::{self, Post},
        postman,
    },
    office::{Ahead, Office},
    queue::Queue,
    reception::{self, Reception},
    stats::{ArchiveStats, IngestStats, RetentionStats},
    store::sqlite::{SqliteDues, SqliteMail, SqliteOffice, SqliteQueue},
    witness::{self, Witness},
};

/// Where durable things are.
#[derive(Debug)]
pub(super) struct Kept {
    /// Durable messages.
    pub(super) post: Post,
    /// What applications push.
    pub(super) pushes: Arc<dyn Queue>,
    /// What the intake of pushes counts.
    pub(super) ingest: Arc<IngestStats>,
    /// Which publishes have ids, of a cluster.
    pub(super) ledger: Option<Arc<dyn Ledger>>,
    /// Jobs and schedules.
    pub(super) work: Work,
    /// Chat.
    pub(super) desk: Desk,
    /// Customer service.
    pub(super) reception: Reception,
    /// Live rooms.
    pub(super) stage: Stage,
    /// Webhooks.
    pub(super) hooks: Hooks,
    /// What happens, and what sessions owe.
    pub(super) witness: Arc<Witness>,
    /// What is moved to the database.
    pub(super) archive: Arc<ArchiveStats>,
    /// What is removed from it.
    pub(super) retention: Arc<RetentionStats>,
}

/// Opens the store, and Redis if there is a cluster.
pub(super) fn open(
    config: &Config,
    membership: Option<&Membership>,
    client: &HttpClient,
    identity: &Identity,
) -> Result<(Kept, Moving), BuildError> {
    let base = Base::open(config)?;
    let opening = &Opening {
        config,
        base: &base,
        home: Home::new(&base, membership),
        client,
        identity,
    };
    let Stored {
        journal,
        contacts,
        orders,
        drafts,
        sayings,
        moving,
    } = stored::open(opening);
    let (mail, pushes) = letters(opening);
    let Identity { router, clock, .. } = identity;
    let post = Post::new(post::Parts {
        mail,
        journal: Arc::clone(&journal),
        router: Arc::clone(router),
        clock: *clock,
    });
    let desk = Desk::new(chat::Parts {
        router: Arc::clone(router),
        journal,
        contacts,
        orders,
        post: post.clone(),
        clock: *clock,
    });
    let hooks = hooks::open(opening);
    let witness = witness(opening, &hooks);
    router.set_witness(Arc::clone(&witness));
    let stage = Stage::new(live::Parts {
        router: Arc::clone(router),
        witness: Arc::clone(&witness),
        drafts,
        sayings,
        clock: *clock,
    });
    let ledger = membership.map(|membership| Arc::new(membership.redis().ledger()) as Arc<_>);
    let kept = Kept {
        hooks,
        post,
        pushes,
        ingest: Arc::default(),
        work: work::open(opening),
        ledger,
        desk,
        reception: reception(opening),
        stage,
        witness,
        archive: Arc::clone(&moving.archive_stats),
        retention: Arc::clone(&moving.retention_stats),
    };
    Ok((kept, moving))
}

/// Mail and queues: in Redis, or in the store of a node that is alone.
fn letters(opening: &Opening<'_>) -> (Arc<dyn Mail>, Arc<dyn Queue>) {
    let (config, clock) = (opening.config, opening.identity.clock);
    let bounds = Bounds {
        letters_max: config.mail.letters_max,
        keep: config.mail.keep,
    };
    let (name, claim_after) = (ingest::QUEUE, ingest::CLAIM_AFTER);
    match opening.home {
        Home::Store(database) => {
            let pushes = SqliteQueue::new(database.clone(), name, claim_after, clock);
            let mail = SqliteMail::new(database.clone(), bounds, clock);
            (Arc::new(mail), Arc::new(pushes))
        }
        Home::Redis(membership) => {
            let redis = membership.redis();
            let mail = redis.mail(MailSettings {
                bounds,
                replicas: config.mail.replicas,
                clock,
            });
            (Arc::new(mail), Arc::new(redis.queue(name, claim_after)))
        }
    }
}

/// Customer service: in Redis, or in the store of a node that is alone.
fn reception(opening: &Opening<'_>) -> Reception {
    let Identity { router, clock, .. } = opening.identity;
    let office: Arc<dyn Office> = match opening.home {
        Home::Store(database) => {
            let office = SqliteOffice::new(database.clone(), *clock, Ahead::default());
            Arc::new(office)
        }
        Home::Redis(membership) => Arc::new(membership.redis().office(Ahead::default())),
    };
    let parts = reception::Parts {
        office,
        router: Arc::clone(router),
        clock: *clock,
    };
    Reception::new(parts, settings::service(opening.config))
}

/// Who sees what happens.
fn witness(opening: &Opening<'_>, hooks: &Hooks) -> Arc<Witness> {
    let identity = opening.identity;
    let parts = |dues, deeds, occupancy| witness::Parts {
        router: Arc::clone(&identity.router),
        clock: identity.clock,
        herald: Arc::new(hooks.clone()),
        dues,
        deeds,
        occupancy,
        linger: opening.config.presence.linger,
    };
    let parts = match opening.home {
        Home::Store(database) => {
            let dues = Arc::new(SqliteDues::new(database.clone(), identity.clock));
            parts(Arc::clone(&dues) as Arc<_>, Arc::new(NoDeeds), dues)
        }
        Home::Redis(membership) => {
            let dues = Arc::new(membership.redis().dues());
            parts(
                Arc::clone(&dues) as Arc<_>,
                Arc::clone(&dues) as Arc<_>,
                dues,
            )
        }
    };
    Witness::new(parts)
}

/// Those who bring what was kept to where it belongs.
pub(super) struct Couriers {
    desk: Desk,
    reception: Reception,
    stage: Stage,
    post: Post,
    workforce: Arc<Workforce>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Couriers {
    pub(super) fn begin(
        node: &Node,
        moving: Moving,
        bridge: Bridge,
        state: &Arc<admin::State>,
    ) -> Self {
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        tasks.spawn(postman::run(node.kept.post.clone(), stop.clone()));
        let reception = &node.kept.reception;
        let last = Last::new(state, reception.clone());
        node.kept.witness.set_farewells(Arc::new(last));
        if node.config.load().dialect.room.mount.enabled {
            tasks.spawn(reception.clone().run(stop.clone()));
        }
        let publisher = Arc::new(Publisher(Arc::clone(state)));
        let (pushes, stats) = (Arc::clone(&node.kept.pushes), Arc::clone(&node.kept.ingest));
        tasks.spawn(ingest::run(pushes, publisher, stats, stop.clone()));
        let workforce = node.kept.work.begin(node, state, &tasks, &stop);
        let workforce = Arc::new(workforce);
        // Set once: a node has one.
        let _ = node.workforce.set(Arc::clone(&workforce));
        moving.begin(&tasks, &stop);
        bridge.begin(&tasks, &stop);
        let witness = &node.kept.witness;
        if node.cluster.is_none() {
            let (witness, until) = (Arc::clone(witness), stop.clone());
            let linger = node.config.load().presence.linger;
            tasks.spawn(async move {
                tokio::select! {
                    () = witness.settle_lives_before(linger) => {}
                    () = until.cancelled() => {}
                }
            });
        }
        if node.cluster.is_none() && node.config.load().throw_away.page_key.is_some() {
            tasks.spawn(befriend(node.kept.desk.clone()));
        }
        Self {
            desk: node.kept.desk.clone(),
            reception: node.kept.reception.clone(),
            stage: node.kept.stage.clone(),
            post: node.kept.post.clone(),
            workforce,
            stop,
            tasks,
        }
    }

    /// Takes no job any more.
    pub(super) fn stop_jobs(&self) {
        self.workforce.stop();
    }

    /// Lets them finish what they have begun, jobs until that time. From then on the node takes no durable
    /// messages.
    pub(super) async fn end(self, until: Instant) {
        self.workforce.end(until).await;
        self.desk.close().await;
        self.reception.close().await;
        self.stage.close().await;
        self.stop.cancel();
        self.post.close().await;
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Makes those friends who chat on the demo page; of a node that is alone, since in Redis such things are
/// the application's.
async fn befriend(desk: Desk) {
    let [one, other] = ingress::CHAT_USERS.map(Person::new);
    let (Some(one), Some(other)) = (one, other) else {
        return;
    };
    for (of, friend) in [(one, other), (other, one)] {
        if let Err(error) = desk.contacts().set_friend(of, friend, true).await {
            tracing::warn!(%error, "the users of the demo page are no friends");
        }
    }
}

/// Publishes pushes as the admin listener would.
#[derive(Debug)]
pub(super) struct Publisher(pub(super) Arc<admin::State>);

impl Publish for Publisher {
    fn publish<'a>(&'a self, id: &'a str, request: &'a [u8]) -> Publishing<'a> {
        Box::pin(self.0.publish(id, request))
    }
}
