//! What applications have done at the end of a session.

use serde_json::{Value, json};

use crate::support::{Client, Gateway, http::Answer, redis::Redis, service::Service, until};

fn path(session: &str) -> String {
    format!("/api/sessions/{session}/on-close")
}

async fn session_of(gateway: &Gateway, user: &str) -> String {
    let answer = gateway
        .api("GET", &format!("/api/users/{user}"), &Value::Null)
        .await;
    let user: Value = serde_json::from_str(&answer.body).unwrap();
    user["sessions"][0]["id"].as_str().unwrap().to_owned()
}

fn read(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{answer:?}");
    serde_json::from_str(&answer.body).unwrap()
}

#[track_caller]
fn refused(answer: &Answer, status: u16, part: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert!(answer.body.contains(part), "{answer:?}");
}

fn srem(id: &str, key: &str, member: &str) -> Value {
    json!({"id": id, "do": {"redis_srem": {"key": key, "member": member}}})
}

/// Waits until a member is in a set, or not.
async fn until_member(redis: &Redis, key: &str, member: &str, is: bool) {
    let is = if is { "1" } else { "0" };
    until("the set changes", || {
        redis.ask(&["SISMEMBER", key, member]) == is
    })
    .await;
}

/// A listener at an address of the configuration.
fn callee(more: &str) -> (Service, String, String) {
    let service = Service::taking();
    let url = service.url("/methods");
    let toml = format!("backend.methods = [{{ prefix = \"shop.\", url = \"{url}\" }}]\n{more}");
    (service, url, toml)
}

#[tokio::test]
async fn keys_are_changed_when_the_session_ends_whichever_node_is_asked() {
    let gateway = Gateway::start_two("");
    let redis = gateway.redis().unwrap();
    // Of the two nodes, one has the session.
    let mut anna = Client::ride(&gateway, "a", "anna").await;
    let session = session_of(&gateway, "anna").await;
    for (node, body) in [
        (0, json!({"do": {"redis_srem": {"key": "online:{shop}"}}})),
        (1, srem("seat", "seats", "anna")),
        (
            1,
            json!({"id": "cart", "do": {"redis_del": {"key": "cart:anna"}}}),
        ),
    ] {
        let answer = read(&gateway.api_of(node, "POST", &path(&session), &body).await);
        let id = answer["id"].as_str().unwrap();
        let duties = answer["duties"].as_array().unwrap();
        assert_eq!(duties.last().unwrap()["id"], id);
    }
    for node in [0, 1] {
        let attached = gateway
            .api_of(node, "GET", &path(&session), &Value::Null)
            .await;
        let attached = read(&attached);
        assert_eq!(attached["duties"].as_array().unwrap().len(), 3);
        let first = &attached["duties"][0]["do"]["redis_srem"];
        assert_eq!(first, &json!({"key": "online:{shop}", "member": session}));
    }
    for (key, member) in [
        ("online:{shop}", &*session),
        ("seats", "anna"),
        ("cart:anna", "x"),
    ] {
        redis.ask(&["SADD", key, member, "other"]);
    }
    anna.close().await;
    until_member(redis, "online:{shop}", &session, false).await;
    until_member(redis, "seats", "anna", false).await;
    until("the key is gone", || {
        redis.ask(&["EXISTS", "cart:anna"]) == "0"
    })
    .await;
    assert_eq!(redis.ask(&["SCARD", "seats"]), "1");
    gateway
        .until_metric("tidegate_dues_sessions", "", 0.0)
        .await;
    for (kind, count) in [("redis_srem", 2.0), ("redis_del", 1.0)] {
        let labels = format!("kind=\"{kind}\",outcome=\"done\"");
        assert_eq!(
            gateway.metric("tidegate_duties_total", &labels).await,
            count
        );
    }
    for node in [0, 1] {
        for method in ["GET", "POST", "DELETE"] {
            let body = srem("1", "k", "m");
            let answer = gateway.api_of(node, method, &path(&session), &body).await;
            refused(&answer, 404, "no such session");
        }
    }
    assert_eq!(
        redis.ask(&["HLEN", &format!("tg:sessions:{{{}}}", member(&session))]),
        "1"
    );
}

fn member(session: &str) -> &str {
    session.rsplit_once('.').unwrap().0
}

#[tokio::test]
async fn what_was_taken_back_is_not_done() {
    let gateway = Gateway::start_two("");
    let redis = gateway.redis().unwrap();
    let mut anna = Client::ride(&gateway, "a", "anna").await;
    let session = session_of(&gateway, "anna").await;
    for id in ["1", "2", "3"] {
        redis.ask(&["SADD", "set", id]);
        let attached = gateway
            .api("POST", &path(&session), &srem(id, "set", id))
            .await;
        assert_eq!(attached.status, 200, "{attached:?}");
    }
    let one = format!("{}?duty=2", path(&session));
    let left = read(&gateway.api_of(1, "DELETE", &one, &Value::Null).await);
    assert_eq!(left["duties"].as_array().unwrap().len(), 2);
    let again = gateway.api_of(1, "DELETE", &one, &Value::Null).await;
    refused(&again, 404, "nothing of this id");
    anna.close().await;
    until_member(redis, "set", "1", false).await;
    until_member(redis, "set", "3", false).await;
    assert_eq!(redis.ask(&["SMEMBERS", "set"]), "2");
    let mut bert = Client::ride(&gateway, "b", "bert").await;
    let session = session_of(&gateway, "bert").await;
    gateway
        .api("POST", &path(&session), &srem("1", "set", "2"))
        .await;
    let left = read(&gateway.api("DELETE", &path(&session), &Value::Null).await);
    assert_eq!(left["duties"], json!([]));
    bert.close().await;
    gateway
        .until_metric("tidegate_dues_sessions", "", 0.0)
        .await;
    assert_eq!(redis.ask(&["SMEMBERS", "set"]), "2");
}

#[tokio::test]
async fn what_cannot_be_done_is_refused() {
    let gateway = Gateway::start_two("");
    let redis = gateway.redis().unwrap();
    redis.ask(&["SET", "text", "x"]);
    let _anna = Client::ride(&gateway, "a", "anna").await;
    let session = session_of(&gateway, "anna").await;
    let long = "x".repeat(2000);
    for (body, part) in [
        (srem("1", "tg:members", "x"), "own"),
        (srem("1", "text", "x"), "no set"),
        (srem("1", "a{}b", "x"), "braces"),
        (srem("1", "", "x"), "1 to 1024"),
        (srem("1", &long, "x"), "1 to 1024"),
        (srem(&long, "k", "x"), "1 to 64"),
        (json!({"do": {"flushall": {}}}), "flushall"),
        (json!({"do": {}}), "expected one of"),
        (
            json!({"do": {"redis_del": {"key": "a"}, "redis_srem": {"key": "a"}}}),
            "expected one of",
        ),
        (json!({}), "do"),
        (json!({"do": {"call": {"method": "shop.x"}}}), "url"),
        (
            json!({"do": {"call": {"method": "x", "url": "http://169.254.169.254/"}}}),
            "url",
        ),
    ] {
        refused(
            &gateway.api("POST", &path(&session), &body).await,
            422,
            part,
        );
    }
    for number in 0..16 {
        let body = srem(&number.to_string(), "set", "x");
        assert_eq!(
            gateway.api("POST", &path(&session), &body).await.status,
            200
        );
    }
    let more = gateway
        .api("POST", &path(&session), &srem("more", "set", "x"))
        .await;
    refused(&more, 409, "16");
    let other = gateway
        .api("POST", &path(&session), &srem("1", "set", "y"))
        .await;
    refused(&other, 409, "id");
    let same = gateway
        .api("POST", &path(&session), &srem("1", "set", "x"))
        .await;
    assert_eq!(read(&same)["duties"].as_array().unwrap().len(), 16);
    for gone in ["gone", "gw-9.1.1", "x.y"] {
        let answer = gateway
            .api("POST", &path(gone), &srem("1", "set", "x"))
            .await;
        refused(&answer, 404, "no such session");
    }
}

#[tokio::test]
async fn a_node_without_redis_changes_no_keys() {
    let gateway = Gateway::start_alone("");
    let _anna = Client::ride(&gateway, "a", "anna").await;
    let session = session_of(&gateway, "anna").await;
    let answer = gateway
        .api("POST", &path(&session), &srem("1", "k", "m"))
        .await;
    refused(&answer, 422, "cluster.redis");
}

#[tokio::test]
async fn a_method_is_called_when_the_session_ends() {
    let (mut service, url, toml) = callee("");
    let gateway = Gateway::start(&toml);
    let mut anna = Client::ride(&gateway, "a", "anna").await;
    let session = session_of(&gateway, "anna").await;
    let by_name = json!({"id": "1", "do": {"call": {"method": "shop.left", "params": {"n": 1.5}}}});
    let by_url = json!({"id": "2", "do": {"call": {"method": "other", "url": url}}});
    for body in [&by_name, &by_url] {
        read(&gateway.api("POST", &path(&session), body).await);
    }
    let attached = read(&gateway.api("GET", &path(&session), &Value::Null).await);
    assert_eq!(attached["duties"][0]["do"]["call"]["url"], url);
    anna.close().await;
    for (id, method, params) in [
        ("1", "shop.left", json!({"n": 1.5})),
        ("2", "other", Value::Null),
    ] {
        let body = service.next().await.json();
        assert_eq!(body["id"], format!("due:{session}:{id}"));
        assert_eq!(
            (&body["method"], &body["params"]),
            (&json!(method), &params)
        );
        assert_eq!(
            (&body["session"], &body["user"]),
            (&json!(session), &json!("anna"))
        );
    }
}

#[tokio::test]
async fn what_is_attached_while_the_session_ends_is_done_or_refused() {
    let gateway = Gateway::start_two("");
    let redis = gateway.redis().unwrap();
    for round in 0..20 {
        let name = format!("u{round}");
        let mut client = Client::ride(&gateway, &name, &name).await;
        let session = session_of(&gateway, &name).await;
        redis.ask(&["SADD", "ending", &name]);
        let body = srem("1", "ending", &name);
        let at = path(&session);
        let attaching = gateway.api_of(round % 2, "POST", &at, &body);
        let (attached, _) = tokio::join!(attaching, client.close());
        gateway
            .until_metric("tidegate_dues_sessions", "", 0.0)
            .await;
        let is_in = redis.ask(&["SISMEMBER", "ending", &name]) == "1";
        match attached.status {
            200 => assert!(!is_in, "{round}: it was answered for"),
            404 => assert!(is_in, "{round}: it was refused"),
            _ => panic!("{attached:?}"),
        }
    }
}

#[tokio::test]
async fn a_drain_does_what_is_owed() {
    let mut gateway = Gateway::start_two("");
    let mut sessions = Vec::new();
    let mut clients = Vec::new();
    for number in 0..10 {
        let name = format!("u{number}");
        clients.push(Client::ride(&gateway, &name, &name).await);
        let session = session_of(&gateway, &name).await;
        gateway.redis().unwrap().ask(&["SADD", "drained", &session]);
        let body = json!({"do": {"redis_srem": {"key": "drained"}}});
        read(&gateway.api("POST", &path(&session), &body).await);
        sessions.push(session);
    }
    gateway.stop();
    gateway.ended().await;
    let redis = gateway.redis().unwrap();
    for session in sessions {
        let is_in = redis.ask(&["SISMEMBER", "drained", &session]) == "1";
        assert_eq!(is_in, !session.starts_with("gw-0."), "{session}");
    }
}
