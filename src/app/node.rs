//! The running node, as those see it who ask about it or change it from outside.

use std::sync::{Arc, Weak};

use arc_swap::ArcSwap;
use tokio_util::sync::CancellationToken;

use super::{Addresses, Mounted, settings};
use crate::{
    clock::Clock,
    config::{Config, ReloadSource},
    drain::Phase,
    ingress::Ingress,
    log,
    router::Router,
    session,
};

/// Everything about a running node that can be asked or changed.
#[derive(Debug)]
pub struct Node {
    pub(super) addresses: Addresses,
    pub(super) router: Arc<Router>,
    pub(super) ingress: Arc<Ingress>,
    pub(super) services: Arc<settings::NoServices>,
    pub(super) session_settings: Arc<ArcSwap<session::Settings>>,
    pub(super) clock: Clock,
    pub(super) source: ReloadSource,
    pub(super) mounted: Mounted,
    pub(super) config: ArcSwap<Config>,
    /// One reload at a time.
    pub(super) reloading: parking_lot::Mutex<()>,
    pub(super) phase: ArcSwap<Phase>,
    /// Begins the drain, like the signal.
    pub(super) stop: CancellationToken,
}

/// Reads the configuration of a running node again.
#[derive(Clone, Debug)]
pub struct Reloader(Weak<Node>);

/// What came of reading the configuration again.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Reloaded {
    /// Keys that have changed and count from now on.
    pub applied: Vec<String>,
    /// Keys that have changed and count after a restart.
    pub needs_restart: Vec<String>,
    /// Mistakes, one line each; with any, nothing was changed.
    pub errors: Vec<String>,
}

impl Node {
    pub(super) fn set_phase(&self, phase: Phase) {
        tracing::info!(?phase, "the node has changed its phase");
        self.phase.store(Arc::new(phase));
    }

    /// Reads the configuration again and applies what can change while sessions live. With any
    /// mistake nothing is changed.
    pub fn reload(&self) -> Reloaded {
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
        let next = Config {
            // What needs a restart stays as it is, so that the next comparison says so again.
            ..next
        };
        let limits = &next.limits;
        self.router
            .set_limits(limits.outbox_bytes_max, limits.outboxes_bytes_max);
        self.session_settings
            .store(Arc::new(settings::session(&next)));
        self.ingress
            .set(settings::ingress(&next, tls, &self.mounted));
        log::set_level(&next.log.level);
        self.config.store(Arc::new(next));
        Reloaded {
            applied: changes.applied,
            needs_restart: changes.needs_restart,
            errors: Vec::new(),
        }
    }
}

// === impl Reloader ===

impl Reloader {
    pub(super) fn new(node: &Arc<Node>) -> Self {
        Self(Arc::downgrade(node))
    }

    /// Applies what can be applied, and logs what came of it.
    pub fn reload(&self) {
        let Some(node) = self.0.upgrade() else { return };
        let reloaded = node.reload();
        for error in &reloaded.errors {
            tracing::error!("configuration not reloaded: {error}");
        }
        if reloaded.errors.is_empty() {
            let Reloaded {
                applied,
                needs_restart,
                ..
            } = reloaded;
            tracing::info!(?applied, ?needs_restart, "configuration reloaded");
        }
    }
}
