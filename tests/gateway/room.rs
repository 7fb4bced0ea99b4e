//! The `room` dialect end to end: who joins what, pushes, chat and envelopes; and one room with clients
//! of every dialect.

mod access;
mod chat;
mod deciding;
mod dialects;
mod envelopes;
mod hooks;
mod push;
mod reserved;
mod stall;

use serde_json::{Value, json};

use crate::support::{Client, Gateway};

const PROFILES: [&str; 2] = ["documented", "observed"];
/// What every frame gets that is no envelope.
const REPLY: &str = "不要回复不要回复！！！";
/// An envelope that is for nobody, and its answer: it shows that what was said before was heard.
const PING: &str = r#"{"type":0}"#;
const PONG: &str = r#"{"type":"error","code":400,"message":"type is neither 1 nor 2"}"#;

fn start(profile: &str, toml: &str) -> Gateway {
    Gateway::start(&with_profile(profile, toml))
}

fn with_profile(profile: &str, toml: &str) -> String {
    format!("dialect.room.profile = \"{profile}\"\n{toml}")
}

/// Settings of a node for others, who are not believed who they say they are.
fn for_others(more: &str) -> String {
    format!(
        "development = false\n\
         api.keys = [{{ key = \"0123456789abcdef\", scopes = [\"admin\"] }}]\n\
         dialect.ride.enabled = false\ndialect.device.enabled = false\n\
         dialect.room.enabled = true\n\
         dialect.room.keys = [{{ alg = \"HS256\", secret = \"0123456789abcdef\" }}]\n{more}"
    )
}

/// A client that has come to a room, whose path this is, and was let in.
async fn join(gateway: &Gateway, path: &str) -> Client {
    let mut client = Client::connect(gateway, path).await;
    client.heard().await;
    gateway.settle().await;
    client
}

/// The same for a user who is believed.
async fn join_as(gateway: &Gateway, room: &str, user: &str) -> Client {
    join(gateway, &format!("/room/{room}/?user={user}")).await
}

/// How a client ends that is not let into a room.
async fn refused(gateway: &Gateway, path: &str) -> crate::support::Closed {
    Client::connect(gateway, path).await.closed().await
}

/// Publishes data to a topic by the HTTP API.
async fn push(gateway: &Gateway, to: &str, data: &Value) {
    let message = json!({"to": to, "event": "send_to_chrome", "data": data});
    gateway.publish(&message).await;
}

impl Client {
    /// What it has said so far was heard, and nothing has come to it.
    async fn heard(&mut self) {
        self.send(PING).await;
        self.expect(PONG).await;
    }
}
