//! What applications do with sessions by the HTTP API: rooms, data, lists; and what becomes of messages
//! whose time is over.

mod expiry;
mod keys;
mod rooms;
mod sessions;

use serde_json::{Value, json};

use crate::support::{Client, Gateway, http::Answer};

/// One node, and two of them.
fn gateways(toml: &str) -> [Gateway; 2] {
    [Gateway::start_alone(toml), Gateway::start_two(toml)]
}

/// A `device` session of `user`, and its id.
pub(crate) async fn login(gateway: &Gateway, user: &str) -> (Client, String) {
    let mut client = Client::connect(gateway, "/ws").await;
    let token = gateway.device_token(user, &[], &[]);
    let auth = json!({"type": "auth", "data": {"token": token}});
    client.send(auth.to_string()).await;
    let answer: Value = serde_json::from_str(&client.text().await).unwrap();
    let id = answer["data"]["client_id"].as_str().unwrap().to_owned();
    gateway.settle().await;
    (client, id)
}

/// The answer to a call that succeeds.
async fn call(gateway: &Gateway, method: &str, path: &str, body: &Value) -> Value {
    let answer = gateway.api(method, path, body).await;
    assert_eq!(answer.status, 200, "{method} {path}: {answer:?}");
    serde_json::from_str(&answer.body).unwrap()
}

async fn get(gateway: &Gateway, path: &str) -> Value {
    call(gateway, "GET", path, &Value::Null).await
}

async fn delete(gateway: &Gateway, path: &str) -> Value {
    gateway.settle().await;
    let answer = gateway.api("DELETE", path, &json!({})).await;
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    serde_json::from_str(&answer.body).unwrap()
}

/// A call that is refused.
async fn refused(gateway: &Gateway, method: &str, path: &str, body: &Value, status: u16) -> Answer {
    let answer = gateway.api(method, path, body).await;
    assert_eq!(answer.status, status, "{method} {path}: {answer:?}");
    answer
}

/// The data of the next event of a `device` client, which has to be `e`.
async fn heard(client: &mut Client) -> Value {
    loop {
        if let tokio_tungstenite::tungstenite::Message::Text(text) = client.message().await {
            let frame: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(frame["type"], "e", "{frame}");
            return frame["data"].clone();
        }
    }
}

/// Says something to a topic.
async fn say(gateway: &Gateway, to: &str, data: u64) {
    let message = json!({"to": to, "event": "e", "data": data});
    gateway.publish(&message).await;
}
