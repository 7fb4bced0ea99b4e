//! What an endpoint cannot be told is with the dead, for people to look at.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use serde_json::json;

use super::*;

async fn dead_of(gateway: &Gateway) -> Vec<Value> {
    let answer = gateway.api("GET", "/api/hooks/dead", &Value::Null).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let mut page: Value = serde_json::from_str(&answer.body).unwrap();
    page["dead"].as_array_mut().unwrap().drain(..).collect()
}

async fn count(gateway: &Gateway, method: &str, path: &str, body: &Value) -> Value {
    let answer = gateway.api(method, path, body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    serde_json::from_str::<Value>(&answer.body).unwrap()["count"].take()
}

#[tokio::test]
async fn what_an_endpoint_never_takes_is_dead_at_once_and_can_be_told_again() {
    static TAKES: AtomicBool = AtomicBool::new(false);
    let mut receiver =
        Service::start(
            |heard| match heard.json()["data"]["number"] == 1 && !TAKES.load(Relaxed) {
                true => (422, ""),
                false => (200, ""),
            },
        );
    let toml = hooks(&[hook(&receiver.url("/"), "")]);
    for gateway in forms(&toml) {
        TAKES.store(false, Relaxed);
        for session in 0..3 {
            keep_of(&gateway, session, 0..3).await;
        }
        // What stands behind it comes all the same.
        let mut ids = taken(&mut receiver, 6).await;
        ids.sort();
        assert_eq!(ids, ["0-0", "0-2", "1-0", "1-2", "2-0", "2-2"]);
        until_told(&gateway).await;
        assert_eq!(counted(&gateway, "dead").await, 3.0);
        let dead = dead_of(&gateway).await;
        assert_eq!(dead.len(), 3);
        assert_eq!(dead[0]["reason"], "the endpoint answered with status 422");
        assert_eq!(dead[0]["body"]["data"], json!({"number": 1}));
        assert_eq!(dead[0]["event"], "message.received");
        TAKES.store(true, Relaxed);
        let (one, another) = (&dead[0]["id"], &dead[1]["id"]);
        let retry = "/api/hooks/dead/retry";
        assert_eq!(
            count(&gateway, "POST", retry, &json!({"ids": [one]})).await,
            1
        );
        let expect = dead[0]["body"]["id"].as_str().unwrap();
        assert_eq!(taken(&mut receiver, 1).await, [expect]);
        assert_eq!(
            count(&gateway, "POST", retry, &json!({"ids": [one]})).await,
            0
        );
        let path = "/api/hooks/dead";
        assert_eq!(
            count(&gateway, "DELETE", path, &json!({"ids": [another]})).await,
            1
        );
        assert_eq!(
            count(&gateway, "POST", retry, &json!({"all": true})).await,
            1
        );
        let expect = dead[2]["body"]["id"].as_str().unwrap();
        assert_eq!(taken(&mut receiver, 1).await, [expect]);
        assert_eq!(dead_of(&gateway).await, Vec::<Value>::new());
        assert_eq!(
            count(&gateway, "DELETE", path, &json!({"all": true})).await,
            0
        );
    }
}

#[tokio::test]
async fn what_was_tried_for_too_long_is_dead() {
    let mut receiver = Service::start(|_| (404, ""));
    let toml = hooks(&[hook(&receiver.url("/"), ", retry_for = \"300ms\"")]);
    for gateway in forms(&toml) {
        keep_of(&gateway, 1, 0..2).await;
        let labels = "outcome=\"dead\"";
        gateway
            .until_metric("tidegate_hooks_total", labels, 2.0)
            .await;
        let dead = dead_of(&gateway).await;
        for dead in &dead {
            let reason = dead["reason"].as_str().unwrap();
            assert!(reason.ends_with("answered with status 404"), "{reason}");
        }
        // Each was tried at least once.
        let mut seen = std::collections::BTreeSet::new();
        while seen.len() < 2 {
            seen.insert(id(&receiver.next().await));
        }
        while receiver.next_within(SHORT).await.is_some() {}
    }
}

#[tokio::test]
async fn who_has_the_dead_told_again_at_the_same_time_has_each_told_once() {
    static TAKES: AtomicBool = AtomicBool::new(false);
    let mut receiver = Service::start(|_| match TAKES.load(Relaxed) {
        true => (200, ""),
        false => (422, ""),
    });
    let toml = hooks(&[hook(&receiver.url("/"), "")]);
    for gateway in forms(&toml) {
        TAKES.store(false, Relaxed);
        keep_of(&gateway, 1, 0..50).await;
        for _ in 0..50 {
            receiver.next().await;
        }
        until_told(&gateway).await;
        TAKES.store(true, Relaxed);
        let body = json!({"all": true});
        let retry = || count(&gateway, "POST", "/api/hooks/dead/retry", &body);
        let counts = tokio::join!(retry(), retry(), retry(), retry());
        let counts = [counts.0, counts.1, counts.2, counts.3];
        let told: u64 = counts.iter().filter_map(serde_json::Value::as_u64).sum();
        assert_eq!(told, 50, "{counts:?}");
        taken(&mut receiver, 50).await;
        until_told(&gateway).await;
        assert!(receiver.next_within(SHORT).await.is_none());
    }
}
