//! Handshakes under way on one shard.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

/// Handshakes under way on one shard, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Pending(Arc<Mutex<PendingState>>);

#[derive(Debug, Default)]
struct PendingState {
    entered: u64,
    places: BTreeMap<u64, CancellationToken>,
}

/// A handshake's place; dropping it gives it back.
#[derive(Debug)]
pub(super) struct PendingPlace {
    pending: Pending,
    number: u64,
    /// Fires when the handshake has to give way to a newer one.
    pub(super) evicted: CancellationToken,
}

// === impl Pending ===

impl Pending {
    /// Takes a place. If more than `max` are taken then, the oldest has to give way: says whether.
    pub(super) fn enter(&self, max: usize) -> (PendingPlace, bool) {
        let mut state = self.0.lock();
        state.entered += 1;
        let number = state.entered;
        let evicted = CancellationToken::new();
        state.places.insert(number, evicted.clone());
        let is_full = max.max(1) < state.places.len();
        if is_full && let Some((_, oldest)) = state.places.pop_first() {
            oldest.cancel();
        }
        let place = PendingPlace {
            pending: self.clone(),
            number,
            evicted,
        };
        (place, is_full)
    }

    pub(super) fn len(&self) -> usize {
        self.0.lock().places.len()
    }
}

impl Drop for PendingPlace {
    fn drop(&mut self) {
        self.pending.0.lock().places.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_handshake_gives_way() {
        let pending = Pending::default();
        let (first, _) = pending.enter(2);
        let (second, _) = pending.enter(2);
        let (third, evicted) = pending.enter(2);
        assert!(evicted && first.evicted.is_cancelled());
        assert!(!second.evicted.is_cancelled() && !third.evicted.is_cancelled());
        drop((first, second));
        assert_eq!(pending.len(), 1);
    }
}
