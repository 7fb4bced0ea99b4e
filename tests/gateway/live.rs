//! The `live` dialect end to end, in both profiles where they differ.

mod history;
mod leaving;
mod login;
mod methods;
mod moderation;
mod rooms;
mod say;
mod silence;

use serde_json::{Value, json};
use tidegate::auth::issue::{TokenRequest, issue};

use crate::support::{Client, Closed, Gateway, client::code};

const PROFILES: [&str; 2] = ["documented", "observed"];
const RECEIPT: &str =
    r#"{"status":200,"event":"receiveMessage","info":"服务端已收到您的请求内容"}"#;

fn start(profile: &str) -> Gateway {
    start_with(profile, "")
}

fn start_with(profile: &str, toml: &str) -> Gateway {
    Gateway::start(&format!("dialect.live.profile = \"{profile}\"\n{toml}"))
}

/// What goes into the query.
fn auth(gateway: &Gateway, id: &str, kind: &str, code: &str) -> String {
    let request = TokenRequest::Live {
        user: id.to_owned(),
        r#type: kind.to_owned(),
        code: code.to_owned(),
        nickname: format!("<{id}>"),
        ttl_seconds: 60,
    };
    issue(gateway.config(), &request, gateway.now()).unwrap()
}

/// A session that is let in.
pub(crate) async fn login(gateway: &Gateway, id: &str, kind: &str, code: &str) -> Client {
    let auth = auth(gateway, id, kind, code);
    let mut client = Client::connect(gateway, &format!("/live?auth={auth}")).await;
    client.heartbeat().await;
    gateway.settle().await;
    client
}

/// Somebody with a phone, who is in the room.
async fn user(gateway: &Gateway, id: &str, code: &str) -> Client {
    let mut client = login(gateway, id, "wechatUser", code).await;
    let event = client.invoke("live.user.join", json!({})).await;
    assert_eq!(event["event"], "userJoinSuccess", "{event}");
    gateway.settle().await;
    client
}

/// A big screen, which is in the room.
async fn wall(gateway: &Gateway, id: &str, code: &str) -> Client {
    let mut client = login(gateway, id, "wall", code).await;
    let event = client.invoke("live.wall.join", json!({})).await;
    assert_eq!(event["event"], "wallJoinSuccess", "{event}");
    // What waits is looked up behind it, and told before the answer to the next call.
    gateway.settle().await;
    client
}

impl Client {
    /// Goes once to the node and back.
    async fn heartbeat(&mut self) {
        self.send("2").await;
        self.expect("3").await;
    }

    /// Calls a method, whose receipt has to come.
    async fn begin(&mut self, method: &str, more: Value) {
        let mut frame = more;
        frame["method"] = method.into();
        self.send(frame.to_string()).await;
        self.expect(RECEIPT).await;
    }

    /// Calls a method, and gives what it is answered with.
    async fn invoke(&mut self, method: &str, more: Value) -> Value {
        self.begin(method, more).await;
        self.event().await
    }

    /// The next frame.
    async fn event(&mut self) -> Value {
        serde_json::from_str(&self.text().await).unwrap()
    }

    /// The next frame has to be of this event, whose param it gives.
    async fn told(&mut self, event: &str) -> Value {
        let frame = self.event().await;
        assert_eq!(frame["event"], event, "{frame}");
        assert_eq!(frame["status"], 200, "{frame}");
        frame["param"].clone()
    }
}

/// A frame of the server as it has to be.
fn frame(profile: &str, status: u16, event: &str, info: &str) -> String {
    let param = match profile {
        "documented" => ",\"param\":null",
        _ => "",
    };
    format!("{{\"status\":{status},\"event\":\"{event}\",\"info\":\"{info}\"{param}}}")
}

/// How a session ends that has sent what is no JSON object.
fn dropped(profile: &str) -> Closed {
    match profile {
        "documented" => code(1008, "violation"),
        _ => Closed::Gone,
    }
}
