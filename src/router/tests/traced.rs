//! What is remembered of messages on their way, and of those for whom they wait.

use super::*;
use crate::{
    recorder::Settings,
    trace::{TraceId, WatchQuery},
};

const REMEMBERED: Settings = Settings {
    sample: 0,
    bytes_max: 1 << 20,
};

fn traced(shards: u16) -> Node {
    let node = Node::new(shards);
    node.router.recorder().set(REMEMBERED);
    node
}

fn numbered(topic: &Topic, number: u64) -> Message {
    let mut message = message(topic, "hello");
    message.id = MessageId::Number(number);
    message
}

/// The names of its steps, those of sessions with the count of the session.
fn steps(node: &Node, number: u64) -> Vec<String> {
    let trace = TraceId::of_message(&MessageId::Number(number));
    let steps = node.router.recorder().explain(trace).steps;
    let name = |step: &crate::trace::Step| match step.fact("session") {
        Some(session) => format!("{} {}", step.name, session.rsplit('.').next().unwrap()),
        None => step.name.to_string(),
    };
    steps.iter().map(name).collect()
}

#[test]
fn a_message_is_followed_into_each_of_a_few_sockets() {
    let mut node = traced(1);
    let topic = room("a");
    let clients = [node.join(0), node.join(0)];
    for client in &clients {
        node.router.subscribe(&topic, &client.subscriber, NOW);
    }
    node.router.publish(numbered(&topic, 7), NOW).unwrap();
    assert_eq!(steps(&node, 7), ["published", "routed"]);
    node.settle();
    let mut found = steps(&node, 7);
    assert_eq!(found[..2], ["published", "routed"]);
    found.sort();
    assert_eq!(
        found,
        [
            "published",
            "queued 1",
            "queued 2",
            "routed",
            "walked",
            "written 1",
            "written 2"
        ]
    );
}

#[test]
fn of_many_sessions_the_first_are_followed_and_all_are_counted() {
    let mut node = traced(1);
    let topic = room("a");
    let clients: Vec<Client> = (0..50).map(|_| node.join(0)).collect();
    for client in &clients {
        node.router.subscribe(&topic, &client.subscriber, NOW);
    }
    // Messages that are walked together are followed together, and still put together.
    for number in [7, 8] {
        node.router.publish(numbered(&topic, number), NOW).unwrap();
    }
    node.settle();
    for number in [7, 8] {
        let found = steps(&node, number);
        let count = |name: &str| found.iter().filter(|step| step.starts_with(name)).count();
        assert_eq!(["queued", "written", "walked"].map(count), [16, 16, 1]);
        let trace = TraceId::of_message(&MessageId::Number(number));
        let steps = node.router.recorder().explain(trace).steps;
        let walked = steps.iter().find(|step| &*step.name == "walked").unwrap();
        assert_eq!(walked.fact("sessions"), Some("50"));
        assert_eq!(walked.fact("followed"), Some("16"));
    }
    let writes = node.router.shards()[0].stats.writes.load();
    assert_eq!(writes, 50, "frames of a run go in one write");
}

#[test]
fn what_a_client_says_is_followed_only_if_it_is_sampled() {
    let mut node = traced(1);
    let topic = room("a");
    let client = node.join(0);
    node.router.subscribe(&topic, &client.subscriber, NOW);
    let say = |number| {
        let mut message = numbered(&topic, number);
        message.sender = Some(crate::message::Sender {
            user: None,
            session: "test.1.1".parse().unwrap(),
        });
        message
    };
    node.router.publish(say(7), NOW).unwrap();
    node.settle();
    assert_eq!(steps(&node, 7), [""; 0]);
    node.router.recorder().set(Settings {
        sample: crate::trace::MILLION,
        ..REMEMBERED
    });
    node.router.publish(say(8), NOW).unwrap();
    node.settle();
    let expect = ["published", "routed", "queued 1", "written 1"];
    assert_eq!(steps(&node, 8), expect);
}

#[test]
fn what_is_not_written_has_a_reason() {
    let mut node = traced(1);
    let user: UserId = "u".parse().unwrap();
    let topic = Topic::user(&user);
    let nobody = numbered(&topic, 1);
    node.router.publish(nobody, NOW).unwrap();
    assert_eq!(steps(&node, 1), ["published", "nobody"]);

    let client = node.join(0);
    node.router.subscribe(&topic, &client.subscriber, NOW);
    client.wire.full.store(true, Relaxed);
    let latest = |number| numbered(&topic, number).latest(ConflationKey::new(&[b"k"]));
    node.router.publish(latest(2), NOW).unwrap();
    node.router.publish(latest(3), NOW).unwrap();
    node.settle();
    let replaced = ["published", "routed", "queued 1", "replaced 1"];
    assert_eq!(steps(&node, 2), replaced);
    let mut big = numbered(&topic, 4);
    big.data = vec![b'x'; 2000].into();
    node.router.publish(big, NOW).unwrap();
    node.settle();
    let trace = |number| TraceId::of_message(&MessageId::Number(number));
    for number in [3, 4] {
        let steps = node.router.recorder().explain(trace(number)).steps;
        let last = steps.last().unwrap();
        assert_eq!(&*last.name, "dropped", "{number}");
    }
    let dropped = node.router.recorder().explain(trace(3)).steps;
    let reason = dropped.last().unwrap().fact("reason").map(str::to_owned);
    assert_eq!(reason.as_deref(), Some("slow_consumer"));

    let mut late = numbered(&topic, 5);
    late.expires_ms = Some(NOW.unix_ms);
    node.router.deliver_remote(late, NOW).unwrap();
    assert_eq!(steps(&node, 5), ["expired"]);
}

#[test]
fn a_letter_is_followed_until_its_client_has_it() {
    let mut node = traced(1);
    let client = node.join(0);
    let user: UserId = "u".parse().unwrap();
    client.subscriber.authenticate(user.clone());
    let topic = Topic::user(&user);
    node.router.subscribe(&topic, &client.subscriber, NOW);
    let letter = |number: u64, after: u64| {
        let mut message = numbered(&topic, number);
        message.class = DeliveryClass::Durable;
        message.letter = Some(Posted {
            id: LetterId(1, number),
            after: LetterId(u64::from(after != 0), after),
        });
        message
    };
    for message in [letter(1, 0), letter(1, 0), letter(9, 8)] {
        node.router.publish(message, NOW).unwrap();
    }
    node.settle();
    client
        .subscriber
        .letters_ponged(&1_u64.to_be_bytes())
        .unwrap();
    let twice = [
        "published",
        "routed",
        "published",
        "routed",
        "queued 1",
        "repeated 1",
        "written 1",
        "confirmed 1",
    ];
    assert_eq!(steps(&node, 1), twice);
    // It has missed one before: the mail is read first.
    assert_eq!(steps(&node, 9), ["published", "routed", "mailed 1"]);
}

#[test]
fn who_follows_a_user_sees_what_comes_to_it_by_other_topics() {
    let mut node = Node::new(1);
    let [anna, bert] = [node.join(0), node.join(0)];
    let user: UserId = "anna".parse().unwrap();
    let topic = Topic::user(&user);
    node.router.subscribe(&topic, &anna.subscriber, NOW);
    let query = WatchQuery {
        watch: 1,
        topic: topic.clone(),
        with_data: true,
    };
    assert_eq!(node.router.tail(&query).sessions, 1);
    // Another one comes later, and joins a room.
    let late = node.join(0);
    node.router.subscribe(&topic, &late.subscriber, NOW);
    for client in [&bert, &late] {
        node.router.subscribe(&room("a"), &client.subscriber, NOW);
    }
    node.router.publish(numbered(&room("a"), 5), NOW).unwrap();
    node.router.publish(numbered(&topic, 6), NOW).unwrap();
    node.settle();
    node.router
        .note_closed(&anna.subscriber, CloseReason::Kicked);
    let tailed = node.router.tail(&query);
    assert_eq!(tailed.sessions, 1);
    let events = tailed.events.iter().map(|event| {
        let session = event.step.fact("session").unwrap_or("-");
        format!(
            "{} {}",
            event.step.name,
            session.rsplit('.').next().unwrap()
        )
    });
    let mut events: Vec<String> = events.collect();
    events.sort();
    assert_eq!(
        events,
        [
            "closed 1",
            "joined 3",
            "published -",
            "queued 1",
            "queued 3",
            "queued 3",
            "routed -",
            "walked -",
            "written 1",
            "written 3",
            "written 3",
        ]
    );
    let published = tailed
        .events
        .iter()
        .find(|event| &*event.step.name == "published");
    assert_eq!(published.unwrap().step.fact("data"), Some("hello"));
}

#[test]
fn the_slowest_are_those_with_most_bytes_and_those_who_wait_longest() {
    let mut node = Node::new(2);
    let at = |seconds| Now {
        uptime: Duration::from_secs(seconds),
        ..NOW
    };
    let clients: Vec<Client> = (0..6).map(|index| node.join(index % 2)).collect();
    for (index, client) in clients.iter().enumerate() {
        client.wire.full.store(index != 5, Relaxed);
        let user: UserId = index.to_string().parse().unwrap();
        node.router
            .subscribe(&Topic::user(&user), &client.subscriber, NOW);
        let mut message = message(&Topic::user(&user), "");
        message.data = vec![b'x'; 100 * (index + 1)].into();
        node.router.publish(message, at(index as u64)).unwrap();
    }
    node.settle();
    let slowest = node.router.slowest(2, at(10));
    let found: Vec<_> = slowest
        .iter()
        .map(|one| (one.serial, one.age_ms / 1000))
        .collect();
    let serial = |index: usize| clients[index].subscriber.serial;
    assert_eq!(
        found,
        [
            (serial(4), 6),
            (serial(3), 7),
            (serial(1), 9),
            (serial(0), 10)
        ]
    );
    assert!(500 < slowest[0].bytes);
    for client in &clients {
        client.wire.full.store(false, Relaxed);
        client.subscriber.unblock();
    }
    node.settle();
    assert_eq!(node.router.slowest(2, at(10)), []);
}
