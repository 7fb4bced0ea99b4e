//! Jobs: each is done by the service of its kind, and its answer comes to its user.

mod lists;
mod trouble;

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::{
    Client, Gateway,
    service::{Reply, Service},
    soon,
};

const JOBS: &str = "tidegate_jobs_total";
const DONE: &str = "outcome=\"done\"";

/// One of `backend.jobs`.
fn kind(name: &str, service: &Service, more: &str) -> String {
    let url = service.url("/work");
    format!("{{ kind = \"{name}\", url = \"{url}\", retry_min = \"50ms\"{more} }}")
}

fn kinds(kinds: &[String]) -> String {
    format!("backend.jobs = [{}]", kinds.join(", "))
}

/// A service that answers with what it was asked.
fn echo() -> Service {
    Service::start(|request| (200, format!("{{\"heard\":{}}}", request.body)))
}

async fn add(gateway: &Gateway, job: &Value) -> String {
    let answer = gateway.api("POST", "/api/jobs", job).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let answer: Value = serde_json::from_str(&answer.body).unwrap();
    answer["id"].as_str().unwrap().to_owned()
}

async fn get(gateway: &Gateway, path: &str) -> Value {
    let answer = gateway.api("GET", path, &Value::Null).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    serde_json::from_str(&answer.body).unwrap()
}

/// Waits until a job is in this state.
async fn until_state(gateway: &Gateway, id: &str, state: &str) -> Value {
    soon(state, async {
        loop {
            let job = get(gateway, &format!("/api/jobs/{id}")).await;
            if job["state"] == state {
                return job;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
}

/// The next text of a client, as JSON.
async fn frame(client: &mut Client) -> Value {
    soon("a message", async {
        loop {
            if let Message::Text(text) = client.message().await {
                return serde_json::from_str(&text).unwrap();
            }
        }
    })
    .await
}

#[tokio::test]
async fn an_answer_comes_to_its_user_and_is_kept_with_the_job() {
    let mut service = echo();
    let secret = ", secret = \"shared-with-the-service\"";
    let gateway = Gateway::start(&kinds(&[kind("ocr", &service, secret)]));
    let mut anna = Client::ride(&gateway, "c", "anna").await;
    gateway.settle().await;
    let url = "http://img/1.png?a=1&b=\u{fc}";
    let id = add(
        &gateway,
        &json!({"kind": "ocr", "user": "anna", "url": url, "data": [1]}),
    )
    .await;
    let request = service.next().await;
    assert_eq!(request.header("content-type"), Some("application/json"));
    let signature = request.header("x-tidegate-signature").unwrap();
    assert!(signature.starts_with("t="), "{signature}");
    let body = request.json();
    let expect = json!({
        "id": id, "kind": "ocr", "user": "anna", "url": url, "data": [1], "attempt": 1,
    });
    assert_eq!(body, expect);
    let told = frame(&mut anna).await;
    assert_eq!(
        (&told["flag"], &told["heard"]),
        (&json!("send_result"), &expect)
    );
    let done = until_state(&gateway, &id, "done").await;
    assert_eq!(
        (&done["result"]["heard"], &done["attempts"]),
        (&expect, &json!(1))
    );
    assert_eq!(
        (&done["user"], &done["url"], &done["data"]),
        (&json!("anna"), &json!(url), &json!([1]))
    );
    for topic in ["user:anna", "room:user_anna"] {
        let history = get(&gateway, &format!("/api/history/{topic}")).await;
        let messages = history["messages"].as_array().unwrap();
        assert_eq!(messages.len(), 1, "{topic}: {history}");
        assert_eq!(messages[0]["event"], "send_result");
    }
    // Once, although the answer went to two topics.
    anna.ping_among_pings().await;
    gateway.until_metric(JOBS, DONE, 1.0).await;
    gateway.until_metric("tidegate_jobs_open", "", 0.0).await;
    gateway.until_metric("tidegate_jobs_running", "", 0.0).await;
    assert!(service.try_next().is_none());
}

#[tokio::test]
async fn a_form_is_sent_where_one_is_wanted_and_text_comes_back_as_text() {
    let mut service = Service::start(|_| (201, "it says \"x\""));
    let gateway = Gateway::start(&kinds(&[kind("ocr", &service, ", body = \"form\"")]));
    let mut anna = Client::ride(&gateway, "c", "anna").await;
    gateway.settle().await;
    let url = "http://img/?a=1&b=2";
    add(
        &gateway,
        &json!({"kind": "ocr", "user": "anna", "url": url, "id": "a b"}),
    )
    .await;
    let request = service.next().await;
    let form = "application/x-www-form-urlencoded";
    assert_eq!(request.header("content-type"), Some(form));
    assert_eq!(
        request.body,
        "id=a+b&kind=ocr&user=anna&url=http%3A%2F%2Fimg%2F%3Fa%3D1%26b%3D2&attempt=1"
    );
    assert_eq!(frame(&mut anna).await["data"], "it says \"x\"");
    let done = until_state(&gateway, "a%20b", "done").await;
    assert_eq!(done["result"], "it says \"x\"");
}

#[tokio::test]
async fn the_same_id_is_the_same_job_on_every_node() {
    let mut service = echo();
    let gateway = Gateway::start_two(&kinds(&[kind("ocr", &service, "")]));
    let job = json!({"kind": "ocr", "user": "anna", "url": "u", "id": "k"});
    for node in [0, 1, 1, 0] {
        let answer = gateway.api_of(node, "POST", "/api/jobs", &job).await;
        assert_eq!((answer.status, &*answer.body), (200, "{\"id\":\"k\"}"));
    }
    until_state(&gateway, "k", "done").await;
    let answer = gateway.api_of(1, "POST", "/api/jobs", &job).await;
    assert_eq!(answer.status, 200);
    let other = json!({"kind": "ocr", "user": "bert", "url": "u", "id": "k"});
    let answer = gateway.api_of(1, "POST", "/api/jobs", &other).await;
    assert_eq!(answer.status, 409, "{answer:?}");
    service.next().await;
    assert!(service.try_next().is_none());
    gateway.until_metric(JOBS, DONE, 1.0).await;
}

#[tokio::test]
async fn many_jobs_are_done_once_each_by_all_nodes_together() {
    const COUNT: usize = 100;
    let mut service = echo();
    let gateway = Gateway::start_two(&kinds(&[kind("ocr", &service, "")]));
    for number in 0..COUNT {
        let node = number % 2;
        let job = json!({"kind": "ocr", "user": "anna", "data": number, "id": number.to_string()});
        let answer = gateway.api_of(node, "POST", "/api/jobs", &job).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let mut seen = BTreeSet::new();
    for _ in 0..COUNT {
        let body = service.next().await.json();
        assert!(
            seen.insert(body["data"].as_u64().unwrap()),
            "{body} came twice"
        );
    }
    gateway.until_metric(JOBS, DONE, COUNT as f64).await;
    assert!(service.try_next().is_none());
}

#[tokio::test]
async fn kinds_come_and_go_with_a_reload() {
    let mut service = echo();
    let gateway = Gateway::start(&kinds(&[kind("ocr", &service, "")]));
    let pdf = json!({"kind": "pdf", "user": "anna", "id": "p"});
    let answer = gateway.api("POST", "/api/jobs", &pdf).await;
    assert_eq!(answer.status, 422, "{answer:?}");
    assert!(answer.body.contains("expected ocr"), "{answer:?}");
    let reloaded = gateway.reload(&kinds(&[kind("pdf", &service, "")]));
    assert_eq!(
        (reloaded.applied, reloaded.errors),
        (vec!["backend.jobs".to_owned()], vec![])
    );
    add(&gateway, &pdf).await;
    until_state(&gateway, "p", "done").await;
    assert!(service.next().await.body.contains("\"kind\":\"pdf\""));
    let ocr = json!({"kind": "ocr", "user": "anna"});
    assert_eq!(gateway.api("POST", "/api/jobs", &ocr).await.status, 422);
}
