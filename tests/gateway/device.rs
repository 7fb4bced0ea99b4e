//! The `device` dialect end to end, in both profiles where they differ.

mod login;
mod stall;
mod status;
mod topics;

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::support::{Client, Closed, Gateway, client::code};

const PROFILES: [&str; 2] = ["documented", "observed"];

fn start(profile: &str) -> Gateway {
    start_with(profile, "")
}

fn start_with(profile: &str, toml: &str) -> Gateway {
    Gateway::start(&format!("dialect.device.profile = \"{profile}\"\n{toml}"))
}

fn auth(token: &str) -> String {
    json!({"type": "auth", "data": {"token": token}}).to_string()
}

/// A session that is logged in as `user`, and the id it was told.
async fn login(
    gateway: &Gateway,
    user: &str,
    devices: &[&str],
    publish: &[&str],
) -> (Client, String) {
    let mut client = Client::connect(gateway, "/ws").await;
    client
        .send(auth(&gateway.device_token(user, devices, publish)))
        .await;
    let answer = frame(&mut client).await;
    assert_eq!(answer["type"], "auth");
    assert_eq!(answer["data"]["status"], "ok");
    let id = answer["data"]["client_id"].as_str().unwrap().to_owned();
    gateway.settle().await;
    (client, id)
}

/// The next frame, whose time has to be now.
async fn frame(client: &mut Client) -> Value {
    let text = client.text().await;
    let frame: Value = serde_json::from_str(&text).unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let time = frame["time"].as_u64().expect("it has a time");
    assert!(time.abs_diff(now.as_secs()) <= 2, "{text}");
    frame
}

/// The next frame has to be of this type, with this data.
async fn expect(client: &mut Client, event: &str, data: Value) {
    let frame = frame(client).await;
    assert_eq!((&frame["type"], &frame["data"]), (&json!(event), &data));
}

/// The next frame has to be an error with this code.
async fn expect_error(client: &mut Client, code: u64) {
    let frame = frame(client).await;
    assert_eq!(frame["type"], "error");
    assert_eq!(frame["data"]["code"], code, "{frame}");
    assert!(!frame["data"]["message"].as_str().unwrap().is_empty());
}

/// How a session ends that has sent a malformed frame.
fn dropped(profile: &str) -> Closed {
    match profile {
        "documented" => code(1008, "violation"),
        _ => Closed::Gone,
    }
}

/// Goes once to the node and back.
async fn ping(client: &mut Client) {
    client.send(r#"{"type":"ping"}"#).await;
    assert_eq!(frame(client).await["type"], "pong");
}
