//! Ids of publishes: the same one again is answered as the first time, whichever of two nodes it comes to.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::future::join_all;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::{Client, Gateway, http::Answer, redis::Redis, soon};

/// Digits of the digest of a message's content, which stand first in its entry.
const CONTENT_DIGITS: usize = 32;

async fn publish(gateway: &Gateway, node: usize, message: &Value) -> Answer {
    gateway.api_of(node, "POST", "/api/publish", message).await
}

/// How many nodes it says that have it.
async fn published(gateway: &Gateway, node: usize, message: &Value) -> u64 {
    let answer = publish(gateway, node, message).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let answer: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(answer["id"], message["id"]);
    answer["delivered_nodes"].as_u64().unwrap()
}

async fn refused(gateway: &Gateway, node: usize, message: &Value, status: u16, part: &str) {
    let answer = publish(gateway, node, message).await;
    assert_eq!(answer.status, status, "{answer:?}");
    assert!(answer.body.contains(part), "{answer:?}");
}

/// The flags of what comes to a `ride` client, up to the one that is sent now.
async fn flags(gateway: &Gateway, client: &mut Client, user: &str) -> Vec<String> {
    let last = json!({"to": format!("user:{user}"), "event": "last"});
    let answer = publish(gateway, 0, &last).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let mut flags = Vec::new();
    loop {
        let flag = flag(client).await;
        if flag == "last" {
            return flags;
        }
        flags.push(flag);
    }
}

async fn flag(client: &mut Client) -> String {
    soon("a message", async {
        loop {
            if let Message::Text(text) = client.message().await {
                let frame: Value = serde_json::from_str(&text).unwrap();
                return frame["flag"].as_str().unwrap().to_owned();
            }
        }
    })
    .await
}

/// The one entry, and its key.
fn entry(redis: &Redis) -> (String, String) {
    let key = redis.ask(&["KEYS", "tg:once:*"]).trim().to_owned();
    let entry = redis.ask(&["GET", &key]).trim().to_owned();
    assert!(CONTENT_DIGITS < entry.len(), "{key}: {entry}");
    (key, entry)
}

#[tokio::test]
async fn the_same_id_is_answered_as_the_first_time_by_another_node() {
    let gateway = Gateway::start_two("");
    let mut anna = Client::ride(&gateway, "c", "anna").await;
    let message = json!({"to": "user:anna", "event": "e", "data": {}, "id": "k"});
    for node in [0, 1, 1, 0] {
        assert_eq!(published(&gateway, node, &message).await, 1);
    }
    let other = json!({"to": "user:anna", "event": "other", "id": "k"});
    for node in [1, 0] {
        refused(&gateway, node, &other, 409, "other content").await;
        // Which changes nothing for the first one.
        assert_eq!(published(&gateway, node, &message).await, 1);
    }
    assert_eq!(flags(&gateway, &mut anna, "anna").await, ["e"]);

    // A node that has refused it knows the first one all the same.
    let message = json!({"to": "user:anna", "event": "second", "id": "l", "durable": true});
    let other = json!({"to": "user:anna", "event": "other", "id": "l"});
    assert_eq!(published(&gateway, 0, &message).await, 1);
    refused(&gateway, 1, &other, 409, "other content").await;
    assert_eq!(published(&gateway, 1, &message).await, 1);
    assert_eq!(flags(&gateway, &mut anna, "anna").await, ["second"]);
}

#[tokio::test]
async fn of_many_that_come_to_both_nodes_at_once_one_is_sent() {
    let gateway = Gateway::start_two("");
    let mut anna = Client::ride(&gateway, "c", "anna").await;
    let message = json!({"to": ["user:anna", "room:x"], "event": "e", "id": "k"});
    let many = (0..20).map(|index| published(&gateway, index % 2, &message));
    assert_eq!(join_all(many).await, [1; 20]);
    assert_eq!(flags(&gateway, &mut anna, "anna").await, ["e"]);
}

#[tokio::test]
async fn what_has_no_id_costs_nothing_and_what_has_one_is_forgotten() {
    let gateway = Gateway::start_two("");
    let redis = gateway.redis().unwrap();
    for is_durable in [false, true] {
        let message = json!({"to": "user:anna", "durable": is_durable});
        assert_eq!(publish(&gateway, 0, &message).await.status, 200);
    }
    assert_eq!(redis.keys("tg:once:"), 0);
    published(&gateway, 0, &json!({"to": "user:anna", "id": "k{}"})).await;
    let (key, _) = entry(redis);
    let left: u64 = redis.ask(&["TTL", &key]).trim().parse().unwrap();
    assert!((590..=600).contains(&left), "{left}");
}

#[tokio::test]
async fn who_finds_another_node_at_work_waits_and_goes_on_when_that_one_is_dead() {
    let gateway = Gateway::start_two("");
    let redis = gateway.redis().unwrap();
    let mut anna = Client::ride(&gateway, "c", "anna").await;
    let message = json!({"to": ["user:nobody", "user:anna"], "event": "e", "id": "k"});
    published(&gateway, 0, &message).await;
    let (key, done) = entry(redis);
    let content = &done[..CONTENT_DIGITS];

    // A node that is at work, and does not end.
    let pending = format!("{content}pdead");
    redis.tell(&["SET", &key, &pending, "PX", "60000"]);
    refused(&gateway, 1, &message, 503, "another node").await;
    assert_eq!(redis.ask(&["GET", &key]).trim(), pending);
    // It was given up.
    redis.ask(&["PEXPIRE", &key, "300"]);
    assert_eq!(published(&gateway, 1, &message).await, 1);
    assert_eq!(flags(&gateway, &mut anna, "anna").await, ["e", "e"]);
    assert_eq!(entry(redis).1, done);
}

#[tokio::test]
async fn a_node_goes_on_where_another_one_was_too_busy_to() {
    let gateway = Gateway::start_two("");
    let redis = gateway.redis().unwrap();
    let mut anna = Client::ride(&gateway, "c", "anna").await;
    let mut bert = Client::ride(&gateway, "d", "bert").await;
    let message = json!({"to": ["user:anna", "user:bert"], "event": "e", "id": "k"});
    published(&gateway, 0, &message).await;
    let (key, done) = entry(redis);
    // Only one of the two had it.
    let open = format!(
        "{}o{}",
        &done[..CONTENT_DIGITS],
        json!({"topics": 1, "nodes": ["gw-9"]})
    );
    redis.tell(&["SET", &key, &open]);
    assert_eq!(published(&gateway, 1, &message).await, 2);
    assert_eq!(flags(&gateway, &mut anna, "anna").await, ["e"]);
    assert_eq!(flags(&gateway, &mut bert, "bert").await, ["e", "e"]);
}

#[tokio::test]
async fn without_redis_an_id_cannot_be_known_and_what_has_none_goes_on() {
    let gateway = Gateway::start_two("");
    let redis = gateway.redis().unwrap();
    let mut anna = Client::ride(&gateway, "c", "anna").await;
    let message = json!({"to": "user:anna", "event": "e", "id": "k"});
    published(&gateway, 0, &message).await;
    redis.signal(Signal::STOP);
    let other = json!({"to": "user:anna", "event": "f", "id": "l"});
    refused(&gateway, 0, &other, 503, "cannot be known").await;
    // What this node has answered for is known.
    assert_eq!(published(&gateway, 0, &message).await, 1);
    let plain = json!({"to": "user:anna", "event": "plain"});
    assert_eq!(publish(&gateway, 0, &plain).await.status, 200);
    redis.signal(Signal::CONT);
    soon("Redis", async {
        while publish(&gateway, 0, &other).await.status != 200 {}
    })
    .await;
    let flags = flags(&gateway, &mut anna, "anna").await;
    assert_eq!(flags, ["e", "plain", "f"]);
}

#[tokio::test]
async fn a_message_for_later_comes_whatever_else_had_its_id() {
    let gateway = Gateway::start_two("");
    let mut anna = Client::ride(&gateway, "c", "anna").await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let at = (now + Duration::from_secs(2)).as_secs_f64();
    let message = |event: &str| json!({"to": "user:anna", "event": event, "id": "k"});
    let later = |event: &str| {
        let mut message = message(event);
        message["at"] = json!(at);
        message
    };
    assert_eq!(published(&gateway, 0, &message("now")).await, 1);
    for node in [1, 0, 1] {
        assert_eq!(published(&gateway, node, &later("later")).await, 0);
    }
    for node in [0, 1] {
        refused(&gateway, node, &later("other"), 409, "other content").await;
    }
    assert_eq!(flag(&mut anna).await, "now");
    assert_eq!(flag(&mut anna).await, "later");
    let pushes = "tidegate_pushes_total";
    gateway.until_metric(pushes, "outcome=\"done\"", 1.0).await;
    assert_eq!(flags(&gateway, &mut anna, "anna").await, [""; 0]);
}
