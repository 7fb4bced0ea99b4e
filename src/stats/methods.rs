//! What a node counts about methods that clients call and applications answer.

use std::sync::{
    Arc,
    atomic::{AtomicU8, AtomicU32, Ordering::Relaxed},
};

use parking_lot::Mutex;

use super::{Count, Durations};

/// What the services together count.
#[derive(Debug, Default)]
pub struct MethodStats {
    services: Mutex<Vec<Arc<ServiceStats>>>,
    /// Time of a call, without those that were never made.
    pub call: Durations,
    /// Calls of methods that no service answers any more.
    pub unknown: Count,
}

/// What one service counts. It has its name, the configured prefix, from reload to reload.
#[derive(Debug)]
pub struct ServiceStats {
    prefix: Box<str>,
    /// Calls by [`MethodOutcome`] in the order of [`MethodOutcome::ALL`].
    pub calls: [Count; MethodOutcome::ALL.len()],
    under_way: AtomicU32,
    breaker: AtomicU8,
}

/// What became of a call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MethodOutcome {
    /// It was answered.
    Answered,
    /// The service could not be reached, broke off, or answered with a status of 500 or more.
    Failed,
    /// What was answered is no JSON, or too long.
    Malformed,
    /// It was not made: the breaker is open.
    Open,
    /// It was not made: too many were under way.
    Overloaded,
    /// The service answered with a status from 400 to 499.
    Refused,
    /// It took too long.
    Timeout,
}

/// What the breaker of a service does with calls.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BreakerPhase {
    /// They go through.
    Closed,
    /// One of them tries.
    HalfOpen,
    /// They are refused.
    Open,
}

// === impl MethodStats ===

impl MethodStats {
    /// The figures of the services with these names from now on. Those that were there go on counting.
    pub fn set<'a>(&self, prefixes: impl Iterator<Item = &'a str>) -> Vec<Arc<ServiceStats>> {
        let mut services = self.services.lock();
        let next: Vec<_> = prefixes
            .map(|prefix| {
                let known = services.iter().find(|service| &*service.prefix == prefix);
                known.cloned().unwrap_or_else(|| ServiceStats::new(prefix))
            })
            .collect();
        services.clone_from(&next);
        next
    }

    /// Those of each service.
    pub fn services(&self) -> Vec<Arc<ServiceStats>> {
        self.services.lock().clone()
    }
}

// === impl ServiceStats ===

impl ServiceStats {
    fn new(prefix: &str) -> Arc<Self> {
        Arc::new(Self {
            prefix: prefix.into(),
            calls: std::array::from_fn(|_| Count::default()),
            under_way: AtomicU32::new(0),
            breaker: AtomicU8::new(BreakerPhase::Closed as u8),
        })
    }

    /// The configured prefix.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Calls that wait for their answers.
    pub fn under_way(&self) -> u32 {
        self.under_way.load(Relaxed)
    }

    /// One more call waits, unless so many do already. Says whether it does.
    pub fn begin(&self, max: u32) -> bool {
        let more = |now: u32| (now < max).then(|| now + 1);
        self.under_way.fetch_update(Relaxed, Relaxed, more).is_ok()
    }

    /// One that was begun does not wait any more.
    pub fn end(&self) {
        self.under_way.fetch_sub(1, Relaxed);
    }

    /// What the breaker does with calls.
    pub fn breaker(&self) -> BreakerPhase {
        let phase = usize::from(self.breaker.load(Relaxed));
        BreakerPhase::ALL[phase.min(BreakerPhase::ALL.len() - 1)]
    }

    /// Takes note of what the breaker does with calls.
    pub fn set_breaker(&self, phase: BreakerPhase) {
        self.breaker.store(phase as u8, Relaxed);
    }
}

// === impl MethodOutcome ===

impl MethodOutcome {
    /// Every outcome, in the order of the variants.
    pub const ALL: [Self; 7] = [
        Self::Answered,
        Self::Failed,
        Self::Malformed,
        Self::Open,
        Self::Overloaded,
        Self::Refused,
        Self::Timeout,
    ];

    /// Metric label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Failed => "failed",
            Self::Malformed => "malformed",
            Self::Open => "open",
            Self::Overloaded => "overloaded",
            Self::Refused => "refused",
            Self::Timeout => "timeout",
        }
    }
}

// === impl BreakerPhase ===

impl BreakerPhase {
    /// Every phase, in the order of the variants.
    pub const ALL: [Self; 3] = [Self::Closed, Self::HalfOpen, Self::Open];

    /// Metric label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::HalfOpen => "half_open",
            Self::Open => "open",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_and_phases_stand_at_their_own_position() {
        for (index, outcome) in MethodOutcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, index);
        }
        for (index, phase) in BreakerPhase::ALL.into_iter().enumerate() {
            assert_eq!(phase as usize, index);
        }
    }

    #[test]
    fn no_more_calls_are_begun_than_may_be_and_a_reload_forgets_none() {
        let stats = MethodStats::default();
        let service = &stats.set(["a", "b"].into_iter())[1];
        assert!(service.begin(2) && service.begin(2) && !service.begin(2));
        let again = &stats.set(["b"].into_iter())[0];
        assert_eq!(again.under_way(), 2);
        assert!(!again.begin(2) && again.begin(3));
        service.end();
        assert_eq!(again.under_way(), 2);
    }
}
