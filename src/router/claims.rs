//! Claims: what only one session may hold, the newest one.

use std::sync::Arc;

use dashmap::{DashMap, Entry};

use crate::{dialect::ClaimKey, router::subscriber::Subscriber};

/// Who holds what.
#[derive(Debug, Default)]
pub struct Claims(DashMap<ClaimKey, Arc<Subscriber>>);

impl Claims {
    /// Gives `claim` to a session, and back the one that held it.
    pub fn take(&self, claim: ClaimKey, subscriber: &Arc<Subscriber>) -> Option<Arc<Subscriber>> {
        let before = self.0.insert(claim, Arc::clone(subscriber));
        before.filter(|before| before.serial != subscriber.serial)
    }

    /// Gives up the claim of this session; one that a newer session took stays with it.
    pub fn release(&self, claim: ClaimKey, subscriber: &Subscriber) {
        if let Entry::Occupied(held) = self.0.entry(claim)
            && held.get().serial == subscriber.serial
        {
            held.remove();
        }
    }

    /// How many are held.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none is held.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
