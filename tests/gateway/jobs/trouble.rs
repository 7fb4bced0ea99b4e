//! Services that fail or hang, and nodes that go away in the middle.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
};

use rustix::process::Signal;
use tidegate::jobs::LEASE;
use tokio::{sync::Notify, time::Instant};

use super::*;
use crate::support::{http, process::Place};

const KEY: &str = "api.keys = [{ key = \"k\", scopes = [\"admin\"] }]\n";

/// A service that answers when it is told to. Counts how many wait, and how many have at a time.
struct Gate {
    open: Notify,
    is_open: AtomicBool,
    waiting: AtomicUsize,
    most: AtomicUsize,
}

impl Gate {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            open: Notify::new(),
            is_open: AtomicBool::new(false),
            waiting: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
        })
    }

    fn open(&self) {
        self.is_open.store(true, SeqCst);
        self.open.notify_waiters();
    }

    async fn pass(&self) {
        let most = self.waiting.fetch_add(1, SeqCst) + 1;
        self.most.fetch_max(most, SeqCst);
        let opened = self.open.notified();
        if !self.is_open.load(SeqCst) {
            opened.await;
        }
        self.waiting.fetch_sub(1, SeqCst);
    }
}

fn gated(gate: &Arc<Gate>) -> Service {
    let gate = Arc::clone(gate);
    Service::start(move |_| {
        let gate = Arc::clone(&gate);
        Reply::later(async move {
            gate.pass().await;
            (200, "{\"late\":true}".to_owned())
        })
    })
}

#[tokio::test]
async fn what_fails_is_tried_again_and_dead_in_the_end_and_can_be_retried() {
    let works = Arc::new(AtomicBool::new(false));
    let mut service = Service::start({
        let works = Arc::clone(&works);
        move |_| match works.load(SeqCst) {
            true => (200, "1"),
            false => (503, ""),
        }
    });
    let gateway = Gateway::start(&kinds(&[kind("ocr", &service, ", attempts_max = 3")]));
    add(
        &gateway,
        &json!({"kind": "ocr", "user": "anna", "id": "a/b"}),
    )
    .await;
    let dead = until_state(&gateway, "a%2Fb", "dead").await;
    assert_eq!(dead["attempts"], 3);
    let reason = dead["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("was tried 3 times: ") && reason.contains("503"),
        "{reason}"
    );
    for attempt in 1..=3 {
        let body = service.next().await.json();
        assert_eq!(body["attempt"], attempt);
    }
    let listed = get(&gateway, "/api/jobs?state=dead").await;
    assert_eq!(listed["jobs"][0]["id"], "a/b");
    if let Some(redis) = gateway.redis() {
        let letters = redis.ask(&["XRANGE", "tg:jobs:dead", "-", "+"]);
        assert!(
            letters.contains("was tried 3 times") && letters.contains("a/b"),
            "{letters}"
        );
    }
    gateway.until_metric(JOBS, "outcome=\"failed\"", 2.0).await;
    gateway.until_metric(JOBS, "outcome=\"dead\"", 1.0).await;
    // Every node sees it.
    let nodes = if gateway.is_cluster() { 2.0 } else { 1.0 };
    gateway.until_metric("tidegate_jobs_dead", "", nodes).await;
    works.store(true, SeqCst);
    let retried = gateway
        .api("POST", "/api/jobs/a%2Fb/retry", &Value::Null)
        .await;
    assert_eq!(retried.status, 204, "{retried:?}");
    until_state(&gateway, "a%2Fb", "done").await;
    if let Some(redis) = gateway.redis() {
        assert_eq!(redis.ask(&["XLEN", "tg:jobs:dead"]).trim(), "0");
    }
    let dropped = gateway.api("DELETE", "/api/jobs/a%2Fb", &Value::Null).await;
    assert_eq!(dropped.status, 204, "{dropped:?}");
    let gone = gateway.api("GET", "/api/jobs/a%2Fb", &Value::Null).await;
    assert_eq!(gone.status, 404, "{gone:?}");
}

#[tokio::test]
async fn a_service_that_hangs_is_in_no_other_ones_way_and_is_asked_no_more_than_it_may_be() {
    const WAITING: usize = 40;
    let gate = Gate::new();
    let (slow, quick) = (gated(&gate), echo());
    let gateway = Gateway::start_alone(&kinds(&[
        kind("slow", &slow, ", concurrency_max = 2"),
        kind("quick", &quick, ""),
    ]));
    for number in 0..WAITING {
        add(
            &gateway,
            &json!({"kind": "slow", "user": "anna", "data": number}),
        )
        .await;
    }
    crate::support::until("it hangs", || gate.waiting.load(SeqCst) == 2).await;
    for number in 0..20 {
        let id = format!("q{number}");
        add(
            &gateway,
            &json!({"kind": "quick", "user": "anna", "id": id}),
        )
        .await;
    }
    for number in 0..20 {
        until_state(&gateway, &format!("q{number}"), "done").await;
    }
    assert_eq!(gate.waiting.load(SeqCst), 2);
    gateway.until_metric("tidegate_jobs_running", "", 2.0).await;
    gateway
        .until_metric("tidegate_jobs_open", "", WAITING as f64)
        .await;
    assert!(0.0 < gateway.metric("tidegate_jobs_oldest_seconds", "").await);
    gate.open();
    gateway
        .until_metric(JOBS, DONE, (WAITING + 20) as f64)
        .await;
    assert_eq!(gate.most.load(SeqCst), 2);
}

#[tokio::test]
async fn what_takes_too_long_has_failed() {
    let gate = Gate::new();
    let service = gated(&gate);
    let more = ", timeout = \"100ms\", attempts_max = 2";
    let gateway = Gateway::start(&kinds(&[kind("ocr", &service, more)]));
    let id = add(&gateway, &json!({"kind": "ocr", "user": "anna"})).await;
    let dead = until_state(&gateway, &id, "dead").await;
    let reason = dead["reason"].as_str().unwrap();
    assert!(reason.contains("did not answer in time"), "{reason}");
}

#[tokio::test]
async fn a_drain_lets_what_runs_end_and_takes_nothing_new() {
    let gate = Gate::new();
    let service = gated(&gate);
    let folder = format!("{KEY}store.url = \"sqlite://t.db\"\n");
    let place = Place::new(&(folder + &kinds(&[kind("ocr", &service, ", concurrency_max = 1")])));
    let mut node = place.start().await;
    for id in ["a", "b"] {
        place_add(&place, id).await;
    }
    crate::support::until("it runs", || gate.waiting.load(SeqCst) == 1).await;
    node.signal(Signal::TERM);
    crate::support::until("it drains", || place.log().contains("Draining")).await;
    gate.open();
    assert!(node.ended().await.success(), "{}", place.log());
    let mut node = place.start().await;
    let states = [
        place_state(&place, "a").await,
        place_state(&place, "b").await,
    ];
    assert_eq!(states[0]["attempts"], 1);
    // The second one was nobody's, and is done now.
    soon("the other one", async {
        while place_state(&place, "b").await["state"] != "done" {}
    })
    .await;
    assert_eq!(place_state(&place, "a").await["state"], "done");
    assert_eq!(place_state(&place, "b").await["attempts"], 1);
    node.signal(Signal::TERM);
    node.ended().await;
}

#[tokio::test]
async fn what_is_not_done_in_time_is_given_back_and_a_killed_node_loses_nothing() {
    let gate = Gate::new();
    let mut service = gated(&gate);
    let toml = format!("{KEY}store.url = \"sqlite://t.db\"\ndrain.grace = \"3s\"\n");
    let place = Place::new(&(toml + &kinds(&[kind("ocr", &service, "")])));
    let mut node = place.start().await;
    place_add(&place, "a").await;
    service.next().await;
    node.signal(Signal::TERM);
    assert!(node.ended().await.success(), "{}", place.log());
    let mut node = place.start().await;
    let begin = Instant::now();
    service.next().await;
    // At once, not when somebody's turn is over.
    assert!(begin.elapsed() < LEASE / 2, "{:?}", begin.elapsed());
    assert_eq!(place_state(&place, "a").await["attempts"], 2);
    node.signal(Signal::KILL);
    node.ended().await;
    gate.open();
    let _node = place.start().await;
    let mut anna = place.connect("/ws/?client_id=c&token=anna").await;
    let told = frame(&mut anna).await;
    assert_eq!(
        (&told["flag"], &told["late"]),
        (&json!("send_result"), &json!(true))
    );
    soon("its end", async {
        while place_state(&place, "a").await["state"] != "done" {}
    })
    .await;
}

#[tokio::test]
async fn the_command_line_lists_retries_and_drops() {
    let service = Service::start(|_| (500, ""));
    let place =
        Place::new(&(KEY.to_owned() + &kinds(&[kind("ocr", &service, ", attempts_max = 1")])));
    let _node = place.start().await;
    assert_eq!(place.ends("jobs list", 0).await.trim(), "no jobs");
    for id in ["a b", "c"] {
        place_add(&place, id).await;
    }
    let dead = async |count: usize| {
        soon("dead jobs", async {
            loop {
                let text = place.ends("jobs list --dead", 0).await;
                if text.matches("was tried 1 times").count() == count {
                    return text;
                }
            }
        })
        .await
    };
    let text = dead(2).await;
    assert!(text.contains("a b  ocr  dead  "), "{text}");
    let text = place.ends("jobs retry --all", 0).await;
    assert!(text.contains("2 will be tried again"), "{text}");
    dead(2).await;
    let text = place.ends("jobs drop c nobody", 1).await;
    assert!(
        text.contains("1 dropped, 1 not") && text.contains("nobody: there is no job"),
        "{text}"
    );
    dead(1).await;
    place.ends("jobs drop --dead --all", 0).await;
    assert_eq!(place.ends("jobs list --dead", 0).await.trim(), "no jobs");
}

async fn place_call(place: &Place, method: &str, path: &str, body: &Value) -> http::Answer {
    let headers = [("authorization", "Bearer k")];
    http::call(place.admin(), method, path, &headers, &body.to_string()).await
}

async fn place_add(place: &Place, id: &str) {
    let job = json!({"kind": "ocr", "user": "anna", "id": id});
    let answer = place_call(place, "POST", "/api/jobs", &job).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

async fn place_state(place: &Place, id: &str) -> Value {
    let answer = place_call(place, "GET", &format!("/api/jobs/{id}"), &Value::Null).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    serde_json::from_str(&answer.body).unwrap()
}
