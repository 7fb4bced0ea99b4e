//! Leases: whether this member's own one holds, and who has lost theirs for good.
//!
//! Pure. A member is declared dead only by one whose own lease has held unbroken for [`TRUSTED`] in
//! the present life of the server's data, and only when it was seen without a lease twice. So a
//! server that froze, or came back empty, makes nobody dead: everybody's lease was broken then, and
//! everybody has renewed it long before anybody may judge.

use std::{collections::HashMap, time::Duration};

use super::streams::{LEASE, Pulse};
use crate::id::Member;

/// How long the own lease must have held before others can be declared dead.
pub(super) const TRUSTED: Duration = Duration::from_secs(5);
/// Longest time between two beats that is no break: a server that answered that often has been there
/// for the others too.
const GAP_MAX: Duration = Duration::from_secs(2);
/// Time between the two looks at a member without a lease.
pub(super) const CONFIRM: Duration = Duration::from_millis(300);

/// What the beats of one member have told.
#[derive(Debug, Default)]
pub(super) struct Leases {
    generation: Box<str>,
    /// When the last beat that succeeded was sent: the lease holds at least from then on.
    renewed: Option<Duration>,
    held_since: Duration,
    /// When these were seen without a lease for the first time.
    missing: HashMap<Member, Duration>,
}

/// What a beat leads to.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Judgement {
    /// The server's data is another one than before.
    pub(super) is_new_generation: bool,
    /// Who is dead.
    pub(super) dead: Vec<Member>,
    /// Somebody is without a lease, and is to be looked at again after [`CONFIRM`].
    pub(super) look_again: bool,
}

impl Leases {
    /// Takes note of a beat that was sent at `sent` and answered at `now`.
    pub(super) fn beat(&mut self, sent: Duration, now: Duration, pulse: &Pulse) -> Judgement {
        let is_new_generation = self.generation != pulse.generation;
        let is_broken = self.renewed.is_none_or(|before| before + GAP_MAX < now);
        if is_new_generation || is_broken {
            self.held_since = now;
            self.missing.clear();
        }
        self.generation.clone_from(&pulse.generation);
        self.renewed = Some(sent);
        let without = pulse.members.iter().filter(|(_, lease)| lease.is_none());
        let without: Vec<Member> = without.map(|(member, _)| member.clone()).collect();
        self.missing.retain(|member, _| without.contains(member));
        let mut judgement = Judgement {
            is_new_generation,
            ..Judgement::default()
        };
        if now < self.held_since + TRUSTED {
            return judgement;
        }
        for member in without {
            let since = *self.missing.entry(member.clone()).or_insert(now);
            if since + CONFIRM <= now {
                judgement.dead.push(member);
            } else {
                judgement.look_again = true;
            }
        }
        judgement
    }

    /// Whether the own lease surely holds.
    pub(super) fn holds(&self, now: Duration) -> bool {
        self.renewed.is_some_and(|renewed| now < renewed + LEASE)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn member(text: &str) -> Member {
        Member::new(&text.parse().unwrap(), 1)
    }

    fn pulse(generation: &str, is_b_there: bool) -> Pulse {
        Pulse {
            generation: generation.into(),
            inbox_entries: 0,
            members: vec![
                (member("a"), Some(Bytes::new())),
                (member("b"), is_b_there.then(Bytes::new)),
            ],
        }
    }

    fn ms(number: u64) -> Duration {
        Duration::from_millis(number)
    }

    /// Beats every second from `from` to `to`, with b there.
    fn beats(leases: &mut Leases, from: u64, to: u64) {
        for second in from..=to {
            let at = ms(1000 * second);
            let judgement = leases.beat(at, at, &pulse("g", true));
            assert_eq!(judgement.dead, []);
        }
    }

    #[test]
    fn a_member_is_dead_at_the_second_look() {
        let mut leases = Leases::default();
        beats(&mut leases, 0, 6);
        let first = leases.beat(ms(7000), ms(7000), &pulse("g", false));
        assert!(first.look_again && first.dead.is_empty());
        let second = leases.beat(ms(7300), ms(7300), &pulse("g", false));
        assert_eq!(second.dead, [member("b")]);
    }

    #[test]
    fn who_renews_between_the_looks_lives() {
        let mut leases = Leases::default();
        beats(&mut leases, 0, 6);
        leases.beat(ms(7000), ms(7000), &pulse("g", false));
        leases.beat(ms(7300), ms(7300), &pulse("g", true));
        let later = leases.beat(ms(8300), ms(8300), &pulse("g", false));
        assert!(later.look_again && later.dead.is_empty());
    }

    #[test]
    fn nobody_is_dead_before_the_own_lease_has_held_for_its_time() {
        let mut leases = Leases::default();
        for second in 0..5 {
            let at = ms(1000 * second);
            let judgement = leases.beat(at, at, &pulse("g", false));
            assert!(!judgement.look_again && judgement.dead.is_empty());
        }
    }

    #[test]
    fn a_break_of_the_own_lease_makes_nobody_dead() {
        let mut leases = Leases::default();
        beats(&mut leases, 0, 10);
        // The server froze for 30 s, and all leases have lapsed.
        let after = leases.beat(ms(40_000), ms(40_000), &pulse("g", false));
        assert!(!after.look_again && after.dead.is_empty());
        let second = leases.beat(ms(41_000), ms(41_000), &pulse("g", false));
        assert!(!second.look_again && second.dead.is_empty());
    }

    #[test]
    fn a_new_life_of_the_data_makes_nobody_dead() {
        let mut leases = Leases::default();
        beats(&mut leases, 0, 10);
        let after = leases.beat(ms(11_000), ms(11_000), &pulse("h", false));
        assert!(after.is_new_generation && !after.look_again);
    }

    #[test]
    fn the_own_lease_counts_from_when_the_beat_was_sent() {
        let mut leases = Leases::default();
        assert!(!leases.holds(ms(0)));
        leases.beat(ms(0), ms(1500), &pulse("g", true));
        assert!(leases.holds(ms(2999)));
        assert!(!leases.holds(ms(3000)));
    }
}
