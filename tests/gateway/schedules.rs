//! Schedules: what is due is done once, in time or as late as it may be.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::{
    Client, Gateway, http, process::Place, redis::Redis, service::Service, soon, until,
};

const OCCURRENCES: &str = "tidegate_schedules_total";
const KEY: &str =
    "api.keys = [{ key = \"k\", scopes = [\"admin\"] }]\nstore.url = \"sqlite://t.db\"\n";

fn in_seconds(seconds: f64) -> f64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    now.as_secs_f64() + seconds
}

async fn add(gateway: &Gateway, node: usize, schedule: &Value) -> Value {
    let answer = gateway
        .api_of(node, "POST", "/api/schedules", schedule)
        .await;
    assert_eq!(answer.status, 200, "{schedule}: {answer:?}");
    serde_json::from_str(&answer.body).unwrap()
}

async fn get(gateway: &Gateway, path: &str, status: u16) -> Value {
    let answer = gateway.api("GET", path, &Value::Null).await;
    assert_eq!(answer.status, status, "{answer:?}");
    serde_json::from_str(&answer.body).unwrap()
}

/// The flags of the next `count` messages of a `ride` client, in alphabetical order.
async fn flags(client: &mut Client, count: usize) -> Vec<String> {
    let mut flags = Vec::new();
    soon("messages", async {
        while flags.len() < count {
            if let Message::Text(text) = client.message().await {
                let frame: Value = serde_json::from_str(&text).unwrap();
                flags.push(frame["flag"].as_str().unwrap().to_owned());
            }
        }
    })
    .await;
    flags.sort();
    flags
}

fn message(event: &str) -> Value {
    json!({"to": "user:anna", "event": event})
}

#[tokio::test]
async fn what_is_due_comes_once_from_two_nodes_and_is_over_then() {
    let gateway = Gateway::start_two("");
    let mut anna = Client::ride(&gateway, "c", "anna").await;
    gateway.settle().await;
    let begin = in_seconds(0.0);
    let at = begin + 1.0;
    for node in [0, 1, 1] {
        let schedule = json!({"at": at, "publish": message("at"), "id": "one"});
        assert_eq!(add(&gateway, node, &schedule).await["id"], "one");
    }
    let other = json!({"at": at, "publish": message("other"), "id": "one"});
    let refused = gateway.api("POST", "/api/schedules", &other).await;
    assert_eq!(refused.status, 409, "{refused:?}");
    let after = add(&gateway, 1, &json!({"in": 1, "publish": message("in")})).await;
    assert!(begin + 0.9 < after["next"].as_f64().unwrap(), "{after}");
    let cancelled = add(
        &gateway,
        0,
        &json!({"in": 1, "publish": message("never"), "id": "n/o"}),
    )
    .await;
    assert_eq!(cancelled["id"], "n/o");
    let later = json!({"in": 60, "job": {"kind": "none", "user": "anna"}});
    assert_eq!(
        gateway.api("POST", "/api/schedules", &later).await.status,
        422
    );
    add(&gateway, 0, &json!({"cron": "0 4 1 1 *", "timezone": "Asia/Shanghai", "publish": message("year"), "missed": "skip", "id": "y"})).await;
    let listed = get(&gateway, "/api/schedules", 200).await;
    let ids = listed["schedules"].as_array().unwrap().iter();
    let ids: Vec<&str> = ids.map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!((ids.len(), ids.last()), (4, Some(&"y")), "{listed}");
    let found = get(&gateway, "/api/schedules/y", 200).await;
    assert_eq!(
        (&found["timezone"], &found["missed"], &found["late_max"]),
        (&json!("Asia/Shanghai"), &json!("skip"), &json!(10.0))
    );
    assert_eq!(found["publish"], message("year"));
    let removed = gateway
        .api_of(1, "DELETE", "/api/schedules/n%2Fo", &Value::Null)
        .await;
    assert_eq!(removed.status, 204, "{removed:?}");
    assert_eq!(flags(&mut anna, 2).await, ["at", "in"]);
    assert!(at <= in_seconds(0.0));
    gateway
        .until_metric(OCCURRENCES, "outcome=\"fired\"", 2.0)
        .await;
    anna.ping_among_pings().await;
    get(&gateway, "/api/schedules/one", 404).await;
    let listed = get(&gateway, "/api/schedules", 200).await;
    assert_eq!(listed["schedules"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_comes_again_has_its_next_time_and_jobs_have_their_answers() {
    let redis = Redis::start();
    let service = Service::start(|_| (200, "{\"n\":1}"));
    let gateway = Gateway::start_two(&format!(
        "cluster.redis = \"{}\"\nbackend.jobs = [{{ kind = \"report\", url = \"{}\" }}]",
        redis.url(),
        service.url("/work")
    ));
    let mut anna = Client::ride(&gateway, "c", "anna").await;
    gateway.settle().await;
    let job = json!({"kind": "report", "user": "anna"});
    add(
        &gateway,
        0,
        &json!({"cron": "0 4 1 1 *", "job": job, "id": "r"}),
    )
    .await;
    let first = add(
        &gateway,
        0,
        &json!({"cron": "0 4 1 1 *", "publish": message("cron"), "id": "c"}),
    )
    .await;
    for round in 1..=5 {
        // As if its time had come.
        let due = ((in_seconds(0.0) * 1000.0) as u64).to_string();
        for id in ["c", "r"] {
            redis.ask(&["ZADD", "tg:schedules:{tg:push}", "XX", &due, id]);
        }
        assert_eq!(
            flags(&mut anna, 2).await,
            ["cron", "send_result"],
            "{round}"
        );
        for id in ["c", "r"] {
            let found = get(&gateway, &format!("/api/schedules/{id}"), 200).await;
            assert_eq!(found["next"], first["next"]);
        }
    }
    gateway
        .until_metric(OCCURRENCES, "outcome=\"fired\"", 10.0)
        .await;
    gateway
        .until_metric("tidegate_jobs_total", "outcome=\"done\"", 5.0)
        .await;
    anna.ping_among_pings().await;
}

#[tokio::test]
async fn what_was_missed_comes_late_once_or_not_at_all() {
    let place = Place::new(KEY);
    let mut node = place.start().await;
    let call = async |method: &str, path: &str, body: &Value| {
        let headers = [("authorization", "Bearer k")];
        http::call(place.admin(), method, path, &headers, &body.to_string()).await
    };
    let durable = |event: &str| json!({"to": "user:anna", "event": event, "durable": true});
    for schedule in [
        json!({"in": 1.5, "publish": durable("late"), "id": "a"}),
        json!({"in": 1.5, "publish": durable("skipped"), "missed": "skip", "late_max": 0.01, "id": "b"}),
        json!({"in": 1.5, "publish": durable("in time"), "missed": "skip", "late_max": 600, "id": "c"}),
        json!({"cron": "0 4 1 1 *", "publish": durable("again"), "id": "d"}),
        json!({"cron": "0 4 1 1 *", "publish": durable("passed over"), "missed": "skip", "id": "e"}),
    ] {
        let answer = call("POST", "/api/schedules", &schedule).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let due = in_seconds(1.5);
    node.signal(rustix::process::Signal::KILL);
    node.ended().await;
    // As if the node had been down over many of their times.
    let store = rusqlite::Connection::open(place.file("t.db")).unwrap();
    let long_ago = "UPDATE schedule SET next_ms = 1600000000000 WHERE id IN ('d', 'e')";
    assert_eq!(store.execute(long_ago, []).unwrap(), 2);
    drop(store);
    until("their time is over", || due + 0.1 < in_seconds(0.0)).await;
    let _node = place.start().await;
    let mut anna = place.connect("/ws/?client_id=c&token=anna").await;
    assert_eq!(flags(&mut anna, 3).await, ["again", "in time", "late"]);
    let metric = async |outcome: &str| {
        let outcome = format!("outcome=\"{outcome}\"");
        http::metric(place.admin(), OCCURRENCES, &outcome).await
    };
    assert_eq!(metric("skipped").await, 2.0);
    assert_eq!(metric("fired").await + metric("late").await, 3.0);
    let left = call("GET", "/api/schedules", &Value::Null).await;
    let left: Value = serde_json::from_str(&left.body).unwrap();
    for schedule in left["schedules"].as_array().unwrap() {
        assert!(
            in_seconds(0.0) < schedule["next"].as_f64().unwrap(),
            "{schedule}"
        );
    }
    assert_eq!(left["schedules"].as_array().unwrap().len(), 2);
    anna.ping_among_pings().await;
}
