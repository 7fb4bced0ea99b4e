//! Jobs that other programs write into Redis: into the queue, and into the list of the original.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::SeqCst},
};

use super::*;
use crate::support::redis::Redis;

fn with_redis(redis: &Redis, kinds: &str) -> Gateway {
    Gateway::start_two(&format!("cluster.redis = \"{}\"\n{kinds}", redis.url()))
}

/// Waits until Redis answers so.
async fn until_redis(redis: &Redis, command: &[&str], answer: &str) {
    let what = format!("{command:?} is {answer}");
    crate::support::until(&what, || redis.ask(command).trim() == answer).await;
}

#[tokio::test]
async fn what_is_added_to_the_queue_is_done_and_what_is_none_is_dead_with_its_reason() {
    let redis = Redis::start();
    let mut service = echo();
    let gateway = with_redis(&redis, &kinds(&[kind("ocr", &service, "")]));
    let push = |text: &str| redis.ask(&["XADD", "tg:jobs", "*", "message", text]);
    push(r#"{"kind":"ocr","user":"anna","url":"u","id":"mine"}"#);
    until_state(&gateway, "mine", "done").await;
    service.next().await;
    for (text, reason) in [
        ("{", "not JSON"),
        (r#"{"kind":"pdf","user":"anna"}"#, "expected ocr"),
        (r#"{"kind":"ocr"}"#, "user"),
    ] {
        let entry = push(text);
        let dead = until_state_soon(&gateway, &format!("entry:{}", entry.trim())).await;
        assert!(dead["reason"].as_str().unwrap().contains(reason), "{dead}");
        assert_eq!(dead["message"], text);
    }
    assert_eq!(redis.ask(&["XLEN", "tg:jobs:dead"]).trim(), "3");
    until_redis(&redis, &["XLEN", "tg:jobs"], "0").await;
    assert!(redis.ask(&["XINFO", "GROUPS", "tg:jobs"]).contains("jobs"));
    let retried = gateway
        .api("GET", "/api/jobs?state=dead", &Value::Null)
        .await;
    let listed: Value = serde_json::from_str(&retried.body).unwrap();
    assert_eq!(listed["jobs"].as_array().unwrap().len(), 3);
    // With the kind there is one of them can be done.
    let toml = kinds(&[kind("ocr", &service, ""), kind("pdf", &service, "")]);
    gateway.reload(&format!("cluster.redis = \"{}\"\n{toml}", redis.url()));
    for job in listed["jobs"].as_array().unwrap() {
        let id = job["id"].as_str().unwrap();
        let path = format!("/api/jobs/{id}/retry");
        let retried = gateway.api("POST", &path, &Value::Null).await;
        let can_be = job["message"].as_str().unwrap().contains("pdf");
        assert_eq!(retried.status, if can_be { 204 } else { 422 }, "{job}");
        if can_be {
            until_state(&gateway, id, "done").await;
        }
    }
}

/// The dead job of this id, once it is there.
async fn until_state_soon(gateway: &Gateway, id: &str) -> Value {
    soon("a dead job", async {
        loop {
            let answer = gateway
                .api("GET", &format!("/api/jobs/{id}"), &Value::Null)
                .await;
            if answer.status == 200 {
                return serde_json::from_str(&answer.body).unwrap();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
}

#[tokio::test]
async fn an_entry_of_the_list_stays_until_its_answer_is_published() {
    let redis = Redis::start();
    let works = Arc::new(AtomicBool::new(false));
    let mut service = Service::start({
        let works = Arc::clone(&works);
        move |request| match works.load(SeqCst) {
            true => (200, format!("{{\"form\":\"{}\"}}", request.body)),
            false => (500, String::new()),
        }
    });
    let more =
        ", body = \"form\", legacy_list = \"idcardimg\", retry_max = \"100ms\", attempts_max = 999";
    let gateway = with_redis(&redis, &kinds(&[kind("ocr", &service, more)]));
    let mut anna = Client::ride(&gateway, "c", "anna").await;
    gateway.settle().await;
    redis.ask(&["RPUSH", "idcardimg", "http://x/?userid:1.pnguserid:anna"]);
    for _ in 0..3 {
        service.next().await;
        assert_eq!(
            redis.ask(&["LLEN", "idcardimg"]).trim(),
            "1",
            "it has failed, and stays"
        );
    }
    works.store(true, SeqCst);
    let told = frame(&mut anna).await;
    assert_eq!(told["flag"], "send_result");
    let form = told["form"].as_str().unwrap();
    assert!(
        form.contains("&user=anna&url=http%3A%2F%2Fx%2F%3Fuserid%3A1.png&"),
        "{form}"
    );
    until_redis(&redis, &["LLEN", "idcardimg"], "0").await;
    // The same again is another job.
    redis.ask(&["LPUSH", "idcardimg", "http://x/?userid:1.pnguserid:anna"]);
    assert_eq!(frame(&mut anna).await["flag"], "send_result");
    until_redis(&redis, &["LLEN", "idcardimg"], "0").await;
    gateway.until_metric(JOBS, DONE, 2.0).await;
}

#[tokio::test]
async fn many_entries_are_done_and_what_is_none_is_with_the_dead_letters() {
    const COUNT: usize = 400;
    let redis = Redis::start();
    let service = echo();
    let more = ", legacy_list = \"idcardimg\", concurrency_max = 16, durable = false";
    let entries: Vec<String> = (0..COUNT)
        .map(|n| format!("http://x/{n}userid:{n}"))
        .collect();
    let mut push = vec![
        "RPUSH",
        "idcardimg",
        "no entry",
        "userid:7",
        "http://xuserid:",
    ];
    push.extend(entries.iter().map(String::as_str));
    redis.ask(&push);
    let gateway = with_redis(&redis, &kinds(&[kind("ocr", &service, more)]));
    gateway.until_metric(JOBS, DONE, COUNT as f64).await;
    until_redis(&redis, &["LLEN", "idcardimg"], "0").await;
    let letters = redis.ask(&["XRANGE", "tg:jobs:dead", "-", "+"]);
    for reason in [
        "no entry",
        "it has no userid:",
        "its user is none",
        "has no address",
    ] {
        assert!(letters.contains(reason), "{letters}");
    }
    assert_eq!(redis.ask(&["XLEN", "tg:jobs:dead"]).trim(), "3");
}
