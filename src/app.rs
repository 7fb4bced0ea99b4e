//! The node as a whole: what is built from a configuration, served, and drained.
//!
//! The only module that knows all others. Each shard has a thread and a runtime of its own; accepting,
//! the admin listener and everything slow runs on the runtime of the process.

mod bridge;
mod farewells;
mod hooks;
mod identity;
mod kept;
mod listening;
mod member;
mod node;
mod opening;
mod run;
mod services;
mod settings;
mod shards;
mod stored;
mod work;

use std::{
    net::{SocketAddr, TcpListener},
    sync::{Arc, OnceLock},
    time::{SystemTime, UNIX_EPOCH},
};

use arc_swap::ArcSwap;

pub use self::node::{Node, Reloader};
use self::{
    bridge::Bridge,
    identity::Identity,
    listening::Listening,
    member::Membership,
    services::{Applications, Front},
    shards::ShardThread,
    stored::Moving,
};
use crate::{
    auth::{
        self, Authenticator, api_key::ApiKeys, token_endpoint::TokenEndpoint,
        wstoken::MemoryCredentials,
    },
    backend::HttpClient,
    clock::Clock,
    config::{Config, ReloadSource},
    credentials::Credentials,
    dialect::Dialect,
    happening::Herald,
    id::Member,
    ingress::{self, Ingress, tls::TlsError},
    router::Router,
    stats::NodeStats,
    store::mysql,
};

/// A node whose sockets are bound.
#[derive(Debug)]
pub struct App {
    node: Arc<Node>,
    membership: Option<Membership>,
    moving: Moving,
    bridge: Bridge,
    shards: Vec<ShardThread>,
    public: Vec<TcpListener>,
    admin: TcpListener,
}

/// Where a node listens.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// The public listeners.
    pub public: Vec<SocketAddr>,
    /// The admin listener.
    pub admin: SocketAddr,
}

/// Dialects mounted beside the configured ones, by path.
pub type Mounted = Vec<(String, Arc<dyn Dialect>)>;

/// What a node is given beside its configuration.
#[derive(Debug, Default)]
pub struct Extras {
    /// Dialects of the caller's own.
    pub mounted: Mounted,
    /// Listening sockets of a process before: those at configured addresses are used in the place of new
    /// ones.
    pub sockets: Vec<TcpListener>,
}

/// Why a node cannot start.
#[allow(missing_docs)] // The messages say it.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error("{key}: {address} cannot be bound")]
    Bind {
        key: &'static str,
        address: SocketAddr,
        #[source]
        source: std::io::Error,
    },
    #[error("a listening socket cannot be duplicated")]
    Duplicate(#[source] std::io::Error),
    #[error("the client of HTTP services cannot start")]
    Client(#[source] std::io::Error),
    #[error("store.url: it cannot be used")]
    Store(#[source] crate::store::sqlite::DatabaseError),
    #[error("store.url: {0}")]
    Mysql(mysql::MysqlError),
    #[error("cluster.redis: it cannot be used")]
    Redis(#[source] crate::cluster::streams::StreamsError),
    #[error("a thread for sessions cannot start")]
    Thread(#[source] std::io::Error),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("cluster: {0}")]
    Versions(crate::cluster::Disagreement),
}

/// How a node ended.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ExitReport {
    /// Sessions that were cut, since they had not left in time.
    pub sessions_cut: usize,
    /// Whether it ended because a part of it had failed.
    pub has_failed: bool,
}

impl App {
    /// Binds the sockets and starts the shards.
    ///
    /// # Errors
    ///
    /// An address that cannot be bound, a certificate that cannot be used, a thread that cannot be
    /// started.
    pub fn build(config: Config, source: ReloadSource) -> Result<Self, BuildError> {
        Self::build_with(config, source, Extras::default())
    }

    /// Like [`Self::build`], with something of the caller's own.
    ///
    /// # Errors
    ///
    /// As [`Self::build`].
    pub fn build_with(
        config: Config,
        source: ReloadSource,
        extras: Extras,
    ) -> Result<Self, BuildError> {
        let Extras { mounted, sockets } = extras;
        let clock = Clock::start();
        let member = Member::new(config.node(), epoch());
        let (public, admin) = listen(&config, sockets)?;
        let tls = settings::tls(&config)?;
        let router = router(&config, member);
        let addresses = addresses(&public, &admin);
        let identity = Identity::new(router, clock, addresses.public[0]);
        let membership = Membership::new(&config, &identity).map_err(BuildError::Redis)?;
        let client = HttpClient::new().map_err(BuildError::Client)?;
        let authenticator = authenticator(&config, clock, membership.as_ref(), &client);
        let (kept, moving) = kept::open(&config, membership.as_ref(), &client, &identity)?;
        let keys = Arc::new(ApiKeys::new(&config.api.keys));
        let tokens = TokenEndpoint::new(Arc::clone(&authenticator), Arc::clone(&keys));
        let applications = Applications::new(&config.backend, &client, clock);
        let front = Front::new(&authenticator, &applications, &kept);
        let session_settings = Arc::new(ArcSwap::from_pointee(settings::session(&config)));
        let bridge = Bridge::new(&config, membership.as_ref(), &identity, &session_settings);
        let (front, witness) = (Arc::new(front), &kept.witness);
        let shards = shards::start(&identity, front, witness, &session_settings)
            .map_err(BuildError::Thread)?;
        let sides = shards
            .iter()
            .map(|shard| (Arc::clone(&shard.context), shard.handle.clone()));
        let stats = Arc::<NodeStats>::default();
        settings::tell(&config, tls.as_ref(), &stats);
        let settings = settings::ingress(&config, tls, &mounted, &tokens, &applications);
        let ingress = Ingress::new(sides, settings);
        let listening = duplicates(&public, &admin).map_err(BuildError::Duplicate)?;
        let node = Node {
            stats,
            addresses,
            listening: Listening::new(listening),
            cluster: membership.as_ref().map(Membership::cluster),
            kept,
            workforce: OnceLock::new(),
            bridge: Arc::clone(&bridge.stats),
            ingress: Arc::new(ingress),
            authenticator,
            applications,
            keys,
            tokens,
            session_settings,
            source,
            mounted,
            config: ArcSwap::from_pointee(config),
            reloading: parking_lot::Mutex::new(()),
            identity,
            admin: OnceLock::new(),
        };
        Ok(Self {
            node: Arc::new(node),
            membership,
            moving,
            bridge,
            shards,
            public,
            admin,
        })
    }

    /// Asks the Redis of a cluster and its database once whether they can be used, so that a mistake is
    /// told to whoever starts the node. What does not answer may come later: [`Self::run`] waits for it.
    ///
    /// # Errors
    ///
    /// A version that is too old, a user or a password that is refused, a user who may not do
    /// everything; nodes that know none of the versions of the bus that this one knows.
    pub async fn check(&self) -> Result<(), BuildError> {
        if let Some(membership) = &self.membership {
            membership.check().await?;
        }
        self.moving.check().await
    }

    /// What tells applications of what happens.
    pub fn herald(&self) -> Arc<dyn Herald> {
        Arc::new(self.node.kept.hooks.clone())
    }

    /// Where it listens.
    pub fn addresses(&self) -> Addresses {
        self.node.addresses.clone()
    }

    /// Which life of which node it is.
    pub fn member(&self) -> Member {
        self.node.identity.router.member()
    }

    /// What reads its configuration again.
    pub fn reloader(&self) -> Reloader {
        Reloader::new(&self.node)
    }
}

/// Whether the addresses of Redis and of the database can be ones. Nobody is asked.
///
/// # Errors
///
/// The first one that cannot.
pub fn check_addresses(config: &Config) -> Result<(), BuildError> {
    if let Some(url) = &config.cluster.redis {
        member::redis(config, url).map_err(BuildError::Redis)?;
    }
    let store = config.store.url.expose();
    if store.starts_with("mysql://") {
        mysql::check_url(store).map_err(BuildError::Mysql)?;
    }
    Ok(())
}

fn listen(
    config: &Config,
    mut sockets: Vec<TcpListener>,
) -> Result<(Vec<TcpListener>, TcpListener), BuildError> {
    let mut bind = |key: &'static str, address: SocketAddr, backlog: u32| {
        let is_there = |socket: &TcpListener| socket.local_addr().is_ok_and(|it| it == address);
        let socket = match sockets.iter().position(is_there) {
            Some(index) => ingress::adopt(sockets.swap_remove(index), backlog),
            None => ingress::bind(address, backlog),
        };
        socket.map_err(|source| BuildError::Bind {
            key,
            address,
            source,
        })
    };
    let backlog = config.listen.accept_backlog;
    let mut public = Vec::new();
    for address in &config.listen.public {
        public.push(bind("listen.public", *address, backlog)?);
    }
    Ok((public, bind("listen.admin", config.listen.admin, 128)?))
}

fn router(config: &Config, member: Member) -> Arc<Router> {
    let router = Router::new(
        member,
        settings::shards(config),
        config.limits.outbox_bytes_max,
        config.limits.outboxes_bytes_max,
    );
    router.recorder().set(settings::recorder(config));
    router
}

fn duplicates(public: &[TcpListener], admin: &TcpListener) -> std::io::Result<Vec<TcpListener>> {
    let sockets = public.iter().chain([admin]);
    sockets.map(TcpListener::try_clone).collect()
}

fn addresses(public: &[TcpListener], admin: &TcpListener) -> Addresses {
    let address = |listener: &TcpListener| listener.local_addr().expect("it is bound");
    Addresses {
        public: public.iter().map(address).collect(),
        admin: address(admin),
    }
}

/// Who decides about logins. What the nodes of a cluster share of credentials is in its Redis.
fn authenticator(
    config: &Config,
    clock: Clock,
    membership: Option<&Membership>,
    client: &HttpClient,
) -> Arc<Authenticator> {
    let credentials: Arc<dyn Credentials> = match membership {
        Some(membership) => Arc::new(membership.redis().credentials()),
        None => Arc::<MemoryCredentials>::default(),
    };
    let parts = auth::Parts {
        client: client.clone(),
        clock,
        stats: Arc::default(),
        credentials,
        makes_keys: config.development,
    };
    Arc::new(Authenticator::new(&config.dialect, parts))
}

/// A number that grows from life to life of a node, also when two follow within a second.
fn epoch() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(1, |since| since.as_millis() as u64)
}
