//! Claims: which local session holds what, and since when in the order of the log.
//!
//! Pure. Of all claims of one thing, the last in the log stays. A claim that has not come back from
//! the log yet is later than any that has, so its holder cannot lose against what is read before it.

use std::collections::HashMap;

use super::streams::Position;
use crate::{dialect::ClaimKey, envelope::Claimed, id::Serial};

/// The words of a [`ClaimKey`].
type Key = (u64, u64);

/// What local sessions hold.
#[derive(Debug, Default)]
pub(super) struct Claims {
    held: HashMap<Key, Held>,
    /// Not yet written into the log.
    fresh: Vec<Key>,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    holder: Serial,
    since: Option<Position>,
}

impl Claims {
    /// A local session claims something.
    pub(super) fn take(&mut self, claim: ClaimKey, holder: Serial) {
        let key = claim.words();
        self.held.insert(
            key,
            Held {
                holder,
                since: None,
            },
        );
        self.fresh.push(key);
    }

    /// A session gives up what it holds; a newer holder is not concerned.
    pub(super) fn release(&mut self, claim: ClaimKey, holder: Serial) {
        let key = claim.words();
        if self
            .held
            .get(&key)
            .is_some_and(|held| held.holder == holder)
        {
            self.held.remove(&key);
        }
    }

    /// How many are not yet written into the log.
    pub(super) fn fresh(&self) -> usize {
        self.fresh.len()
    }

    /// What is to be written into the log.
    pub(super) fn take_fresh(&mut self) -> Vec<Claimed> {
        let fresh = std::mem::take(&mut self.fresh);
        let keys = fresh.into_iter();
        keys.filter_map(|key| Some(self.held.get(&key)?.claimed(key)))
            .collect()
    }

    /// Everything that is held, for those who may have missed it.
    pub(super) fn all(&self) -> Vec<Claimed> {
        let held = self.held.iter();
        held.map(|(key, held)| held.claimed(*key)).collect()
    }

    /// Forgets the places in a log that is gone; everything counts as not yet written.
    pub(super) fn restart(&mut self) {
        self.fresh = self.held.keys().copied().collect();
        for held in self.held.values_mut() {
            held.since = None;
        }
    }

    /// An own claim has come back from the log.
    pub(super) fn confirm(&mut self, claimed: &Claimed, at: Position) {
        if let Some(held) = self.held.get_mut(&claimed.key)
            && held.holder.number() == claimed.holder
            && claimed.since.is_none()
        {
            held.since = Some(at);
        }
    }

    /// Somebody else claims what stands at `at` in the log. Gives the local holder that loses by it.
    pub(super) fn lose(&mut self, claimed: &Claimed, at: Position) -> Option<Serial> {
        let theirs = claimed
            .since
            .map_or(at, |(time_ms, number)| Position { time_ms, number });
        let held = self.held.get(&claimed.key)?;
        if theirs < held.since? {
            return None;
        }
        self.held.remove(&claimed.key).map(|held| held.holder)
    }
}

// === impl Held ===

impl Held {
    fn claimed(&self, key: Key) -> Claimed {
        Claimed {
            key,
            holder: self.holder.number(),
            since: self.since.map(|since| (since.time_ms, since.number)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::Claim;

    fn claim() -> ClaimKey {
        Claim("driver_1\0bert".into()).key()
    }

    fn at(number: u64) -> Position {
        Position { time_ms: 1, number }
    }

    /// Two members, and what each has written into the log.
    fn two() -> (Claims, Claimed, Claims, Claimed) {
        let (mut a, mut b) = (Claims::default(), Claims::default());
        a.take(claim(), Serial::new(0, 1));
        b.take(claim(), Serial::new(0, 2));
        let (of_a, of_b) = (a.take_fresh()[0], b.take_fresh()[0]);
        (a, of_a, b, of_b)
    }

    #[test]
    fn the_last_in_the_log_stays_whoever_reads_it() {
        let (mut a, of_a, mut b, of_b) = two();
        a.confirm(&of_a, at(1));
        assert_eq!(b.lose(&of_a, at(1)), None);
        assert_eq!(a.lose(&of_b, at(2)), Some(Serial::new(0, 1)));
        b.confirm(&of_b, at(2));
        assert_eq!(b.all().len(), 1);
        assert!(a.all().is_empty());
    }

    #[test]
    fn an_old_claim_that_is_told_again_takes_nothing_from_a_newer_one() {
        let (mut a, of_a, mut b, of_b) = two();
        a.confirm(&of_a, at(1));
        b.confirm(&of_b, at(2));
        let again = a.all()[0];
        assert_eq!(b.lose(&again, at(3)), None);
        // But a newer one that was missed is made up for.
        let again = b.all()[0];
        assert!(a.lose(&again, at(4)).is_some());
    }

    #[test]
    fn a_release_is_the_holders_own() {
        let mut claims = Claims::default();
        claims.take(claim(), Serial::new(0, 1));
        claims.take(claim(), Serial::new(0, 2));
        claims.release(claim(), Serial::new(0, 1));
        assert_eq!(claims.all().len(), 1);
        claims.release(claim(), Serial::new(0, 2));
        assert!(claims.all().is_empty());
        assert!(claims.take_fresh().is_empty());
    }

    #[test]
    fn in_a_new_log_everything_is_written_again() {
        let (mut a, of_a, ..) = two();
        a.confirm(&of_a, at(9));
        a.restart();
        assert_eq!(a.take_fresh()[0].since, None);
    }
}
