use serde_json::json;

use super::*;

async fn control(node: &Node, method: Method, path: &str, body: &str) -> Answer {
    node.send(method, path, Some(CONTROL), body).await
}

#[tokio::test]
async fn a_process_lives_and_is_ready_until_it_drains() {
    let node = Node::new();
    let probe = async |path: &'static str| node.send(Method::GET, path, None, "").await;
    assert_eq!(probe("/livez").await.body, "ok\n");
    assert_eq!(probe("/readyz").await.status.as_u16(), 200);
    assert!(
        probe("/metrics")
            .await
            .body
            .contains("\ntidegate_ready 1\n")
    );

    node.process.drain();
    let (_, detail) = probe("/readyz").await.problem(503);
    assert_eq!(detail, "draining: asked to");
    assert_eq!(probe("/livez").await.body, "ok\n");
    let metrics = probe("/metrics").await;
    assert!(metrics.body.contains("\ntidegate_ready 0\n"));
    let content_type = "text/plain; version=0.0.4; charset=utf-8";
    assert_eq!(metrics.headers["content-type"], content_type);
}

#[tokio::test]
async fn the_nodes_are_this_one() {
    let node = Node::new();
    node.connect(None, &[]);
    let expect = |state| {
        json!({
            "id": NODE, "epoch": "18f3", "address": "127.0.0.1:8080", "sessions": 1, "lag": 0,
            "state": state, "bus": {"min": 1, "max": 2, "speaks": 2},
        })
    };
    let answer = node.get("/api/nodes").await.json(200);
    assert_eq!(answer, json!({"nodes": [expect("ready")]}));

    let drain = async |id| {
        let path = format!("/api/nodes/{id}/drain");
        node.send(Method::POST, &path, Some("admin"), "").await
    };
    drain("gw-2").await.problem(404);
    assert_eq!(node.process.phase(), Phase::Ready);
    assert_eq!(drain(NODE).await.json(202), expect("draining"));
    assert_eq!(drain(NODE).await.json(202), expect("draining"));
}

#[tokio::test]
async fn the_status_says_who_runs_since_when_and_where() {
    let node = Node::new();
    let shard = &node.router().shards()[0];
    shard.stats.dialect(DialectId::Ride).opened.add(2);
    let answer = control(&node, Method::GET, "/api/process", "").await;
    let expect = json!({
        "node": NODE, "member": "gw-1.18f3", "version": env!("CARGO_PKG_VERSION"),
        "pid": std::process::id(), "state": "ready", "uptime_seconds": 0,
        "public": ["127.0.0.1:8080"], "admin": "127.0.0.1:8081",
        "sessions": {"device": 0, "im": 0, "live": 0, "ride": 2, "room": 0},
        "nodes": [{
            "id": NODE, "epoch": "18f3", "address": "127.0.0.1:8080", "sessions": 0, "lag": 0,
            "state": "ready", "bus": {"min": 1, "max": 2, "speaks": 2},
        }],
        "slowest": [],
    });
    assert_eq!(answer.json(200), expect);
}

#[tokio::test]
async fn a_stop_begins_to_drain() {
    let node = Node::new();
    let answer = control(&node, Method::POST, "/api/process/stop", "").await;
    assert_eq!(answer.status.as_u16(), 202);
    assert_eq!(node.process.phase().label(), "draining");
    let status = control(&node, Method::GET, "/api/process", "")
        .await
        .json(200);
    assert_eq!(status["reason"], "asked to");
}

#[tokio::test]
async fn a_reload_says_what_has_changed_or_what_is_wrong() {
    let node = Node::new();
    let reload = async || control(&node, Method::POST, "/api/process/reload", "").await;
    let expect = json!({"applied": ["limits.idle"], "needs_restart": ["listen.public"]});
    assert_eq!(reload().await.json(200), expect);
    *node.process.errors.lock() = vec!["limits.idle: is 5".to_owned()];
    let answer = reload().await;
    answer.problem(422);
    let problem: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(problem["errors"], json!(["limits.idle: is 5"]));
}

#[tokio::test]
async fn a_credential_is_made_or_the_mistake_is_named() {
    let node = Node::new();
    let token = async |body: Value| {
        control(&node, Method::POST, "/api/process/token", &body.to_string()).await
    };
    let answer = token(json!({"dialect": "device", "user": "42"})).await;
    assert_eq!(answer.json(200), json!({"token": "token of 42"}));
    let (_, detail) = token(json!({"dialect": "ride", "client_id": "a"}))
        .await
        .problem(422);
    assert!(detail.contains("hook"), "{detail}");
    token(json!({"dialect": "tcp"})).await.problem(422);
    token(json!({})).await.problem(422);
}

#[tokio::test]
async fn an_empty_control_secret_lets_nobody_in() {
    let mut node = Node::new();
    Arc::get_mut(&mut node.state).unwrap().parts.control = Secret::default();
    let answer = node.send(Method::GET, "/api/process", Some(""), "").await;
    answer.problem(401);
}
