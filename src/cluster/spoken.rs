//! In which version this member writes to all others, and what it announces of that.
//!
//! Pure. Whoever joins has announced itself before it looks at what the others announce, and begins to
//! read the log when all of them announce a version that it knows. So that no entry is too new for
//! anybody who reads it, a member writes to all in a version that
//!
//! - every other one knows, as of now, and
//! - it has announced itself before its last look at who is there; and it announces that version for as
//!   long as something in it is on its way.

use crate::envelope::Version;

/// What one member announces, and may write.
#[derive(Debug)]
pub(super) struct Spoken {
    /// What the last beat that was answered has announced.
    announced: Version,
    /// The highest version that was announced before the last look, and is.
    allowed: Version,
    /// That of what is on its way.
    under_way: Option<Version>,
}

impl Default for Spoken {
    fn default() -> Self {
        Self {
            announced: Version::MIN,
            allowed: Version::MIN,
            under_way: None,
        }
    }
}

impl Spoken {
    /// What the next beat announces. `common` is the highest version that all others know.
    pub(super) fn to_announce(&self, common: Version) -> Version {
        self.under_way.map_or(common, |version| version.max(common))
    }

    /// A beat that announced this was answered, and who is there is known.
    pub(super) fn beaten(&mut self, announced: Version) {
        self.allowed = self.announced.min(announced);
        self.announced = announced;
    }

    /// Whether the next beat would announce less than the last one has.
    pub(super) fn announces_too_much(&self, common: Version) -> bool {
        self.to_announce(common) < self.announced
    }

    /// The version in which it may write to all.
    pub(super) fn version(&self, common: Version) -> Version {
        self.allowed.min(common)
    }

    /// Something is on its way in this version. What was on its way before has arrived or never will.
    pub(super) fn sending(&mut self, version: Version) {
        self.under_way = Some(version);
    }

    /// Nothing is on its way.
    pub(super) fn sent(&mut self) {
        self.under_way = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOW: Version = Version::One;
    const HIGH: Version = Version::MAX;

    /// A beat, after which the others know this in common.
    fn beat(spoken: &mut Spoken, common: Version) {
        spoken.beaten(spoken.to_announce(common));
    }

    /// One that has announced the highest version before its last look.
    fn spoken() -> Spoken {
        let mut spoken = Spoken::default();
        beat(&mut spoken, HIGH);
        beat(&mut spoken, HIGH);
        spoken
    }

    #[test]
    fn a_version_is_written_a_look_after_it_was_announced() {
        let mut spoken = Spoken::default();
        assert_eq!(spoken.version(HIGH), Version::MIN);
        assert_eq!(spoken.to_announce(HIGH), HIGH);
        beat(&mut spoken, HIGH);
        assert_eq!(spoken.version(HIGH), Version::MIN);
        beat(&mut spoken, HIGH);
        assert_eq!(spoken.version(HIGH), HIGH);
    }

    #[test]
    fn one_that_knows_less_lowers_it_at_once_and_for_two_looks_after_it_has_gone() {
        let mut spoken = spoken();
        assert_eq!(spoken.version(LOW), LOW);
        assert!(spoken.announces_too_much(LOW));
        beat(&mut spoken, LOW);
        assert!(!spoken.announces_too_much(LOW));
        assert_eq!(spoken.version(HIGH), LOW);
        beat(&mut spoken, HIGH);
        assert_eq!(spoken.version(HIGH), LOW);
        beat(&mut spoken, HIGH);
        assert_eq!(spoken.version(HIGH), HIGH);
    }

    #[test]
    fn what_is_on_its_way_is_announced() {
        let mut spoken = spoken();
        spoken.sending(HIGH);
        assert_eq!(spoken.to_announce(LOW), HIGH);
        // It is repeated in a form that all read by now.
        spoken.sending(spoken.version(LOW));
        assert_eq!(spoken.to_announce(LOW), LOW);
        spoken.sending(HIGH);
        spoken.sent();
        assert_eq!(spoken.to_announce(LOW), LOW);
    }
}
