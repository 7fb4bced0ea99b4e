//! What applications answer for clients: methods, who comes in, and who joins a room.

mod connect;
mod hanging;
mod methods;
mod reload;
mod subscribe;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_util::sync::CancellationToken;

use crate::support::{
    Client, Gateway,
    service::{Reply, Request, Service},
};

/// An application that answers some requests only when it is told to.
pub(crate) struct Application {
    pub(crate) url: String,
    service: Service,
    may_answer: CancellationToken,
}

impl Application {
    /// One that answers what `answer` gives; `None` waits until it is told, and is `{"late":true}` then.
    pub(crate) fn start(
        answer: impl Fn(&Request, Value) -> Option<(u16, String)> + Send + Sync + 'static,
    ) -> Self {
        let may_answer = CancellationToken::new();
        let held = may_answer.clone();
        let service = Service::start(move |request| match answer(request, request.json()) {
            Some(answer) => Reply::from(answer),
            None => {
                let held = held.clone().cancelled_owned();
                Reply::later(async {
                    held.await;
                    (200, json!({"late": true}).to_string())
                })
            }
        });
        Self {
            url: service.url("/app"),
            service,
            may_answer,
        }
    }

    /// One that answers the data of a call.
    fn echo() -> Self {
        Self::start(|_, body| Some((200, body["data"].to_string())))
    }

    /// One that never answers, until it is told to.
    pub(crate) fn hanging() -> Self {
        Self::start(|_, _| None)
    }

    /// Answers what it has not answered yet, and everything from now on.
    fn open(&self) {
        self.may_answer.cancel();
    }

    pub(crate) async fn request(&mut self) -> Request {
        self.service.next().await
    }
}

/// A client of `device` who is logged in as `user`.
async fn device(gateway: &Gateway, user: &str) -> Client {
    let mut client = Client::connect(gateway, "/ws").await;
    client.auth(gateway, user).await;
    let welcome = client.frame().await;
    assert_eq!(welcome["data"]["status"], "ok", "{welcome}");
    gateway.settle().await;
    client
}

impl Client {
    /// Sends the first frame of `device`.
    async fn auth(&mut self, gateway: &Gateway, user: &str) {
        let token = gateway.device_token(user, &["d1"], &["user:*"]);
        let auth = json!({"type": "auth", "data": {"token": token}});
        self.send(auth.to_string()).await;
    }

    /// The next frame, without its time, which has to be now.
    async fn frame(&mut self) -> Value {
        let text = loop {
            match self.message().await {
                Message::Text(text) => break text,
                Message::Ping(_) => {}
                other => panic!("{other:?} is no frame"),
            }
        };
        let mut frame: Value = serde_json::from_str(&text).unwrap();
        let time = frame.as_object_mut().unwrap().remove("time");
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let time = time.and_then(|time| time.as_u64()).expect("it has a time");
        assert!(time.abs_diff(now.as_secs()) <= 2, "{text}");
        frame
    }

    /// Calls a method, and gives the next frame.
    async fn call(&mut self, kind: &str, data: Value) -> Value {
        self.send(json!({"type": kind, "data": data}).to_string())
            .await;
        self.frame().await
    }

    /// The same, which has to fail with this code.
    async fn call_fails(&mut self, kind: &str, data: Value, code: u64) {
        let frame = self.call(kind, data).await;
        assert_eq!(frame["type"], "error", "{frame}");
        assert_eq!(
            (&frame["data"]["code"], &frame["data"]["type"]),
            (&json!(code), &json!(kind)),
            "{frame}"
        );
        assert!(!frame["data"]["message"].as_str().unwrap().is_empty());
    }

    /// Goes once to the `device` dialect and back.
    async fn device_ping(&mut self) {
        self.send(r#"{"type":"ping"}"#).await;
        assert_eq!(self.frame().await, json!({"type": "pong"}));
    }
}

/// A node whose methods `shop.` are answered at `url`, with these settings of it besides.
fn shop(url: &str, more: &str) -> Gateway {
    Gateway::start(&shop_toml(url, more))
}

fn shop_toml(url: &str, more: &str) -> String {
    format!("backend.methods = [{{ prefix = \"shop.\", url = \"{url}\"{more} }}]")
}

/// Longer than any answer of a test takes that comes at once.
pub(crate) const LONG: Duration = Duration::from_secs(10);
