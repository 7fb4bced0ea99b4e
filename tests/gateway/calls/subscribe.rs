//! `[backend.subscribe]`: a client of `device` joins rooms by its own word, if a service allows it.

use serde_json::{Value, json};

use super::{Application, device};
use crate::support::Gateway;

const HOOKS: &str = "tidegate_subscribe_hooks_total";

fn toml(url: &str, more: &str) -> String {
    format!("backend.subscribe = {{ url = \"{url}\"{more} }}")
}

/// An application that opens rooms whose names begin with `open`, and hangs about `slow`.
fn doorman() -> Application {
    Application::start(|_, body| {
        let room = body["room"].as_str().unwrap();
        let answer = match room {
            "slow" => return None,
            "broken" => return Some((500, String::new())),
            "odd" => json!({}),
            "device/d9" => json!({"allow": true}),
            "bare" => json!({"allow": false}),
            room if room.starts_with("open") => json!({"allow": true, "user": "x", "rooms": [5]}),
            _ => json!({"allow": false, "reason": "members only"}),
        };
        Some((200, answer.to_string()))
    })
}

fn joined(kind: &str, room: &str) -> Value {
    json!({"type": kind, "data": {"status": "ok", "room": room}})
}

fn failed(code: u64, message: &str) -> Value {
    let data = json!({"code": code, "message": message, "type": "subscribe"});
    json!({"type": "error", "data": data})
}

#[tokio::test]
async fn a_client_joins_what_it_is_allowed_to_and_leaves_again() {
    let mut app = doorman();
    let gateway = Gateway::start(&toml(&app.url, ", secret = \"hush\""));
    let mut client = device(&gateway, "anna").await;
    client
        .send(r#"{"type":"subscribe","data":{"room":"open/1"},"id":"a"}"#)
        .await;
    let mut answer = client.frame().await;
    assert_eq!(
        answer.as_object_mut().unwrap().remove("id"),
        Some(json!("a"))
    );
    assert_eq!(answer, joined("subscribe", "open/1"));
    let request = app.request().await;
    assert!(request.header("x-tidegate-signature").is_some());
    let mut question = request.json();
    for key in ["session", "id", "time"] {
        assert!(question.as_object_mut().unwrap().remove(key).is_some());
    }
    assert_eq!(
        question,
        json!({"event": "subscribe", "dialect": "device", "user": "anna", "remote": "127.0.0.1",
               "room": "open/1"})
    );
    gateway
        .publish(&json!({"to": "room:open/1", "event": "x"}))
        .await;
    assert_eq!(client.frame().await["type"], "x");
    let answer = client.call("unsubscribe", json!({"room": "open/1"})).await;
    assert_eq!(answer, joined("unsubscribe", "open/1"));
    gateway
        .publish(&json!({"to": "room:open/1", "event": "x"}))
        .await;
    client.device_ping().await;
    // Twice is as good as once, both ways, and what was never joined is left.
    for _ in 0..2 {
        let answer = client.call("subscribe", json!({"room": "open/2"})).await;
        assert_eq!(answer, joined("subscribe", "open/2"));
    }
    let answer = client.call("unsubscribe", json!({"room": "never"})).await;
    assert_eq!(answer, joined("unsubscribe", "never"));
    gateway
        .publish(&json!({"to": "room:open/2", "event": "x"}))
        .await;
    assert_eq!(client.frame().await["type"], "x");
    client.device_ping().await;
}

#[tokio::test]
async fn what_is_not_allowed_is_an_error_that_ends_nothing() {
    let app = doorman();
    let gateway = Gateway::start(&toml(&app.url, ", timeout = \"200ms\""));
    let mut client = device(&gateway, "anna").await;
    for (room, expect) in [
        ("vip", failed(403, "members only")),
        ("agents", failed(403, "members only")),
        ("bare", failed(403, "the application does not allow it")),
        ("broken", failed(503, "nobody is there to decide")),
        ("odd", failed(503, "nobody is there to decide")),
        ("slow", failed(503, "nobody is there to decide")),
    ] {
        let answer = client.call("subscribe", json!({"room": room})).await;
        assert_eq!(answer, expect, "{room}");
        gateway
            .publish(&json!({"to": format!("room:{room}"), "event": "x"}))
            .await;
        client.device_ping().await;
    }
    for data in [
        json!({}),
        json!([]),
        json!({"room": 5}),
        json!({"room": "x".repeat(101)}),
    ] {
        client.call_fails("subscribe", data, 400).await;
    }
    client
        .call_fails("unsubscribe", json!({"room": ""}), 400)
        .await;
    for (outcome, count) in [
        ("denied", 3.0),
        ("failed", 1.0),
        ("malformed", 1.0),
        ("timeout", 1.0),
    ] {
        gateway.until_metric(HOOKS, outcome, count).await;
    }
}

#[tokio::test]
async fn a_room_with_a_meaning_is_the_services_to_give() {
    let app = doorman();
    let gateway = Gateway::start(&toml(&app.url, ""));
    let status = json!({"to": "room:device/d9", "event": "device_status", "data": {"on": true}});
    gateway.publish(&status).await;
    let mut client = device(&gateway, "anna").await;
    client
        .send(r#"{"type":"subscribe","data":{"room":"device/d9"}}"#)
        .await;
    // The last status of the device comes with it, before or after the answer.
    let mut kinds = [client.frame().await, client.frame().await].map(|frame| frame["type"].clone());
    kinds.sort_by_key(Value::to_string);
    assert_eq!(kinds, ["device_status", "subscribe"]);
}

#[tokio::test]
async fn when_it_is_down_everybody_may_join_if_that_is_configured() {
    let app = doorman();
    let gateway = Gateway::start(&toml(&app.url, ", when_down = \"allow\""));
    let mut client = device(&gateway, "anna").await;
    for room in ["broken", "odd"] {
        let answer = client.call("subscribe", json!({"room": room})).await;
        assert_eq!(answer, joined("subscribe", room));
    }
    let answer = client.call("subscribe", json!({"room": "vip"})).await;
    assert_eq!(answer, failed(403, "members only"));
}

#[tokio::test]
async fn one_room_more_than_a_session_may_have_is_an_error_that_ends_nothing() {
    let app = doorman();
    let toml = format!("{}\nlimits.topics_per_session_max = 4", toml(&app.url, ""));
    let gateway = Gateway::start(&toml);
    // Its user and its device are two.
    let mut client = device(&gateway, "anna").await;
    for room in ["open1", "open2"] {
        let answer = client.call("subscribe", json!({"room": room})).await;
        assert_eq!(answer, joined("subscribe", room));
    }
    let answer = client.call("subscribe", json!({"room": "open3"})).await;
    assert_eq!(answer, failed(429, "too many rooms"));
    client.call("unsubscribe", json!({"room": "open1"})).await;
    let answer = client.call("subscribe", json!({"room": "open3"})).await;
    assert_eq!(answer, joined("subscribe", "open3"));
}

#[tokio::test]
async fn without_such_a_service_there_is_no_joining_and_that_can_change() {
    let app = doorman();
    let gateway = Gateway::start("");
    let mut client = device(&gateway, "anna").await;
    let refused = client.call("subscribe", json!({"room": "open"})).await;
    assert_eq!(refused["data"]["code"], 403);
    let reloaded = gateway.reload(&toml(&app.url, ""));
    assert_eq!(reloaded.applied, ["backend.subscribe"]);
    let answer = client.call("subscribe", json!({"room": "open"})).await;
    assert_eq!(answer, joined("subscribe", "open"));
    gateway.reload("");
    let refused = client.call("subscribe", json!({"room": "open2"})).await;
    assert_eq!(refused["data"]["code"], 403);
}
