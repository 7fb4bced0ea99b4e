//! An application that hangs: it costs its callers an error, and nobody else anything.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::{Application, LONG, device, shop};
use crate::support::{Client, Gateway, client::code};

const CALLS: &str = "tidegate_method_calls_total";
const UNDER_WAY: &str = "tidegate_method_calls_under_way";

#[tokio::test]
async fn nobody_else_notices_an_application_that_hangs() {
    let (mut hanging, other) = (Application::hanging(), Application::echo());
    let gateway = Gateway::start(&format!(
        "backend.methods = [{{ prefix = \"slow.\", url = \"{}\", timeout = \"15s\", \
         concurrency_max = 2 }}, {{ prefix = \"shop.\", url = \"{}\" }}]",
        hanging.url, other.url
    ));
    let mut callers = Vec::new();
    for number in 0..4 {
        callers.push(device(&gateway, &format!("caller{number}")).await);
    }
    // Each node has as many under way as it may.
    for caller in &mut callers {
        let nodes = 1.0 + f64::from(u8::from(gateway.is_cluster()));
        if gateway.metric(UNDER_WAY, "slow.").await < 2.0 * nodes {
            caller.send(r#"{"type":"slow.x","data":[]}"#).await;
            hanging.request().await;
        }
    }
    let begin = Instant::now();
    let mut anna = device(&gateway, "anna").await;
    // One too many fails at once.
    anna.call_fails("slow.x", json!([]), 429).await;
    // The caller itself, a relay, another application, and another dialect go on.
    callers[0].device_ping().await;
    let answer = callers[0].call("shop.x", json!({"a": 1})).await;
    assert_eq!(answer, json!({"type": "shop.x", "data": {"a": 1}}));
    let to = json!({"to": "user:anna", "n": 1});
    callers[0]
        .send(json!({"type": "hello", "data": to}).to_string())
        .await;
    assert_eq!(anna.frame().await, json!({"type": "hello", "data": to}));
    Client::ride(&gateway, "c1", "bert").await.ping().await;
    assert!(begin.elapsed() < LONG, "somebody has waited for it");
    assert_eq!(gateway.metric(CALLS, "overloaded").await, 1.0);
    hanging.open();
    let late = json!({"type": "slow.x", "data": {"late": true}});
    assert_eq!(callers[0].frame().await, late);
    gateway.until_metric(UNDER_WAY, "", 0.0).await;
}

#[tokio::test]
async fn who_calls_it_has_an_error_in_time_and_then_at_once() {
    let app = Application::hanging();
    let more = ", timeout = \"200ms\", failures_max = 3, pause = \"100ms\"";
    let gateway = Gateway::start_alone(&super::shop_toml(&app.url, more));
    let mut client = device(&gateway, "anna").await;
    for _ in 0..3 {
        let begin = Instant::now();
        client.call_fails("shop.x", json!([]), 504).await;
        assert!(Duration::from_millis(200) <= begin.elapsed());
    }
    // It is not called any more, but for one who tries now and then.
    let open = "prefix=\"shop.\",phase=\"open\"";
    assert_eq!(gateway.metric("tidegate_method_breakers", open).await, 1.0);
    while gateway.metric(CALLS, "outcome=\"timeout\"").await < 5.0 {
        let answer = client.call("shop.x", json!([])).await;
        let code = answer["data"]["code"].as_u64().unwrap();
        assert!([503, 504].contains(&code), "{answer}");
    }
    assert!(1.0 <= gateway.metric(CALLS, "outcome=\"open\"").await);
    // Back again, the first one who tries finds it.
    app.open();
    loop {
        let answer = client.call("shop.x", json!([])).await;
        if answer["type"] == "shop.x" {
            break;
        }
    }
    let closed = "phase=\"closed\"";
    assert_eq!(
        gateway.metric("tidegate_method_breakers", closed).await,
        1.0
    );
    client.call("shop.x", json!([])).await;
}

#[tokio::test]
async fn a_session_has_so_many_calls_under_way_and_its_answers_come_as_they_come() {
    let mut app = Application::start(|_, body| match &body["data"]["wait"] {
        wait if wait == true => None,
        _ => Some((200, "\"at once\"".to_owned())),
    });
    let more = ", timeout = \"15s\"";
    let toml = format!(
        "{}\nlimits.calls_per_session_max = 3",
        super::shop_toml(&app.url, more)
    );
    let gateway = Gateway::start(&toml);
    let mut client = device(&gateway, "anna").await;
    for id in [1, 2] {
        let frame = json!({"type": "shop.x", "data": {"wait": true}, "id": id});
        client.send(frame.to_string()).await;
        app.request().await;
    }
    // Later ones do not wait for those before.
    let answer = client.call("shop.x", json!([])).await;
    assert_eq!(answer["data"], "at once");
    let frame = json!({"type": "shop.x", "data": {"wait": true}, "id": 3});
    client.send(frame.to_string()).await;
    client.call_fails("shop.x", json!([]), 429).await;
    client.device_ping().await;
    let refused = "tidegate_method_calls_refused_total";
    assert_eq!(gateway.metric(refused, "device").await, 1.0);
    app.open();
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(client.frame().await["id"].as_u64().unwrap());
    }
    ids.sort_unstable();
    assert_eq!(ids, [1, 2, 3]);
    // And there is room again.
    let answer = client.call("shop.x", json!([])).await;
    assert_eq!(answer["data"], "at once");
}

#[tokio::test]
async fn what_is_answered_to_a_session_that_has_ended_is_dropped_and_counted() {
    let mut app = Application::hanging();
    let gateway = shop(&app.url, ", timeout = \"15s\"");
    let mut client = device(&gateway, "anna").await;
    client.send(r#"{"type":"shop.x","data":[]}"#).await;
    app.request().await;
    client.close().await;
    let connections = "tidegate_connections";
    gateway.until_metric(connections, "device", 0.0).await;
    assert_eq!(gateway.metric(UNDER_WAY, "").await, 1.0);
    app.open();
    let dropped = "tidegate_method_answers_dropped_total";
    gateway.until_metric(dropped, "device", 1.0).await;
    assert_eq!(gateway.metric(CALLS, "answered").await, 1.0);
    gateway.until_metric(UNDER_WAY, "", 0.0).await;
}

#[tokio::test]
async fn a_node_that_goes_away_waits_for_what_its_clients_have_called() {
    let mut app = Application::hanging();
    let mut gateway = Gateway::start_alone(&super::shop_toml(&app.url, ", timeout = \"15s\""));
    let mut client = device(&gateway, "anna").await;
    client.send(r#"{"type":"shop.x","data":[]}"#).await;
    app.request().await;
    gateway.stop();
    gateway.until_metric("tidegate_ready", "", 0.0).await;
    app.open();
    let late = json!({"type": "shop.x", "data": {"late": true}});
    assert_eq!(client.frame().await, late);
    assert_eq!(client.closed().await, code(1012, "draining"));
    assert_eq!(gateway.ended().await.sessions_cut, 0);
}

#[tokio::test]
async fn memory_and_connections_stay_bounded_while_many_call_what_hangs() {
    let app = Application::hanging();
    let more = ", timeout = \"400ms\", concurrency_max = 5, failures_max = 0";
    let gateway = Gateway::start_alone(&super::shop_toml(&app.url, more));
    let mut clients = Vec::new();
    for number in 0..20 {
        clients.push(device(&gateway, &format!("u{number}")).await);
    }
    let padding = "x".repeat(50_000);
    let frame = json!({"type": "shop.x", "data": {"padding": padding}}).to_string();
    for _ in 0..10 {
        for client in &mut clients {
            client.send(frame.clone()).await;
        }
        assert!(gateway.metric(UNDER_WAY, "").await <= 5.0);
    }
    for client in &mut clients {
        for _ in 0..10 {
            let code = client.frame().await["data"]["code"].as_u64().unwrap();
            assert!([429, 504].contains(&code), "{code}");
        }
        client.device_ping().await;
    }
    let refused = gateway.metric(CALLS, "overloaded").await;
    let late = gateway.metric(CALLS, "timeout").await;
    assert_eq!(refused + late, 200.0, "each has ended in one way");
    assert!(150.0 <= refused, "{refused}");
}
