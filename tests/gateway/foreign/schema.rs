//! The HTTP API, tested by its own description.

use std::{env, future, path::Path, process::Command, time::Duration};

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::{task, time};
use tokio_tungstenite::tungstenite::Message;

use super::PYTHON;
use crate::support::{Client, Gateway};

/// Seconds that the calls are tried in every run, and in a long one.
const SECONDS: u64 = 30;
const SECONDS_LONG: u64 = 600;
/// Tries of each call for each of its parameters.
const EXAMPLES: &str = "5";

/// Whom nobody answers for: what is left for them waits.
const APPLICATIONS: &str = "
    backend.jobs = [{ kind = \"ocr\", url = \"http://127.0.0.1:9/ocr\" }]
    backend.hooks = [{ url = \"http://127.0.0.1:9/hook\", events = [\"room.occupied\"], timeout = \"1s\" }]
";

/// Runs schemathesis against the node; prints what it finds.
async fn check(gateway: &Gateway, session: &str) {
    let is_long = env::var_os("TG_TEST_LONG").is_some();
    let seconds = if is_long { SECONDS_LONG } else { SECONDS };
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let settings = root.join("tests/gateway/foreign/schemathesis.toml");
    let key = gateway.config().throw_away.api_key.as_ref().unwrap();
    let program = env::var_os(PYTHON).unwrap_or_else(|| "python3".into());
    let mut command = Command::new(program);
    command
        .args(["-B", "-m", "schemathesis.cli", "--config-file"])
        .arg(settings)
        .arg("run")
        .arg(format!("http://{}/api/openapi.json", gateway.admin()))
        .args([
            "--max-examples",
            EXAMPLES,
            "--max-time",
            &seconds.to_string(),
        ])
        .env("KEY", key.expose())
        .env("CONTROL", gateway.config().control.expose())
        .env("SESSION", session)
        // What it keeps of failures is gone with the node.
        .current_dir(gateway.folder());
    if !is_long {
        // Every run is the same one: what is new is looked for by long ones.
        command.args(["--seed", "1"]);
    }
    let running = task::spawn_blocking(move || command.output().unwrap());
    let limit = Duration::from_secs(seconds + 120);
    let output = time::timeout(limit, running).await.unwrap().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    let found = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{found}{errors}");
}

#[tokio::test]
async fn the_api_does_what_its_description_says_whatever_it_is_sent() {
    let gateway = Gateway::start_alone(APPLICATIONS);
    let mut client = Client::ride(&gateway, "c", "anna").await;
    let answer = gateway.api("GET", "/api/users/anna", &Value::Null).await;
    let user: Value = serde_json::from_str(&answer.body).unwrap();
    let session = user["sessions"][0]["id"].as_str().unwrap();
    // It is sent things, and stays until it is found and ended.
    let reading = async {
        let mut pings = time::interval(Duration::from_secs(20));
        loop {
            let is_there = tokio::select! {
                _ = pings.tick() => {
                    let ping = Message::text(r#"{"flag":"ping"}"#);
                    client.socket.send(ping).await.is_ok()
                }
                message = client.socket.next() => message.is_some_and(|read| read.is_ok()),
            };
            if !is_there {
                return future::pending().await;
            }
        }
    };
    tokio::select! {
        () = check(&gateway, session) => {}
        () = reading => {}
    }
}
