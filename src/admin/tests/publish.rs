use std::time::Duration;

use serde_json::json;

use super::*;
use crate::router::shard::DELIVERIES_MAX;

#[tokio::test]
async fn a_message_reaches_whoever_is_meant() {
    let node = Node::new();
    let user = node.connect(Some("42"), &["x"]);
    let other = node.connect(None, &["x"]);
    let session = format!("session:{}", other.id(&node));
    for (to, reaches) in [
        ("user:42", [true, false]),
        ("room:x", [true, true]),
        ("all", [true, true]),
        (session.as_str(), [false, true]),
    ] {
        let body = json!({"to": to, "event": "e", "data": {"a": 1}, "id": to});
        let answer = node.publish(&body.to_string()).await.json(200);
        assert_eq!(answer, json!({"id": to, "delivered_nodes": 1}));
        let expect = format!("{to} e {{\"a\":1}} {to};");
        let received = [&user, &other].map(|session| session.received(&node));
        let reached = received.clone().map(|frames| frames == [expect.as_str()]);
        assert_eq!(reached, reaches, "{to}: {received:?}");
    }
}

#[tokio::test]
async fn nobody_there_is_no_error() {
    let node = Node::new();
    let answer = node.publish(r#"{"to":"user:nobody","id":"a"}"#).await;
    assert_eq!(answer.json(200), json!({"id": "a", "delivered_nodes": 0}));
}

#[tokio::test]
async fn what_is_left_out_has_a_default_and_data_is_passed_on_as_it_came() {
    let node = Node::new();
    let session = node.connect(Some("1"), &[]);
    let answer = node.publish(r#"{"to":"user:1"}"#).await.json(200);
    let id = answer["id"].as_str().unwrap();
    assert!(id.parse::<u64>().is_ok(), "{id}");
    assert_eq!(
        session.received(&node),
        [format!("user:1 message null {id};")]
    );

    let data = "{ \"b\" : 1.0e2,\"a\":\"\\u00e9é\" ,\"n\":12345678901234567890123}";
    let body = format!(r#"{{"to":"user:1","id":"i","data":{data}}}"#);
    node.publish(&body).await.json(200);
    assert_eq!(
        session.received(&node),
        [format!("user:1 message {data} i;")]
    );

    let body = r#"{"to":"user:1","event":null,"data":null,"conflate":null,"id":null,"durable":false,"at":null}"#;
    node.publish(body).await.json(200);
    assert_eq!(session.received(&node).len(), 1);
}

#[tokio::test]
async fn the_fields_of_a_body_have_names() {
    let node = Node::new();
    let session = node.connect(Some("1"), &[]);
    for (body, is) in [
        (r#" ["user:1", "e", {}]"#, "a list"),
        (r#""user:1""#, "a text"),
        ("5", "a number"),
        ("null", "a word"),
    ] {
        let (field, detail) = node.publish(body).await.problem(422);
        assert_eq!(field, None);
        let expect = format!("the body is {is}, expected an object");
        assert!(detail.starts_with(&expect), "{detail}");
    }
    assert_eq!(session.received(&node), [""; 0]);
}

#[tokio::test]
async fn a_list_is_published_to_each_topic_once_under_one_id() {
    let node = Node::new();
    let first = node.connect(Some("1"), &[]);
    let second = node.connect(Some("2"), &[]);
    let body = r#"{"to":["user:1","user:2","user:nobody","user:1"],"data":1}"#;
    let answer = node.publish(body).await.json(200);
    let id = answer["id"].as_str().unwrap();
    assert_eq!(answer["delivered_nodes"], 1);
    assert_eq!(first.received(&node), [format!("user:1 message 1 {id};")]);
    assert_eq!(second.received(&node), [format!("user:2 message 1 {id};")]);
}

#[tokio::test]
async fn newer_messages_with_the_same_key_take_the_place_of_those_that_wait() {
    let node = Node::new();
    let session = node.connect(Some("1"), &["x"]);
    for (to, data) in [("user:1", 1), ("room:x", 2), ("user:1", 3)] {
        let body = json!({"to": to, "data": data, "conflate": "position", "id": data.to_string()});
        node.publish(&body.to_string()).await.json(200);
    }
    let expect = ["user:1 message 3 3;", "room:x message 2 2;"];
    assert_eq!(session.received(&node), expect);
}

#[tokio::test]
async fn the_key_of_a_device_or_task_goes_before_that_of_the_publisher() {
    let node = Node::new();
    let watcher = node.connect(None, &["device/d1"]);
    let said = |event, number| {
        json!({
            "to": "room:device/d1", "event": event, "data": {"task_id": "t", "n": number},
            "conflate": format!("key {number}"), "id": format!("{event} {number}"),
        })
    };
    for event in ["device_status", "task_status", "other"] {
        for number in [1, 2] {
            node.publish(&said(event, number).to_string())
                .await
                .json(200);
        }
    }
    let ids = |received: Vec<String>| -> Vec<String> {
        let id = |frame: &String| frame.rsplit_once("} ").unwrap().1.to_owned();
        received.iter().map(id).collect()
    };
    let expect = ["device_status 2;", "task_status 2;", "other 1;", "other 2;"];
    assert_eq!(ids(watcher.received(&node)), expect);
    // Kept like any other status.
    let later = node.connect(None, &["device/d1"]);
    assert_eq!(ids(later.received(&node)), ["device_status 2;"]);
}

#[tokio::test]
async fn the_same_id_is_not_sent_again() {
    let node = Node::new();
    let session = node.connect(Some("1"), &[]);
    let first = node
        .publish(r#"{"to":"user:1","data":{"a":1},"id":"k"}"#)
        .await;
    let again = node
        .publish(r#" {"id":"k", "data":{"a":1}, "to":["user:1"], "event":"message"}"#)
        .await;
    assert_eq!(first.json(200), again.json(200));
    assert_eq!(session.received(&node).len(), 1);

    // Answered as the first time, also when somebody else is there now.
    let nobody = r#"{"to":"user:2","id":"n"}"#;
    assert_eq!(node.publish(nobody).await.json(200)["delivered_nodes"], 0);
    let late = node.connect(Some("2"), &[]);
    assert_eq!(node.publish(nobody).await.json(200)["delivered_nodes"], 0);
    assert_eq!(late.received(&node), [""; 0]);
}

#[tokio::test]
async fn the_same_id_with_other_content_is_a_conflict() {
    let node = Node::new();
    let session = node.connect(Some("1"), &[]);
    node.publish(r#"{"to":"user:1","data":1,"id":"k"}"#)
        .await
        .json(200);
    for body in [
        r#"{"to":"user:1","data":2,"id":"k"}"#,
        r#"{"to":"user:2","data":1,"id":"k"}"#,
        r#"{"to":"user:1","data":1,"id":"k","event":"e"}"#,
        r#"{"to":"user:1","data":1,"id":"k","conflate":"c"}"#,
    ] {
        let (field, _) = node.publish(body).await.problem(409);
        assert_eq!(field.as_deref(), Some("id"));
    }
    assert_eq!(session.received(&node).len(), 1);
}

#[tokio::test]
async fn of_many_that_come_at_once_one_is_sent() {
    let node = Node::new();
    let session = node.connect(Some("1"), &[]);
    let body = r#"{"to":"user:1","id":"k"}"#;
    let publishes = (0..20).map(|_| node.publish(body));
    for answer in futures_util::future::join_all(publishes).await {
        assert_eq!(answer.json(200)["delivered_nodes"], 1);
    }
    assert_eq!(session.received(&node).len(), 1);
}

/// Publishes until no more deliveries may wait.
pub(super) fn fill(node: &Node) {
    let now = node.state.parts.clock.now();
    for _ in 0..DELIVERIES_MAX {
        let message = Message::new("user:1".parse().unwrap(), "e", "1".into());
        node.router().publish(message, now).unwrap();
    }
}

#[tokio::test]
async fn a_busy_node_says_so_and_the_same_request_goes_on_where_it_stopped() {
    let node = Node::new();
    let idle = node.connect(Some("2"), &[]);
    let busy = node.connect(Some("1"), &[]);
    assert_ne!(
        idle.subscriber.shard().number(),
        busy.subscriber.shard().number()
    );
    fill(&node);
    let body = r#"{"to":["user:2","user:1"],"id":"k"}"#;
    let answer = node.publish(body).await;
    let (_, detail) = answer.problem(503);
    assert!(detail.contains("1 of 2"), "{detail}");
    assert_eq!(answer.headers["retry-after"], "1");
    assert_eq!(idle.received(&node), ["user:2 message null k;"]);

    // There is room again.
    busy.received(&node);
    assert_eq!(node.publish(body).await.json(200)["delivered_nodes"], 1);
    assert_eq!(busy.received(&node), ["user:1 message null k;"]);
    assert_eq!(idle.received(&node), [""; 0]);
}

#[tokio::test]
async fn a_publish_waits_for_room() {
    let node = Node::new();
    let session = node.connect(Some("1"), &[]);
    fill(&node);
    let room = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        session.received(&node)
    };
    let (answer, before) = tokio::join!(node.publish(r#"{"to":"user:1","id":"k"}"#), room);
    answer.json(200);
    assert_eq!(before.len(), DELIVERIES_MAX);
    assert_eq!(session.received(&node), ["user:1 message null k;"]);
}

#[track_caller]
pub(super) fn check(answer: &Answer, status: u16, field: Option<&str>, part: &str) {
    let (found, detail) = answer.problem(status);
    assert_eq!(found.as_deref(), field, "{detail}");
    assert!(detail.contains(part), "{detail}");
}

#[tokio::test]
async fn a_bad_body_names_the_field_and_what_is_allowed() {
    let node = Node::new();
    let topics = "expected user:<id>, room:<name>, session:<id> or all";
    for (body, field, part) in [
        ("", None, "not JSON"),
        ("{", None, "not JSON"),
        ("[]", None, "is a list, expected an object"),
        ("{} {}", Some("to"), "missing"),
        (r#"{"to":"all"} x"#, None, "not one JSON value"),
        ("\u{1}", None, "not JSON"),
        (r#"{"data":1}"#, Some("to"), "missing field `to`"),
        (r#"{"to":null}"#, Some("to"), "a topic or a list of topics"),
        (r#"{"to":5}"#, Some("to"), "a topic or a list of topics"),
        (r#"{"to":[5]}"#, Some("to"), "to[0]"),
        (r#"{"to":"42"}"#, Some("to"), topics),
        (r#"{"to":"user:"}"#, Some("to"), topics),
        (r#"{"to":"node:gw-1"}"#, Some("to"), topics),
        (r#"{"to":["all","node:gw-1"]}"#, Some("to"), "to[1]"),
        (r#"{"to":"session:x"}"#, Some("to"), topics),
        (r#"{"to":[]}"#, Some("to"), topics),
        (r#"{"to":"all","to":"all"}"#, Some("to"), "duplicate"),
        (r#"{"to":"all","event":5}"#, Some("event"), "1 to 128 bytes"),
        (
            r#"{"to":"all","event":""}"#,
            Some("event"),
            "1 to 128 bytes",
        ),
        (r#"{"to":"all","id":1}"#, Some("id"), "1 to 128 bytes"),
        (r#"{"to":"all","id":""}"#, Some("id"), "1 to 128 bytes"),
        (
            r#"{"to":"all","conflate":{}}"#,
            Some("conflate"),
            "1 to 256 bytes",
        ),
        (r#"{"to":"all","durable":1}"#, Some("durable"), "boolean"),
        (r#"{"to":"all","dat":1}"#, Some("dat"), "unknown field"),
        (r#"{"to":"all","data":{]}"#, None, "not JSON"),
    ] {
        check(&node.publish(body).await, 422, field, part);
    }
    let long = "x".repeat(129);
    let body = json!({"to": "all", "event": long}).to_string();
    check(
        &node.publish(&body).await,
        422,
        Some("event"),
        "has 129 bytes",
    );
    let body = json!({"to": vec!["all"; 1001]}).to_string();
    check(&node.publish(&body).await, 422, Some("to"), "too many");
    let body = json!({"to": vec!["all"; 1000]}).to_string();
    node.publish(&body).await.json(200);
}

#[tokio::test]
async fn what_cannot_be_done_is_refused_rather_than_ignored() {
    let node = Node::new();
    let session = node.connect(Some("1"), &[]);
    for ttl in [0.0, -1.0, 31_622_401.0] {
        let body = json!({"to": "user:1", "ttl": ttl}).to_string();
        check(&node.publish(&body).await, 422, Some("ttl"), "a year");
    }
    let own = format!("session:{}", session.id(&node));
    for (except, why) in [
        (json!(["user:1"]), "something else"),
        (json!(["nobody"]), "is not a topic"),
        (json!(vec![own.as_str(); 101]), "too many"),
        (json!(own), "expected a sequence"),
    ] {
        let body = json!({"to": "user:1", "except": except}).to_string();
        check(&node.publish(&body).await, 422, Some("except"), why);
    }
    let body = json!({"to": "user:1", "durable": true, "except": [own]}).to_string();
    check(&node.publish(&body).await, 422, Some("except"), "durable");
    // There is nobody to ask for the history of a session that is gone.
    for to in [json!("session:gw.1.2"), json!(["user:1", "session:gw.1.2"])] {
        let body = json!({"to": to, "durable": true}).to_string();
        check(&node.publish(&body).await, 422, Some("durable"), "session:");
    }
    assert_eq!(session.received(&node), [""; 0]);
}

#[tokio::test]
async fn what_is_too_long_is_refused() {
    let node = Node::new();
    node.state.set_limits(Limits {
        message_bytes_max: 10,
        ..LIMITS
    });
    let body = |length: usize| json!({"to": "all", "data": "x".repeat(length)}).to_string();
    node.publish(&body(8)).await.json(200);
    check(
        &node.publish(&body(9)).await,
        413,
        Some("data"),
        "at most 10",
    );
    check(&node.publish(&body(1 << 20)).await, 413, None, "1 MiB");
}

#[tokio::test]
async fn a_time_that_is_none_is_refused_and_one_that_has_passed_is_now() {
    let node = Node::new();
    let session = node.connect(Some("1"), &[]);
    let year_ahead = 5_000_000_000_u64;
    for at in [json!(-1), json!(year_ahead), json!(1e300)] {
        let body = json!({"to": "user:1", "at": at}).to_string();
        check(
            &node.publish(&body).await,
            422,
            Some("at"),
            "at most a year",
        );
    }
    let body = json!({"to": "user:1", "at": "noon"}).to_string();
    check(&node.publish(&body).await, 422, Some("at"), "at");
    let body = json!({"to": "user:1", "at": 1_700_000_000.5, "id": "a"}).to_string();
    node.publish(&body).await.json(200);
    assert_eq!(session.received(&node), ["user:1 message null a;"]);
}

#[tokio::test]
async fn a_message_for_later_is_put_off_once() {
    let node = Node::new();
    let session = node.connect(Some("1"), &[]);
    let now_ms = node.state.parts.clock.now().unix_ms;
    let at = (now_ms + 60_000) as f64 / 1000.0;
    for body in [
        json!({"to": "user:1", "at": at, "id": "a"}),
        json!({"to": "user:1", "at": at, "id": "a"}),
        json!({"to": "user:1", "at": at}),
    ] {
        let answer = node.publish(&body.to_string()).await.json(200);
        assert_eq!(answer["delivered_nodes"], 0);
    }
    let other = json!({"to": "user:1", "at": at + 1.0, "id": "a"}).to_string();
    check(
        &node.publish(&other).await,
        409,
        Some("id"),
        "other content",
    );
    // The same id at once is another message.
    let body = json!({"to": "user:1", "id": "a"}).to_string();
    node.publish(&body).await.json(200);
    assert_eq!(session.received(&node), ["user:1 message null a;"]);
    let queue = &node.state.parts.queue;
    assert!(queue.take(9, Duration::ZERO).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_message_is_not_for_those_who_are_excepted() {
    let node = Node::new();
    let sessions = [(); 4].map(|()| node.connect(Some("1"), &["x"]));
    let topic = |session: &Session| format!("session:{}", session.id(&node));
    let except = [
        topic(&sessions[0]),
        topic(&sessions[3]),
        "session:gw-2.1.0".into(),
    ];
    for (to, data) in [("room:x", 1), ("all", 2), ("user:1", 3)] {
        for except in [&except[..], &[]] {
            let body = json!({"to": to, "data": data, "except": except, "id": "i"});
            let body = body
                .to_string()
                .replace(r#""i""#, &format!("\"{to}{}\"", except.len()));
            node.publish(&body).await.json(200);
        }
    }
    let counts = sessions.map(|session| session.received(&node).len());
    assert_eq!(counts, [3, 6, 6, 3]);
}

#[tokio::test]
async fn what_has_expired_before_its_turn_is_sent_to_nobody() {
    let node = Node::new();
    let session = node.connect(Some("1"), &[]);
    // Its time was over a minute ago, or begins with the call.
    for (at, ttl, expect) in [(Some(1_000_000_000), 60, 0), (None, 60, 1)] {
        let body = json!({"to": "user:1", "at": at, "ttl": ttl}).to_string();
        let answer = node.publish(&body).await.json(200);
        assert_eq!(answer["delivered_nodes"], expect);
        assert_eq!(session.received(&node).len(), expect);
    }
    let durable = json!({"to": "user:1", "at": 1_000_000_000, "ttl": 60, "durable": true});
    node.publish(&durable.to_string()).await.json(200);
    assert_eq!(node.state.parts.post.stats().kept.load(), 0);
    assert_eq!(node.state.parts.stats.expired.load(), 2);
    // What came through a queue is as old as its entry.
    let text = br#"{"to":"user:1","ttl":60}"#;
    let now_ms = node.state.parts.clock.now().unix_ms;
    for (added_ms, expect) in [(now_ms - 61_000, 0), (now_ms - 10_000, 1)] {
        let id = format!("{added_ms}-0");
        node.state.publish(&id, text).await.unwrap();
        assert_eq!(session.received(&node).len(), expect);
    }
    assert_eq!(node.state.parts.stats.expired.load(), 3);
}

#[tokio::test]
async fn a_ttl_and_exceptions_are_part_of_what_an_id_stands_for() {
    let node = Node::new();
    let mut message = json!({"to": "user:1", "id": "a", "ttl": 5});
    node.publish(&message.to_string()).await.json(200);
    node.publish(&message.to_string()).await.json(200);
    message["ttl"] = json!(6);
    node.publish(&message.to_string()).await.problem(409);
    let mut message = json!({"to": "user:1", "id": "b"});
    node.publish(&message.to_string()).await.json(200);
    message["except"] = json!(["session:gw.1.2"]);
    node.publish(&message.to_string()).await.problem(409);
}
