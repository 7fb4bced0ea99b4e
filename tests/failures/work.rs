//! Jobs and schedules while nodes and Redis die: every job is answered, every occurrence comes once.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde_json::json;
use tokio::time;

use crate::{
    WHOLE,
    client::Client,
    fleet::Node,
    lasting,
    redis::Redis,
    service::{Reply, Service},
    within,
};

/// Jobs of one test.
const COUNT: u64 = 120;
/// What whoever was killed had in hand is somebody else's by then, several times over.
const ALL: Duration = Duration::from_secs(90);

/// Between two looks at the time.
const SHORT: Duration = Duration::from_secs(1);

/// A service that takes its time, and answers with the number that it is asked about.
fn service() -> Service {
    Service::start(|request| {
        let number = request.json()["data"].as_u64().unwrap();
        Reply::later(async move {
            // Now and then somebody is killed meanwhile.
            time::sleep(Duration::from_millis(100 + 20 * (number % 20))).await;
            (200, json!({"number": number}).to_string())
        })
    })
}

fn settings(redis: &Redis, service: &Service) -> String {
    format!(
        "cluster.redis = \"{}\"\nlog.level = \"debug\"\nlimits.idle = \"10m\"\n\
         backend.jobs = [{{ kind = \"ocr\", url = \"{}\" }}]\n",
        redis.url(),
        service.url("/work")
    )
}

async fn fleet(count: usize, settings: &str) -> Vec<Node> {
    let mut nodes = Vec::new();
    for number in 0..count {
        let mut node = Node::with(&format!("gw-{number}"), settings);
        node.run().await;
        nodes.push(node);
    }
    for node in &nodes {
        within(WHOLE, "it is ready", async || node.is_ready().await).await;
    }
    nodes
}

async fn add(node: &Node, round: u64, number: u64) {
    let id = format!("{round}-{number}");
    let job = json!({"kind": "ocr", "user": "anna", "data": number, "id": id});
    within(WHOLE, "a job is taken", async || {
        node.post("/api/jobs", &job)
            .await
            .is_ok_and(|answer| answer.status == 200)
    })
    .await;
}

async fn until_all_are_done(node: &Node, round: u64) {
    for number in 0..COUNT {
        let path = format!("/api/jobs/{round}-{number}");
        within(ALL, "a job is done", async || {
            node.try_api(&path)
                .await
                .is_some_and(|job| job["state"] == "done")
        })
        .await;
    }
}

/// How many times the service was asked about jobs that it was asked about before. All were asked about.
fn doubles(service: &mut Service) -> usize {
    let mut asked = BTreeMap::<u64, usize>::new();
    while let Some(request) = service.try_next() {
        *asked
            .entry(request.json()["data"].as_u64().unwrap())
            .or_default() += 1;
    }
    assert_eq!(asked.len() as u64, COUNT);
    asked.values().map(|times| times - 1).sum()
}

/// The answers that anna gets, every one of them once.
async fn check_answers(anna: &mut Client) {
    let (mut read, until) = (BTreeSet::new(), time::Instant::now() + ALL);
    while (read.len() as u64) < COUNT {
        assert!(
            time::Instant::now() < until,
            "only {} answers came",
            read.len()
        );
        let Ok(next) = time::timeout(SHORT, anna.reads(1)).await else {
            continue;
        };
        assert!(!next.is_empty(), "the connection ended");
        for number in next {
            assert!(read.insert(number), "{number} came twice");
        }
    }
}

#[tokio::test]
async fn every_job_is_answered_however_many_nodes_are_killed() {
    let redis = Redis::start();
    let mut service = service();
    let mut nodes = fleet(3, &settings(&redis, &service)).await;
    let mut anna = Client::ride(nodes[0].public(), "anna").await;
    let rounds = lasting(Duration::from_secs(1), Duration::from_secs(10)).as_secs();
    let (mut kills, mut again) = (0, 0);
    for round in 0..rounds {
        for number in 0..COUNT {
            add(&nodes[0], round, number).await;
        }
        for pause_ms in [100, 450, 700, 250] {
            time::sleep(Duration::from_millis(pause_ms)).await;
            let node = &mut nodes[1 + kills % 2];
            node.kill();
            kills += 1;
            node.run().await;
        }
        until_all_are_done(&nodes[0], round).await;
        check_answers(&mut anna).await;
        again += doubles(&mut service);
    }
    println!(
        "{again} of {} jobs were begun again, after {kills} kills",
        rounds * COUNT
    );
    assert!(0 < again, "nobody was killed in the middle of a job");
    // What a node works on when it is killed, and nothing else.
    assert!(again <= 4 * kills, "{again} doubles");
    assert_eq!(redis.ask(&["ZCARD", "tg:jobs:open:{tg:jobs}"]), "0");
}

#[tokio::test]
async fn a_redis_that_dies_and_keeps_its_data_loses_no_job() {
    let options = ["--appendonly", "yes", "--appendfsync", "always"];
    let mut redis = Redis::start_with(&options);
    let mut service = service();
    let nodes = fleet(2, &settings(&redis, &service)).await;
    for number in 0..COUNT {
        add(&nodes[number as usize % 2], 0, number).await;
        if number == COUNT / 2 {
            redis.kill();
            redis.run();
        }
    }
    until_all_are_done(&nodes[0], 0).await;
    let doubles = doubles(&mut service);
    println!("{doubles} of {COUNT} jobs were begun again");
    assert!(doubles <= 16, "{doubles} doubles");
}

#[tokio::test]
async fn every_occurrence_comes_once_although_nodes_are_killed_while_they_fire() {
    let redis = Redis::start();
    let service = service();
    let mut nodes = fleet(3, &settings(&redis, &service)).await;
    let mut anna = Client::ride(nodes[0].public(), "anna").await;
    let rounds = if lasting(Duration::ZERO, Duration::from_secs(1)).is_zero() {
        2
    } else {
        20
    };
    for round in 0..rounds {
        // Half of them are messages, half are jobs; all are due at the same time.
        let in_ms = json!(1.5);
        for number in 0..COUNT / 2 {
            let job = json!({"kind": "ocr", "user": "anna", "data": number});
            let message = json!({"to": "user:anna", "event": "e", "data": {"number": COUNT / 2 + number}, "durable": true});
            for schedule in [
                json!({"in": in_ms, "job": job}),
                json!({"in": in_ms, "publish": message}),
            ] {
                let answer = nodes[0].post("/api/schedules", &schedule).await.unwrap();
                assert_eq!(answer.status, 200, "{answer:?}");
            }
        }
        let victim = 1 + round % 2;
        within(WHOLE, "they are being fired", async || {
            let left = redis.ask(&["HLEN", "tg:schedules:{tg:push}:all"]);
            left.parse::<u64>().unwrap() < COUNT
        })
        .await;
        nodes[victim].kill();
        check_answers(&mut anna).await;
        within(WHOLE, "nothing is left", async || {
            redis.ask(&["HLEN", "tg:schedules:{tg:push}:all"]) == "0"
        })
        .await;
        nodes[victim].run().await;
    }
    anna.ping().await;
}
