//! How long to wait before an endpoint is tried again.

use std::time::Duration;

/// Most of the first pause.
const FIRST: Duration = Duration::from_secs(1);
/// Most of any pause.
const LONGEST: Duration = Duration::from_secs(5 * 60);

/// The pause after so many failures in a row: anything up to twice as much as before, by chance, so
/// that those who have failed together do not come back together.
pub(in crate::backend::hooks) fn backoff(failures: u32, chance: f64) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    let most = (FIRST * (1 << doublings)).min(LONGEST);
    most.mul_f64(chance.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let most = |failures| backoff(failures, 1.0).as_secs();
        assert_eq!([1, 2, 3, 4].map(most), [1, 2, 4, 8]);
        assert_eq!([9, 10, 1000, u32::MAX].map(most), [256, 300, 300, 300]);
        assert_eq!(backoff(5, 0.0), Duration::ZERO);
        assert_eq!(backoff(5, 0.5), Duration::from_secs(8));
    }
}
