//! What a delivery allocates: nothing. A message costs the same allocations whatever the number of those
//! who get it, whether it goes straight into their sockets or waits in their outboxes.

#![allow(clippy::unwrap_used)]

use std::{
    alloc::System,
    collections::VecDeque,
    io::{self, IoSlice},
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tidegate::{
    dialect::{
        Now,
        ride::{Ride, Settings},
    },
    id::Member,
    message::Message,
    router::{
        Router,
        fanout::Walker,
        shard::{Queue, Shard},
        subscriber::{Flushed, Subscriber},
        transport::{End, Transport},
    },
    topic::Topic,
};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const NOW: Now = Now {
    uptime: Duration::ZERO,
    unix_ms: 1_000_000,
};
/// Messages after which queues have the capacity that they keep.
const WARM_UP: usize = 3;

/// A socket that takes everything.
struct Sink;

impl Transport for Sink {
    fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        Ok(slices.iter().map(|slice| slice.len()).sum())
    }

    fn end(&self, _: End) {}
}

/// A node of one shard, whose flusher runs when the test says so.
struct Node {
    router: Arc<Router>,
    shard: Arc<Shard>,
    walker: Walker,
    queue: Queue,
    topic: Topic,
}

impl Node {
    fn with_subscribers(count: usize) -> Self {
        let member = Member::new(&"test".parse().unwrap(), 1);
        let router = Router::new(member, 1, 1 << 20, 1 << 30);
        let shard = Arc::clone(&router.shards()[0]);
        let dialect = Arc::new(Ride::new(Settings::default()));
        let topic = Topic::room("ride/all").unwrap();
        for _ in 0..count {
            let subscriber = Subscriber::new(
                shard.next_serial(),
                Arc::clone(&shard),
                Arc::clone(&dialect) as Arc<_>,
                Arc::new(Sink),
                IpAddr::V4(Ipv4Addr::LOCALHOST),
                0,
            );
            router.attach(&subscriber);
            router.subscribe(&topic, &subscriber, NOW);
        }
        Self {
            router,
            shard,
            walker: Walker::default(),
            queue: Queue::default(),
            topic,
        }
    }

    /// Publishes `messages` at once and delivers them. Gives the number of allocations.
    fn deliver(&mut self, messages: usize) -> usize {
        let region = Region::new(ALLOCATOR);
        for _ in 0..messages {
            let data = Bytes::from_static(br#"{"text":"Where is everybody?"}"#);
            let message = Message::new(self.topic.clone(), "news", data);
            self.router.publish(message, NOW).unwrap();
        }
        self.shard.take(&mut self.queue);
        let Queue {
            deliveries, dirty, ..
        } = &mut self.queue;
        while {
            self.walker.step(&self.shard, deliveries, dirty, 256);
            flush(dirty);
            self.walker.is_walking() || !deliveries.is_empty()
        } {}
        region.change().allocations
    }
}

fn flush(dirty: &mut VecDeque<Arc<Subscriber>>) {
    while let Some(subscriber) = dirty.pop_front() {
        assert_eq!(subscriber.flush(), Flushed::Done);
    }
}

/// One test, since others would allocate beside it.
#[test]
fn a_delivery_allocates_nothing() {
    for messages in [1, 8] {
        let allocations = [10, 100, 1000].map(|subscribers| {
            let mut node = Node::with_subscribers(subscribers);
            for _ in 0..WARM_UP {
                node.deliver(messages);
            }
            node.deliver(messages)
        });
        // 100 are few enough that their outboxes are filled before they are flushed.
        assert_eq!(allocations, [allocations[0]; 3], "{messages} messages");
        assert!(allocations[0] <= 20 * messages, "{allocations:?}");
        let frames = node_frames(messages);
        assert_eq!(frames, (WARM_UP as u64 + 1) * 10 * messages as u64);
    }
}

/// What ten subscribers were given in as many messages: the deliveries that cost nothing have happened.
fn node_frames(messages: usize) -> u64 {
    let mut node = Node::with_subscribers(10);
    for _ in 0..=WARM_UP {
        node.deliver(messages);
    }
    let stats = &node.shard.stats.dialects[0];
    stats.messages_out.load()
}
