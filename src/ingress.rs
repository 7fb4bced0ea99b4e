//! The public listeners: from a connection to a session, or to a refusal that says why.
//!
//! One task accepts and deals connections out to the shards in turn, on the thread of the shard if there is
//! one only; everything else about a connection happens on the thread of its shard. A handshake that is under way costs a place among
//! the pending ones, not among the connections; when those run out, the oldest gives way, so that
//! clients who dawdle cannot keep others out.
//!
//! **Invariant:** every connection that is accepted ends as a session, with the page or an answer of an
//! [`Endpoint`], which counts for itself, or under a [`RejectReason`].

pub mod mounts;
pub mod tls;

mod address;
mod door;
mod endpoint;
mod fresh;
mod handshake;
mod linger;
mod page;
mod pending;
mod proxy;
mod upgrade;

use std::{
    io,
    net::{IpAddr, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::{
    io::{Interest, unix::AsyncFd},
    runtime::Handle,
    time::{self, Instant},
};
use tokio_util::sync::CancellationToken;

pub use self::{
    door::{adopt, bind},
    page::{CHAT_USERS, Page},
};
use self::{linger::Lingering, mounts::Mounts, pending::Pending};
use crate::{
    config::{Cidr, ClientAddress},
    endpoint::Endpoint,
    pauses::Pauses,
    session::{
        Context,
        slots::{Slot, Slots},
    },
    stats::{IngressStats, RejectReason},
};

/// Connections accepted before the accepting task lets others go on.
const ACCEPTS_PER_TURN: usize = 64;
/// Between two looks whether handshakes are under way.
const SETTLE_LOOK: Duration = Duration::from_millis(5);
/// First pause after an error of accepting, for example for want of open files.
const ERROR_PAUSE_MIN: Duration = Duration::from_millis(10);
/// Longest pause after errors of accepting.
const ERROR_PAUSE_MAX: Duration = Duration::from_secs(1);

/// What the public listeners share.
#[derive(Debug)]
pub struct Ingress {
    shards: Box<[Shard]>,
    next_shard: AtomicUsize,
    settings: ArcSwap<Settings>,
    lingering: Lingering,
    rate: Mutex<Rate>,
    draining: AtomicBool,
    /// What it counts.
    pub stats: Arc<IngressStats>,
}

/// A shard as its connections see it.
#[derive(Debug)]
pub struct Shard {
    /// What its sessions share.
    pub context: Arc<Context>,
    /// The runtime of its thread.
    pub handle: Handle,
    pending: Pending,
}

/// What can change while connections come in.
#[derive(Debug)]
pub struct Settings {
    /// Where the dialects are.
    pub mounts: Mounts,
    /// Origins that browsers may come from; empty is any.
    pub origins: Vec<String>,
    /// Whose word about a client's address counts.
    pub trusted_proxies: Vec<Cidr>,
    /// By which header they name it.
    pub client_address: ClientAddress,
    /// Whether connections begin with a PROXY header.
    pub proxy_protocol: bool,
    /// Certificate and key, if connections are encrypted.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// The page at `/`, in development mode.
    pub page: Option<Page>,
    /// What is no dialect, by exact path. Goes before the dialects.
    pub endpoints: Vec<(&'static str, Arc<dyn Endpoint>)>,
    /// Longest request line and headers together, in bytes.
    pub header_bytes_max: usize,
    /// Longest time from a connection to its upgrade.
    pub handshake_timeout: Duration,
    /// Most handshakes under way at a time.
    pub handshakes_pending_max: usize,
    /// Most handshakes begun per second; 0 is no limit.
    pub handshakes_per_second: u32,
    /// Most sessions.
    pub connections_max: usize,
    /// Most sessions of one client address; 0 is no limit.
    pub connections_per_address_max: usize,
}

/// Handshakes that may begin, refilled with time.
#[derive(Debug)]
struct Rate {
    tokens: f64,
    at: Instant,
}

// === impl Ingress ===

impl Ingress {
    /// Connections are dealt out to `shards`.
    pub fn new(
        shards: impl IntoIterator<Item = (Arc<Context>, Handle)>,
        settings: Settings,
    ) -> Self {
        let shards = shards.into_iter().map(|(context, handle)| Shard {
            context,
            handle,
            pending: Pending::default(),
        });
        Self {
            shards: shards.collect(),
            next_shard: AtomicUsize::new(0),
            settings: ArcSwap::from_pointee(settings),
            lingering: Lingering::default(),
            rate: Mutex::new(Rate {
                // A second's worth, whatever the rate is by then.
                tokens: f64::INFINITY,
                at: Instant::now(),
            }),
            draining: AtomicBool::new(false),
            stats: Arc::default(),
        }
    }

    /// Changes the settings for connections to come.
    pub fn set(&self, settings: Settings) {
        self.settings.store(Arc::new(settings));
    }

    /// Connections that have a place: sessions, and upgrades that are about to become some.
    pub fn connections(&self) -> usize {
        self.slots().taken()
    }

    /// Handshakes under way.
    pub fn pending(&self) -> usize {
        self.shards.iter().map(|shard| shard.pending.len()).sum()
    }

    /// The runtime of all handshakes, if there is one shard: what is accepted there changes no thread.
    pub fn only_runtime(&self) -> Option<&Handle> {
        match &*self.shards {
            [shard] => Some(&shard.handle),
            _ => None,
        }
    }

    /// Waits until no handshake is under way and whoever has got through one is a session, for as long as one
    /// may take.
    pub async fn settle(&self) {
        let until = Instant::now() + self.settings.load().handshake_timeout;
        let router = &self.shards[0].context.router;
        let is_settled = || self.pending() == 0 && self.connections() <= router.sessions();
        while !is_settled() && Instant::now() < until {
            time::sleep(SETTLE_LOOK).await;
        }
    }

    /// Refuses every upgrade from now on.
    pub fn drain(&self) {
        self.draining.store(true, Relaxed);
    }

    /// Accepts connections until `stop` fires.
    ///
    /// # Errors
    ///
    /// The listener cannot be watched; errors of accepting are counted and waited out.
    pub async fn accept(
        self: Arc<Self>,
        listener: TcpListener,
        stop: CancellationToken,
    ) -> io::Result<()> {
        // Sound for a listener, which owns its descriptor; the successor is an unsafe function for the
        // sake of types that do not. tokio's own listener would register each connection here first
        // and make the shard register it once more.
        #[expect(deprecated)]
        let listener = AsyncFd::with_interest(listener, Interest::READABLE)?;
        let mut pauses = Pauses::new(ERROR_PAUSE_MIN, ERROR_PAUSE_MAX);
        loop {
            let mut ready = tokio::select! {
                ready = listener.readable() => ready?,
                () = stop.cancelled() => return Ok(()),
            };
            for _ in 0..ACCEPTS_PER_TURN {
                match ready.try_io(|listener| door::accept(listener.get_ref())) {
                    Ok(Ok((stream, peer))) => {
                        pauses.reset();
                        self.stats.accepted.add(1);
                        self.begin(stream, peer);
                    }
                    Ok(Err(error)) if door::is_of_one_connection(&error) => {}
                    Ok(Err(error)) => {
                        self.stats.accept_errors.add(1);
                        tracing::warn!(%error, "cannot accept connections, waiting");
                        pauses.wait().await;
                        break;
                    }
                    // Nobody is left in the queue.
                    Err(_) => break,
                }
            }
            tokio::task::yield_now().await;
        }
    }

    /// Deals a connection out to a shard, unless too many come.
    fn begin(self: &Arc<Self>, stream: TcpStream, peer: SocketAddr) {
        let settings = self.settings.load_full();
        if !self.rate.lock().take(settings.handshakes_per_second) {
            self.reject(RejectReason::HandshakeLimit);
            if settings.tls.is_none() {
                upgrade::refuse_raw(&stream);
            }
            return;
        }
        let index = self.next_shard.fetch_add(1, Relaxed) % self.shards.len();
        let shard = &self.shards[index];
        let per_shard = settings.handshakes_pending_max.div_ceil(self.shards.len());
        let (place, evicted) = shard.pending.enter(per_shard);
        if evicted {
            self.reject(RejectReason::HandshakeLimit);
        }
        let handshake = handshake::run(Arc::clone(self), index, settings, stream, peer, place);
        shard.context.tracker.spawn_on(handshake, &shard.handle);
    }

    fn is_draining(&self) -> bool {
        self.draining.load(Relaxed)
    }

    fn now(&self) -> crate::dialect::Now {
        self.shards[0].context.clock.now()
    }

    fn reject(&self, reason: RejectReason) {
        self.stats.rejected[reason as usize].add(1);
    }

    /// A place for a session of `address`.
    fn slot(&self, address: IpAddr, settings: &Settings) -> Result<Slot, RejectReason> {
        let per_address = settings.connections_per_address_max;
        Slots::take(self.slots(), address, settings.connections_max, per_address)
    }

    fn slots(&self) -> &Arc<Slots> {
        &self.shards[0].context.slots
    }
}

// === impl Rate ===

impl Rate {
    fn take(&mut self, per_second: u32) -> bool {
        if per_second == 0 {
            return true;
        }
        let now = Instant::now();
        let rate = f64::from(per_second);
        let gained = now.duration_since(self.at).as_secs_f64() * rate;
        self.at = now;
        self.tokens = (self.tokens + gained).min(rate);
        if self.tokens < 1.0 {
            return false;
        }
        self.tokens -= 1.0;
        true
    }
}
