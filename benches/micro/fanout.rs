//! A publish to a room, from the router into sockets that take everything and cost nothing.

use std::{
    io::{self, IoSlice},
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use bytes::Bytes;
use tidegate::{
    dialect::{
        Dialect, Now,
        ride::{Ride, Settings},
    },
    id::Member,
    message::Message,
    router::{
        Router,
        fanout::Walker,
        shard::Queue,
        subscriber::{Flushed, Subscriber},
        transport::{End, Transport},
    },
    topic::Topic,
};

use crate::Step;

const NOW: Now = Now {
    uptime: std::time::Duration::ZERO,
    unix_ms: 1_628_160_000_000,
};
const OUTBOX_MAX: usize = 262_144;
const OUTBOXES_MAX: usize = 1 << 30;
/// As the flusher fills and flushes them.
const OUTBOXES_PER_STEP: usize = 256;

/// A socket without a system behind it.
struct Sink;

impl Transport for Sink {
    fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        Ok(slices.iter().map(|slice| slice.len()).sum())
    }

    fn end(&self, _: End) {}
}

/// A node of one shard, whose flusher runs when it is told to.
struct Node {
    router: Arc<Router>,
    walker: Walker,
    queue: Queue,
    topic: Topic,
}

pub(crate) fn steps() -> Vec<Step> {
    [(1, 1), (100, 1), (10_000, 1), (100, 8), (10_000, 8)]
        .map(|(subscribers, messages)| {
            let name = format!("publish/{subscribers} subscribers, {messages} under way");
            Step::new(name, move || {
                let mut node = Node::new(subscribers);
                move || {
                    for _ in 0..messages {
                        node.publish(subscribers);
                    }
                    node.settle();
                }
            })
        })
        .into()
}

impl Node {
    fn new(subscribers: usize) -> Self {
        let member = Member::new(&"gw".parse().expect("it is a name"), 1);
        let router = Router::new(member, 1, OUTBOX_MAX, OUTBOXES_MAX);
        let topic = Topic::room("lobby").expect("it is a room");
        let dialect: Arc<dyn Dialect> = Arc::new(Ride::new(Settings::default()));
        let shard = &router.shards()[0];
        for _ in 0..subscribers {
            let subscriber = Subscriber::new(
                shard.next_serial(),
                Arc::clone(shard),
                Arc::clone(&dialect),
                Arc::new(Sink),
                IpAddr::V4(Ipv4Addr::LOCALHOST),
                0,
            );
            router.attach(&subscriber);
            router.subscribe(&topic, &subscriber, NOW);
        }
        Self {
            router,
            walker: Walker::default(),
            queue: Queue::default(),
            topic,
        }
    }

    fn publish(&self, subscribers: usize) {
        let data =
            Bytes::from_static(br#"{"seq":"0000000001","pad":"xxxxxxxxxxxxxxxxxxxxxxxxxx"}"#);
        let message = Message::new(self.topic.clone(), "m", data);
        let reached = self.router.publish(message, NOW).expect("nobody is busy");
        assert_eq!(reached.sessions, subscribers);
    }

    /// What the flusher does until nothing waits.
    fn settle(&mut self) {
        let shard = &self.router.shards()[0];
        shard.take(&mut self.queue);
        loop {
            let Queue {
                deliveries, dirty, ..
            } = &mut self.queue;
            let walked = self
                .walker
                .step(shard, deliveries, dirty, OUTBOXES_PER_STEP);
            while let Some(subscriber) = dirty.pop_front() {
                assert_eq!(subscriber.flush(), Flushed::Done);
            }
            let is_idle = walked.frames == 0 && walked.completed.is_none();
            if is_idle && !self.walker.is_walking() && self.queue.deliveries.is_empty() {
                return;
            }
        }
    }
}
