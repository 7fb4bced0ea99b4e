//! What happened to a message, and what happens to a topic: asked for over the HTTP API, by the command line,
//! and in the log.

mod command;

use serde_json::{Value, json};

use crate::support::{Client, Gateway, client::code, soon};

/// The steps of a message, as any node tells them.
async fn steps(gateway: &Gateway, id: &str) -> Vec<Value> {
    let path = format!("/api/messages/{id}/steps");
    let answer = gateway.api("GET", &path, &Value::Null).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let mut answer: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(answer.get("missing"), None);
    match answer["steps"].take() {
        Value::Array(steps) => steps,
        other => panic!("{other} is no list"),
    }
}

fn count(steps: &[Value], name: &str) -> usize {
    let found = steps.iter().filter(|step| step["step"] == name);
    found.count()
}

/// Asks until so many steps of this name have been told.
async fn until_steps(gateway: &Gateway, id: &str, name: &str, times: usize) -> Vec<Value> {
    soon(name, async {
        loop {
            let steps = steps(gateway, id).await;
            if count(&steps, name) == times {
                return steps;
            }
        }
    })
    .await
}

/// The names of the steps of one node.
fn names<'a>(steps: &'a [Value], node: &str) -> Vec<&'a str> {
    let steps = steps.iter().filter(|step| step["node"] == node);
    steps.map(|step| step["step"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn it_is_told_on_which_nodes_a_message_was_and_what_became_of_it_there() {
    let gateway = Gateway::start_two("");
    let mut clients = [
        Client::ride(&gateway, "c1", "anna").await,
        Client::ride(&gateway, "c2", "anna").await,
    ];
    let message = json!({"to": "user:anna", "event": "e", "data": {}, "id": "order-17"});
    gateway.publish(&message).await;
    for client in &mut clients {
        client.text().await;
    }
    let steps = until_steps(&gateway, "order-17", "written", 2).await;
    assert_eq!(
        names(&steps, "gw-0"),
        ["published", "sent", "routed", "queued", "written"]
    );
    assert_eq!(
        names(&steps, "gw-1"),
        ["arrived", "routed", "queued", "written"]
    );
    let fact = |step: &str, name: &str| {
        let step = steps.iter().find(|found| found["step"] == step).unwrap();
        step["facts"][name].as_str().unwrap().to_owned()
    };
    assert_eq!(fact("published", "way"), "api");
    assert_eq!(fact("published", "topic"), "user:anna");
    assert!(fact("sent", "members").starts_with("gw-1."));
    assert!(fact("arrived", "from").starts_with("gw-0."));
    // Whichever node is asked.
    let path = "/api/messages/order-17/steps";
    let answer = gateway.api_of(1, "GET", path, &Value::Null).await;
    let other: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(other["steps"], Value::from(steps));

    gateway.publish(&message).await;
    let repeat = until_steps(&gateway, "order-17", "repeated_id", 1).await;
    assert_eq!(count(&repeat, "published"), 1);
}

#[tokio::test]
async fn a_durable_message_is_followed_until_its_client_has_it() {
    let gateway = Gateway::start("");
    let message =
        json!({"to": "user:anna", "event": "e", "data": {}, "id": "kept", "durable": true});
    gateway.publish(&message).await;
    let steps = until_steps(&gateway, "kept", "nobody", 1).await;
    assert_eq!(count(&steps, "kept"), 1);
    assert_eq!(count(&steps, "queued"), 0);
    // Its mail is read when it comes, and the Pong says that it has it.
    let mut client = Client::connect(&gateway, "/ws/?client_id=c&token=anna").await;
    let reading = async {
        loop {
            client.message().await;
        }
    };
    let steps = tokio::select! {
        steps = until_steps(&gateway, "kept", "confirmed", 1) => steps,
        () = reading => unreachable!("it reads for ever"),
    };
    assert_eq!([count(&steps, "queued"), count(&steps, "written")], [1, 1]);
}

#[tokio::test]
async fn what_a_client_says_is_found_by_its_trace_on_all_nodes() {
    let gateway = Gateway::start("trace.sample = 1");
    let mut anna = Client::ride(&gateway, "c1", "anna").await;
    let mut bert = Client::ride(&gateway, "driver_1", "bert").await;
    let first = tail(&gateway, &json!({"topic": "user:bert"})).await;
    assert_eq!(first["sessions"], 1);
    anna.send(r#"{"flag":"travel","target_token":"bert","token":"anna","msg":"where?"}"#)
        .await;
    bert.text().await;
    let watch = json!({"topic": "user:bert", "watch": first["watch"]});
    let events = until_event(&gateway, &watch, "written").await;
    let trace = events.last().unwrap()["trace"].as_str().unwrap().to_owned();
    let path = format!("/api/traces/{trace}/steps");
    let answer = gateway.api("GET", &path, &Value::Null).await;
    let answer: Value = serde_json::from_str(&answer.body).unwrap();
    let steps = answer["steps"].as_array().unwrap();
    assert_eq!(steps[0]["step"], "published");
    assert_eq!(steps[0]["facts"]["way"], "ride");
    assert_eq!(count(steps, "written"), 1);
    assert_eq!(count(steps, "arrived"), usize::from(gateway.is_cluster()));
    // What was said is nobody's business.
    assert!(!answer.to_string().contains("where?"));
    assert!(!Value::from(events).to_string().contains("where?"));
}

async fn tail(gateway: &Gateway, query: &Value) -> Value {
    let answer = gateway.api("POST", "/api/tail", query).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    serde_json::from_str(&answer.body).unwrap()
}

/// The events up to the first one of this name.
async fn until_event(gateway: &Gateway, query: &Value, name: &str) -> Vec<Value> {
    let mut events: Vec<Value> = Vec::new();
    soon(name, async {
        while !events.iter().any(|event| event["step"] == name) {
            let mut answer = tail(gateway, query).await;
            match answer["events"].take() {
                Value::Array(more) => events.extend(more),
                other => panic!("{other} is no list"),
            }
        }
    })
    .await;
    let end = events
        .iter()
        .position(|event| event["step"] == name)
        .unwrap();
    events.truncate(end + 1);
    events
}

#[tokio::test]
async fn a_user_is_followed_from_coming_to_going_on_every_node() {
    let gateway = Gateway::start_two("");
    let query = json!({"topic": "user:anna", "data": true});
    let first = tail(&gateway, &query).await;
    assert_eq!(first["sessions"], 0);
    let query = json!({"topic": "user:anna", "data": true, "watch": first["watch"]});
    for node in ["gw-0", "gw-1"] {
        let mut client = Client::ride(&gateway, "c", "anna").await;
        let events = until_event(&gateway, &query, "logged_in").await;
        assert_eq!(events.last().unwrap()["node"], node);
        gateway
            .publish(&json!({"to": "user:anna", "event": "e", "data": {"text": "hello"}}))
            .await;
        client.text().await;
        let events = until_event(&gateway, &query, "written").await;
        let queued = events
            .iter()
            .find(|event| event["step"] == "queued")
            .unwrap();
        assert_eq!(
            queued["facts"]["data"],
            r#"{"text": "hello"}"#.replace(' ', "")
        );
        client.send(r#"{"flag":"ping"}"#).await;
        client.expect("pong").await;
        let events = until_event(&gateway, &query, "replied").await;
        let received = events.iter().rfind(|event| event["step"] == "received");
        assert_eq!(received.unwrap()["facts"]["data"], r#"{"flag":"ping"}"#);
        let path = "/api/users/anna/sessions";
        gateway.api("DELETE", path, &Value::Null).await;
        assert_eq!(client.closed().await, code(1008, "kicked"));
        let events = until_event(&gateway, &query, "closed").await;
        let closed = &events.last().unwrap()["facts"];
        assert_eq!(closed["reason"], "kicked");
        assert_eq!(closed["dialect"], "ride");
        gateway.settle().await;
    }
}
