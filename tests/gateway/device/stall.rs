//! Watchers that stall: they get the newest status of each device and task, and no queue of old ones.

use futures_util::SinkExt as _;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::{PROFILES, auth, login, ping, start_with};
use crate::support::{Gateway, Raw, Received, raw::TEXT};

const D1: &str = "room:device/d1";
const STATUSES: u64 = 3000;
/// The windows of a narrow connection, its unsent bytes, and the newest.
const HEARD_MAX: usize = 400;

/// Has a device say its `STATUSES` of this event while a watcher stalls, and expects few old ones
/// and the newest last.
async fn check(gateway: &Gateway, event: &str, key: &str) {
    let mut watcher = Raw::upgrade_narrow(gateway, "/ws").await;
    let token = gateway.device_token("w", &["d1"], &[]);
    watcher.text(&auth(&token)).await;
    watcher.receive().await;
    let (mut device, _) = login(gateway, "d1", &[], &[D1]).await;
    for number in 0..STATUSES {
        let data = json!({"to": D1, key: "7", "status": "online", "number": number});
        let frame = json!({"type": event, "data": data, "time": 1_628_160_000});
        // One segment with the ping behind it: each is written before the next one comes, as long
        // as the socket takes it.
        let frame = Message::text(frame.to_string());
        device.socket.feed(frame).await.unwrap();
        ping(&mut device).await;
    }
    let mut heard = Vec::new();
    while heard.last() != Some(&(STATUSES - 1)) {
        heard.push(number(&watcher.receive().await));
    }
    assert!(heard.is_sorted(), "{heard:?}");
    assert!(heard.len() < HEARD_MAX, "{} of {STATUSES}", heard.len());
    watcher.text(r#"{"type":"ping"}"#).await;
    let Received::Frame { payload, .. } = watcher.receive().await else {
        panic!("it was closed");
    };
    let pong: Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!(pong["type"], "pong");
}

/// The number in a status.
fn number(received: &Received) -> u64 {
    match received {
        Received::Frame {
            opcode: TEXT,
            payload,
        } => {
            let frame: Value = serde_json::from_slice(payload).unwrap();
            frame["data"]["number"].as_u64().unwrap()
        }
        other => panic!("{other:?} came"),
    }
}

async fn check_profiles(event: &str, key: &str) {
    for profile in PROFILES {
        check(&start_with(profile, "runtime.shards = 1"), event, key).await;
    }
}

#[tokio::test]
async fn a_watcher_that_stalls_gets_few_old_statuses_of_a_device_and_the_newest_last() {
    check_profiles("device_status", "device_id").await;
}

#[tokio::test]
async fn a_watcher_that_stalls_gets_few_old_statuses_of_a_task_and_the_newest_last() {
    check_profiles("task_status", "task_id").await;
}
