use std::collections::{BTreeMap, BTreeSet};

use proptest::{collection::vec, prelude::*};

use super::member;
use crate::{
    cluster::directory::{Applied, Directory, holding::Holding},
    envelope::Delta,
    id::Member,
};

const NODES: usize = 4;
const TOPICS: u64 = 24;
/// Fewer than topics, so that some meet.
const HASHES: u64 = 9;
const PART_TOPICS: usize = 3;

#[derive(Clone, Debug)]
enum Step {
    /// A topic comes if it is not there, and goes if it is.
    Toggle(usize, u64),
    /// Several changes in one entry.
    ToggleMany(usize, Vec<u64>),
    /// Parts of a snapshot are sent, up to so many.
    Continue(usize, usize),
    /// Reads up to so many entries of the log.
    Read(usize, usize),
    /// Asks for a snapshot of everyone who is stale.
    Ask(usize),
    /// Asks for one that it may not need.
    AskAnyway(usize, usize),
    /// The last entry is written again.
    Repeat,
    /// The log loses all entries but so many.
    Trim(usize),
    /// Dies, is found dead, and comes back in another life.
    Restart(usize),
    /// The server comes back empty.
    Wipe,
}

#[derive(Clone, Debug)]
struct Logged {
    from: Member,
    sequence: u64,
    deltas: Vec<Delta>,
}

struct Node {
    me: Member,
    sequence: u64,
    topics: BTreeSet<u64>,
    /// What is left of the snapshot that is being sent: number, next part, topics.
    snapshot: Option<(u64, u32, Vec<u64>)>,
    snapshots: u64,
    directory: Directory,
    /// How much of the log was read.
    position: usize,
    /// Where the entries of each member end that were read; what was lost at the end does not show.
    seen: BTreeMap<String, u64>,
}

struct Cluster {
    nodes: Vec<Node>,
    lives: u64,
    /// What was trimmed is `None`.
    log: Vec<Option<Logged>>,
}

fn hash_of(topic: u64) -> u64 {
    (topic % HASHES).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

impl Node {
    fn new(me: Member, position: usize) -> Self {
        Self {
            me,
            sequence: 0,
            topics: BTreeSet::new(),
            snapshot: None,
            snapshots: 0,
            directory: Directory::new(),
            position,
            seen: BTreeMap::new(),
        }
    }

    fn counts(&self) -> BTreeMap<u64, u32> {
        let mut counts = BTreeMap::new();
        for topic in &self.topics {
            *counts.entry(hash_of(*topic)).or_default() += 1;
        }
        counts
    }

    fn toggle(&mut self, topics: &[u64]) -> Delta {
        let (mut joined, mut left) = (Vec::new(), Vec::new());
        for topic in topics {
            if self.topics.insert(*topic) {
                joined.push(hash_of(*topic));
            } else {
                self.topics.remove(topic);
                left.push(hash_of(*topic));
            }
        }
        Delta::Topics { joined, left }
    }

    /// The next part; the first one says what is there now, and the others what was there then.
    fn next_part(&mut self) -> Option<Delta> {
        let (number, part, mut topics) = self.snapshot.take()?;
        if part == 0 {
            topics = self.topics.iter().copied().map(hash_of).collect();
        }
        let rest = topics.split_off(PART_TOPICS.min(topics.len()));
        let last = rest.is_empty();
        self.snapshot = (!last).then_some((number, part + 1, rest));
        Some(Delta::Snapshot {
            number,
            part,
            last,
            topics,
        })
    }

    /// What the directory has of a member, by hash.
    fn believed(&self, of: &Member) -> BTreeMap<u64, u32> {
        let Some(tracked) = self.directory.roster.find(of) else {
            return BTreeMap::new();
        };
        let mut counts = BTreeMap::new();
        for hash in (0..HASHES).map(hash_of) {
            let count = self.directory.table.read(hash, |cells| {
                let mut held = cells.iter().filter_map(|cell| Holding::of_bits(*cell));
                let held = held.find(|held| held.slot() == tracked.slot);
                held.map(Holding::count)
            });
            let is_named = self.directory.members(hash).contains(of);
            assert_eq!(is_named, count.is_some());
            counts.extend(count.map(|count| (hash, count)));
        }
        counts
    }
}

impl Cluster {
    fn new() -> Self {
        let nodes = (0..NODES).map(|node| Node::new(member(&format!("gw-{node}")), 0));
        let mut cluster = Self {
            nodes: nodes.collect(),
            lives: 1,
            log: Vec::new(),
        };
        for node in 0..NODES {
            cluster.append(node, vec![Delta::Up]);
        }
        cluster
    }

    fn append(&mut self, node: usize, deltas: Vec<Delta>) {
        let node = &mut self.nodes[node];
        node.sequence += 1;
        self.log.push(Some(Logged {
            from: node.me.clone(),
            sequence: node.sequence,
            deltas,
        }));
    }

    fn run(&mut self, step: &Step) {
        match step {
            Step::Toggle(node, topic) => {
                let delta = self.nodes[*node].toggle(&[*topic]);
                self.append(*node, vec![delta]);
            }
            Step::ToggleMany(node, topics) => {
                let deltas = topics.chunks(2).map(|some| self.nodes[*node].toggle(some));
                let deltas = deltas.collect();
                self.append(*node, deltas);
            }
            Step::Continue(node, parts) => {
                for _ in 0..*parts {
                    if let Some(part) = self.nodes[*node].next_part() {
                        self.append(*node, vec![part]);
                    }
                }
            }
            Step::Read(node, max) => self.read(*node, *max),
            Step::Ask(node) => {
                for stale in self.nodes[*node].directory.stale_members() {
                    self.append(*node, vec![Delta::Want(Some(stale.as_str().into()))]);
                }
            }
            Step::AskAnyway(node, other) => {
                let other = self.nodes[*other].me.as_str().into();
                self.append(*node, vec![Delta::Want(Some(other))]);
            }
            Step::Repeat => {
                if let Some(Some(last)) = self.log.last() {
                    self.log.push(Some(last.clone()));
                }
            }
            Step::Trim(left) => {
                let end = self.log.len().saturating_sub(*left);
                self.log[..end].fill(None);
            }
            Step::Restart(node) => self.restart(*node),
            Step::Wipe => self.wipe(),
        }
    }

    /// Everyone learns of the death by its own means, before or after the last entries.
    fn restart(&mut self, node: usize) {
        self.lives += 1;
        let me = Member::new(&format!("gw-{node}").parse().unwrap(), self.lives);
        let dead = std::mem::replace(&mut self.nodes[node], Node::new(me, self.log.len()));
        for other in &mut self.nodes {
            other.directory.remove(&dead.me);
        }
        self.append(node, vec![Delta::Up]);
    }

    fn wipe(&mut self) {
        self.log.clear();
        for node in &mut self.nodes {
            node.directory.clear();
            node.seen.clear();
            node.position = 0;
            node.sequence = 0;
            node.snapshot = None;
        }
        for node in 0..NODES {
            self.append(node, vec![Delta::Up]);
        }
    }

    fn read(&mut self, node: usize, max: usize) {
        let reader = &mut self.nodes[node];
        let end = self.log.len().min(reader.position + max);
        for logged in self.log[reader.position..end].iter().flatten() {
            let is_want = |delta: &Delta| matches!(delta, Delta::Want(Some(member)) if **member == *reader.me.as_str());
            if logged.deltas.iter().any(is_want) && reader.snapshot.is_none() {
                reader.snapshots += 1;
                reader.snapshot = Some((reader.snapshots, 0, Vec::new()));
            }
            if logged.from == reader.me {
                continue;
            }
            let applied = reader
                .directory
                .apply(&logged.from, logged.sequence, &logged.deltas);
            if !matches!(applied, Applied::Refused | Applied::Repeated) {
                reader.seen.insert(logged.from.to_string(), logged.sequence);
            }
            if matches!(applied, Applied::First | Applied::Gap { .. }) {
                let may_be_synced = logged
                    .deltas
                    .iter()
                    .any(|delta| matches!(delta, Delta::Snapshot { last: true, .. }));
                assert!(may_be_synced || !reader.directory.is_synced(&logged.from));
            }
        }
        reader.position = end;
        self.check_synced(node);
    }

    /// Whoever is synced and was heard to the end is known exactly.
    fn check_synced(&self, node: usize) {
        let reader = &self.nodes[node];
        for other in &self.nodes {
            let is_heard = reader.seen.get(other.me.as_str()) == Some(&other.sequence);
            if is_heard && reader.directory.is_synced(&other.me) {
                assert_eq!(
                    reader.believed(&other.me),
                    other.counts(),
                    "{} of {}",
                    reader.me,
                    other.me
                );
            }
        }
    }

    /// Nothing is lost any more, and everyone asks until nobody is stale.
    fn settle(&mut self) {
        for node in 0..NODES {
            self.append(node, vec![Delta::Up]);
        }
        for round in 0.. {
            assert!(round < 8, "there is always somebody stale");
            for node in 0..NODES {
                self.read(node, usize::MAX / 2);
                self.run(&Step::Continue(node, 100));
            }
            for node in 0..NODES {
                self.read(node, usize::MAX / 2);
            }
            let mut nodes = self.nodes.iter();
            if nodes.all(|node| node.directory.stale_members().is_empty()) {
                break;
            }
            for node in 0..NODES {
                self.run(&Step::Ask(node));
            }
        }
    }

    fn check(&self) {
        for reader in &self.nodes {
            let others = || self.nodes.iter().filter(|other| other.me != reader.me);
            let mut hashes = BTreeSet::new();
            for other in others() {
                assert!(reader.directory.is_synced(&other.me));
                assert_eq!(reader.believed(&other.me), other.counts());
                hashes.extend(other.counts().into_keys());
            }
            assert_eq!(reader.directory.topics(), hashes.len());
            for hash in (0..HASHES).map(hash_of) {
                let named = reader.directory.members(hash);
                let expect = others().filter(|other| other.counts().contains_key(&hash));
                assert_eq!(named.len(), expect.count());
            }
        }
    }
}

fn step() -> impl Strategy<Value = Step> {
    let node = 0..NODES;
    let topic = 0..TOPICS;
    prop_oneof![
        30 => (node.clone(), topic.clone()).prop_map(|(node, topic)| Step::Toggle(node, topic)),
        10 => (node.clone(), vec(topic, 0..8)).prop_map(|(node, topics)| Step::ToggleMany(node, topics)),
        20 => (node.clone(), 1..4usize).prop_map(|(node, parts)| Step::Continue(node, parts)),
        40 => (node.clone(), 1..30usize).prop_map(|(node, max)| Step::Read(node, max)),
        10 => node.clone().prop_map(Step::Ask),
        3 => (node.clone(), node.clone()).prop_map(|(node, other)| Step::AskAnyway(node, other)),
        5 => Just(Step::Repeat),
        4 => (0..6usize).prop_map(Step::Trim),
        1 => node.prop_map(Step::Restart),
        1 => Just(Step::Wipe),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_directory_comes_to_the_truth(steps in vec(step(), 0..300)) {
        let mut cluster = Cluster::new();
        for step in &steps {
            cluster.run(step);
        }
        cluster.settle();
        cluster.check();
    }
}
