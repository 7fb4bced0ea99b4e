//! What applications push: through Redis, and for later.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::{Client, Gateway, http, process::Place, redis::Redis, soon};

const DONE: &str = "outcome=\"done\"";
const PUSHES: &str = "tidegate_pushes_total";

fn in_seconds(seconds: f64) -> f64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    now.as_secs_f64() + seconds
}

fn now() -> f64 {
    in_seconds(0.0)
}

/// The next text of a `ride` client, as JSON.
async fn frame(client: &mut Client) -> Value {
    soon("a message", async {
        loop {
            if let Message::Text(text) = client.message().await {
                return serde_json::from_str(&text).unwrap();
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_message_for_later_comes_when_its_time_has_come_and_once() {
    let gateway = Gateway::start("");
    let mut client = Client::ride(&gateway, "c", "anna").await;
    let at = in_seconds(1.5);
    for id in ["a", "a", "b"] {
        let message = json!({"to": "user:anna", "event": "e", "data": {}, "id": id, "at": at});
        gateway.publish(&message).await;
    }
    gateway
        .publish(&json!({"to": "user:anna", "event": "now"}))
        .await;
    assert_eq!(frame(&mut client).await["flag"], "now");
    for _ in ["a", "b"] {
        assert_eq!(frame(&mut client).await["flag"], "e");
        assert!(at <= now(), "{} s early", at - now());
    }
    gateway.until_metric(PUSHES, DONE, 2.0).await;
    client.ping().await;
}

#[tokio::test]
async fn a_node_that_was_killed_still_publishes_what_is_for_later() {
    let place = Place::new(
        "api.keys = [{ key = \"k\", scopes = [\"publish\"] }]\n\
         store.url = \"sqlite://tidegate.db\"",
    );
    let mut node = place.start().await;
    let message = json!({
        "to": "user:me", "event": "later", "at": in_seconds(1.0), "durable": true,
    });
    let headers = [("authorization", "Bearer k")];
    let body = message.to_string();
    let answer = http::call(place.admin(), "POST", "/api/publish", &headers, &body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    node.signal(rustix::process::Signal::KILL);
    node.ended().await;
    let _node = place.start().await;
    let mut client = place.connect("/ws/?client_id=c&token=me").await;
    assert_eq!(frame(&mut client).await["flag"], "later");
}

#[tokio::test]
async fn what_is_added_to_the_stream_in_redis_is_published() {
    let redis = Redis::start();
    let gateway = Gateway::start(&format!("cluster.redis = \"{}\"", redis.url()));
    let mut client = Client::ride(&gateway, "c", "anna").await;
    let push = |message: &Value| {
        let message = message.to_string();
        redis.ask(&["XADD", "tg:push", "*", "message", &message])
    };
    push(&json!({"to": "user:anna", "event": "one", "data": {"n": 1}}));
    let first = frame(&mut client).await;
    assert_eq!((&first["flag"], &first["n"]), (&json!("one"), &json!(1)));
    push(&json!({"to": "user:anna", "event": "two", "durable": true}));
    assert_eq!(frame(&mut client).await["flag"], "two");
    push(&json!({"to": "user:anna", "event": "three", "at": in_seconds(1.0)}));
    push(&json!({"to": ["user:nobody", "user:anna"], "event": "four"}));
    assert_eq!(frame(&mut client).await["flag"], "four");
    assert_eq!(frame(&mut client).await["flag"], "three");
    gateway.until_metric(PUSHES, DONE, 5.0).await;
    assert_eq!(redis.ask(&["XLEN", "tg:push"]).trim(), "0");
}

#[tokio::test]
async fn what_cannot_be_published_is_with_the_dead_ones_with_its_reason() {
    let redis = Redis::start();
    let gateway = Gateway::start(&format!("cluster.redis = \"{}\"", redis.url()));
    let long = format!("{{\"to\":\"all\",\"data\":\"{}\"}}", "x".repeat(70_000));
    for (field, text, reason) in [
        ("message", "{", "not JSON"),
        ("message", "[1]", "is a list"),
        ("message", r#"{"to":"nobody"}"#, "to: is not a topic"),
        ("message", r#"{"to":"all","ttl":0}"#, "ttl: is 0"),
        ("message", r#"{"to":"all","colour":5}"#, "colour"),
        ("message", &long, "at most 65536"),
        ("massage", r#"{"to":"all"}"#, "message"),
    ] {
        redis.ask(&["XADD", "tg:push", "*", field, text]);
        let dead = soon("the dead one", async {
            loop {
                let dead = redis.ask(&["XRANGE", "tg:push:dead", "-", "+"]);
                if dead.contains(reason) {
                    return dead;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        assert!(dead.await.contains("reason"));
        redis.ask(&["DEL", "tg:push:dead"]);
    }
    gateway.until_metric(PUSHES, "outcome=\"dead\"", 7.0).await;
    assert_eq!(redis.ask(&["XLEN", "tg:push"]).trim(), "0");
}
