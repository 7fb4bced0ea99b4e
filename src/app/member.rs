//! The node as a member of a cluster, from its start to its leave.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::{
    task::JoinHandle,
    time::{self, Instant},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    BuildError,
    identity::{Affairs, Identity},
};
use crate::{
    cluster::{
        self, Cluster, Disagreement, Link,
        redis::{Redis, RedisHooks, Settings as RedisSettings},
        streams::StreamsError,
    },
    config::{Config, Secret},
    estate::Estate,
    presence::Describe,
};

/// Longest time for taking leave of the other members.
const LEAVING: Duration = Duration::from_secs(3);

/// Between two looks whether everything has left for the others.
const LOOK: Duration = Duration::from_millis(10);

/// Pause between the first calls of a Redis that is not there yet.
const RETRY: Duration = Duration::from_millis(500);

/// The membership of a node that is configured to be one of several.
#[derive(Debug)]
pub(super) struct Membership {
    cluster: Arc<Cluster>,
    redis: Arc<Redis>,
    hooks: Arc<RedisHooks>,
    linger: Duration,
    uses: Uses,
}

/// What somebody wants of Redis beside the membership, so that a user who may not have it is a mistake.
#[derive(Clone, Debug)]
struct Uses {
    has_chat: bool,
    /// The channel of the bridge.
    channel: Option<Box<str>>,
}

/// A membership that has begun.
#[derive(Debug)]
pub(super) struct Running {
    membership: Membership,
    stop: CancellationToken,
    task: JoinHandle<Result<(), Disagreement>>,
}

impl Membership {
    /// Prepares the membership, if there is a cluster. Nothing is connected yet.
    pub(super) fn new(
        config: &Config,
        identity: &Arc<Identity>,
    ) -> Result<Option<Self>, StreamsError> {
        let Some(url) = &config.cluster.redis else {
            return Ok(None);
        };
        let redis = redis(config, url)?;
        let hooks = Arc::new(redis.hooks());
        let settings = settings(config);
        let linger = settings.linger;
        let cluster = Cluster::new(cluster::Parts {
            router: Arc::clone(&identity.router),
            clock: identity.clock,
            answerer: Arc::clone(identity) as Arc<_>,
            describe: Arc::clone(identity) as Arc<dyn Describe>,
            // What is still to be told of the dead comes before what is told of their ends.
            estates: vec![
                Arc::clone(&hooks) as Arc<dyn Estate>,
                Arc::new(Affairs(Arc::clone(identity))),
            ],
            settings,
        });
        let link = Arc::new(Link(Arc::clone(&cluster)));
        let bus = Arc::clone(&cluster) as Arc<_>;
        identity.router.join(bus, link);
        Ok(Some(Self {
            cluster,
            redis: Arc::new(redis),
            hooks,
            linger,
            uses: Uses {
                has_chat: config.dialect.im.mount.enabled && config.dialect.im.has_keys(),
                channel: config.backend.pubsub_channel.as_deref().map(Into::into),
            },
        }))
    }

    pub(super) fn redis(&self) -> &Redis {
        &self.redis
    }

    /// What it is to tell endpoints.
    pub(super) fn hooks(&self) -> &RedisHooks {
        &self.hooks
    }

    /// Asks Redis once whether it refuses us, and looks whether the nodes that live can be spoken with.
    pub(super) async fn check(&self) -> Result<(), BuildError> {
        match check_once(&self.redis, &self.uses).await {
            Err(StreamsError::Unavailable(_)) => return Ok(()),
            checked => checked.map_err(BuildError::Redis)?,
        }
        let checking = self.cluster.check(&*self.redis);
        checking.await.map_err(BuildError::Versions)
    }

    pub(super) fn cluster(&self) -> Weak<Cluster> {
        Arc::downgrade(&self.cluster)
    }

    /// Becomes a member. Should Redis refuse it, for its version or its password, or others not know what
    /// it writes, `failed` fires.
    pub(super) fn begin(self, failed: CancellationToken) -> Running {
        let stop = CancellationToken::new();
        let (cluster, redis) = (Arc::clone(&self.cluster), Arc::clone(&self.redis));
        let (until, uses) = (stop.clone(), self.uses.clone());
        let task = TaskTracker::new().spawn(async move {
            if let Err(error) = check(&redis, &uses, &until).await {
                tracing::error!("cluster.redis: {error}");
                failed.cancel();
                return Ok(());
            }
            let lived = cluster.run(redis, until).await;
            lived.inspect_err(|disagreement| {
                tracing::error!("cluster: {disagreement}");
                failed.cancel();
            })
        });
        Running {
            membership: self,
            stop,
            task,
        }
    }
}

/// Redis at this address; nothing is connected.
pub(super) fn redis(config: &Config, url: &Secret) -> Result<Redis, StreamsError> {
    Redis::new(RedisSettings {
        url: url.clone(),
        prefix: config.cluster.prefix.clone(),
        ca: config.cluster.redis_ca.clone(),
    })
}

async fn check_once(redis: &Redis, uses: &Uses) -> Result<(), StreamsError> {
    redis.check().await?;
    if uses.has_chat {
        redis.contacts().check().await?;
    }
    match &uses.channel {
        Some(name) => redis.channel(name).subscribe().await.map(drop),
        None => Ok(()),
    }
}

/// Asks Redis whether it can be used, until it answers or `stop` fires.
async fn check(redis: &Redis, uses: &Uses, stop: &CancellationToken) -> Result<(), StreamsError> {
    let mut is_first = true;
    while !stop.is_cancelled() {
        match check_once(redis, uses).await {
            Err(StreamsError::Unavailable(reason)) => {
                if std::mem::take(&mut is_first) {
                    tracing::warn!(%reason, "Redis is not there yet; the node waits for it");
                }
                time::sleep(RETRY).await;
            }
            checked => return checked,
        }
    }
    Ok(())
}

/// What of the configuration can change while the node is a member.
pub(super) fn settings(config: &Config) -> cluster::Settings {
    cluster::Settings {
        linger: config.presence.linger,
        uplink_bytes_max: config.limits.uplink_bytes_max,
    }
}

impl Running {
    /// Takes leave: the sessions are gone. Their topics linger, so that clients who are on their way
    /// to another node are not told to be away, unless the time that is left until `until` is needed. What
    /// is to be done `before` is done meanwhile.
    pub(super) async fn end(self, until: Instant, before: impl Future<Output = ()>) {
        let Membership {
            cluster,
            redis,
            linger,
            ..
        } = self.membership;
        let lingering = async {
            if 1 < cluster.members_count() {
                let linger = until.min(Instant::now() + linger);
                time::sleep_until(linger).await;
            }
        };
        tokio::join!(lingering, before);
        while 0 < cluster.uplink_bytes() && Instant::now() < until {
            time::sleep(LOOK).await;
        }
        self.stop.cancel();
        // There is nobody to take leave of who could read it.
        if !matches!(self.task.await, Ok(Err(_))) {
            cluster.leave(&*redis, LEAVING).await;
        }
    }
}
