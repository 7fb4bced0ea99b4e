//! Many durations.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::clock;

/// A minute, in nanoseconds: what took longer counts as a minute.
const NANOSECONDS_MAX: u64 = 60_000_000_000;

/// How long things took: exact to one per cent, up to a minute. As JSON it is a list of pairs of nanoseconds and how
/// many took so long, from which it can be read again without a loss.
#[derive(Clone, Debug)]
pub struct Latencies(Histogram<u64>);

impl Default for Latencies {
    fn default() -> Self {
        Self(Histogram::new_with_bounds(1, NANOSECONDS_MAX, 2).expect("the bounds are in order"))
    }
}

impl PartialEq for Latencies {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Latencies {
    /// Something took so long.
    #[inline]
    pub fn record(&mut self, took: Duration) {
        self.0
            .saturating_record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Something that began then has ended now.
    #[inline]
    pub fn record_since(&mut self, began: Instant) {
        self.record(clock::now().saturating_duration_since(began));
    }

    /// Takes in all of another one.
    pub fn add(&mut self, other: &Self) {
        if !other.is_empty() {
            self.0.add(&other.0).expect("all have the same bounds");
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// So much of all, from 0 to 1, took no longer than this, in milliseconds.
    #[must_use]
    pub fn at_ms(&self, quantile: f64) -> f64 {
        self.0.value_at_quantile(quantile) as f64 / 1e6
    }

    /// How many took no longer than this.
    #[must_use]
    pub fn count_up_to(&self, longest: Duration) -> u64 {
        let longest = u64::try_from(longest.as_nanos()).unwrap_or(u64::MAX);
        self.0.count_between(0, longest.min(NANOSECONDS_MAX))
    }

    /// All together, in seconds.
    #[must_use]
    pub fn sum_seconds(&self) -> f64 {
        self.0.mean() * self.0.len() as f64 / 1e9
    }

    /// The longest, in milliseconds.
    #[must_use]
    pub fn max_ms(&self) -> f64 {
        self.0.max() as f64 / 1e6
    }
}

impl Serialize for Latencies {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let pairs = self.0.iter_recorded();
        serializer.collect_seq(
            pairs.map(|pair| (pair.value_iterated_to(), pair.count_since_last_iteration())),
        )
    }
}

impl<'de> Deserialize<'de> for Latencies {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut latencies = Self::default();
        for (value, count) in Vec::<(u64, u64)>::deserialize(deserializer)? {
            latencies
                .0
                .record_n(value, count)
                .map_err(|_| D::Error::custom("a duration beyond a minute"))?;
        }
        Ok(latencies)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(nanoseconds: &[u64]) -> Latencies {
        let mut latencies = Latencies::default();
        for value in nanoseconds {
            latencies.record(Duration::from_nanos(*value));
        }
        latencies
    }

    #[test]
    fn what_took_longer_than_a_minute_took_a_minute() {
        let latencies = of(&[u64::MAX]);
        assert!((59_000.0..61_000.0).contains(&latencies.max_ms()));
        let text = serde_json::to_string(&latencies).unwrap();
        assert_eq!(serde_json::from_str::<Latencies>(&text).unwrap(), latencies);
    }

    #[test]
    fn what_is_no_histogram_is_refused() {
        for text in ["[[99999999999999,1]]", "[[1]]", "{}"] {
            assert!(serde_json::from_str::<Latencies>(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn json_loses_nothing(values in prop::collection::vec(0..2 * NANOSECONDS_MAX, 0..50)) {
            let before = of(&values);
            let text = serde_json::to_string(&before).unwrap();
            let after: Latencies = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(after.len(), before.len());
            for quantile in [0.0, 0.5, 0.9, 0.99, 1.0] {
                prop_assert!((after.at_ms(quantile) - before.at_ms(quantile)).abs() < 1e-9);
            }
        }

        #[test]
        fn parts_added_up_are_the_whole(
            one in prop::collection::vec(0..NANOSECONDS_MAX, 0..50),
            other in prop::collection::vec(0..NANOSECONDS_MAX, 0..50),
        ) {
            let mut sum = of(&one);
            sum.add(&of(&other));
            prop_assert_eq!(sum, of(&[one, other].concat()));
        }
    }
}
