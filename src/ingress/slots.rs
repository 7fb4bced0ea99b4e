//! Places: for sessions, in all and per client address, and for handshakes under way.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use dashmap::{DashMap, Entry};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::stats::RejectReason;

/// Places for sessions.
#[derive(Debug, Default)]
pub(super) struct Slots {
    taken: AtomicUsize,
    /// Only kept up while there is a limit per address.
    addresses: DashMap<IpAddr, usize>,
}

/// A session's place; dropping it gives it back.
#[derive(Debug)]
pub(super) struct Slot {
    slots: Arc<Slots>,
    /// Set if the session was counted for its address.
    address: Option<IpAddr>,
}

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

// === impl Slots ===

impl Slots {
    pub(super) fn taken(&self) -> usize {
        self.taken.load(Relaxed)
    }

    /// Takes a place; 0 is no limit per address.
    pub(super) fn take(
        slots: &Arc<Self>,
        address: IpAddr,
        max: usize,
        per_address_max: usize,
    ) -> Result<Slot, RejectReason> {
        // Counted first and checked after, so that two at the same time cannot both have the last.
        let before = slots.taken.fetch_add(1, Relaxed);
        let mut slot = Slot {
            slots: Arc::clone(slots),
            address: None,
        };
        if max <= before {
            return Err(RejectReason::ConnectionLimit);
        }
        if 0 < per_address_max {
            let mut count = slots.addresses.entry(address).or_insert(0);
            if per_address_max <= *count {
                drop(count);
                return Err(RejectReason::AddressLimit);
            }
            *count += 1;
            slot.address = Some(address);
        }
        Ok(slot)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.taken.fetch_sub(1, Relaxed);
        let Some(address) = self.address else { return };
        if let Entry::Occupied(mut count) = self.slots.addresses.entry(address) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
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
    use std::net::Ipv4Addr;

    use super::*;

    const A: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
    const B: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));

    #[test]
    fn a_place_is_given_back() {
        let slots = Arc::<Slots>::default();
        let slot = Slots::take(&slots, A, 1, 0).unwrap();
        assert_eq!(
            Slots::take(&slots, B, 1, 0).unwrap_err(),
            RejectReason::ConnectionLimit
        );
        drop(slot);
        assert!(Slots::take(&slots, B, 1, 0).is_ok());
        assert_eq!(slots.taken(), 0);
    }

    #[test]
    fn an_address_has_a_limit_of_its_own() {
        let slots = Arc::<Slots>::default();
        let slot = Slots::take(&slots, A, 10, 1).unwrap();
        assert_eq!(
            Slots::take(&slots, A, 10, 1).unwrap_err(),
            RejectReason::AddressLimit
        );
        assert!(Slots::take(&slots, B, 10, 1).is_ok());
        drop(slot);
        assert!(slots.addresses.is_empty());
        assert!(Slots::take(&slots, A, 10, 1).is_ok());
    }

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
