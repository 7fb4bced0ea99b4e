//! The directory: which members have subscribers of a topic.

use std::hint::black_box;

use tidegate::{cluster::directory::Directory, envelope::Delta, id::Member};

use crate::Step;

const MEMBERS: u64 = 10;
const TOPICS: u64 = 100_000;
/// Topics of a delta, as they come in a busy moment.
const JOINED: u64 = 100;

pub(crate) fn steps() -> Vec<Step> {
    let mut steps = vec![
        Step::new("directory/look up, found", || look_up(0)),
        Step::new("directory/look up, not found", || look_up(TOPICS)),
    ];
    steps.push(Step::new(
        format!("directory/apply {JOINED} joins and leaves"),
        || {
            let (directory, mut sequences) = filled();
            let member = member(0);
            let topics: Vec<u64> = (TOPICS..TOPICS + JOINED).map(hash).collect();
            let none = Vec::new;
            move || {
                for (joined, left) in [(topics.clone(), none()), (none(), topics.clone())] {
                    sequences[0] += 1;
                    let delta = Delta::Topics { joined, left };
                    black_box(directory.apply(&member, sequences[0], &[delta]));
                }
            }
        },
    ));
    steps
}

fn look_up(first: u64) -> impl FnMut() {
    let (directory, _) = filled();
    let mut number = 0;
    move || {
        number = (number + 7919) % TOPICS;
        directory.for_each_member(hash(first + number), |member| {
            black_box(member);
        });
    }
}

/// A directory of ten other members, and the number of the last word of each.
fn filled() -> (Directory, Vec<u64>) {
    let directory = Directory::new();
    let mut sequences = Vec::new();
    for number in 0..MEMBERS {
        let joined = (number..TOPICS).step_by(MEMBERS as usize).map(hash);
        let delta = Delta::Topics {
            joined: joined.collect(),
            left: Vec::new(),
        };
        directory.apply(&member(number), 1, &[delta]);
        sequences.push(1);
    }
    assert_eq!(directory.topics(), TOPICS as usize);
    (directory, sequences)
}

fn member(number: u64) -> Member {
    let node = format!("gw-{number}").parse();
    Member::new(&node.expect("it is a name"), 1)
}

/// As good as the hash of a topic: a bijection, so that no two topics meet.
fn hash(number: u64) -> u64 {
    let mixed = number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed ^ mixed >> 31
}
