//! How often one address may ask, in bounded memory.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
};

use tokio::time::Instant;

use crate::auth::budget::Budget;

/// Most addresses of each of the two generations that are remembered, some 4 MiB together.
const ADDRESSES_MAX: usize = 32 * 1024;
/// Seconds' worth of requests at once after a pause.
const BURST_SECONDS: f64 = 2.0;

/// Requests that each address may still make. Those who have not asked for the longest time are
/// forgotten first, which does them no harm.
#[derive(Debug, Default)]
pub(super) struct Rates {
    young: HashMap<IpAddr, Budget>,
    old: HashMap<IpAddr, Budget>,
}

impl Rates {
    /// Takes a request of `address`, at so many per second; 0 is no limit.
    ///
    /// # Errors
    ///
    /// After how many seconds there will be another one.
    pub(super) fn take(
        &mut self,
        address: IpAddr,
        per_second: u32,
        now: Instant,
    ) -> Result<(), u64> {
        if per_second == 0 {
            return Ok(());
        }
        let rate = f64::from(per_second);
        let burst = BURST_SECONDS * rate;
        let address = network(address);
        let known = self.young.get(&address).or_else(|| self.old.get(&address));
        let mut budget = known.copied().unwrap_or(Budget::new(burst, now));
        let taken = budget.take(rate, burst, now);
        self.young.insert(address, budget);
        if ADDRESSES_MAX <= self.young.len() {
            self.old = std::mem::take(&mut self.young);
        }
        taken
    }
}

/// Whoever has an address of version 6 has 2^64 of them.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let bits = address.to_bits() & !u128::from(u64::MAX);
            Ipv6Addr::from_bits(bits).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn address(number: u32) -> IpAddr {
        std::net::Ipv4Addr::from_bits(number).into()
    }

    #[test]
    fn each_address_has_two_seconds_worth_and_gets_more_with_time() {
        let mut rates = Rates::default();
        let begin = Instant::now();
        let mut take = |address, per_second, later_ms| {
            let now = begin + Duration::from_millis(later_ms);
            rates.take(address, per_second, now)
        };
        for _ in 0..20 {
            assert_eq!(take(address(1), 10, 0), Ok(()));
        }
        assert_eq!(take(address(1), 10, 0), Err(1));
        assert_eq!(take(address(2), 10, 0), Ok(()));
        assert_eq!(take(address(1), 0, 0), Ok(()));
        assert_eq!(take(address(1), 10, 100), Ok(()));
        assert_eq!(take(address(1), 10, 100), Err(1));
        // A pause gives no more than at the beginning.
        let taken = (0..30).filter(|_| take(address(1), 10, 3_600_000).is_ok());
        assert_eq!(taken.count(), 20);
    }

    #[test]
    fn a_network_of_version_6_is_one_address() {
        let (mut rates, now) = (Rates::default(), Instant::now());
        let within = |host: &str| rates.take(host.parse().unwrap(), 1, now);
        let taken = [
            "2001:db8::1",
            "2001:db8::2",
            "2001:db8::3",
            "2001:db8:0:1::",
        ]
        .map(within);
        assert_eq!(taken.map(|taken| taken.is_ok()), [true, true, false, true]);
    }

    #[test]
    fn addresses_are_remembered_in_bounded_memory() {
        let (mut rates, now) = (Rates::default(), Instant::now());
        for number in 0..3 * ADDRESSES_MAX as u32 {
            let _ = rates.take(address(number), 1, now);
            // This one never pauses for long, and is not forgotten.
            if number % 1000 == 0 {
                let _ = rates.take(address(u32::MAX), 1, now);
            }
        }
        assert!(rates.young.len() + rates.old.len() <= 2 * ADDRESSES_MAX);
        assert!(rates.take(address(u32::MAX), 1, now).is_err());
    }
}
