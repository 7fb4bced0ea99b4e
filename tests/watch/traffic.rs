//! Traffic of every kind that can be had cheaply, on both nodes.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{
    clients::Client,
    http,
    lab::{Lab, Node},
    until,
};

/// What has been counted when traffic has been seen, as Prometheus is asked about it.
const SEEN: &[&str] = &[
    r#"tidegate_api_requests_total{outcome="unauthorized"}"#,
    r#"tidegate_archive_records_total{outcome="stored"}"#,
    r#"tidegate_bridge_messages_total{outcome="delivered"}"#,
    r#"tidegate_bus_envelopes_total{direction="in"}"#,
    r#"tidegate_chat_messages_total{outcome="kept"}"#,
    r#"tidegate_duties_total{kind="redis_del", outcome="done"}"#,
    r#"tidegate_hooks_total{outcome="delivered"}"#,
    r#"tidegate_jobs_total{outcome="done"}"#,
    r#"tidegate_logins_total{dialect="ride", outcome="denied"}"#,
    r#"tidegate_mail_letters_total{outcome="kept"}"#,
    r#"tidegate_method_breakers{phase="open", prefix="down."}"#,
    r#"tidegate_method_calls_total{prefix="shop.", outcome="answered"}"#,
    r#"tidegate_presence_deltas_total{direction="in"}"#,
    r#"tidegate_pushes_total{outcome="done"}"#,
    r#"tidegate_rejections_total{reason="unknown_path"}"#,
    r#"tidegate_schedules_total{outcome="fired"}"#,
    r#"tidegate_sessions_closed_total{dialect="ride", reason="client_closed"}"#,
    r#"tidegate_slow_consumers_total{dialect="ride"}"#,
    r#"tidegate_subscribe_hooks_total{outcome="allowed"}"#,
];

/// Clients that are still there: gauges are no zeros then.
pub(crate) struct Audience(#[allow(dead_code, reason = "they stay as long as it")] Vec<Client>);

/// Has everything happen, and waits until Prometheus has seen it.
pub(crate) async fn drive(lab: &Lab) -> Audience {
    let [one, two] = &lab.nodes[..] else {
        panic!("there are two nodes")
    };
    let mut audience = Vec::new();
    for (here, there, suffix) in [(one, two, 1), (two, one, 2)] {
        audience.extend(talk(here, there, suffix).await);
        audience.push(call(here, &format!("caller{suffix}")).await);
        audience.extend(chat(here, there, suffix).await);
        refuse(here).await;
        work(here, suffix).await;
    }
    push_through_redis(lab);
    join_all([(one, "slow1"), (two, "slow2")].map(be_slow)).await;
    for series in SEEN {
        lab.prometheus.until(&format!("{series} > 0")).await;
    }
    Audience(audience)
}

/// Clients of `ride` talk from node to node, and applications push.
async fn talk(here: &Node, there: &Node, suffix: u8) -> Vec<Client> {
    let (anna, bert) = (format!("anna{suffix}"), format!("bert{suffix}"));
    let mut near = Client::ride(here, &anna, false).await;
    let mut far = Client::ride(there, &bert, false).await;
    here.knows(&bert).await;
    there.knows(&anna).await;
    for number in 0..20 {
        for (client, from, to) in [(&mut near, &anna, &bert), (&mut far, &bert, &anna)] {
            let frame = json!({"flag": "say", "token": from, "target_token": to, "n": number});
            client.send(frame.to_string()).await;
        }
    }
    near.hears(r#""n":19"#).await;
    far.hears(r#""n":19"#).await;
    for to in [
        format!("user:{anna}"),
        format!("user:{bert}"),
        "all".to_owned(),
    ] {
        let message = json!({"to": to, "event": "news", "data": {"x": 1}});
        here.ok("POST", "/api/publish", &message).await;
    }
    // To nobody, and to somebody who is away.
    let message = json!({"to": "user:nobody", "event": "news", "data": 1});
    here.ok("POST", "/api/publish", &message).await;
    let message = json!({"to": "user:away", "event": "news", "data": 1, "durable": true});
    here.ok("POST", "/api/publish", &message).await;
    leave(here, &format!("gone{suffix}")).await;
    vec![near, far]
}

/// A client leaves behind that something has to be done.
async fn leave(node: &Node, user: &str) {
    let client = Client::ride(node, user, false).await;
    let path = format!("/api/users/{user}");
    let found = node.ok("GET", &path, &Value::Null).await;
    let session = found["sessions"][0]["id"].clone();
    let path = format!("/api/sessions/{}/on-close", session.as_str().unwrap());
    let duty = json!({"id": "seat", "do": {"redis_del": {"key": user}}});
    node.ok("POST", &path, &duty).await;
    client.close().await;
}

/// A client of `device` calls methods and joins a room.
async fn call(node: &Node, user: &str) -> Client {
    let mut client = Client::device(node, user).await;
    let call = json!({"type": "shop.order", "data": {"id": 7}, "id": 1});
    assert_eq!(client.ask(&call).await["data"], json!({"id": 7}));
    // Five in a row open the breaker.
    for id in 0..6 {
        let call = json!({"type": "down.order", "data": {}, "id": id});
        assert_eq!(client.ask(&call).await["type"], "error");
    }
    let join = json!({"type": "subscribe", "data": {"room": "vip"}, "id": 2});
    assert_eq!(client.ask(&join).await["data"]["status"], "ok");
    let to = format!("room:device/{user}");
    let status = json!({"to": to, "device_id": user, "status": "online"});
    let status = json!({"type": "device_status", "data": status, "time": 1});
    client.send(status.to_string()).await;
    client.hears("device_status").await;
    client
}

/// Friends chat from node to node.
async fn chat(here: &Node, there: &Node, suffix: u8) -> Vec<Client> {
    let (a, b) = (u64::from(suffix) * 10, u64::from(suffix) * 10 + 1);
    for (of, friend) in [(a, b), (b, a)] {
        let path = format!("/api/im/friends/{of}/{friend}");
        here.ok("PUT", &path, &Value::Null).await;
    }
    let mut near = Client::im(here, a).await;
    let mut far = Client::im(there, b).await;
    here.knows(&b.to_string()).await;
    let text = json!({"id": "m1", "to": b, "type": "t", "msg": "hello"});
    assert_eq!(near.ask(&text).await["type"], "A");
    far.hears("hello").await;
    vec![near, far]
}

/// What nodes refuse.
async fn refuse(node: &Node) {
    for path in ["/nowhere", "/ws/?client_id=x&token=denied"] {
        if let Ok(client) = Client::try_connect(node.public, path, false).await {
            client.close().await;
        }
    }
    let answer = http::call(node.admin, "GET", "/api/nodes", &[], "").await;
    assert_eq!(answer.status, 401);
}

/// A job and a schedule.
async fn work(node: &Node, suffix: u8) {
    let job = json!({"kind": "ocr", "user": "anna", "id": format!("job{suffix}")});
    node.ok("POST", "/api/jobs", &job).await;
    let message = json!({"to": "user:anna1", "event": "due"});
    let schedule = json!({"in": 0.1, "publish": message, "id": format!("schedule{suffix}")});
    node.ok("POST", "/api/schedules", &schedule).await;
}

/// What applications write into Redis.
fn push_through_redis(lab: &Lab) {
    let push = json!({"to": "user:anna1", "event": "pushed", "data": 1}).to_string();
    lab.redis.ask(&["XADD", "tg:push", "*", "message", &push]);
    let news = json!({"target_token": "anna1", "data": {"flag": "bridged"}}).to_string();
    lab.redis.ask(&["PUBLISH", "websocket_messages", &news]);
}

/// A client who does not read until it is closed for that.
async fn be_slow((node, user): (&Node, &str)) {
    let _client = Client::ride(node, user, true).await;
    let fill = "x".repeat(16_000);
    let message = json!({"to": format!("user:{user}"), "event": "much", "data": {"x": fill}});
    until("a slow consumer is closed", async || {
        node.ok("POST", "/api/publish", &message).await;
        let closed = http::metric(node.admin, "tidegate_slow_consumers_total", "ride");
        closed.await == 1.0
    })
    .await;
}
