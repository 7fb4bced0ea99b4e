//! The cluster: what makes many nodes one gateway.
//!
//! A *member* is one life of one node. Each has an inbox that only it reads, and all write and read
//! one log: who has subscribers of what, who claims what, who is dead. From the log every member
//! keeps a directory in memory, so that publishing asks nobody.
//!
//! - **Delivery**: at least once between members, once at the receiver: envelopes are numbered per
//!   sender and receiver, repeats are dropped, gaps are counted and logged with their range.
//! - **Death**: a member whose lease is gone is declared dead by one whose own lease has held; from
//!   its place in the log on, nobody takes anything from the dead any more, and if it wakes up it ends
//!   its sessions and begins a new life.
//! - **Without the server** local delivery goes on, nobody is declared dead, and what others are to
//!   get waits in the uplink until that is full.
//!
//! **Invariant:** nothing that the router calls waits or does I/O.

pub mod archive;
pub mod bridge;
pub mod directory;
pub mod memory;
pub mod pictures;
pub mod redis;
pub mod streams;

mod accord;
mod asks;
mod claims;
mod handover;
mod health;
mod heartbeat;
mod inbox;
mod leases;
mod life;
mod log;
mod pace;
mod peers;
mod reap;
mod sequences;
mod spoken;
mod uplink;
mod uplink_task;

#[cfg(test)]
mod tests;

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use smallvec::SmallVec;
use tokio::{sync::Notify, time};
use tokio_util::task::TaskTracker;

pub use self::accord::Disagreement;
use self::{
    asks::Asks,
    claims::Claims,
    directory::{Directory, TopicHasher},
    handover::Newcomers,
    health::Health,
    leases::Leases,
    log::Owed,
    peers::Peers,
    sequences::Sequences,
    spoken::Spoken,
    uplink::Uplink,
};
use crate::{
    bus::{Bus, Full},
    clock::Clock,
    dialect::ClaimKey,
    envelope::{Encoded, Envelope, Version},
    estate::Estate,
    id::{Member, Serial},
    message::{ConflationKey, DeliveryClass, Message},
    peer::{Answer, NodeInfo, Question},
    presence::{ASK_TIMEOUT, Answerer, Answers, Asking, Describe, Members, Presence},
    router::{Router, announcer::Announcer},
    stats::{ClusterStats, LostReason},
    topic::{Topic, TopicKind},
};

/// How the cluster behaves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long a topic stays announced after its last subscriber.
    pub linger: Duration,
    /// Most bytes that wait on their way to other members.
    pub uplink_bytes_max: usize,
}

/// What the cluster is made of.
#[derive(Debug)]
pub struct Parts {
    /// The local sessions.
    pub router: Arc<Router>,
    /// The node's clock.
    pub clock: Clock,
    /// Answers what other members ask.
    pub answerer: Arc<dyn Answerer>,
    /// Describes this node to the others.
    pub describe: Arc<dyn Describe>,
    /// What it leaves to others beside its inbox, in the order in which that is taken over.
    pub estates: Vec<Arc<dyn Estate>>,
    /// How it behaves.
    pub settings: Settings,
}

/// This node as a member of a cluster. [`Self::run`] is what makes it one.
#[derive(Debug)]
pub struct Cluster {
    parts: Parts,
    directory: Directory,
    /// How topics are hashed in the present life of the server's data.
    hasher: ArcSwapOption<TopicHasher>,
    uplink: Uplink,
    peers: Peers,
    /// Topics whose subscribers may have come or gone.
    changed: Mutex<Vec<Topic>>,
    /// There is something to be written into the log.
    news: Notify,
    owed: Mutex<Owed>,
    /// New members that wait for what is retained.
    newcomers: Newcomers,
    announcer: Mutex<Announcer>,
    claims: Mutex<Claims>,
    sequences: Mutex<Sequences>,
    leases: Mutex<Leases>,
    /// In which version the log is written.
    spoken: Mutex<Spoken>,
    /// Whom this member reaps at the moment.
    reaping: Mutex<HashSet<Member>>,
    asks: Asks,
    /// Questions of other members that are being answered.
    answering: TaskTracker,
    health: Health,
    inbox_entries: AtomicU64,
    /// What it counts.
    pub stats: ClusterStats,
}

// === impl Cluster ===

impl Cluster {
    /// A node that is not yet a member.
    pub fn new(parts: Parts) -> Arc<Self> {
        let Settings {
            linger,
            uplink_bytes_max,
        } = parts.settings;
        Arc::new(Self {
            parts,
            directory: Directory::default(),
            hasher: ArcSwapOption::empty(),
            uplink: Uplink::new(uplink_bytes_max),
            peers: Peers::default(),
            changed: Mutex::default(),
            news: Notify::new(),
            owed: Mutex::default(),
            newcomers: Newcomers::default(),
            announcer: Mutex::new(Announcer::new(linger)),
            claims: Mutex::default(),
            sequences: Mutex::default(),
            leases: Mutex::default(),
            spoken: Mutex::default(),
            reaping: Mutex::default(),
            asks: Asks::default(),
            answering: TaskTracker::new(),
            health: Health::default(),
            inbox_entries: AtomicU64::new(0),
            stats: ClusterStats::default(),
        })
    }

    /// Changes how it behaves.
    pub fn set(&self, settings: &Settings) {
        self.announcer.lock().set_linger(settings.linger);
        self.uplink.set_bytes_max(settings.uplink_bytes_max);
    }

    /// Why the node should get no new clients now, if it should not.
    pub fn fault(&self) -> Option<&'static str> {
        self.health.fault(self.now())
    }

    /// How old the newest canary is that came back; absent before the first one.
    pub fn canary_age(&self) -> Option<Duration> {
        self.health.canary_age(self.now())
    }

    /// Bytes that wait on their way to other members.
    pub fn uplink_bytes(&self) -> usize {
        self.uplink.bytes()
    }

    /// Entries that waited in the own inbox at the last beat.
    pub fn inbox_entries(&self) -> u64 {
        self.inbox_entries.load(Relaxed)
    }

    /// Topics that other members have subscribers of, counted once per member.
    pub fn remote_topics(&self) -> usize {
        self.directory.topics()
    }

    /// How many members there are, this one included.
    pub fn members_count(&self) -> usize {
        self.peers.known().nodes.len() + 1
    }

    /// The version in which this member writes to all others.
    pub fn version(&self) -> Version {
        self.spoken.lock().version(self.peers.known().common())
    }

    fn me(&self) -> Member {
        self.parts.router.member()
    }

    fn now(&self) -> Duration {
        self.parts.clock.uptime()
    }

    /// The other members that a message to `topic` concerns.
    fn targets(&self, topic: &Topic) -> Members {
        match topic.kind() {
            TopicKind::All => self.peers.members(),
            TopicKind::Session => {
                let member = topic.session_id().map(|session| session.member);
                let peer = member.into_iter();
                peer.filter(|member| self.peers.has(member)).collect()
            }
            TopicKind::Node => Members::new(),
            TopicKind::Room | TopicKind::User => {
                // In this order: who is synced in between is in one of them.
                let unsynced = self.peers.unsynced();
                let mut members = match &*self.hasher.load() {
                    Some(hasher) => self.directory.members(hasher.hash(topic)),
                    None => Members::new(),
                };
                for member in unsynced.iter() {
                    if !members.contains(member) {
                        members.push(member.clone());
                    }
                }
                members
            }
        }
    }

    /// An envelope for members, for each in the version that it reads, encoded once for each version.
    /// Whoever reads none of ours gets nothing, which is counted.
    fn address(&self, to: Members, encode: impl Fn(Version) -> Encoded) -> Addressed {
        let known = self.peers.known();
        let mut made: SmallVec<[Encoded; 1]> = SmallVec::new();
        let mut addressed = Addressed::new();
        for member in to {
            let Some(version) = known.version_of(&member) else {
                self.stats.lose(LostReason::Version, 1);
                continue;
            };
            let is_it = |encoded: &&Encoded| encoded.version == version.number();
            let encoded = made.iter().find(is_it).cloned().unwrap_or_else(|| {
                let encoded = encode(version);
                made.push(encoded.clone());
                encoded
            });
            addressed.push((member, encoded));
        }
        addressed
    }

    async fn ask_all(&self, members: Members, question: Question) -> Answers {
        let until = time::Instant::now() + ASK_TIMEOUT;
        let mut asked = Vec::new();
        let mut answers = Answers::default();
        for member in members {
            let version = self.peers.known().version_of(&member);
            let Some(version) = version.filter(|version| question.since() <= *version) else {
                answers.unknown.push(member);
                continue;
            };
            let (id, answer) = self.asks.begin();
            let envelope = Envelope::Ask {
                id,
                question: question.clone(),
            };
            if self.uplink.send_control(&member, &envelope.encode(version)) {
                asked.push((member, id, answer));
            } else {
                self.asks.forget(id);
                answers.missing.push(member);
            }
        }
        for (member, id, answer) in asked {
            match time::timeout_at(until, answer).await {
                Ok(Ok(Answer::Unknown)) => answers.unknown.push(member),
                Ok(Ok(answer)) => answers.answers.push((member, answer)),
                Ok(Err(_)) | Err(_) => answers.missing.push(member),
            }
            self.asks.forget(id);
        }
        answers
    }
}

/// An envelope for each of some members.
type Addressed = SmallVec<[(Member, Encoded); 2]>;

impl Bus for Cluster {
    fn send(&self, message: &Message) -> Result<usize, Full> {
        let targets = match message.retain {
            // Every member keeps it for those who subscribe there later.
            Some(_) => self.peers.members(),
            None => self.targets(&message.topic),
        };
        let to = self.address(targets, |version| {
            Envelope::encode_message(message, version)
        });
        if to.is_empty() {
            return Ok(0);
        }
        let key = message
            .conflate
            .filter(|_| message.class == DeliveryClass::Latest);
        let queued = self.uplink.send(&to, message.class, key);
        let queued = queued.inspect_err(|_| self.stats.busy.add(1))?;
        self.stats.conflated.add(queued.conflated);
        self.stats.lose(LostReason::InboxFull, queued.lost);
        Ok(queued.members)
    }

    fn ring(&self, user: &Topic) -> Result<usize, Full> {
        let envelope = Envelope::Ring(user.clone());
        let to = self.address(self.targets(user), |version| envelope.encode(version));
        if to.is_empty() {
            return Ok(0);
        }
        // One that rings need not ring again before it was heard.
        let key = Some(ConflationKey::new(&[b"ring", user.as_str().as_bytes()]));
        let queued = self.uplink.send(&to, DeliveryClass::Durable, key);
        queued.inspect_err(|_| self.stats.busy.add(1))?;
        Ok(to.len())
    }
}

/// The cluster as the router holds it: questions outlive the call that asks them.
#[derive(Clone, Debug)]
pub struct Link(pub Arc<Cluster>);

impl Presence for Link {
    fn changed(&self, topic: &Topic) {
        self.0.changed.lock().push(topic.clone());
        self.0.news.notify_one();
    }

    fn members(&self, topic: &Topic) -> Members {
        self.0.targets(topic)
    }

    fn claimed(&self, claim: ClaimKey, holder: Serial) {
        self.0.claims.lock().take(claim, holder);
        self.0.news.notify_one();
    }

    fn released(&self, claim: ClaimKey, holder: Serial) {
        self.0.claims.lock().release(claim, holder);
    }

    fn nodes(&self) -> Vec<NodeInfo> {
        let mut nodes = vec![self.0.describe()];
        nodes.extend(self.0.peers.known().nodes.iter().cloned());
        nodes
    }

    fn canary_age(&self) -> Option<Duration> {
        self.0.canary_age()
    }

    fn ask(&self, members: Members, question: Question) -> Asking {
        let cluster = Arc::clone(&self.0);
        Box::pin(async move { cluster.ask_all(members, question).await })
    }
}
