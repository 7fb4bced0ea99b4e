//! The calls of GatewayWorker's class, by the class of `docs/examples`.

use std::{path::Path, process::Command};

use serde_json::Value;
use tokio::{task, time};

use super::SCRIPT_TIMEOUT;
use crate::support::{Client, Gateway, client::code};

/// The data of the next events that a client gets.
async fn heard(client: &mut Client, count: usize) -> Vec<String> {
    let mut heard = Vec::new();
    for _ in 0..count {
        let frame: Value = serde_json::from_str(&client.text().await).unwrap();
        assert_eq!(frame["type"], "e", "{frame}");
        heard.push(frame["data"].as_str().unwrap().to_owned());
    }
    heard
}

/// Runs a part of the program, which says what it finds wrong.
async fn run(gateway: &Gateway, part: &str, sessions: &[String]) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let key = gateway.config().throw_away.api_key.as_ref().unwrap();
    let mut command = Command::new("php");
    command
        .arg(root.join("tests/gateway/foreign/gateway.php"))
        .arg(root.join("docs/examples/Gateway.php"))
        .arg(part)
        .args(sessions)
        .env("GATEWAY_URL", format!("http://{}", gateway.admin()))
        .env("GATEWAY_KEY", key.expose());
    let running = task::spawn_blocking(move || command.output().unwrap());
    let output = time::timeout(SCRIPT_TIMEOUT, running).await.unwrap();
    let output = output.unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{part}: {errors}{printed}");
}

async fn check(gateway: &Gateway) {
    let mut clients = Vec::new();
    let mut ids = Vec::new();
    for user in ["42", "42", "7"] {
        let (client, id) = crate::api::login(gateway, user).await;
        clients.push(client);
        ids.push(id);
    }
    run(gateway, "talk", &ids).await;
    let expect = [
        &["all", "some", "client", "uid", "uids", "group", "groups"][..],
        &["all", "most", "uid", "uids", "groups", "current"],
        &["all", "some", "most", "uids", "group"],
    ];
    for (client, expect) in clients.iter_mut().zip(expect) {
        assert_eq!(heard(client, expect.len()).await, expect);
    }
    run(gateway, "leave", &ids).await;
    assert_eq!(heard(&mut clients[2], 1).await, ["left"]);
    // The farewell to the first one may be overtaken by its end.
    run(gateway, "end", &ids).await;
    for client in &mut clients[1..] {
        assert_eq!(client.closed().await, code(1008, "kicked"));
    }
}

#[tokio::test]
async fn every_call_of_the_class_for_php_works_on_one_node_and_on_two() {
    for gateway in [Gateway::start_alone(""), Gateway::start_two("")] {
        check(&gateway).await;
    }
}
