//! What the witness counts.

use crate::{
    duty::Deed,
    happening::{Kept, Kind},
    stats::Count,
};

/// What became of what it has seen, and of what was owed.
#[derive(Debug, Default)]
pub struct WitnessStats {
    /// Happenings that are kept, by [`Kind`].
    pub kept: [Count; Kind::ALL.len()],
    /// Those for which there was no room, by [`Kind`].
    pub dropped: [Count; Kind::ALL.len()],
    /// Duties, by [`DeedKind`] and [`DutyOutcome`].
    pub duties: [[Count; DutyOutcome::ALL.len()]; DeedKind::ALL.len()],
    /// Calls that failed.
    pub errors: Count,
}

/// Kinds of deeds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DeedKind {
    /// See [`Deed::Call`].
    Call,
    /// See [`Deed::Publish`].
    Publish,
    /// See [`Deed::RedisDel`].
    RedisDel,
    /// See [`Deed::RedisSrem`].
    RedisSrem,
    /// See [`Deed::Rise`].
    Rise,
}

/// What became of a duty.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DutyOutcome {
    /// It is done; a call is on its way to whom it is for.
    Done,
    /// It cannot be done.
    Failed,
    /// It was done before.
    Repeated,
}

// === impl WitnessStats ===

impl WitnessStats {
    /// This has come of happenings of these kinds.
    pub(super) fn count(&self, kinds: impl IntoIterator<Item = Kind>, kept: Kept) {
        let mut untold = kept.untold;
        for kind in kinds {
            match untold[kind as usize].checked_sub(1) {
                Some(rest) => {
                    untold[kind as usize] = rest;
                    self.dropped(kind);
                }
                None => self.told(kind),
            }
        }
    }

    /// A happening is kept.
    fn told(&self, kind: Kind) {
        self.kept[kind as usize].add(1);
        if kind == Kind::CallDue {
            self.duties[DeedKind::Call as usize][DutyOutcome::Done as usize].add(1);
        }
    }

    /// There was no room for a happening.
    pub(super) fn dropped(&self, kind: Kind) {
        self.dropped[kind as usize].add(1);
    }

    pub(super) fn dropped_in_all(&self) -> u64 {
        self.dropped.iter().map(Count::load).sum()
    }

    pub(super) fn duty(&self, deed: &Deed, outcome: DutyOutcome) {
        let kind = match deed {
            Deed::Call { .. } => DeedKind::Call,
            Deed::Publish { .. } => DeedKind::Publish,
            Deed::Rise => DeedKind::Rise,
            Deed::RedisDel { .. } => DeedKind::RedisDel,
            Deed::RedisSrem { .. } => DeedKind::RedisSrem,
        };
        self.duties[kind as usize][outcome as usize].add(1);
    }
}

// === impl DeedKind ===

impl DeedKind {
    /// Every kind, in the order of the variants.
    pub const ALL: [Self; 5] = [
        Self::Call,
        Self::Publish,
        Self::RedisDel,
        Self::RedisSrem,
        Self::Rise,
    ];

    /// Metric label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Publish => "publish",
            Self::RedisDel => "redis_del",
            Self::RedisSrem => "redis_srem",
            Self::Rise => "rise",
        }
    }
}

// === impl DutyOutcome ===

impl DutyOutcome {
    /// Every outcome, in the order of the variants.
    pub const ALL: [Self; 3] = [Self::Done, Self::Failed, Self::Repeated];

    /// Metric label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Repeated => "repeated",
        }
    }
}
