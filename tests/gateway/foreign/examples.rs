//! The examples of `docs/BACKENDS.md`, run as an application would.

use std::{collections::BTreeSet, env, fs, path::PathBuf, process::Command};

use serde_json::{Value, json};
use tokio::{task, time};

use super::{PYTHON, SCRIPT_TIMEOUT, receivers::RECEIVERS, services::SERVICES};
use crate::support::{Client, Gateway, redis::Redis};

const USER: &str = "anna";
const ORDER: u64 = 7;
/// Each example, its interpreter, and what it calls itself.
const EXAMPLES: [(&str, &str, &str); 7] = [
    ("bridge.py", "python3", "the bridge"),
    ("publish.mjs", "node", "node over http"),
    ("publish.php", "php", "php over http"),
    ("publish.py", "python3", "python over http"),
    ("push.php", "php", "php"),
    ("push.py", "python3", "python"),
    ("push.sh", "sh", "sh"),
];

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
    let known = known.chain(SERVICES).chain(receivers).map(str::to_owned);
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
}
