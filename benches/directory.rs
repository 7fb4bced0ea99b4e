//! What the directory costs: memory per remote topic, look-ups, changes, and the removal of a member.
//!
//! `cargo bench --bench directory`. Without a framework, since memory is half of it.

use std::{
    hint::black_box,
    sync::atomic::{AtomicBool, Ordering::SeqCst},
    time::Duration,
};

use tidegate::{cluster::directory::Directory, envelope::Delta, id::Member};
use tikv_jemallocator::Jemalloc;
use tokio::time::Instant;

#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// Sizes, and what lies between: arrays grow at their own lengths.
const SIZES: [u64; 10] = [
    1_000_000, 1_300_000, 2_000_000, 2_700_000, 3_600_000, 5_000_000, 6_100_000, 7_300_000,
    8_700_000, 10_000_000,
];
/// Members that share the topics.
const MEMBERS: u64 = 10;
const LOOKUPS: u64 = 2_000_000;
const BATCH: u64 = 1000;
const PAGE_BYTES: usize = 4096;
/// The allocator gives back within 500 ms what it does not need.
const DECAY: Duration = Duration::from_millis(1500);

fn main() {
    println!("one member per topic, joined one after the other:");
    let directory = memory(|number| number % MEMBERS..number % MEMBERS + 1);
    lookups(&directory);
    removal(&directory);
    drop(directory);
    std::thread::sleep(DECAY);
    println!("every fourth topic at 2 members, every sixteenth at 3 more:");
    memory(|number| {
        let first = number % MEMBERS;
        let more = u64::from(number.is_multiple_of(4)) + 3 * u64::from(number.is_multiple_of(16));
        first..first + 1 + more
    });
    snapshot();
}

/// Fills a directory, and tells its memory at each of the sizes.
fn memory(members: impl Fn(u64) -> std::ops::Range<u64>) -> Directory {
    let before = resident();
    let directory = Directory::new();
    let mut feeds: Vec<Feed> = (0..MEMBERS).map(Feed::new).collect();
    let mut number = 0;
    let (mut worst, mut sum) = (0.0f64, 0.0);
    for size in SIZES {
        let (start, first) = (Instant::now(), number);
        let mut joins = 0;
        while number < size {
            let mut batches = vec![Vec::new(); feeds.len()];
            for topic in number..number + BATCH {
                for member in members(topic) {
                    batches[(member % MEMBERS) as usize].push(hash(topic));
                    joins += 1;
                }
            }
            number += BATCH;
            for (feed, joined) in feeds.iter_mut().zip(batches) {
                feed.join(&directory, joined);
            }
        }
        let took = start.elapsed().as_nanos() as f64 / joins as f64;
        std::thread::sleep(DECAY);
        let topics = directory.topics() as f64;
        let per_topic = (resident().saturating_sub(before)) as f64 / topics;
        (worst, sum) = (worst.max(per_topic), sum + per_topic);
        println!(
            "  {topics:>9} topics: {per_topic:5.2} bytes resident each, {:5.2} by count; \
             {took:4.0} ns per join from {first} on",
            directory.bytes() as f64 / topics,
        );
    }
    let average = sum / SIZES.len() as f64;
    println!("  on average {average:.2} bytes, at most {worst:.2}");
    directory
}

fn lookups(directory: &Directory) {
    let size = SIZES[SIZES.len() - 1];
    for (name, offset) in [("hit", 0), ("miss", size)] {
        let hashes: Vec<u64> = (0..LOOKUPS)
            .map(|number| hash(offset + hash(number) % size))
            .collect();
        let each = time(&hashes, |hash| {
            directory.for_each_member(hash, |member| {
                black_box(member);
            })
        });
        let cloned = time(&hashes, |hash| {
            black_box(directory.members(hash));
        });
        println!("  look-up, {name}: {each:.0} ns, {cloned:.0} ns with the member cloned");
    }
}

/// Removes a member that has a tenth of all topics while somebody looks things up.
fn removal(directory: &Directory) {
    let is_over = AtomicBool::new(false);
    let (took, longest, looked) = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let (mut longest, mut looked) = (Duration::ZERO, 0u64);
            while !is_over.load(SeqCst) {
                let hash = hash(looked);
                let start = Instant::now();
                directory.for_each_member(hash, |member| {
                    black_box(member);
                });
                longest = longest.max(start.elapsed());
                looked += 1;
            }
            (longest, looked)
        });
        std::thread::sleep(Duration::from_millis(50));
        let start = Instant::now();
        let topics = directory.topics();
        assert!(directory.remove(&member(0)));
        let took = start.elapsed();
        assert_eq!(directory.topics(), topics - topics / MEMBERS as usize);
        is_over.store(true, SeqCst);
        let (longest, looked) = reader.join().expect("the reader does not panic");
        (took, longest, looked)
    });
    println!(
        "  removal of a member with 1 million of 10 million topics: {took:.1?}; \
         the longest of {looked} look-ups meanwhile took {longest:.1?}"
    );
}

/// A member with a million topics sends a snapshot.
fn snapshot() {
    let directory = Directory::new();
    let mut feed = Feed::new(0);
    for number in 0..2u64 {
        // A gap, so that the second one is wanted as well.
        feed.sequence += 1;
        let start = Instant::now();
        let mut switch = start;
        for part in 0..100u64 {
            let hashes = part * 10_000..(part + 1) * 10_000;
            let delta = Delta::Snapshot {
                number,
                part: part as u32,
                last: part == 99,
                topics: hashes.map(hash).collect(),
            };
            switch = Instant::now();
            feed.tell(&directory, delta);
        }
        assert!(directory.is_synced(&feed.member));
        let (took, last) = (start.elapsed(), switch.elapsed());
        println!(
            "snapshot {number} of a member with 1 million topics: {took:.1?}, its last part \
             {last:.1?}"
        );
    }
}

/// What one member writes into the log.
struct Feed {
    member: Member,
    sequence: u64,
}

impl Feed {
    fn new(number: u64) -> Self {
        Self {
            member: member(number),
            sequence: 0,
        }
    }

    fn join(&mut self, directory: &Directory, joined: Vec<u64>) {
        let left = Vec::new();
        self.tell(directory, Delta::Topics { joined, left });
    }

    fn tell(&mut self, directory: &Directory, delta: Delta) {
        self.sequence += 1;
        black_box(directory.apply(&self.member, self.sequence, &[delta]));
    }
}

fn member(number: u64) -> Member {
    let node = format!("gw-{number}").parse();
    Member::new(&node.expect("it is a name"), 1)
}

/// As good as the hash of a topic, and quick. A bijection, so that no two topics meet.
fn hash(number: u64) -> u64 {
    let mixed = number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ mixed >> 31
}

/// Nanoseconds per hash.
fn time(hashes: &[u64], mut look: impl FnMut(u64)) -> f64 {
    let start = Instant::now();
    for hash in hashes {
        look(*hash);
    }
    start.elapsed().as_nanos() as f64 / hashes.len() as f64
}

/// Bytes of this process that are in memory.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok());
    pages.unwrap_or(0) * PAGE_BYTES
}
