//! The `im` dialect on whole nodes: tokens, packets, friends, stored messages and their history.

mod chat;
mod dead;
mod history;
mod legacy;
pub(crate) mod orders;
mod others;
mod packets;
mod pushes;
mod sessions;
mod store;
mod tables;

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::{Client, Gateway};

/// A token for a user, from the endpoint.
async fn token(gateway: &Gateway, user: u64) -> String {
    let answer = gateway.im_token(&json!({"id": user})).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let answer: Value = serde_json::from_str(&answer.body).unwrap();
    answer["token"].as_str().unwrap().to_owned()
}

/// A session of `user` that was welcomed.
pub(crate) async fn login(gateway: &Gateway, user: u64) -> Client {
    let token = token(gateway, user).await;
    let mut client = Client::connect(gateway, &format!("/{token}")).await;
    let welcome = client.packet().await;
    assert_eq!(welcome["type"], "L", "{welcome}");
    gateway.settle().await;
    client
}

/// Lets `a` and `b` write to each other.
pub(crate) async fn befriend(gateway: &Gateway, a: u64, b: u64) {
    for (of, friend) in [(a, b), (b, a)] {
        let path = format!("/api/im/friends/{of}/{friend}");
        let answer = gateway.api("PUT", &path, &Value::Null).await;
        assert_eq!(answer.status, 204, "{answer:?}");
    }
}

/// Two users who are friends and online.
async fn pair(gateway: &Gateway) -> (Client, Client) {
    befriend(gateway, 7, 42).await;
    (login(gateway, 7).await, login(gateway, 42).await)
}

impl Client {
    /// The next packet.
    pub(crate) async fn packet(&mut self) -> Value {
        loop {
            match self.message().await {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                // What stands in the mail is followed by one.
                Message::Ping(_) => {}
                other => panic!("{other:?} is no packet"),
            }
        }
    }

    /// Sends a packet and gives the next one, which answers it.
    pub(crate) async fn ask(&mut self, packet: &Value) -> Value {
        self.send(packet.to_string()).await;
        let answer = self.packet().await;
        assert_eq!(answer["id"], packet["id"], "{answer}");
        answer
    }

    /// Sends a text, which has to be acknowledged.
    pub(crate) async fn say(&mut self, id: &str, to: u64, text: &str) {
        let answer = self.ask(&says(id, to, text)).await;
        assert_eq!(answer["type"], "A", "{answer}");
    }
}

/// A packet with a text.
fn says(id: &str, to: u64, text: &str) -> Value {
    json!({"id": id, "to": to, "type": "t", "msg": text})
}

/// A packet with an error.
fn error(id: impl Into<Value>, text: &str) -> Value {
    json!({"id": id.into(), "from": 0, "type": "E", "msg": text})
}
