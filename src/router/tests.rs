mod traced;

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    net::{IpAddr, Ipv4Addr},
    sync::atomic::AtomicBool,
    time::Duration,
};

use bytes::Bytes;
use parking_lot::Mutex;
use proptest::prelude::*;

use super::{
    fanout::Walker,
    shard::Queue,
    subscriber::Flushed,
    transport::{End, Transport},
    *,
};
use crate::{
    close::CloseReason,
    dialect::{Claim, Conversation, Dialect, DialectId, Hello, Refusal},
    frame::Frame,
    id::UserId,
    message::{ConflationKey, DeliveryClass, LetterId, Posted},
};

const NOW: Now = Now {
    uptime: Duration::ZERO,
    unix_ms: 1_000_000,
};

/// A dialect whose frames are the data alone.
#[derive(Debug)]
struct Plain;

impl Dialect for Plain {
    fn id(&self) -> DialectId {
        DialectId::Ride
    }

    fn accept(&self, _: &Hello<'_>) -> Result<Box<dyn Conversation>, Refusal> {
        unreachable!("nobody is upgraded here")
    }

    fn encode(&self, message: &Message) -> Frame {
        Frame::text(&message.data)
    }

    fn farewell(&self, reason: CloseReason) -> Option<Frame> {
        match reason {
            CloseReason::Kicked | CloseReason::SlowConsumer => Some(Frame::text(b"bye")),
            _ => None,
        }
    }
}

/// A dialect whose frames are its name and the data, and that counts how often it was asked for one.
#[derive(Debug)]
struct Counting {
    id: DialectId,
    encoded: AtomicU64,
}

impl Dialect for Counting {
    fn id(&self) -> DialectId {
        self.id
    }

    fn accept(&self, _: &Hello<'_>) -> Result<Box<dyn Conversation>, Refusal> {
        unreachable!("nobody is upgraded here")
    }

    fn encode(&self, message: &Message) -> Frame {
        self.encoded.fetch_add(1, Relaxed);
        Frame::text(&[self.id.label().as_bytes(), b" ", &*message.data].concat())
    }
}

/// A socket that keeps what is written, and takes nothing while it is full.
#[derive(Default)]
struct Wire {
    written: Mutex<Vec<u8>>,
    full: AtomicBool,
}

impl Transport for Wire {
    fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        if self.full.load(Relaxed) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let mut written = self.written.lock();
        let before = written.len();
        slices
            .iter()
            .for_each(|slice| written.extend_from_slice(slice));
        Ok(written.len() - before)
    }

    fn end(&self, _: End) {}
}

impl Wire {
    /// The texts of all whole frames so far.
    fn texts(&self) -> Vec<String> {
        let written = self.written.lock();
        let mut rest = &written[..];
        let mut texts = Vec::new();
        while let [0x81, length, ..] = rest {
            let (frame, after) = rest.split_at(2 + usize::from(*length));
            texts.push(String::from_utf8(frame[2..].to_vec()).unwrap());
            rest = after;
        }
        texts
    }
}

struct Client {
    subscriber: Arc<Subscriber>,
    wire: Arc<Wire>,
}

/// A node without threads: its flushers run when the test says so.
struct Node {
    router: Arc<Router>,
    flushers: Vec<(Walker, Queue)>,
}

impl Node {
    fn new(shards: u16) -> Self {
        let member = Member::new(&"test".parse().unwrap(), 1);
        Self {
            router: Router::new(member, shards, 1000, 1_000_000),
            flushers: (0..shards).map(|_| Default::default()).collect(),
        }
    }

    fn join(&self, shard: usize) -> Client {
        self.join_as(shard, Arc::new(Plain))
    }

    fn join_as(&self, shard: usize, dialect: Arc<dyn Dialect>) -> Client {
        let shard = &self.router.shards()[shard];
        let wire = Arc::<Wire>::default();
        let subscriber = Subscriber::new(
            shard.next_serial(),
            Arc::clone(shard),
            dialect,
            Arc::clone(&wire) as Arc<_>,
            IpAddr::V4(Ipv4Addr::LOCALHOST),
            0,
        );
        self.router.attach(&subscriber);
        Client { subscriber, wire }
    }

    fn publish(&self, topic: &Topic, text: &str) -> usize {
        let reached = self.router.publish(message(topic, text), NOW);
        reached.unwrap().sessions
    }

    /// One step of a shard's flusher: up to `max` outboxes, then everything that is dirty.
    fn step(&mut self, shard: usize, max: usize) {
        let (walker, queue) = &mut self.flushers[shard];
        let shard = &self.router.shards()[shard];
        shard.take(queue);
        walker.step(shard, &mut queue.deliveries, &mut queue.dirty, max);
        flush(&mut queue.dirty);
    }

    fn settle(&mut self) {
        for shard in 0..self.flushers.len() {
            for _ in 0..1000 {
                self.step(shard, 256);
            }
        }
    }
}

fn flush(dirty: &mut VecDeque<Arc<Subscriber>>) {
    while let Some(subscriber) = dirty.pop_front() {
        if subscriber.flush() == Flushed::More {
            dirty.push_back(subscriber);
        }
    }
}

fn message(topic: &Topic, text: &str) -> Message {
    Message::new(
        topic.clone(),
        "test",
        Bytes::copy_from_slice(text.as_bytes()),
    )
}

fn room(name: &str) -> Topic {
    Topic::room(name).unwrap()
}

fn user(name: &str) -> Topic {
    Topic::user(&name.parse::<UserId>().unwrap())
}

#[test]
fn a_message_reaches_the_subscribers_of_its_topic_on_every_shard() {
    let mut node = Node::new(2);
    let clients = [node.join(0), node.join(1), node.join(1)];
    let stranger = node.join(0);
    for client in &clients {
        node.router.subscribe(&room("a"), &client.subscriber, NOW);
    }
    assert_eq!(node.publish(&room("a"), "hello"), 3);
    node.settle();
    for client in &clients {
        assert_eq!(client.wire.texts(), ["hello"]);
    }
    assert!(stranger.wire.texts().is_empty());
}

#[test]
fn a_message_is_encoded_once_per_dialect_whatever_the_number_of_members() {
    let mut node = Node::new(2);
    let dialects = DialectId::ALL.map(|id| {
        Arc::new(Counting {
            id,
            encoded: AtomicU64::new(0),
        })
    });
    let mut members = Vec::new();
    for dialect in &dialects {
        for number in 0..20 {
            let client = node.join_as(number % 2, Arc::clone(dialect) as Arc<_>);
            node.router.subscribe(&room("a"), &client.subscriber, NOW);
            members.push((dialect.id.label(), client));
        }
    }
    for count in 1..=3 {
        assert_eq!(node.publish(&room("a"), "x"), 100);
        node.settle();
        for dialect in &dialects {
            assert_eq!(dialect.encoded.load(Relaxed), count, "{dialect:?}");
        }
    }
    for (label, client) in &members {
        assert_eq!(client.wire.texts(), vec![format!("{label} x"); 3]);
    }
}

#[test]
fn everybody_is_a_topic_and_so_is_each_session() {
    let mut node = Node::new(2);
    let (a, b) = (node.join(0), node.join(1));
    assert_eq!(node.publish(&Topic::all(), "all"), 2);
    let id = node.router.session_id(b.subscriber.serial);
    assert_eq!(node.publish(&Topic::session(&id), "one"), 1);
    node.settle();
    assert_eq!(a.wire.texts(), ["all"]);
    assert_eq!(b.wire.texts(), ["all", "one"]);
}

#[test]
fn what_expires_before_it_is_in_an_outbox_is_dropped_and_counted() {
    let mut node = Node::new(1);
    let (a, b) = (node.join(0), node.join(0));
    for client in [&a, &b] {
        node.router.subscribe(&room("a"), &client.subscriber, NOW);
    }
    let publish = |node: &Node, topic: &Topic, text: &str, lasts_ms: Option<u64>| {
        let mut message = message(topic, text);
        message.expires_ms = lasts_ms.map(|lasts_ms| NOW.unix_ms + lasts_ms);
        node.router.publish(message, NOW).unwrap();
    };
    let one = Topic::session(&node.router.session_id(a.subscriber.serial));
    publish(&node, &room("a"), "1", None);
    publish(&node, &room("a"), "2", Some(0));
    publish(&node, &room("a"), "3", Some(60_000));
    publish(&node, &room("a"), "4", None);
    publish(&node, &one, "5", Some(0));
    publish(&node, &one, "6", Some(60_000));
    node.settle();
    assert_eq!(a.wire.texts(), ["1", "3", "4", "6"]);
    assert_eq!(b.wire.texts(), ["1", "3", "4"]);
    let shard = &node.router.shards()[0];
    assert_eq!(shard.stats.expired.load(), 2);
    assert_eq!(shard.waiting(), 0);
    // What comes from another member too late.
    let mut late = message(&room("a"), "7");
    late.expires_ms = Some(NOW.unix_ms);
    assert_eq!(node.router.deliver_remote(late, NOW).unwrap(), 0);
    assert_eq!(node.router.stats.expired.load(), 1);
}

#[test]
fn a_page_of_sessions_and_one_of_rooms_follow_one_another() {
    let node = Node::new(3);
    let clients: Vec<Client> = (0..10).map(|number| node.join(number % 3)).collect();
    for (number, client) in clients.iter().enumerate() {
        for room in [room("all"), room(&format!("r{}", number % 7))] {
            node.router.subscribe(&room, &client.subscriber, NOW);
        }
    }
    let mut serials: Vec<_> = clients.iter().map(|one| one.subscriber.serial).collect();
    serials.sort_unstable();
    for topic in [Topic::all(), room("all")] {
        let mut found = Vec::new();
        loop {
            let query = crate::peer::PageQuery {
                topic: topic.clone(),
                dialect: Some(DialectId::Ride),
                after: found.last().copied(),
                max: 3,
            };
            let page = node.router.describe_page(&query, NOW);
            assert!(page.len() <= 3);
            if page.is_empty() {
                break;
            }
            found.extend(page.into_iter().map(|one| one.session.id.serial));
        }
        assert_eq!(found, serials);
    }
    let mut rooms: Vec<Topic> = Vec::new();
    while let page = node.router.rooms(rooms.last(), 3)
        && !page.is_empty()
    {
        rooms.extend(page);
    }
    let names: Vec<&str> = rooms.iter().map(Topic::id).collect();
    assert_eq!(names, ["all", "r0", "r1", "r2", "r3", "r4", "r5", "r6"]);
}

#[test]
fn a_session_of_an_earlier_life_of_the_node_is_nobody() {
    let node = Node::new(1);
    let client = node.join(0);
    let mut id = node.router.session_id(client.subscriber.serial);
    id.member = Member::new(&"test".parse().unwrap(), 2);
    assert_eq!(node.publish(&Topic::session(&id), "late"), 0);
    assert_eq!(node.router.stats.undeliverable.load(), 1);
}

#[test]
fn only_the_first_and_the_last_subscriber_are_edges() {
    let node = Node::new(2);
    let (a, b) = (node.join(0), node.join(1));
    let (router, topic) = (&node.router, room("a"));
    assert_eq!(router.subscribe(&topic, &a.subscriber, NOW), Edge::First);
    assert_eq!(router.subscribe(&topic, &a.subscriber, NOW), Edge::None);
    assert_eq!(router.subscribe(&topic, &b.subscriber, NOW), Edge::None);
    assert_eq!(router.unsubscribe(&topic, &a.subscriber), Edge::None);
    assert_eq!(router.unsubscribe(&topic, &a.subscriber), Edge::None);
    assert_eq!(router.unsubscribe(&topic, &b.subscriber), Edge::Last);
    assert_eq!(router.topics(), 0);
}

#[test]
fn a_message_to_an_absent_user_is_counted() {
    let node = Node::new(1);
    assert_eq!(node.publish(&user("nobody"), "x"), 0);
    assert_eq!(node.publish(&room("empty"), "x"), 0);
    assert_eq!(node.router.stats.undeliverable.load(), 1);
}

#[test]
fn a_kept_message_that_is_repeated_comes_once_to_each_session() {
    let mut node = Node::new(1);
    let first = node.join(0);
    node.router.subscribe(&user("u"), &first.subscriber, NOW);
    let kept = |number: u64, text: &str| {
        let mut message = message(&user("u"), text);
        message.id = MessageId::Number(number);
        message.class = DeliveryClass::Durable;
        message
    };
    let second = node.join(0);
    for message in [kept(1, "one"), kept(2, "two"), kept(1, "one")] {
        node.router.publish(message, NOW).unwrap();
    }
    node.settle();
    assert_eq!(first.wire.texts(), ["one", "two"]);
    // Who was not there has not been given it.
    node.router.subscribe(&user("u"), &second.subscriber, NOW);
    node.router.publish(kept(2, "two"), NOW).unwrap();
    node.settle();
    assert_eq!(first.wire.texts(), ["one", "two"]);
    assert_eq!(second.wire.texts(), ["two"]);
}

#[test]
fn what_is_for_a_user_and_for_a_room_comes_once_whichever_is_first() {
    for is_letter_first in [true, false] {
        let mut node = Node::new(1);
        let client = node.join(0);
        client.subscriber.authenticate("7".parse().unwrap());
        for topic in [user("7"), room("a")] {
            node.router.subscribe(&topic, &client.subscriber, NOW);
        }
        let mut letter = message(&user("7"), "hello");
        letter.letter = Some(Posted {
            id: LetterId(1, 1),
            after: LetterId::NONE,
        });
        let mut both = [letter, message(&room("a"), "hello")];
        for message in &mut both {
            message.id = MessageId::Text("m".into());
            message.class = DeliveryClass::Durable;
        }
        if !is_letter_first {
            both.reverse();
        }
        for message in both {
            node.router.publish(message, NOW).unwrap();
        }
        node.settle();
        assert_eq!(client.wire.texts(), ["hello"]);
        // It is asked whether it has the letter.
        let confirmed = client.subscriber.letters_ponged(&1_u64.to_be_bytes());
        assert_eq!(confirmed.unwrap().letters, [LetterId(1, 1)]);
    }
}

#[test]
fn a_run_of_messages_arrives_in_order_and_as_one_write() {
    let mut node = Node::new(1);
    let clients: Vec<Client> = (0..8).map(|_| node.join(0)).collect();
    for client in &clients {
        node.router.subscribe(&room("a"), &client.subscriber, NOW);
    }
    for text in ["1", "2", "3", "4"] {
        node.publish(&room("a"), text);
    }
    node.settle();
    for client in &clients {
        assert_eq!(client.wire.texts(), ["1", "2", "3", "4"]);
    }
    assert_eq!(node.router.shards()[0].stats.writes.load(), 8);
    assert_eq!(node.router.shards()[0].stats.deliveries.load(), 32);
}

#[test]
fn the_order_of_a_publisher_holds_over_topics() {
    let mut node = Node::new(1);
    let client = node.join(0);
    let others: Vec<Client> = (0..600).map(|_| node.join(0)).collect();
    for client in others.iter().chain([&client]) {
        node.router.subscribe(&room("big"), &client.subscriber, NOW);
    }
    node.router.subscribe(&user("u"), &client.subscriber, NOW);
    node.publish(&room("big"), "1");
    node.publish(&user("u"), "2");
    node.publish(&room("big"), "3");
    node.settle();
    assert_eq!(client.wire.texts(), ["1", "2", "3"]);
}

#[test]
fn a_stalled_subscriber_is_closed_and_its_neighbour_gets_everything() {
    let mut node = Node::new(1);
    let (slow, fast) = (node.join(0), node.join(0));
    for client in [&slow, &fast] {
        node.router.subscribe(&room("a"), &client.subscriber, NOW);
    }
    slow.wire.full.store(true, Relaxed);
    let text = "x".repeat(100);
    for _ in 0..20 {
        node.publish(&room("a"), &text);
        node.step(0, 256);
    }
    assert_eq!(slow.subscriber.closed(), Some(CloseReason::SlowConsumer));
    assert_eq!(fast.wire.texts().len(), 20);
    assert_eq!(fast.subscriber.closed(), None);
    assert_eq!(node.router.shards()[0].outbox_bytes(), 0);
}

#[test]
fn a_stalled_subscriber_gets_the_latest_of_each_key() {
    let mut node = Node::new(1);
    let client = node.join(0);
    node.router.subscribe(&user("u"), &client.subscriber, NOW);
    client.wire.full.store(true, Relaxed);
    for number in 0..50 {
        let key = ConflationKey::new(&[&[number % 2]]);
        let latest = message(&user("u"), &number.to_string()).latest(key);
        node.router.publish(latest, NOW).unwrap();
        node.step(0, 256);
    }
    client.wire.full.store(false, Relaxed);
    client.subscriber.unblock();
    node.settle();
    assert_eq!(client.wire.texts(), ["48", "49"]);
    assert_eq!(node.router.shards()[0].stats.conflated.load(), 48);
}

#[test]
fn all_outboxes_together_have_a_bound() {
    let mut node = Node::new(1);
    node.router.set_limits(1000, 500);
    let clients: Vec<Client> = (0..4).map(|_| node.join(0)).collect();
    for client in &clients {
        client.wire.full.store(true, Relaxed);
    }
    let text = "x".repeat(90);
    for _ in 0..10 {
        node.publish(&Topic::all(), &text);
        node.step(0, 256);
    }
    let closed = |client: &&Client| client.subscriber.closed().is_some();
    assert!(clients.iter().filter(closed).count() >= 2);
    assert!(node.router.shards()[0].outbox_bytes() <= 500 + 4 * 92);
}

#[test]
fn without_room_nothing_happens() {
    let mut node = Node::new(1);
    let client = node.join(0);
    node.router.subscribe(&user("u"), &client.subscriber, NOW);
    for _ in 0..shard::DELIVERIES_MAX {
        node.publish(&user("u"), "x");
    }
    let busy = node
        .router
        .publish(message(&user("u"), "y"), NOW)
        .unwrap_err();
    assert_eq!(&busy.message.data[..], b"y");
    let Room::Shard(shard) = busy.room else {
        panic!("{busy:?}");
    };
    assert!(!shard.has_room());
    node.step(0, 10);
    assert!(shard.has_room());
    assert_eq!(node.publish(&user("u"), "y"), 1);
}

#[test]
fn the_newest_holder_of_a_claim_wins_and_the_older_one_cannot_take_it_away() {
    let node = Node::new(1);
    let (older, newer) = (node.join(0), node.join(0));
    let claim = Claim("driver_1".into()).key();
    node.router.claim(claim, &older.subscriber);
    node.router.claim(claim, &newer.subscriber);
    assert_eq!(older.subscriber.closed(), Some(CloseReason::Superseded));
    node.router.release(claim, &older.subscriber);
    let newest = node.join(0);
    node.router.claim(claim, &newest.subscriber);
    assert_eq!(newer.subscriber.closed(), Some(CloseReason::Superseded));
    assert_eq!(newest.subscriber.closed(), None);
}

#[test]
fn a_farewell_is_the_last_frame_before_the_close_of_its_reason() {
    for (reasons, texts) in [
        (
            &[CloseReason::Kicked, CloseReason::Kicked][..],
            &["x", "bye"][..],
        ),
        (&[CloseReason::Idle, CloseReason::Kicked], &["x"]),
        (&[CloseReason::SlowConsumer], &[]),
    ] {
        let mut node = Node::new(1);
        let client = node.join(0);
        client.subscriber.send(Frame::text(b"x"));
        for reason in reasons {
            client.subscriber.close(*reason);
        }
        client.subscriber.send(Frame::text(b"y"));
        node.step(0, 10);
        assert_eq!(client.wire.texts(), texts, "{reasons:?}");
    }
}

fn status(text: &str, key: u8) -> Message {
    let mut status = message(&room("device/1"), text).latest(ConflationKey::new(&[&[key]]));
    status.retain = Some(Duration::from_secs(60));
    status
}

#[test]
fn the_newest_of_each_key_waits_for_those_who_come_later() {
    let mut node = Node::new(1);
    for (text, key) in [("a1", 1), ("b1", 2), ("a2", 1)] {
        node.router.publish(status(text, key), NOW).unwrap();
    }
    let client = node.join(0);
    node.router
        .subscribe(&room("device/1"), &client.subscriber, NOW);
    node.settle();
    assert_eq!(client.wire.texts(), ["b1", "a2"]);
}

#[test]
fn what_is_retained_expires() {
    let mut node = Node::new(1);
    node.router.publish(status("a1", 1), NOW).unwrap();
    let later = Now {
        unix_ms: NOW.unix_ms + 60_000,
        ..NOW
    };
    let client = node.join(0);
    node.router
        .subscribe(&room("device/1"), &client.subscriber, later);
    node.settle();
    assert!(client.wire.texts().is_empty());
    let other = message(&room("other"), "x").latest(ConflationKey::new(&[b"x"]));
    let other = Message {
        retain: Some(Duration::from_secs(1)),
        ..other
    };
    node.router.publish(other, later).unwrap();
    assert!(node.router.retained_bytes() < 300);
}

#[test]
fn retained_messages_have_a_bound_and_the_oldest_give_way() {
    let node = Node::new(1);
    let big = "x".repeat(1024 * 1024);
    for key in 0..70 {
        node.router.publish(status(&big, key), NOW).unwrap();
    }
    assert!(node.router.retained_bytes() <= 64 * 1024 * 1024);
    assert!(0 < node.router.stats.retained_evicted.load());
}

proptest! {
    /// Whoever is subscribed from before a message until it has been walked gets it exactly once,
    /// while others come and go in the middle of the walk.
    #[test]
    fn a_walk_reaches_everyone_once_while_others_come_and_go(
        size in 1..200usize,
        steps in prop::collection::vec((1..20usize, any::<prop::sample::Index>(), any::<bool>()), 0..60),
    ) {
        let mut node = Node::new(1);
        let topic = room("a");
        let mut staying: Vec<Client> = Vec::new();
        let mut leaving: Vec<Client> = Vec::new();
        for index in 0..size {
            let client = node.join(0);
            node.router.subscribe(&topic, &client.subscriber, NOW);
            if index % 3 == 0 { leaving.push(client) } else { staying.push(client) }
        }
        node.publish(&topic, "1");
        node.publish(&topic, "2");
        let mut late = Vec::new();
        for (max, who, join) in steps {
            node.step(0, max);
            if join {
                let client = node.join(0);
                node.router.subscribe(&topic, &client.subscriber, NOW);
                late.push(client);
            } else if !leaving.is_empty() {
                let gone = leaving.swap_remove(who.index(leaving.len()));
                node.router.unsubscribe(&topic, &gone.subscriber);
            }
        }
        node.settle();
        for client in staying.iter().chain(&leaving) {
            prop_assert_eq!(client.wire.texts(), ["1", "2"]);
        }
        for client in &late {
            prop_assert!(client.wire.texts().len() <= 2);
        }
    }
}

#[test]
fn messages_of_two_members_in_one_millisecond_have_names_of_their_own() {
    let members = ["a", "b"].map(|name| Member::new(&name.parse().unwrap(), 1));
    let names = members.map(|member| Router::new(member, 1, 1000, 1_000_000).unique_id(NOW));
    assert_ne!(names[0], names[1]);
    let node = Node::new(1);
    let first = node.router.unique_id(NOW);
    assert_ne!(first, node.router.unique_id(NOW));
    node.router.begin_new_epoch(2);
    assert_ne!(first, node.router.unique_id(NOW));
}

#[test]
fn messages_of_two_members_under_one_number_are_two() {
    let mut node = Node::new(1);
    let client = node.join(0);
    let room = room("g");
    node.router.subscribe(&room, &client.subscriber, NOW);
    for spares_sender in [true, false] {
        for text in ["one", "other"] {
            let mut message = message(&room, text);
            message.id = MessageId::Number(7);
            message.spares_sender = spares_sender;
            message.except = (!spares_sender).then(|| ["test.1.ffff".parse().unwrap()].into());
            node.router.deliver_remote(message, NOW).unwrap();
        }
    }
    node.settle();
    assert_eq!(client.wire.texts(), ["one", "other", "one", "other"]);
}
