//! Versions of the form in which members write to one another, and how two of them agree on one.
//!
//! A version is a number for all that passes between living members: envelopes in inboxes, and entries
//! of the log. What outlives members has a version of its own, since nobody can ask who will read it.
//! `docs/decisions/0021-versions.md` says what a new version takes.

use std::fmt;

/// A version that this node reads and writes.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[repr(u8)]
pub enum Version {
    /// Everything is a named variant. A question that is not known cannot be read.
    One = 1,
    /// Everything is numbered. Questions that are not known are answered as such, and what is not
    /// known in the log is passed over.
    Two = 2,
    /// Only in builds that tests take for the next version of this node: the same, in another order.
    #[cfg(feature = "next-wire")]
    Three = 3,
}

/// The versions that a member reads and writes: all from the first to the last.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Versions {
    /// The first.
    pub min: u8,
    /// The last, not less than the first.
    pub max: u8,
}

/// What a member says of versions.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Speech {
    /// Those that it reads and writes.
    pub versions: Versions,
    /// The highest one in which it may write to all others at this time.
    pub speaks: u8,
}

// === impl Version ===

impl Version {
    /// The first one that this node reads and writes.
    pub const MIN: Self = Self::One;
    /// The last one that this node reads and writes.
    pub const MAX: Self = Self::LAST.0;
    /// The form of what outlives members: one that a node of the release before reads too.
    pub const KEPT: Self = Self::LAST.1;

    #[cfg(not(feature = "next-wire"))]
    const LAST: (Self, Self) = (Self::Two, Self::One);
    #[cfg(feature = "next-wire")]
    const LAST: (Self, Self) = (Self::Three, Self::Two);

    /// The version of this number, if this node knows it.
    pub const fn of_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::One),
            2 => Some(Self::Two),
            #[cfg(feature = "next-wire")]
            3 => Some(Self::Three),
            _ => None,
        }
    }

    /// Its number.
    pub const fn number(self) -> u8 {
        self as u8
    }
}

// === impl Versions ===

impl Versions {
    /// Those of this node.
    pub const OWN: Self = Self {
        min: Version::MIN.number(),
        max: Version::MAX.number(),
    };
    /// Those of a member that announces none: it is older than announcements.
    pub const UNANNOUNCED: Self = Self { min: 1, max: 1 };

    /// The highest version that this node and a member with these versions both know.
    pub fn agreed(self) -> Option<Version> {
        let highest = self.max.min(Self::OWN.max);
        Version::of_number(highest).filter(|_| self.min.max(Self::OWN.min) <= highest)
    }
}

impl fmt::Display for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.min == self.max {
            true => write!(f, "{}", self.min),
            false => write!(f, "{} to {}", self.min, self.max),
        }
    }
}

// === impl Speech ===

impl Speech {
    /// That of a member that announces nothing.
    pub const UNANNOUNCED: Self = Self {
        versions: Versions::UNANNOUNCED,
        speaks: 1,
    };
    /// That of this node while nobody holds it back.
    pub const OWN: Self = Self {
        versions: Versions::OWN,
        speaks: Versions::OWN.max,
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_members_speak_the_highest_version_that_both_know() {
        let agreed = |min, max| Versions { min, max }.agreed();
        assert_eq!(Versions::OWN.agreed(), Some(Version::MAX));
        assert_eq!(Versions::UNANNOUNCED.agreed(), Some(Version::One));
        assert_eq!(agreed(1, 200), Some(Version::MAX));
        assert_eq!(agreed(2, 200), Some(Version::MAX));
        assert_eq!(agreed(1, 2), Some(Version::Two));
        assert_eq!(agreed(100, 200), None);
        assert_eq!(agreed(0, 0), None);
    }

    #[test]
    fn every_number_has_its_version() {
        for number in 0..=u8::MAX {
            let version = Version::of_number(number);
            assert_eq!(
                version.is_some(),
                (1..=Version::MAX.number()).contains(&number)
            );
            assert!(version.is_none_or(|version| version.number() == number));
        }
        // What is kept can be read by the release before.
        assert!(Version::KEPT < Version::MAX);
    }

    #[test]
    fn versions_are_shown_as_a_range() {
        assert_eq!(Versions { min: 1, max: 3 }.to_string(), "1 to 3");
        assert_eq!(Versions::UNANNOUNCED.to_string(), "1");
    }
}
