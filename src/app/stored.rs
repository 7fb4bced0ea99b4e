//! Where chat is: its journal, its database, contacts and orders; and what moves messages from one to
//! the other.

use std::sync::Arc;

use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    BuildError,
    opening::{Home, Opening},
};
use crate::{
    backend::{hook::Hook, orders::OrderHook},
    clock::Clock,
    cluster::{
        archive,
        redis::{JournalSettings, Redis, RedisBacklog, RedisLegacy},
    },
    config::{self, Config},
    contacts::Contacts,
    journal::Journal,
    lookup::Lookup,
    orders::Orders,
    sayings::{Drafts, Sayings},
    stats::{ArchiveStats, RetentionStats},
    store::{
        MessageStore, Prunes,
        mysql::{MysqlMessages, MysqlOrders, MysqlSayings, Server},
        retention::Retention,
        sqlite::{
            Database, Place, SqliteContacts, SqliteDrafts, SqliteJournal, SqliteMessages,
            SqliteOrders, SqliteSayings,
        },
    },
};

/// Most orders that are asked for at once. A courier takes one in minutes.
const ORDERS_WAITING_MAX: usize = 256;

/// Chat, as far as it outlives sessions.
pub(super) struct Stored {
    pub(super) journal: Arc<dyn Journal>,
    pub(super) contacts: Arc<dyn Contacts>,
    pub(super) orders: Arc<dyn Orders>,
    pub(super) drafts: Arc<dyn Drafts>,
    pub(super) sayings: Arc<dyn Sayings>,
    pub(super) moving: Moving,
}

/// What happens to messages that were accepted.
#[derive(Debug)]
pub(super) struct Moving {
    store: Arc<dyn MessageStore>,
    sayings: Arc<dyn Sayings>,
    /// Absent if they are in the database from the beginning.
    archive: Option<Archive>,
    /// Asked at the start whether it can be used.
    server: Option<MysqlMessages>,
    keep: std::time::Duration,
    clock: Clock,
    pub(super) archive_stats: Arc<ArchiveStats>,
    pub(super) retention_stats: Arc<RetentionStats>,
}

#[derive(Debug)]
struct Archive {
    backlog: RedisBacklog,
    legacy: Option<RedisLegacy>,
}

/// The database.
pub(super) enum Base {
    Sqlite(Database),
    Mysql(Server),
}

impl Base {
    /// Opens the database of the configuration.
    pub(super) fn open(config: &Config) -> Result<Self, BuildError> {
        let url = config.store.url.expose();
        if url.starts_with("mysql://") {
            let server = Server::connect(url);
            return server.map(Self::Mysql).map_err(BuildError::Mysql);
        }
        let place = Place::of_url(url);
        let place = place.expect("a configuration that was read has a store that can be used");
        let database = Database::open(&place).map_err(BuildError::Store)?;
        Ok(Self::Sqlite(database))
    }

    fn messages(&self) -> (Arc<dyn MessageStore>, Option<MysqlMessages>) {
        match self {
            Self::Sqlite(database) => (Arc::new(SqliteMessages::new(database.clone())), None),
            Self::Mysql(server) => {
                let messages = MysqlMessages::new(server.clone());
                (Arc::new(messages.clone()), Some(messages))
            }
        }
    }

    fn sayings(&self) -> Arc<dyn Sayings> {
        match self {
            Self::Sqlite(database) => Arc::new(SqliteSayings::new(database.clone())),
            Self::Mysql(server) => Arc::new(MysqlSayings::new(server.clone())),
        }
    }

    fn orders(&self, lookup: &Lookup) -> Arc<dyn Orders> {
        match self {
            Self::Sqlite(database) => Arc::new(SqliteOrders::new(database.clone(), lookup)),
            Self::Mysql(server) => Arc::new(MysqlOrders::new(server.clone(), lookup)),
        }
    }
}

/// Chat in the database and, if there is a cluster, in its Redis.
pub(super) fn open(opening: &Opening<'_>) -> Stored {
    let Opening { config, base, .. } = *opening;
    let clock = opening.identity.clock;
    let (store, server) = base.messages();
    let sayings = base.sayings();
    let moving = |archive, archive_stats| Moving {
        store: Arc::clone(&store),
        sayings: Arc::clone(&sayings),
        archive,
        server,
        keep: config.store.retention,
        clock,
        archive_stats,
        retention_stats: Arc::default(),
    };
    let orders = orders(opening);
    match opening.home {
        Home::Store(database) => {
            let journal = SqliteJournal::new(database.clone(), clock);
            let stats = Arc::clone(journal.stats());
            Stored {
                journal: Arc::new(journal),
                contacts: Arc::new(SqliteContacts::new(database.clone(), clock)),
                orders,
                drafts: Arc::new(SqliteDrafts::new(database.clone())),
                sayings: Arc::clone(&sayings),
                moving: moving(None, stats),
            }
        }
        Home::Redis(membership) => {
            let redis = membership.redis();
            let settings = JournalSettings {
                replicas: config.mail.replicas,
                clock,
            };
            let journal = redis.journal(settings.clone(), Arc::clone(&store));
            Stored {
                journal: Arc::new(journal),
                contacts: Arc::new(redis.contacts()),
                orders,
                drafts: Arc::new(redis.drafts()),
                sayings: Arc::clone(&sayings),
                moving: moving(Some(archive(config, redis, settings)), Arc::default()),
            }
        }
    }
}

fn archive(config: &Config, redis: &Redis, settings: JournalSettings) -> Archive {
    Archive {
        backlog: redis.backlog(archive::CLAIM_AFTER),
        legacy: (config.dialect.im.legacy_mq).then(|| redis.legacy(settings)),
    }
}

fn orders(opening: &Opening<'_>) -> Arc<dyn Orders> {
    let settings = &opening.config.dialect.im.orders;
    if let Some(config::LoginHook {
        url,
        timeout,
        secret,
    }) = &settings.hook
    {
        let secret = secret.as_ref();
        let hook = Hook::new(
            opening.client.clone(),
            url,
            *timeout,
            secret,
            ORDERS_WAITING_MAX,
        );
        return Arc::new(OrderHook::new(hook, opening.identity.clock));
    }
    let lookup = settings.lookup();
    opening
        .base
        .orders(&lookup.expect("a configuration that was read has names that can be used"))
}

impl Moving {
    /// Asks the database once whether it refuses us; one that is away may come later.
    pub(super) async fn check(&self) -> Result<(), BuildError> {
        match &self.server {
            Some(server) => server.check().await.map_err(BuildError::Mysql),
            None => Ok(()),
        }
    }

    /// Moves messages, and removes old ones, until `stop` fires.
    pub(super) fn begin(self, tasks: &TaskTracker, stop: &CancellationToken) {
        let Self {
            store,
            sayings,
            archive,
            keep,
            clock,
            archive_stats: stats,
            retention_stats,
            ..
        } = self;
        let kept: [Arc<dyn Prunes>; 2] = [Arc::clone(&store) as _, sayings];
        for store in kept {
            let retention = Retention {
                store,
                keep,
                clock,
                stats: Arc::clone(&retention_stats),
            };
            tasks.spawn(retention.run(stop.clone()));
        }
        let Some(Archive { backlog, legacy }) = archive else {
            return;
        };
        if let Some(legacy) = legacy {
            tasks.spawn(archive::drain(legacy, Arc::clone(&stats), stop.clone()));
        }
        tasks.spawn(archive::run(backlog, store, stats, stop.clone()));
    }
}
