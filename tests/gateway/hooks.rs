//! Webhooks of a node alone and of two with Redis: what was kept is told, in order, once and for all.

mod dead;
mod endpoints;
mod order;

use std::time::Duration;

use serde_json::Value;
use tidegate::{
    dialect::DialectId,
    happening::{Happening, Kept, Party, What},
    id::Member,
};

use crate::support::{
    Gateway,
    service::{Reply, Request, Service},
    soon,
};

/// Long enough to see that nothing comes.
const SHORT: Duration = Duration::from_millis(200);

/// A webhook at this address that is told of everything that a `ride` session says.
fn hook(url: &str, more: &str) -> String {
    format!(
        "{{ url = \"{url}\", events = [\"message.received\"], messages = [\"*\"], secret = \"s\"{more} }}"
    )
}

fn hooks(hooks: &[String]) -> String {
    format!("backend.hooks = [{}]\n", hooks.join(","))
}

/// A gateway of each form that there is.
fn forms(toml: &str) -> [Gateway; 2] {
    [Gateway::start_alone(toml), Gateway::start_two(toml)]
}

/// What session number `session` says for the `number`th time.
fn message(session: u64, number: u64) -> Happening {
    let member: Member = "gw-0.1".parse().unwrap();
    Happening {
        id: format!("{session}-{number}").into(),
        time_ms: now_ms(),
        what: What::MessageReceived {
            who: Party {
                session: format!("{member}.{session:x}").parse().unwrap(),
                user: Some("anna".parse().unwrap()),
                dialect: DialectId::Ride,
            },
            kind: "order".into(),
            data: format!("{{\"number\":{number}}}").into(),
        },
        member,
    }
}

fn now_ms() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.unwrap().as_millis() as u64
}

/// Keeps happenings, as soon as that can be.
async fn keep(gateway: &Gateway, happenings: Vec<Happening>) -> Kept {
    soon("happenings are kept", async {
        loop {
            match gateway.herald().keep(happenings.clone()).await {
                Ok(kept) => return kept,
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    })
    .await
}

/// Keeps these numbers of one session.
async fn keep_of(gateway: &Gateway, session: u64, numbers: std::ops::Range<u64>) {
    let all = numbers.map(|number| message(session, number));
    assert_eq!(keep(gateway, all.collect()).await, Kept::default());
}

/// Which happening it is.
fn id(heard: &Request) -> String {
    heard.json()["id"].as_str().unwrap().to_owned()
}

/// The ids of what was taken, until it is so many.
async fn taken(receiver: &mut Service, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    while ids.len() < count {
        let heard = receiver.next().await;
        if heard.status.is_some_and(|status| status < 300) {
            ids.push(id(&heard));
        }
    }
    ids
}

async fn hooks_of(gateway: &Gateway) -> Value {
    let answer = gateway.api("GET", "/api/hooks", &Value::Null).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    serde_json::from_str::<Value>(&answer.body).unwrap()["hooks"].take()
}

/// Waits until nothing waits for any webhook.
async fn until_told(gateway: &Gateway) {
    gateway
        .until_metric("tidegate_hooks_pending", "", 0.0)
        .await;
}

async fn counted(gateway: &Gateway, outcome: &str) -> f64 {
    let labels = format!("outcome=\"{outcome}\"");
    gateway.metric("tidegate_hooks_total", &labels).await
}
