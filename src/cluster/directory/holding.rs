//! Holdings: that a member has some topics of one hash, in 31 bits that are never 0.

/// Bits of a count.
const COUNT_BITS: u32 = 15;
/// The count that means "so many or more": nobody knows any more how many leaves would end it.
pub(super) const COUNT_MAX: u32 = (1 << COUNT_BITS) - 1;

/// The number of a member in this process.
pub(super) type Slot = u16;

/// A member, and how many topics of one hash it has; at least one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Holding(u32);

// === impl Holding ===

impl Holding {
    /// So many topics of a member. `count` is not 0; from [`COUNT_MAX`] on it is just many.
    pub(super) fn new(slot: Slot, count: u32) -> Self {
        debug_assert_ne!(count, 0);
        Self(u32::from(slot) << COUNT_BITS | count.min(COUNT_MAX))
    }

    /// What [`Self::bits`] gave; 0 is none.
    pub(super) fn of_bits(bits: u32) -> Option<Self> {
        (bits != 0).then_some(Self(bits))
    }

    /// Not 0, and less than 2^31.
    pub(super) fn bits(self) -> u32 {
        self.0
    }

    /// Whose it is.
    pub(super) fn slot(self) -> Slot {
        (self.0 >> COUNT_BITS) as Slot
    }

    /// How many topics.
    pub(super) fn count(self) -> u32 {
        self.0 & COUNT_MAX
    }

    /// Whether the count is not known any more.
    pub(super) fn is_saturated(self) -> bool {
        self.count() == COUNT_MAX
    }

    /// With `count` topics more.
    pub(super) fn plus(self, count: u32) -> Self {
        Self::new(self.slot(), self.count() + count.min(COUNT_MAX))
    }

    /// With one topic less; none if that was the last one. A count that is not known stays: it would
    /// reach 0 before the last topic went.
    pub(super) fn minus_one(self) -> Option<Self> {
        match self.count() {
            1 => None,
            COUNT_MAX => Some(self),
            count => Some(Self::new(self.slot(), count - 1)),
        }
    }
}
