//! What clients publish and hear, what is kept, and the heartbeat.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;

use super::{PROFILES, auth, expect, expect_error, frame, login, ping, start, start_with};
use crate::support::{Client, Gateway, client::code};

const D1: &str = "room:device/d1";

fn status(number: u64) -> Value {
    json!({"to": D1, "device_id": "d1", "status": "online", "number": number})
}

fn said(event: &str, data: &Value) -> String {
    json!({"type": event, "data": data, "time": 1_628_160_000}).to_string()
}

#[tokio::test]
async fn a_client_publishes_to_what_its_grant_lists() {
    let gateway = start("documented");
    let (mut watcher, _) = login(&gateway, "w", &["d1"], &[]).await;
    let (mut device, _) = login(&gateway, "d1", &[], &[D1, "user:*"]).await;
    for (event, data) in [
        ("device_status", status(1)),
        ("wechat_login", json!({"to": D1, "qr": "…"})),
        (
            "task_status",
            json!({"to": "user:w", "task_id": 7, "state": "done"}),
        ),
        ("error", json!({"to": D1, "code": 7})),
        ("own words", json!({"to": D1})),
    ] {
        device.send(said(event, &data)).await;
        expect(&mut watcher, event, data).await;
    }
    let binary = Message::binary(said("x", &status(2)).into_bytes());
    device.feed(binary).await;
    expect(&mut watcher, "x", status(2)).await;
}

#[tokio::test]
async fn what_the_grant_does_not_list_is_refused_and_the_session_goes_on() {
    for profile in PROFILES {
        let gateway = start(profile);
        let (mut device, _) = login(&gateway, "d1", &["d1", "d2"], &[D1]).await;
        for data in [
            json!({"to": "room:device/d2"}),
            json!({"to": "room:device/d1x"}),
            json!({"to": "all"}),
            json!({"to": "user:d1"}),
            json!({"to": "node:x"}),
            json!({"to": [D1]}),
            json!({"to": ""}),
            json!({}),
            json!([]),
        ] {
            device.send(said("device_status", &data)).await;
            expect_error(&mut device, 403).await;
        }
        device.send(said("device_status", &status(1))).await;
        expect(&mut device, "device_status", status(1)).await;
    }
}

#[tokio::test]
async fn the_last_status_of_a_device_is_kept_for_those_who_come_later() {
    for profile in PROFILES {
        let gateway = start(profile);
        let (mut device, _) = login(&gateway, "d1", &[], &["room:device/*"]).await;
        for number in 0..10 {
            device.send(said("device_status", &status(number))).await;
        }
        device.send(said("new_message", &json!({"to": D1}))).await;
        ping(&mut device).await;
        let (mut watcher, _) = login(&gateway, "w", &["d1", "d2"], &[]).await;
        let mut newest = frame(&mut watcher).await;
        while newest["data"] != status(9) {
            // On another node the newest one comes later than the session may.
            assert!(gateway.is_cluster(), "{newest}");
            newest = frame(&mut watcher).await;
        }
        // By the API it is the same: kept by device, whoever has published it, under any key.
        let data = json!({"device_id": "d2", "status": "off"});
        let message = json!({
            "to": "room:device/d2", "event": "device_status", "data": data, "conflate": "mine",
        });
        gateway.publish(&message).await;
        expect(&mut watcher, "device_status", data.clone()).await;
        let (mut later, _) = login(&gateway, "w2", &["d2"], &[]).await;
        expect(&mut later, "device_status", data).await;
        ping(&mut later).await;
    }
}

#[tokio::test]
async fn a_status_for_a_user_is_not_kept_so_that_every_login_stays_as_silent_as_it_has_to_be() {
    for profile in PROFILES {
        let gateway = start_with(profile, &format!("dialect.ride.profile = \"{profile}\""));
        let (mut device, _) = login(&gateway, "d1", &[], &["user:*"]).await;
        let data = json!({"to": "user:me", "device_id": "d1"});
        device.send(said("device_status", &data)).await;
        ping(&mut device).await;
        let message = json!({"to": "user:me", "event": "device_status", "data": data});
        gateway.publish(&message).await;
        // The first thing it hears is the answer to its ping.
        let mut rider = Client::ride(&gateway, "c1", "me").await;
        rider.ping().await;
        let (mut me, _) = login(&gateway, "me", &[], &[]).await;
        ping(&mut me).await;
        // Whoever is there gets it.
        gateway.publish(&message).await;
        expect(&mut me, "device_status", data).await;
    }
}

#[tokio::test]
async fn a_silent_client_is_sent_a_ping_as_text_and_stays() {
    for profile in PROFILES {
        let toml = "dialect.device.heartbeat = \"200ms\"\ndialect.device.ping = \"off\"\n\
                    limits.idle = \"1500ms\"";
        let gateway = start_with(profile, toml);
        let (mut client, _) = login(&gateway, "42", &[], &[]).await;
        let started = Instant::now();
        for _ in 0..4 {
            assert_eq!(client.text().await, r#"{"type":"ping"}"#);
        }
        assert!(Duration::from_millis(800) <= started.elapsed());
        // Any frame of the client puts the next ping off, and counts against being idle.
        client.send(r#"{"type":"pong"}"#).await;
        let end = loop {
            match client.message().await {
                Message::Text(text) => assert_eq!(text.as_str(), r#"{"type":"ping"}"#),
                Message::Close(frame) => break frame.unwrap(),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!((end.code.into(), end.reason.as_str()), (1000, "idle"));
        assert!(Duration::from_millis(2100) <= started.elapsed());
    }
}

#[tokio::test]
async fn pings_that_stay_unanswered_end_the_session_only_if_that_is_configured() {
    for profile in PROFILES {
        let toml = "dialect.device.heartbeat = \"200ms\"\ndialect.device.ping_limit = 2";
        let gateway = start_with(profile, toml);
        let (mut client, _) = login(&gateway, "42", &[], &[]).await;
        for _ in 0..3 {
            assert_eq!(client.text().await, r#"{"type":"ping"}"#);
            client.send(r#"{"type":"pong"}"#).await;
        }
        for _ in 0..2 {
            assert_eq!(client.text().await, r#"{"type":"ping"}"#);
        }
        assert_eq!(client.closed().await, code(1008, "heartbeat_lost"));
    }
}

#[tokio::test]
async fn a_ping_is_answered_with_a_pong_that_has_a_time() {
    for profile in PROFILES {
        let gateway = start(profile);
        let (mut client, _) = login(&gateway, "42", &[], &[]).await;
        client.send(r#"{"type":"ping"}"#).await;
        let pong = frame(&mut client).await;
        assert_eq!(pong["type"], "pong");
        assert!(pong["data"].is_null());
    }
}

#[tokio::test]
async fn the_keys_of_a_frame_stand_in_the_order_of_the_document() {
    let gateway = start("documented");
    let (mut client, id) = login(&gateway, "42", &[], &[]).await;
    client
        .send(auth(&gateway.device_token("x", &[], &[])))
        .await;
    let text = client.text().await;
    let expect = r#"{"type":"error","data":{"code":401,"message":""#;
    assert!(text.starts_with(expect), "{text}");
    assert_eq!(client.closed().await, code(1008, "auth_failed"));
    assert!(id.contains('.'));
}

#[tokio::test]
async fn messages_cross_between_dialects() {
    let gateway = Gateway::start("");
    let (mut device, _) = login(&gateway, "me", &[], &["user:*", "room:ride/drivers"]).await;
    let mut rider = Client::ride(&gateway, "driver_1", "me").await;
    // One account has one address, whatever it connects with.
    let data = json!({"to": "user:me", "a": 1});
    device.send(said("hello", &data)).await;
    expect(&mut device, "hello", data).await;
    rider
        .expect(r#"{"flag":"hello","target_token":"me","a":1,"to":"user:me"}"#)
        .await;
    let text = r#"{"flag":"x","token":"me","target_token":"me"}"#;
    rider.send(text).await;
    rider.expect(text).await;
    expect(&mut device, "x", serde_json::from_str(text).unwrap()).await;
}

#[tokio::test]
async fn an_idle_client_is_told_so() {
    for profile in PROFILES {
        let toml = "limits.idle = \"300ms\"\ndialect.device.ping = \"off\"";
        let gateway = start_with(profile, toml);
        let mut client = Client::connect(&gateway, "/ws").await;
        assert_eq!(client.closed().await, code(1000, "idle"));
        let (mut client, _) = login(&gateway, "42", &[], &[]).await;
        assert_eq!(client.closed().await, code(1000, "idle"));
    }
}
