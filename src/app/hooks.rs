//! Webhooks, in the cluster's Redis or in the store of a node that is alone.

use std::sync::Arc;

use tokio::time::{self, Instant};
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use super::{
    kept::Kept,
    opening::{Home, Opening},
};
use crate::{
    backend::hooks::{Hooks, Parts},
    store::sqlite::SqliteHooks,
    witness::Watch,
};

/// Time beyond the grace period for what is under way to be removed.
const REST: std::time::Duration = std::time::Duration::from_secs(1);

/// Webhooks whose endpoints are told.
#[derive(Debug)]
pub(super) struct Telling {
    watch: Watch,
    hooks: Hooks,
    _task: AbortOnDropHandle<()>,
}

/// Webhooks, as this configuration has them.
pub(super) fn open(opening: &Opening<'_>) -> Hooks {
    let (client, clock) = (opening.client.clone(), opening.identity.clock);
    let parts = match opening.home {
        Home::Redis(membership) => Parts {
            client,
            clock,
            current: membership.hooks().current(),
            graveyard: Arc::new(membership.hooks().graveyard()),
        },
        Home::Store(database) => {
            let kept = Arc::new(SqliteHooks::new(database.clone()));
            Parts::of_one(client, clock, kept)
        }
    };
    Hooks::new(parts, &opening.config.backend)
}

impl Telling {
    pub(super) fn begin(kept: &Kept) -> Self {
        let (hooks, tasks) = (kept.hooks.clone(), TaskTracker::new());
        let task = tasks.spawn(hooks.clone().run());
        Self {
            watch: kept.witness.begin(&tasks),
            hooks,
            _task: AbortOnDropHandle::new(task),
        }
    }

    /// Keeps what has happened, and tells what can be told before `until`. The rest is kept.
    pub(super) async fn end(self, until: Instant) {
        self.watch.end(until).await;
        let _ = time::timeout_at(until + REST, self.hooks.told(until)).await;
    }
}
