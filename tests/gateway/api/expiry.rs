//! Messages that are worth nothing after a while, wherever they wait.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::time;

use super::{gateways, get, heard, login};
use crate::support::{Client, Gateway, http, process::Place, redis::Redis, soon};

const EXPIRED: &str = "tidegate_messages_expired_total";

fn in_seconds(seconds: f64) -> f64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    now.as_secs_f64() + seconds
}

/// Waits until a time of the clock on the wall has passed.
async fn pass(until: f64) {
    time::sleep(Duration::from_secs_f64((until - in_seconds(0.0)).max(0.0))).await;
}

async fn send(gateway: &Gateway, message: Value) {
    let mut message = message;
    message["event"] = json!("e");
    gateway.publish(&message).await;
}

#[tokio::test]
async fn mail_that_has_expired_is_not_given_and_stays_in_the_history() {
    for gateway in gateways("") {
        for (data, ttl) in [(1, 1), (2, 60), (3, 1)] {
            let message = json!({"to": "user:42", "data": data, "durable": true, "ttl": ttl});
            send(&gateway, message).await;
        }
        send(
            &gateway,
            json!({"to": "user:42", "data": 4, "durable": true}),
        )
        .await;
        pass(in_seconds(1.1)).await;
        let (mut client, _) = login(&gateway, "42").await;
        assert_eq!(heard(&mut client).await, 2);
        assert_eq!(heard(&mut client).await, 4);
        // What is posted now comes as ever, though some before it never came.
        send(
            &gateway,
            json!({"to": "user:42", "data": 5, "durable": true, "ttl": 60}),
        )
        .await;
        assert_eq!(heard(&mut client).await, 5);
        gateway.until_metric(EXPIRED, "kind=\"mail\"", 2.0).await;
        let confirmed = async {
            loop {
                client.message().await;
            }
        };
        let letters = "tidegate_mail_letters_total";
        tokio::select! {
            () = gateway.until_metric(letters, "outcome=\"confirmed\"", 3.0) => {}
            () = confirmed => {}
        }
        let page = get(&gateway, "/api/history/user:42").await;
        assert_eq!(page["messages"].as_array().unwrap().len(), 5);
    }
}

#[tokio::test]
async fn a_page_of_mail_that_has_expired_does_not_hide_what_is_behind_it() {
    let gateway = Gateway::start("");
    for data in 0..120 {
        send(
            &gateway,
            json!({"to": "user:42", "data": data, "durable": true, "ttl": 1}),
        )
        .await;
    }
    send(
        &gateway,
        json!({"to": "user:42", "data": 777, "durable": true}),
    )
    .await;
    pass(in_seconds(1.1)).await;
    let (mut client, _) = login(&gateway, "42").await;
    assert_eq!(heard(&mut client).await, 777);
    gateway.until_metric(EXPIRED, "kind=\"mail\"", 120.0).await;
}

#[tokio::test]
async fn a_ttl_is_counted_from_the_time_of_a_message_for_later() {
    for gateway in gateways("") {
        let (mut client, _) = login(&gateway, "42").await;
        let at = in_seconds(1.0);
        // Due messages are published within two seconds.
        for (data, ttl) in [(1, 0.001), (2, 60.0)] {
            send(
                &gateway,
                json!({"to": "user:42", "data": data, "at": at, "ttl": ttl}),
            )
            .await;
        }
        assert_eq!(heard(&mut client).await, 2);
        gateway.until_metric(EXPIRED, "kind=\"queue\"", 1.0).await;
    }
}

#[tokio::test]
async fn what_waits_in_the_stream_of_pushes_expires_there() {
    let redis = Redis::start();
    let push = |data: u64, ttl: f64| {
        let message = json!({"to": "user:anna", "event": "e", "data": {"n": data}, "ttl": ttl});
        redis.ask(&["XADD", "tg:push", "*", "message", &message.to_string()])
    };
    push(1, 0.5);
    push(2, 60.0);
    pass(in_seconds(0.6)).await;
    let gateway = Gateway::start_alone(&format!("cluster.redis = \"{}\"", redis.url()));
    // It is published as soon as there is a node, to whoever is there.
    gateway.until_metric(EXPIRED, "kind=\"queue\"", 1.0).await;
    gateway
        .until_metric("tidegate_pushes_total", "outcome=\"done\"", 2.0)
        .await;
    let mut client = Client::ride(&gateway, "c", "anna").await;
    push(3, 60.0);
    let frame: Value = serde_json::from_str(&client.text().await).unwrap();
    assert_eq!(frame["n"], 3);
}

#[tokio::test]
async fn what_is_for_later_expires_while_the_node_is_away() {
    let place = Place::new(
        "api.keys = [{ key = \"k\", scopes = [\"publish\", \"read\"] }]\n\
         store.url = \"sqlite://tidegate.db\"",
    );
    let mut node = place.start().await;
    // Long enough for the node to be killed before.
    let at = in_seconds(3.0);
    let headers = [("authorization", "Bearer k")];
    for (event, ttl) in [("late", 0.4), ("later", 60.0)] {
        let message = json!({
            "to": "user:me", "event": event, "at": at, "ttl": ttl, "durable": true,
        });
        let body = message.to_string();
        let answer = http::call(place.admin(), "POST", "/api/publish", &headers, &body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    node.signal(Signal::KILL);
    node.ended().await;
    pass(at + 0.5).await;
    let _node = place.start().await;
    let mut client = place.connect("/ws/?client_id=c&token=me").await;
    let frame: Value = serde_json::from_str(&client.text().await).unwrap();
    assert_eq!(frame["flag"], "later");
    // Whoever logs in meanwhile may have it a moment before the history has.
    let kept = soon("the history has it", async {
        loop {
            let path = "/api/history/user:me";
            let page = http::call(place.admin(), "GET", path, &headers, "").await;
            let page: Value = serde_json::from_str(&page.body).unwrap();
            match &page["messages"].as_array().unwrap()[..] {
                [] => time::sleep(Duration::from_millis(10)).await,
                kept => return kept.to_vec(),
            }
        }
    });
    let kept = kept.await;
    assert_eq!((kept.len(), &kept[0]["event"]), (1, &json!("later")));
}

#[tokio::test]
async fn a_status_with_a_ttl_is_kept_for_that_long() {
    for gateway in gateways("") {
        for (device, ttl) in [("d1", 1), ("d2", 60)] {
            let status = json!({
                "to": format!("room:device/{device}"), "event": "device_status",
                "data": {"device_id": device}, "ttl": ttl,
            });
            gateway.publish(&status).await;
        }
        pass(in_seconds(1.1)).await;
        for (device, count) in [("d1", 0), ("d2", 1)] {
            let mut client = Client::connect(&gateway, "/ws").await;
            let token = gateway.device_token("42", &[device], &[]);
            let auth = json!({"type": "auth", "data": {"token": token}});
            client.send(auth.to_string()).await;
            client.text().await;
            client.send(r#"{"type":"ping"}"#).await;
            // Which of both comes first is not promised.
            let mut frames = vec![client.text().await];
            if count == 1 {
                frames.push(client.text().await);
            }
            let named = |name: &str| frames.iter().filter(|frame| frame.contains(name)).count();
            assert_eq!((named("device_status"), named("pong")), (count, 1));
        }
    }
}
