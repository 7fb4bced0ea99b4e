//! Places for sessions, in all and per client address.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use dashmap::{DashMap, Entry};

use crate::stats::RejectReason;

/// Places for sessions.
#[derive(Debug, Default)]
pub struct Slots {
    taken: AtomicUsize,
    /// Only kept up while there is a limit per address.
    addresses: DashMap<IpAddr, usize>,
}

/// A place of what is about to become a session; dropping it gives it back.
#[derive(Debug)]
pub struct Slot {
    /// Absent once a session has taken it over.
    slots: Option<Arc<Slots>>,
    /// Set if it was counted for this address.
    address: Option<IpAddr>,
}

// === impl Slots ===

impl Slots {
    /// How many places are taken.
    pub fn taken(&self) -> usize {
        self.taken.load(Relaxed)
    }

    /// Takes a place; 0 is no limit per address.
    ///
    /// # Errors
    ///
    /// Which limit is reached.
    pub fn take(
        slots: &Arc<Self>,
        address: IpAddr,
        max: usize,
        per_address_max: usize,
    ) -> Result<Slot, RejectReason> {
        // Counted first and checked after, so that two at the same time cannot both have the last.
        let before = slots.taken.fetch_add(1, Relaxed);
        let mut slot = Slot {
            slots: Some(Arc::clone(slots)),
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

    /// Gives back a place, and the one among those of its address if it was counted for one.
    pub(super) fn give_back(&self, counted_for: Option<IpAddr>) {
        self.taken.fetch_sub(1, Relaxed);
        let Some(address) = counted_for else { return };
        if let Entry::Occupied(mut count) = self.addresses.entry(address) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

// === impl Slot ===

impl Slot {
    /// Leaves it to a session to give the place back. Says whether it was counted for its address.
    pub(super) fn hand_over(mut self) -> bool {
        self.slots = None;
        self.address.is_some()
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(slots) = self.slots.take() {
            slots.give_back(self.address);
        }
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
}
