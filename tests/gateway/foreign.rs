//! Clients as their authors wrote them, on libraries that are not ours: Python's `websockets`, and
//! a page in a browser.

mod browser;
mod examples;
mod gateway;
mod im;
mod live;
mod page;
mod receivers;
mod room;
mod schema;
mod services;

use std::{env, path::Path, process::Command, time::Duration};

use tokio::{task, time};

use crate::support::{Gateway, redis::Redis};

/// Where `scripts/test` says which Python has the libraries.
const PYTHON: &str = "TG_TEST_PYTHON";
/// Longer than a script gives itself.
const SCRIPT_TIMEOUT: Duration = Duration::from_secs(60);

/// Runs a Python client against the node. It prints what it finds wrong.
async fn python(script: &str, arguments: &[&str]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gateway/foreign");
    let program = env::var_os(PYTHON).unwrap_or_else(|| "python3".into());
    let mut check = Command::new(&program);
    check.args(["-c", "import redis, websockets.asyncio.client"]);
    let is_there = check.output().is_ok_and(|output| output.status.success());
    assert!(
        is_there,
        "a Python with scripts/requirements.txt is needed: run scripts/test, or name one in {PYTHON}"
    );
    let mut command = Command::new(&program);
    command.arg("-B").arg(folder.join(script)).args(arguments);
    let running = task::spawn_blocking(move || command.output().unwrap());
    let output = time::timeout(SCRIPT_TIMEOUT, running)
        .await
        .unwrap()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}: {errors}");
}

fn address(gateway: &Gateway) -> String {
    format!("ws://{}", gateway.public())
}

#[tokio::test]
async fn python_clients_of_the_ride_document_work_unchanged() {
    for profile in ["documented", "observed"] {
        let toml = format!(
            "dialect.ride.profile = \"{profile}\"\n\
             dialect.ride.backends = {{ 11flask_backend = \"your_secret_token\" }}"
        );
        let gateway = Gateway::start(&toml);
        python("ride.py", &[&address(&gateway), profile]).await;
    }
}

#[tokio::test]
async fn an_application_that_publishes_with_redis_py_works_unchanged() {
    let redis = Redis::start();
    let gateway = Gateway::start_two(&format!(
        "cluster.redis = \"{}\"\nbackend.pubsub_channel = \"websocket_messages\"",
        redis.url()
    ));
    let connects = "tidegate_bridge_connects_total";
    gateway.until_metric(connects, "", 2.0).await;
    let port = redis.port().to_string();
    python("bridge.py", &[&port, &address(&gateway)]).await;
}

#[tokio::test]
async fn python_clients_of_the_device_document_work_unchanged() {
    let gateway = Gateway::start("dialect.device.heartbeat = \"300ms\"");
    let watcher = gateway.device_token("watcher", &["d1"], &[]);
    let device = gateway.device_token("d1", &[], &["room:device/d1"]);
    python("device.py", &[&address(&gateway), &watcher, &device]).await;
}
