//! The bridge: what applications publish to a channel of Redis, delivered to the sessions of this node.
//!
//! Every node hears the channel and delivers to its own sessions only, so that nothing comes twice. What
//! is published while the connection is away is lost, as pub/sub has it.
//!
//! **Invariant:** hearing never waits for sessions. What they have no room for waits here, up to
//! [`WAITING_BYTES_MAX`]; what is beyond that is dropped and counted.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use tokio::sync::{
    OwnedSemaphorePermit, Semaphore,
    mpsc::{self, UnboundedReceiver, UnboundedSender},
};
use tokio_util::sync::CancellationToken;

use super::{life::pauses, redis::RedisChannel};
use crate::{
    clock::Clock,
    message::{Message, MessageId},
    recorder::What,
    router::Router,
    stats::BridgeStats,
    trace::Way,
};

/// Most bytes that wait for room in the outboxes of sessions.
pub const WAITING_BYTES_MAX: usize = 16 * 1024 * 1024;
/// What a payload that waits takes beside its own bytes.
const OVERHEAD_BYTES: usize = 256;

/// What payloads mean.
pub trait Read: fmt::Debug + Send + Sync + 'static {
    /// The message in a payload; `None` if it is none.
    fn read(&self, payload: &[u8]) -> Option<Message>;
}

/// What a bridge is made of.
#[derive(Debug)]
pub struct Parts {
    /// Where applications publish.
    pub channel: RedisChannel,
    /// Knows what they say.
    pub reader: Arc<dyn Read>,
    /// Whose sessions get it.
    pub router: Arc<Router>,
    /// The time of the messages.
    pub clock: Clock,
    /// What is counted.
    pub stats: Arc<BridgeStats>,
}

/// The end of the queue that payloads come in at.
#[derive(Debug)]
struct Inflow {
    sender: UnboundedSender<(Bytes, OwnedSemaphorePermit)>,
    room: Arc<Semaphore>,
    /// The last payload found no room.
    is_full: bool,
}

/// Delivers what comes until `stop` fires. What waits then is lost.
pub async fn run(parts: Parts, stop: CancellationToken) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let inflow = Inflow::new(sender, WAITING_BYTES_MAX);
    tokio::select! {
        () = stop.cancelled() => {}
        () = listen(&parts.channel, &parts.stats, inflow) => {}
        () = deliver(&parts, receiver) => {}
    }
}

/// Hears the channel, and subscribes again when the connection has ended. Never ends by itself.
async fn listen(channel: &RedisChannel, stats: &BridgeStats, mut inflow: Inflow) {
    let mut pauses = pauses();
    let mut is_away = false;
    loop {
        let error = match channel.subscribe().await {
            Err(error) => error,
            Ok(mut subscription) => {
                stats.connects.add(1);
                tracing::info!("the bridge hears its channel");
                is_away = false;
                pauses.reset();
                loop {
                    match subscription.next().await {
                        Ok(payload) => inflow.offer(payload, stats),
                        Err(error) => break error,
                    }
                }
            }
        };
        if std::mem::replace(&mut is_away, true) {
            tracing::debug!(%error, "the bridge still does not hear its channel");
        } else {
            tracing::warn!(%error, "the bridge does not hear its channel: what is published is lost");
        }
        pauses.wait().await;
    }
}

/// Hands what has come to the sessions, in order, and waits for room where there is none.
async fn deliver(parts: &Parts, mut receiver: UnboundedReceiver<(Bytes, OwnedSemaphorePermit)>) {
    let Parts { reader, stats, .. } = parts;
    while let Some((payload, _room)) = receiver.recv().await {
        let Some(message) = reader.read(&payload) else {
            stats.invalid.add(1);
            let bytes = payload.len();
            tracing::debug!(bytes, "what was published to the bridge is no message");
            continue;
        };
        let count = match hand_over(parts, message).await {
            0 => &stats.undeliverable,
            _ => &stats.delivered,
        };
        count.add(1);
    }
}

/// Says how many sessions a message is on its way to.
async fn hand_over(parts: &Parts, mut message: Message) -> usize {
    let Parts { router, clock, .. } = parts;
    let now = clock.now();
    if message.id == MessageId::Number(0) {
        message.id = router.next_id(now);
    }
    message.time_ms = now.unix_ms;
    message.way = Way::Bridge;
    router
        .recorder()
        .note(&message, || What::published(&message));
    loop {
        // Not published: the other nodes have heard it themselves.
        match router.deliver_remote(message, clock.now()) {
            Ok(sessions) => return sessions,
            Err(busy) => {
                busy.room.wait().await;
                message = *busy.message;
            }
        }
    }
}

// === impl Inflow ===

impl Inflow {
    fn new(sender: UnboundedSender<(Bytes, OwnedSemaphorePermit)>, bytes_max: usize) -> Self {
        Self {
            sender,
            room: Arc::new(Semaphore::new(bytes_max)),
            is_full: false,
        }
    }

    /// Has a payload wait for its delivery, or drops it if too many do.
    fn offer(&mut self, payload: Bytes, stats: &BridgeStats) {
        let charge = u32::try_from(payload.len() + OVERHEAD_BYTES).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.room).try_acquire_many_owned(charge);
        let was_full = std::mem::replace(&mut self.is_full, room.is_err());
        match room {
            // Whoever is at the other end lives as long as this one.
            Ok(room) => drop(self.sender.send((payload, room))),
            Err(_) => {
                stats.dropped.add(1);
                if !was_full {
                    tracing::warn!("the bridge has no room: sessions take less than is published");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::JoinSet;

    use super::*;
    use crate::{
        cluster::redis::{Redis, Settings},
        config::Secret,
        dialect::ride::{self, Ride},
        id::{Member, UserId},
        router::{
            fanout::Walker,
            shard::{DELIVERIES_MAX, Queue},
            subscriber::Subscriber,
            transport::testing::Full,
        },
        topic::Topic,
    };

    /// Everything is a message to the user `me`.
    #[derive(Debug)]
    struct ToMe;

    impl Read for ToMe {
        fn read(&self, payload: &[u8]) -> Option<Message> {
            let payload = Bytes::copy_from_slice(payload);
            Some(Message::new(me(), "e", payload))
        }
    }

    fn me() -> Topic {
        let user: UserId = "me".parse().unwrap();
        Topic::user(&user)
    }

    #[tokio::test]
    async fn a_message_waits_for_room_on_a_shard() {
        let member = Member::new(&"test".parse().unwrap(), 1);
        let router = Router::new(member, 1, 1024, 1024);
        let shard = &router.shards()[0];
        let (serial, dialect) = (shard.next_serial(), Ride::new(ride::Settings::default()));
        let address = "127.0.0.1".parse().unwrap();
        let (shard_of, wire) = (Arc::clone(shard), Arc::new(Full));
        let subscriber = Subscriber::new(serial, shard_of, Arc::new(dialect), wire, address, 0);
        let clock = Clock::start();
        router.attach(&subscriber);
        router.subscribe(&me(), &subscriber, clock.now());
        let redis = Redis::new(Settings {
            url: Secret::new("redis://127.0.0.1:1"),
            prefix: String::new(),
            ca: None,
        });
        let parts = Parts {
            channel: redis.unwrap().channel("c"),
            reader: Arc::new(ToMe),
            router: Arc::clone(&router),
            clock,
            stats: Arc::default(),
        };
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut inflow = Inflow::new(sender, WAITING_BYTES_MAX);
        for _ in 0..=DELIVERIES_MAX {
            inflow.offer(Bytes::from_static(b"1"), &parts.stats);
        }
        let stats = Arc::clone(&parts.stats);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { deliver(&parts, receiver).await });
        while stats.delivered.load() < DELIVERIES_MAX as u64 {
            tokio::task::yield_now().await;
        }
        while router.stats.busy.load() == 0 {
            tokio::task::yield_now().await;
        }
        // What the flusher does.
        let (mut queue, mut walker) = (Queue::default(), Walker::default());
        shard.take(&mut queue);
        while !queue.deliveries.is_empty() || walker.is_walking() {
            let Queue {
                deliveries, dirty, ..
            } = &mut queue;
            walker.step(shard, deliveries, dirty, usize::MAX);
        }
        while stats.delivered.load() <= DELIVERIES_MAX as u64 {
            tokio::task::yield_now().await;
        }
        drop(inflow);
        tasks.join_next().await.unwrap().unwrap();
        assert_eq!(stats.dropped.load(), 0);
    }

    #[test]
    fn what_finds_no_room_is_dropped_and_room_comes_back() {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let mut inflow = Inflow::new(sender, 2 * OVERHEAD_BYTES + 20);
        let stats = BridgeStats::default();
        let payload = |text: &'static str| Bytes::from_static(text.as_bytes());
        for text in ["first", "second", "third"] {
            inflow.offer(payload(text), &stats);
        }
        assert_eq!(stats.dropped.load(), 1);
        let (first, room) = receiver.try_recv().unwrap();
        assert_eq!(first, "first");
        drop(room);
        inflow.offer(payload("a long one, which has no room"), &stats);
        inflow.offer(payload("fourth"), &stats);
        assert_eq!(stats.dropped.load(), 2);
        let next = || receiver.try_recv().ok().map(|(payload, _)| payload);
        let left: Vec<Bytes> = std::iter::from_fn(next).collect();
        assert_eq!(left, ["second", "fourth"]);
    }
}
