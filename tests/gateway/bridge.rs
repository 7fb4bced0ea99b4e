//! The bridge of `ride`: what applications publish to a channel of Redis.

use crate::support::{Client, Gateway, process::Place, redis::Redis, until};

const CHANNEL: &str = "websocket_messages";
const CONNECTS: &str = "tidegate_bridge_connects_total";
const MESSAGES: &str = "tidegate_bridge_messages_total";
const PUBLISHED: &str = "tidegate_messages_published_total";
/// The password of the user of the documentation.
const PASSWORD: &str = "correct-horse";

fn toml(redis: &str) -> String {
    format!("cluster.redis = \"{redis}\"\nbackend.pubsub_channel = \"{CHANNEL}\"\n")
}

/// One node that hears the channel.
async fn one(redis: &Redis) -> Gateway {
    let gateway = Gateway::start_alone(&toml(&redis.url()));
    gateway.until_metric(CONNECTS, "", 1.0).await;
    gateway
}

/// Two nodes that hear the channel.
async fn two(redis: &Redis) -> Gateway {
    let gateway = Gateway::start_two(&toml(&redis.url()));
    gateway.until_metric(CONNECTS, "", 2.0).await;
    gateway
}

fn publish(redis: &Redis, payload: &str) {
    redis.ask(&["PUBLISH", CHANNEL, payload]);
}

/// Publishes a message for this target.
fn send(redis: &Redis, target: &str, flag: &str) {
    let payload = format!(r#"{{"target_token":"{target}","data":{{"flag":"{flag}"}}}}"#);
    publish(redis, &payload);
}

/// What clients get of it.
fn sent(target: &str, flag: &str) -> String {
    format!(r#"{{"flag":"{flag}","target_token":"{target}"}}"#)
}

async fn until_count(gateway: &Gateway, outcome: &str, count: f64) {
    let label = format!("outcome=\"{outcome}\"");
    gateway.until_metric(MESSAGES, &label, count).await;
}

#[tokio::test]
async fn the_data_of_what_is_published_reaches_its_target() {
    let redis = Redis::start();
    let gateway = one(&redis).await;
    let mut anna = Client::ride(&gateway, "c1", "anna").await;
    let mut bert = Client::ride(&gateway, "c2", "bert").await;
    let order = r#"{"flag":"find_driver","order_id":7,"order":{"fee":1.50,"msg":"你好"}"#;
    let payload = format!(r#"{{"target_token":"anna","data":{order}}}}}"#);
    publish(&redis, &payload);
    let expect = format!(r#"{order},"target_token":"anna"}}"#);
    anna.expect(&expect).await;
    bert.ping().await;
    until_count(&gateway, "delivered", 1.0).await;
    send(&redis, "nobody", "x");
    until_count(&gateway, "undeliverable", 1.0).await;
}

#[tokio::test]
async fn each_session_of_two_nodes_gets_everything_once_and_in_order() {
    let redis = Redis::start();
    let gateway = two(&redis).await;
    // On one node after the other.
    let mut anna = Client::ride(&gateway, "phone", "anna").await;
    let mut watch = Client::ride(&gateway, "watch", "anna").await;
    let mut driver = Client::ride(&gateway, "driver_1", "d1").await;
    let mut other = Client::ride(&gateway, "driver_2", "d2").await;
    for number in 0..50 {
        send(&redis, "anna", &number.to_string());
    }
    for client in [&mut anna, &mut watch] {
        for number in 0..50 {
            client.expect(&sent("anna", &number.to_string())).await;
        }
    }
    send(&redis, "driver", "d");
    send(&redis, "all", "a");
    for client in [&mut driver, &mut other] {
        client.expect(&sent("driver", "d")).await;
    }
    for client in [&mut anna, &mut watch, &mut driver, &mut other] {
        client.expect(&sent("all", "a")).await;
    }
    send(&redis, "d2", "x");
    other.expect(&sent("d2", "x")).await;
    until_count(&gateway, "delivered", 105.0).await;
    until_count(&gateway, "undeliverable", 1.0).await;
    for client in [&mut anna, &mut watch, &mut driver, &mut other] {
        client.ping().await;
    }
    // Nothing went from node to node.
    assert_eq!(gateway.metric(PUBLISHED, "").await, 0.0);
}

#[tokio::test]
async fn what_is_no_message_is_counted_and_harms_nobody() {
    let redis = Redis::start();
    let gateway = one(&redis).await;
    let mut anna = Client::ride(&gateway, "c1", "anna").await;
    let long = format!(
        r#"{{"target_token":"anna","data":{{"x":"{}"}}}}"#,
        "x".repeat(70_000)
    );
    let payloads = [
        "",
        "{",
        "[1]",
        r#"{"flag":"system","msg":"without a wrapper"}"#,
        r#"{"target_token":"anna"}"#,
        r#"{"target_token":"anna","data":{}}"#,
        r#"{"target_token":"","data":{"flag":"x"}}"#,
        r#"{"target_token":"anna","data":"text"}"#,
        &long,
    ];
    for payload in payloads {
        publish(&redis, payload);
    }
    // Text that is none.
    redis.ask(&[
        "EVAL",
        "return redis.call('PUBLISH', ARGV[1], '\\255')",
        "0",
        CHANNEL,
    ]);
    send(&redis, "anna", "last");
    anna.expect(&sent("anna", "last")).await;
    until_count(&gateway, "invalid", payloads.len() as f64 + 1.0).await;
    until_count(&gateway, "delivered", 1.0).await;
    anna.ping().await;
}

#[tokio::test]
async fn the_channel_is_heard_again_after_a_lost_connection_and_a_restart() {
    let mut redis = Redis::start();
    let gateway = one(&redis).await;
    let mut anna = Client::ride(&gateway, "c1", "anna").await;
    redis.ask(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    gateway.until_metric(CONNECTS, "", 2.0).await;
    send(&redis, "anna", "one");
    anna.expect(&sent("anna", "one")).await;
    redis.kill();
    redis.run();
    gateway.until_metric(CONNECTS, "", 3.0).await;
    send(&redis, "anna", "two");
    anna.expect(&sent("anna", "two")).await;
    anna.ping().await;
}

#[tokio::test]
async fn a_node_that_has_ended_does_not_hear_the_channel_any_more() {
    let redis = Redis::start();
    let mut gateway = one(&redis).await;
    let heard = || redis.ask(&["PUBSUB", "NUMSUB", CHANNEL]);
    until("one hears the channel", || heard().ends_with('1')).await;
    gateway.stop();
    gateway.ended().await;
    until("nobody hears the channel", || heard().ends_with('0')).await;
}

#[tokio::test]
async fn a_user_of_redis_who_may_not_hear_the_channel_is_a_mistake() {
    let redis = Redis::start();
    let url = format!("redis://tidegate:{PASSWORD}@{}", redis.host());
    let place = Place::new(&toml(&url));
    for (more, missing) in [("", "'subscribe'"), ("+subscribe", "channel")] {
        redis.allow_documented(PASSWORD, more);
        let said = place.ends("", 1).await;
        assert!(said.contains("its user may not do everything"), "{said}");
        assert!(said.contains(missing), "{missing}: {said}");
        assert!(!said.contains(PASSWORD), "{said}");
    }
    redis.allow_documented(PASSWORD, &format!("+subscribe &{CHANNEL}"));
    let gateway = Gateway::start_alone(&toml(&url));
    gateway.until_metric(CONNECTS, "", 1.0).await;
    let mut anna = Client::ride(&gateway, "c1", "anna").await;
    send(&redis, "anna", "x");
    anna.expect(&sent("anna", "x")).await;
}

#[tokio::test]
async fn without_a_redis_the_bridge_is_a_mistake() {
    let place = Place::new(&format!("backend.pubsub_channel = \"{CHANNEL}\""));
    let said = place.ends("check", 2).await;
    let expect = "backend.pubsub_channel: is a channel of cluster.redis, which is missing";
    assert!(said.contains(expect), "{said}");
}

#[tokio::test]
async fn another_channel_needs_a_restart() {
    let redis = Redis::start();
    let gateway = one(&redis).await;
    let other = toml(&redis.url()).replace(CHANNEL, "other");
    let reloaded = gateway.reload(&other);
    assert_eq!(reloaded.needs_restart, ["backend.pubsub_channel"]);
    let mut anna = Client::ride(&gateway, "c1", "anna").await;
    send(&redis, "anna", "x");
    anna.expect(&sent("anna", "x")).await;
}
