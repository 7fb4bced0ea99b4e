//! Numbers that look random and are the same for the same seed: `SplitMix64`.

use std::time::Duration;

/// A source of numbers.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// The source that begins at `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is not 0. The first ones are a little likelier, which does not matter here.
    pub fn below(&mut self, end: usize) -> usize {
        let number = self.number() % (end as u64);
        usize::try_from(number).expect("it is less than a usize")
    }

    /// A length of time from `min` up to `max`, to the millisecond.
    pub fn between(&mut self, min: Duration, max: Duration) -> Duration {
        let milliseconds = max.saturating_sub(min).as_millis();
        let steps = usize::try_from(milliseconds).unwrap_or(usize::MAX - 1) + 1;
        min + Duration::from_millis(self.below(steps) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_numbers_again() {
        // The first value of the reference implementation for seed 0.
        assert_eq!(Rng::new(0).number(), 0xe220_a839_7b1d_cdaf);
        let numbers = |seed| {
            let mut rng = Rng::new(seed);
            [rng.number(), rng.number(), rng.number()]
        };
        assert_eq!(numbers(7), numbers(7));
        assert_ne!(numbers(7), numbers(8));
    }

    #[test]
    fn bounds_are_kept_and_reached() {
        let mut rng = Rng::new(1);
        let mut seen = [0; 3];
        let (min, max) = (Duration::from_millis(5), Duration::from_millis(6));
        for _ in 0..100 {
            seen[rng.below(3)] += 1;
            assert!((min..=max).contains(&rng.between(min, max)));
        }
        assert!(seen.iter().all(|count| 0 < *count));
    }
}
