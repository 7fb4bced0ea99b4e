//! The running node, as those see it who ask about it or change it from outside.

use std::{
    io,
    path::Path,
    sync::{Arc, OnceLock, Weak},
};

use arc_swap::ArcSwap;
use tokio_util::task::TaskTracker;

use super::{
    Addresses, Mounted, identity::Identity, kept::Kept, listening::Listening, member,
    services::Applications, settings, work::Workforce,
};
use crate::{
    admin::{self, Issuing, Phase, Process, Reloaded},
    auth::{
        Authenticator,
        api_key::ApiKeys,
        issue::{TokenRequest, issue, person},
        token_endpoint::TokenEndpoint,
    },
    cluster::Cluster,
    config::{Backend, Config, HttpUrl, ReloadSource},
    ingress::Ingress,
    log, session,
    stats::{ApiStats, BridgeStats, NodeStats},
    telemetry::{Sources, Telemetry, Work},
};

/// Everything about a running node that can be asked or changed.
#[derive(Debug)]
pub struct Node {
    pub(super) stats: Arc<NodeStats>,
    pub(super) addresses: Addresses,
    pub(super) listening: Listening,
    pub(super) ingress: Arc<Ingress>,
    pub(super) authenticator: Arc<Authenticator>,
    pub(super) applications: Applications,
    pub(super) keys: Arc<ApiKeys>,
    pub(super) tokens: TokenEndpoint,
    pub(super) session_settings: Arc<ArcSwap<session::Settings>>,
    pub(super) source: ReloadSource,
    pub(super) mounted: Mounted,
    pub(super) config: ArcSwap<Config>,
    /// One reload at a time.
    pub(super) reloading: parking_lot::Mutex<()>,
    pub(super) identity: Arc<Identity>,
    /// Absent if the node is alone.
    pub(super) cluster: Option<Weak<Cluster>>,
    /// What is not only in memory.
    pub(super) kept: Kept,
    /// Those who do jobs, once the node runs.
    pub(super) workforce: OnceLock<Arc<Workforce>>,
    pub(super) bridge: Arc<BridgeStats>,
    /// What the admin listener serves from, which in turn knows the node.
    pub(super) admin: OnceLock<Weak<admin::State>>,
}

/// Reads the configuration of a running node again.
#[derive(Clone, Debug)]
pub struct Reloader(Weak<Node>);

impl Node {
    /// What the admin listener serves from.
    pub(super) fn admin_state(self: &Arc<Self>) -> Arc<admin::State> {
        let config = self.config.load();
        let Identity { router, clock, .. } = &*self.identity;
        let api = Arc::<ApiStats>::default();
        let telemetry = Telemetry::new(Sources {
            node: Arc::clone(&self.stats),
            router: Arc::clone(router),
            ingress: Arc::clone(&self.ingress.stats),
            auth: Arc::clone(self.authenticator.stats()),
            deciding: Arc::clone(self.applications.admission.stats()),
            methods: Arc::clone(self.applications.methods.stats()),
            api: Arc::clone(&api),
            cluster: self.cluster.clone(),
            post: self.kept.post.clone(),
            witness: Arc::clone(&self.kept.witness),
            ingest: Arc::clone(&self.kept.ingest),
            work: Work {
                jobs: Arc::clone(self.kept.work.board.stats()),
                intake: Arc::clone(&self.kept.work.intake),
                schedules: Arc::clone(&self.kept.work.schedule_stats),
            },
            service: Arc::clone(self.kept.reception.stats()),
            bridge: Arc::clone(&self.bridge),
            chat: Arc::clone(self.kept.desk.stats()),
            live: Arc::clone(self.kept.stage.stats()),
            archive: Arc::clone(&self.kept.archive),
            retention: Arc::clone(&self.kept.retention),
            hooks: self.kept.hooks.clone(),
            clock: *clock,
        });
        let state = admin::State::new(admin::Parts {
            router: Arc::clone(router),
            clock: *clock,
            keys: Arc::clone(&self.keys),
            control: config.control.clone(),
            stats: api,
            telemetry: Arc::new(telemetry),
            post: self.kept.post.clone(),
            desk: self.kept.desk.clone(),
            reception: self.kept.reception.clone(),
            witness: Arc::clone(&self.kept.witness),
            queue: Arc::clone(&self.kept.pushes),
            board: self.kept.work.board.clone(),
            schedules: Arc::clone(&self.kept.work.schedules),
            ledger: self.kept.ledger.clone(),
            hooks: self.kept.hooks.clone(),
            process: Arc::clone(self) as Arc<_>,
            public: self.addresses.public.clone(),
            admin: self.addresses.admin,
            limits: settings::admin(&config),
        });
        // Set once: a node has one admin listener.
        let _ = self.admin.set(Arc::downgrade(&state));
        state
    }

    /// Waits until nothing more is accepted, and who has come is a session: whoever comes then is the
    /// successor's, and nobody is sent away with a refusal.
    pub(super) async fn leave_sockets(&self, accepts: &TaskTracker) {
        accepts.close();
        accepts.wait().await;
        self.ingress.settle().await;
    }

    /// Reads the configuration again and applies what can change while sessions live. With any
    /// mistake nothing is changed.
    fn read_again(&self) -> Reloaded {
        let _one = self.reloading.lock();
        let next = match self.source.load() {
            Ok(next) => next,
            Err(error) => {
                let errors = error.mistakes().iter().map(ToString::to_string).collect();
                return Reloaded {
                    errors,
                    ..Reloaded::default()
                };
            }
        };
        let tls = match settings::tls(&next) {
            Ok(tls) => tls,
            Err(error) => {
                return Reloaded {
                    errors: vec![error.to_string()],
                    ..Reloaded::default()
                };
            }
        };
        let before = self.config.load_full();
        let changes = before.diff(&next);
        let next = before.taken_over(next);
        let limits = &next.limits;
        self.identity
            .router
            .set_limits(limits.outbox_bytes_max, limits.outboxes_bytes_max);
        let recorder = self.identity.router.recorder();
        recorder.set(settings::recorder(&next));
        self.session_settings
            .store(Arc::new(settings::session(&next)));
        self.applications.reload(&next.backend);
        settings::tell(&next, tls.as_ref(), &self.stats);
        self.ingress.set(settings::ingress(
            &next,
            tls,
            &self.mounted,
            &self.tokens,
            &self.applications,
        ));
        self.authenticator.reload(&next.dialect);
        self.keys.reload(&next.api.keys);
        self.kept.hooks.set(&next.backend);
        self.kept.reception.set_rules(settings::service(&next));
        if let Some(cluster) = self.cluster.as_ref().and_then(Weak::upgrade) {
            cluster.set(&member::settings(&next));
        }
        self.kept.witness.set_linger(next.presence.linger);
        if let Some(admin) = self.admin.get().and_then(Weak::upgrade) {
            admin.set_limits(settings::admin(&next));
        }
        if let Some(workforce) = self.workforce.get() {
            workforce.set(&next);
        }
        log::set_level(&next.log.level);
        self.config.store(Arc::new(next));
        Reloaded {
            applied: changes.applied,
            needs_restart: changes.needs_restart,
            errors: Vec::new(),
        }
    }
}

impl Process for Node {
    fn phase(&self) -> Phase {
        let own = self.identity.phase();
        if own != Phase::Ready {
            return own;
        }
        let cluster = self.cluster.as_ref().and_then(Weak::upgrade);
        match cluster.and_then(|cluster| cluster.fault()) {
            Some(fault) => Phase::Starting(fault.into()),
            None => own,
        }
    }

    fn drain(&self) {
        self.identity.stop.cancel();
    }

    /// Also logs what came of it: whoever asked may not be who looks after the node.
    fn reload(&self) -> Reloaded {
        let reloaded = self.read_again();
        for error in &reloaded.errors {
            tracing::error!("configuration not reloaded: {error}");
        }
        if reloaded.errors.is_empty() {
            self.stats.reloads_applied.add(1);
            self.stats.outdated.set(0);
            let Reloaded {
                applied,
                needs_restart,
                ..
            } = &reloaded;
            tracing::info!(?applied, ?needs_restart, "configuration reloaded");
        } else {
            self.stats.reloads_failed.add(1);
            self.stats.outdated.set(1);
        }
        reloaded
    }

    fn give_sockets(&self, path: &Path) -> io::Result<()> {
        self.listening.give(path)
    }

    fn callee(&self, url: Option<&str>, method: &str) -> Option<Box<str>> {
        let config = self.config.load();
        let Backend { methods, hooks, .. } = &config.backend;
        let Some(url) = url else {
            let mut able: Vec<_> = methods.iter().collect();
            able.retain(|other| method.starts_with(&other.prefix));
            let longest = able.into_iter().max_by_key(|other| other.prefix.len())?;
            return Some(longest.url.uri().to_string().into());
        };
        let url: HttpUrl = url.parse().ok()?;
        let mut known = methods.iter().map(|method| &method.url);
        let is_known = known.any(|other| *other == url) || hooks.iter().any(|hook| hook.url == url);
        is_known.then(|| url.uri().to_string().into())
    }

    fn issue_token(&self, request: TokenRequest) -> Issuing<'_> {
        Box::pin(async move {
            let config = self.config.load_full();
            if let TokenRequest::Im { id } = request
                && config.dialect.im.mount.enabled
                && !config.dialect.im.has_keys()
            {
                return self.authenticator.issue_im(person(id)?).await;
            }
            issue(&config, &request, self.identity.clock.now().unix_seconds())
        })
    }
}

// === impl Reloader ===

impl Reloader {
    pub(super) fn new(node: &Arc<Node>) -> Self {
        Self(Arc::downgrade(node))
    }

    /// Another process has the sockets: a drain that begins now leaves to it whoever comes.
    pub fn have_successor(&self) {
        if let Some(node) = self.0.upgrade() {
            node.listening.have_successor();
        }
    }

    /// Applies what can be applied, and logs what came of it.
    pub fn reload(&self) -> Option<Reloaded> {
        self.0.upgrade().map(|node| node.reload())
    }
}
