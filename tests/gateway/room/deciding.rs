//! `[backend.subscribe]`: a service decides about rooms that nothing else opens.

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{for_others, join, push, refused};
use crate::support::{
    Gateway,
    client::code,
    service::{Reply, Service},
};

fn toml(service: &Service, more: &str) -> String {
    let url = service.url("/");
    for_others(&format!(
        "backend.subscribe = {{ url = \"{url}\", timeout = \"1s\"{more} }}"
    ))
}

/// A service that opens rooms whose names begin with `open`, and `agents` to user 42.
fn doorman() -> Service {
    Service::start(|request| {
        let question = request.json();
        let answer = match (
            question["room"].as_str().unwrap(),
            question["user"].as_str(),
        ) {
            ("broken", _) => return Reply::from((500, "")),
            ("slow", _) => return Reply::Never,
            ("agents", Some("42")) => json!({"allow": true}),
            (room, _) if room.starts_with("open") => json!({"allow": true}),
            _ => json!({"allow": false, "reason": "members only"}),
        };
        Reply::from((200, answer.to_string()))
    })
}

#[tokio::test]
async fn a_client_comes_into_a_room_that_is_allowed_and_into_no_other() {
    let mut service = doorman();
    let gateway = Gateway::start(&toml(&service, ""));
    let token = gateway.room_token("42", &["own"], false);
    let mut client = join(&gateway, &format!("/room/open1/?token={token}")).await;
    let mut question = service.next().await.json();
    for key in ["session", "id", "time"] {
        assert!(question.as_object_mut().unwrap().remove(key).is_some());
    }
    assert_eq!(
        question,
        json!({"event": "subscribe", "dialect": "room", "user": "42", "remote": "127.0.0.1",
               "room": "open1"})
    );
    let mut nobody = join(&gateway, "/room/open1/").await;
    assert_eq!(service.next().await.json()["user"], Value::Null);
    push(&gateway, "room:open1", &json!(1)).await;
    for client in [&mut client, &mut nobody] {
        client.expect("1").await;
    }
    for (room, closed) in [
        ("vip", code(1008, "auth_failed")),
        ("broken", code(1013, "auth_unavailable")),
        ("slow", code(1013, "auth_unavailable")),
    ] {
        assert_eq!(refused(&gateway, &format!("/room/{room}/")).await, closed);
        assert_eq!(service.next().await.json()["room"], room);
    }
    // The token has it, so nobody is asked.
    join(&gateway, &format!("/room/own/?token={token}")).await;
    assert!(service.try_next().is_none());
}

#[tokio::test]
async fn a_room_with_a_meaning_is_the_services_to_give() {
    let service = doorman();
    let gateway = Gateway::start(&toml(&service, ""));
    let token = gateway.room_token("42", &[], false);
    let mut client = join(&gateway, &format!("/room/agents/?token={token}")).await;
    push(&gateway, "room:agents", &json!(1)).await;
    client.expect("1").await;
    let closed = refused(&gateway, "/room/agents/").await;
    assert_eq!(closed, code(1008, "auth_failed"));
}

#[tokio::test]
async fn while_it_decides_the_client_is_nobody_and_what_it_says_waits() {
    let may_answer = CancellationToken::new();
    let held = may_answer.clone();
    let mut service = Service::start(move |_| {
        let held = held.clone().cancelled_owned();
        Reply::later(async {
            held.await;
            (200, json!({"allow": true}).to_string())
        })
    });
    let gateway = Gateway::start(&toml(&service, "").replace("\"1s\"", "\"15s\""));
    let token = gateway.room_token("42", &["vip"], false);
    let path = format!("/room/news/?token={token}");
    let mut client = crate::support::Client::connect(&gateway, &path).await;
    client.send("early").await;
    service.next().await;
    for topic in ["user:42", "room:vip", "room:news"] {
        push(&gateway, topic, &json!("early")).await;
    }
    may_answer.cancel();
    client.expect(super::REPLY).await;
    gateway.settle().await;
    push(&gateway, "user:42", &json!(1)).await;
    client.expect("1").await;
}

#[tokio::test]
async fn a_service_that_comes_and_goes_counts_for_those_who_come_then() {
    let service = doorman();
    let gateway = Gateway::start(&for_others(""));
    let refused_then = code(1008, "auth_failed");
    assert_eq!(refused(&gateway, "/room/open/").await, refused_then);
    gateway.reload(&toml(&service, ""));
    join(&gateway, "/room/open/").await;
    gateway.reload(&toml(&service, ", dialects = [\"device\"]"));
    assert_eq!(refused(&gateway, "/room/open/").await, refused_then);
    gateway.reload(&toml(&service, ", when_down = \"allow\""));
    join(&gateway, "/room/broken/").await;
}
