//! The examples of `docs/BACKENDS.md`, run as an application would.

use std::{
    collections::BTreeSet,
    env, fs,
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};
use tokio::{task, time};

use super::{PYTHON, SCRIPT_TIMEOUT, receivers::RECEIVERS, services::SERVICES};
use crate::support::{Client, Gateway, redis::Redis};

const USER: &str = "anna";
const ORDER: u64 = 7;
/// Each example, its interpreter, and what it calls itself.
const EXAMPLES: [(&str, &str, &str); 8] = [
    ("bridge.py", "python3", "the bridge"),
    ("publish.mjs", "node", "node over http"),
    ("publish.php", "php", "php over http"),
    ("publish.py", "python3", "python over http"),
    ("push.mjs", "node", "node"),
    ("push.php", "php", "php"),
    ("push.py", "python3", "python"),
    ("push.sh", "sh", "sh"),
];

/// The one that does jobs.
const WORKER: &str = "ocr_worker.py";

pub(super) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/examples")
}

/// Runs an example to its end, which has to be a good one.
async fn run(gateway: &Gateway, redis: &str, interpreter: &str, name: &str) {
    let program = match interpreter {
        "python3" => env::var_os(PYTHON).unwrap_or_else(|| interpreter.into()),
        other => other.into(),
    };
    let key = gateway.config().throw_away.api_key.as_ref().unwrap();
    let mut command = Command::new(program);
    command
        .arg(folder().join(name))
        .args([USER, &ORDER.to_string()])
        .env("REDIS_URL", redis)
        .env("GATEWAY_URL", format!("http://{}", gateway.admin()))
        .env("GATEWAY_KEY", key.expose())
        .env("PYTHONDONTWRITEBYTECODE", "1");
    let running = task::spawn_blocking(move || command.output());
    let output = time::timeout(SCRIPT_TIMEOUT, running).await.unwrap();
    let output = output.unwrap().unwrap_or_else(|error| {
        panic!("{interpreter} is needed for {name}: run scripts/test ({error})")
    });
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {errors}");
}

#[tokio::test]
async fn every_example_of_the_documentation_reaches_its_user() {
    let files = fs::read_dir(folder()).unwrap();
    let files = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    // The class has a test of its own.
    let files = files.filter(|name| name != "Gateway.php");
    let receivers = RECEIVERS.iter().map(|(name, _)| *name);
    let known = EXAMPLES.iter().map(|(name, ..)| *name);
    let known = known.chain(SERVICES).chain(receivers).chain([WORKER]);
    let known = known.map(str::to_owned);
    assert_eq!(files.collect::<BTreeSet<_>>(), known.collect());
    let redis = Redis::start();
    let gateway = Gateway::start_alone(&format!(
        "cluster.redis = \"{}\"\nbackend.pubsub_channel = \"websocket_messages\"",
        redis.url()
    ));
    let connects = "tidegate_bridge_connects_total";
    gateway.until_metric(connects, "", 1.0).await;
    let mut client = Client::ride(&gateway, "c1", USER).await;
    for (name, interpreter, from) in EXAMPLES {
        run(&gateway, &redis.url(), interpreter, name).await;
        let frame: Value = serde_json::from_str(&client.text().await).unwrap();
        let expect = json!({
            "flag": "order_ready", "target_token": USER, "order_id": ORDER, "from": from,
        });
        assert_eq!(frame, expect, "{name}");
    }
    client.ping().await;
    // As a user who may do nothing else.
    redis.tell(&[
        "ACL", "SETUSER", "app", "on", ">pw", "~tg:push", "-@all", "+xadd",
    ]);
    let address = format!("redis://app:pw@{}", redis.host());
    run(&gateway, &address, "php", "push.php").await;
    run(&gateway, &address, "node", "push.mjs").await;
}

/// Ends with the test.
struct Worker(Child);

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn the_worker_of_the_documentation_does_jobs() {
    let program = env::var_os(PYTHON).unwrap_or_else(|| "python3".into());
    let mut command = Command::new(program);
    command
        .arg(folder().join(WORKER))
        .arg("0")
        .env("JOB_SECRET", "a-secret-of-both")
        .stdout(Stdio::piped());
    let mut worker = Worker(command.spawn().unwrap());
    let output = worker.0.stdout.take().unwrap();
    let reading = task::spawn_blocking(move || BufReader::new(output).lines().next());
    let line = time::timeout(SCRIPT_TIMEOUT, reading).await.unwrap();
    let line = line.unwrap().unwrap().unwrap();
    let port = line.strip_prefix("ready ").unwrap();
    let url = format!("http://127.0.0.1:{port}/ocr");
    let gateway = Gateway::start(&format!(
        "backend.jobs = [\
         {{ kind = \"ocr\", url = \"{url}\", secret = \"a-secret-of-both\" }}, \
         {{ kind = \"other\", url = \"{url}\", secret = \"another\", attempts_max = 1 }}]"
    ));
    let mut client = Client::ride(&gateway, "c1", USER).await;
    gateway.settle().await;
    for kind in ["other", "ocr"] {
        let job = json!({"kind": kind, "user": USER, "url": "http://img/1.png"});
        let answer = gateway.api("POST", "/api/jobs", &job).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let frame: Value = serde_json::from_str(&client.text().await).unwrap();
    let words = &frame["words_result"][0]["words"];
    assert_eq!(words, "the text in http://img/1.png", "{frame}");
    // Who has another secret is not heard.
    let jobs = "tidegate_jobs_total";
    gateway.until_metric(jobs, "outcome=\"dead\"", 1.0).await;
    gateway.until_metric(jobs, "outcome=\"done\"", 1.0).await;
}
