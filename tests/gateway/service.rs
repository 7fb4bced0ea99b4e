//! Customer service end to end: agents and customers of the `room` dialect, on one node or on two.

mod agents;
mod strategies;

use serde_json::{Value, json};

use crate::support::{Client, Gateway, soon};

/// An agent who is away for a second is given up.
const SOON: &str = "dialect.room.reassign_after = \"1s\"\n";
/// Nobody is given up in the time of a test.
const NEVER: &str = "dialect.room.reassign_after = \"1h\"\n";

fn start(strategy: &str, more: &str) -> Gateway {
    Gateway::start(&format!("dialect.room.strategy = \"{strategy}\"\n{more}"))
}

/// An agent who takes customers.
async fn agent(gateway: &Gateway, id: &str) -> Client {
    let path = format!("/room/agents/?agent={id}&name=Agent%20{id}");
    let client = Client::connect(gateway, &path).await;
    until(gateway, async |view| {
        let mut agents = view["agents"].as_array().unwrap().iter();
        agents.any(|agent| agent["id"] == id && agent["online"] == true)
    })
    .await;
    gateway.settle().await;
    client
}

/// Somebody who may need one.
async fn customer(gateway: &Gateway, id: &str) -> Client {
    let path = format!("/room/lobby/?user={id}&name=Customer%20{id}");
    let client = Client::connect(gateway, &path).await;
    soon("it is known", async {
        while get(gateway, &format!("/api/users/{id}")).await["online"] != true {}
    })
    .await;
    gateway.settle().await;
    client
}

/// What the API says.
async fn get(gateway: &Gateway, path: &str) -> Value {
    let answer = gateway.api("GET", path, &Value::Null).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    serde_json::from_str(&answer.body).unwrap()
}

/// The status of what the API answers.
async fn call(gateway: &Gateway, method: &str, path: &str, body: &Value) -> u16 {
    gateway.api(method, path, body).await.status
}

/// Waits for what the API says of customer service.
async fn until(gateway: &Gateway, holds: impl AsyncFn(&Value) -> bool) {
    soon("customer service is so", async {
        while !holds(&get(gateway, "/api/service").await).await {}
    })
    .await;
}

/// The id of the agent of a customer.
async fn agent_of(gateway: &Gateway, customer: &str) -> Value {
    let path = format!("/api/service/customers/{customer}");
    get(gateway, &path).await["agent"].clone()
}

fn envelope(from: &str, to: &str, text: &str) -> String {
    format!(r#"{{"type":1,"from":"{from}","to":"{to}","message":["{text}"]}}"#)
}

fn assigned(to: &str) -> Value {
    json!({"type": "assigned", "id": to, "name": name(to)})
}

/// What everybody is called, who is a customer if its id begins with `c`.
fn name(id: &str) -> String {
    match id.starts_with('c') {
        true => format!("Customer {id}"),
        false => format!("Agent {id}"),
    }
}

impl Client {
    async fn asks(&mut self, from: &str, text: &str) {
        self.send(envelope(from, "service", text)).await;
    }

    /// The next frame.
    async fn json(&mut self) -> Value {
        serde_json::from_str(&self.text().await).unwrap()
    }

    /// The next frame that is for the agent itself, and none about others.
    async fn own(&mut self) -> Value {
        loop {
            let frame = self.json().await;
            if !["agent", "assignment"].contains(&frame["type"].as_str().unwrap_or_default()) {
                return frame;
            }
        }
    }

    /// The next frame about others of this type.
    async fn sees(&mut self, kind: &str) -> Value {
        loop {
            let frame = self.json().await;
            if frame["type"] == kind {
                return frame;
            }
        }
    }

    /// The next message of a customer is this one.
    async fn is_asked(&mut self, from: &str, text: &str) {
        let expected: Value = serde_json::from_str(&envelope(from, "service", text)).unwrap();
        assert_eq!(self.own().await, expected);
    }
}
