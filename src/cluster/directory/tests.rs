mod protocol;
mod table;

use super::{Applied, Directory, TopicHasher, holding::COUNT_MAX};
use crate::{envelope::Delta, id::Member};

fn member(name: &str) -> Member {
    Member::new(&name.parse().unwrap(), 1)
}

fn topics(joined: &[u64], left: &[u64]) -> Delta {
    Delta::Topics {
        joined: joined.to_vec(),
        left: left.to_vec(),
    }
}

fn part(number: u64, part: u32, last: bool, topics: &[u64]) -> Delta {
    Delta::Snapshot {
        number,
        part,
        last,
        topics: topics.to_vec(),
    }
}

/// A directory that one member feeds.
struct Fed {
    directory: Directory,
    member: Member,
    sequence: u64,
}

impl Fed {
    /// The member is synced, and has these topics.
    fn synced(topics: &[u64]) -> Self {
        let mut fed = Self {
            directory: Directory::new(),
            member: member("gw-1"),
            sequence: 0,
        };
        fed.tell(part(1, 0, true, topics));
        fed
    }

    fn tell(&mut self, delta: Delta) -> Applied {
        self.sequence += 1;
        self.directory.apply(&self.member, self.sequence, &[delta])
    }

    fn lose(&mut self) {
        self.sequence += 1;
    }

    #[track_caller]
    fn check(&self, is_synced: bool, here: &[u64], gone: &[u64]) {
        assert_eq!(self.directory.is_synced(&self.member), is_synced);
        for hash in here {
            let members = self.directory.members(*hash);
            assert_eq!(
                members.as_slice(),
                std::slice::from_ref(&self.member),
                "{hash}"
            );
        }
        for hash in gone {
            assert!(self.directory.members(*hash).is_empty(), "{hash}");
        }
    }
}

#[test]
fn topics_of_one_hash_are_counted() {
    let mut fed = Fed::synced(&[7, 7]);
    fed.tell(topics(&[8], &[7]));
    fed.check(true, &[7, 8], &[]);
    fed.tell(topics(&[], &[7, 8]));
    fed.check(true, &[], &[7, 8]);
    assert_eq!(fed.directory.topics(), 0);
}

#[test]
fn of_two_topics_of_one_hash_one_may_come_as_the_other_goes() {
    let mut fed = Fed::synced(&[]);
    fed.tell(topics(&[7], &[7, 7]));
    fed.tell(topics(&[7], &[]));
    fed.check(true, &[7], &[]);
}

#[test]
fn a_repeat_changes_nothing() {
    let mut fed = Fed::synced(&[]);
    fed.tell(topics(&[7], &[]));
    fed.sequence -= 1;
    assert_eq!(fed.tell(topics(&[7], &[])), Applied::Repeated);
    fed.tell(topics(&[], &[7]));
    fed.check(true, &[], &[7]);
}

#[test]
fn whoever_was_not_known_is_stale_and_already_named() {
    let fed = Directory::new();
    let gw = member("gw-1");
    let applied = fed.apply(&gw, 40, &[topics(&[7], &[8])]);
    assert_eq!(applied, Applied::First);
    assert_eq!(fed.stale_members(), std::slice::from_ref(&gw));
    assert_eq!(fed.members(7).as_slice(), [gw]);
}

#[test]
fn after_a_gap_nothing_leaves_until_a_snapshot_is_complete() {
    let mut fed = Fed::synced(&[7, 8]);
    fed.lose();
    let gap = fed.tell(topics(&[9], &[7]));
    assert_eq!(
        gap,
        Applied::Gap {
            expected: 2,
            got: 3
        }
    );
    fed.check(false, &[7, 8, 9], &[]);
    assert_eq!(fed.tell(part(2, 0, false, &[8])), Applied::Next);
    fed.check(false, &[7, 8, 9], &[]);
    fed.tell(part(2, 1, true, &[10]));
    fed.check(true, &[8, 10], &[7, 9]);
}

#[test]
fn what_changes_between_two_parts_is_later_than_both() {
    let mut fed = Fed::synced(&[]);
    fed.lose();
    fed.tell(part(2, 0, false, &[1, 2]));
    fed.tell(topics(&[3], &[1, 4, 5]));
    fed.tell(part(2, 1, true, &[4, 5, 5]));
    fed.check(true, &[2, 3, 5], &[1, 4]);
}

#[test]
fn a_snapshot_with_a_gap_counts_for_nothing() {
    let mut fed = Fed::synced(&[7]);
    fed.lose();
    fed.tell(part(2, 0, false, &[1]));
    fed.lose();
    fed.tell(part(2, 2, true, &[3]));
    fed.check(false, &[7], &[1, 3]);
    fed.tell(part(3, 0, true, &[1]));
    fed.check(true, &[1], &[3, 7]);
}

#[test]
fn parts_of_two_snapshots_make_none() {
    let mut fed = Fed::synced(&[7]);
    fed.lose();
    fed.tell(part(2, 0, false, &[1]));
    fed.tell(part(3, 1, true, &[2]));
    fed.check(false, &[7], &[1, 2]);
}

#[test]
fn a_count_that_is_not_known_sticks_until_the_next_snapshot() {
    let mut fed = Fed::synced(&[]);
    let many = vec![7; COUNT_MAX as usize + 1];
    fed.tell(topics(&many, &[]));
    fed.tell(topics(&[], &many));
    fed.check(true, &[7], &[]);
    fed.tell(part(2, 0, true, &[8]));
    fed.check(true, &[8], &[7]);
}

#[test]
fn whoever_was_removed_is_named_nowhere_and_refused() {
    let mut fed = Fed::synced(&[7]);
    let other = member("gw-2");
    fed.directory.apply(&other, 1, &[part(1, 0, true, &[7, 8])]);
    assert!(fed.directory.remove(&other));
    assert!(!fed.directory.remove(&other));
    fed.check(true, &[7], &[8]);
    let late = fed.directory.apply(&other, 2, &[topics(&[8], &[])]);
    assert_eq!(late, Applied::Refused);
    fed.check(true, &[7], &[8]);
    fed.directory.remove(&fed.member);
    assert_eq!(fed.tell(topics(&[8], &[])), Applied::Refused);
    assert_eq!(fed.directory.topics(), 0);
}

#[test]
fn whoever_was_removed_before_it_was_known_is_refused() {
    let directory = Directory::new();
    directory.remove(&member("gw-1"));
    let late = directory.apply(&member("gw-1"), 1, &[Delta::Up]);
    assert_eq!(late, Applied::Refused);
}

#[test]
fn a_slot_that_is_used_again_names_the_new_member_only() {
    let directory = Directory::new();
    for round in 0..2000u64 {
        let gw = Member::new(&"gw-1".parse().unwrap(), round);
        directory.apply(&gw, 1, &[part(1, 0, true, &[7, round + 100])]);
        assert_eq!(directory.members(7).as_slice(), std::slice::from_ref(&gw));
        assert_eq!(directory.topics(), 2);
        directory.remove(&gw);
    }
    assert_eq!(directory.roster.names().len(), 1);
    assert_eq!(directory.bytes(), Directory::new().bytes());
}

#[test]
fn a_new_life_of_the_data_forgets_everything() {
    let mut fed = Fed::synced(&[7]);
    let other = member("gw-2");
    fed.directory.remove(&other);
    fed.directory.clear();
    fed.check(false, &[], &[7]);
    assert!(fed.directory.stale_members().is_empty());
    fed.sequence = 0;
    assert_eq!(fed.tell(part(1, 0, true, &[8])), Applied::First);
    fed.check(true, &[8], &[7]);
    let again = fed.directory.apply(&other, 1, &[Delta::Up]);
    assert_eq!(again, Applied::First);
}

/// The hash is what members of all versions tell one another: it must never become another one.
#[test]
fn a_hash_is_the_same_everywhere_and_another_one_in_each_life() {
    let topic = "room:42".parse().unwrap();
    let hasher = TopicHasher::of_generation("a");
    assert_eq!(hasher.hash(&topic), PINNED);
    assert_ne!(TopicHasher::of_generation("b").hash(&topic), PINNED);
    assert_ne!(hasher.hash(&"room:43".parse().unwrap()), PINNED);
}

const PINNED: u64 = 469_998_067_982_042_723;

/// Readers must find a member that has the topic all along, whatever others do meanwhile.
#[test]
fn readers_find_what_is_there_while_others_come_and_go() {
    let mut fed = Fed::synced(&[]);
    let hashes: Vec<u64> = (0..3000u64)
        .map(|number| number.wrapping_mul(0x9E37_79B9_7F4A_7C15))
        .collect();
    fed.tell(topics(&hashes, &[]));
    let (directory, gw, at) = (&fed.directory, &fed.member, fed.sequence);
    let is_over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..20 {
                let other = Member::new(&"gw-2".parse().unwrap(), round);
                directory.apply(&other, 1, &[part(1, 0, true, &hashes)]);
                directory.remove(&other);
                // A gap, and a snapshot that puts all in the place of all.
                directory.apply(gw, at + 2 * round + 2, &[part(round, 0, true, &hashes)]);
            }
            is_over.store(true, std::sync::atomic::Ordering::SeqCst);
        });
        while !is_over.load(std::sync::atomic::Ordering::SeqCst) {
            for hash in &hashes {
                let members = directory.members(*hash);
                assert!(members.contains(gw), "{hash}: {members:?}");
            }
        }
    });
    fed.sequence += 40;
    fed.check(true, &hashes, &[]);
}
