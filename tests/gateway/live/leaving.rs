//! The end of a session: whatever ends it, the walls are told once.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::time::sleep;

use super::{PROFILES, login, start, start_with, user, wall};
use crate::support::{Client, Gateway, client::code, service::Service};

/// What a wall is told next, which speaks while others do not.
async fn told_meanwhile(wall: &mut Client) -> Value {
    loop {
        tokio::select! {
            text = wall.text() => if text != "3" {
                return serde_json::from_str(&text).unwrap();
            },
            () = sleep(Duration::from_millis(300)) => wall.send("2").await,
        }
    }
}

#[tokio::test]
async fn however_a_session_ends_its_walls_are_told_once() {
    for profile in PROFILES {
        let gateway = start_with(profile, "limits.idle = \"3s\"");
        // It is never silent for so long.
        let mut wall = wall(&gateway, "9", "r1").await;
        for way in ["close", "drop", "kick", "violation", "idle"] {
            let mut user = user(&gateway, "1", "r1").await;
            let joined = told_meanwhile(&mut wall).await["param"].take();
            match way {
                "close" => drop(user.close().await),
                "drop" => drop(user),
                "kick" => {
                    let path = "/api/users/1/sessions";
                    let answer = gateway.api("DELETE", path, &json!(null)).await;
                    assert_eq!(answer.status, 200, "{answer:?}");
                }
                "violation" => user.send("no JSON").await,
                _ => {}
            }
            let left = told_meanwhile(&mut wall).await;
            assert_eq!(
                (&left["event"], &left["param"]),
                (&json!("userOut"), &joined),
                "{way}"
            );
        }
        wall.send(r#"{"method":"index"}"#).await;
        // At most answers to heartbeats came before.
        assert_eq!(told_meanwhile(&mut wall).await["event"], "receiveMessage");
        wall.told("success").await;
    }
}

#[tokio::test]
async fn who_has_left_is_not_told_of_again_when_the_session_ends() {
    let gateway = start("documented");
    let mut wall = wall(&gateway, "9", "r1").await;
    let mut anna = user(&gateway, "1", "r1").await;
    wall.told("userJoin").await;
    anna.invoke("live.user.out", json!({})).await;
    wall.told("userOut").await;
    anna.close().await;
    // Whoever comes behind is the next that is told of.
    let _bert = user(&gateway, "2", "r1").await;
    assert_eq!(wall.told("userJoin").await["id"], 2);
}

#[tokio::test]
async fn the_end_is_told_to_webhooks_too() {
    let mut service = Service::taking();
    let gateway = Gateway::start(&format!(
        "backend.hooks = [{{ events = [\"session.closed\"], url = \"{}\", dialects = [\"live\"] }}]",
        service.url("/hook")
    ));
    let mut client = login(&gateway, "1", "wechatUser", "r1").await;
    client.invoke("live.user.join", json!({})).await;
    client.close().await;
    let told = service.next().await.json();
    assert_eq!(
        (&told["event"], &told["user"]),
        (&json!("session.closed"), &json!("1"))
    );
}

#[tokio::test]
async fn who_comes_and_goes_at_once_is_told_of_in_that_order() {
    let gateway = start("documented");
    let mut wall = wall(&gateway, "9", "r1").await;
    for number in 0..40 {
        let mut user = login(&gateway, "1", "wechatUser", "r1").await;
        user.send(r#"{"method":"live.user.join"}"#).await;
        if 0 < number % 3 {
            // Its node has begun with it.
            user.expect(super::RECEIPT).await;
        }
        if number % 3 == 2 {
            user.told("userJoinSuccess").await;
        }
        drop(user);
    }
    gateway
        .until_metric("tidegate_dues_sessions", "", 0.0)
        .await;
    let mut last = login(&gateway, "2", "wechatUser", "r1").await;
    last.invoke("live.user.join", json!({})).await;
    let mut told: BTreeMap<String, Vec<String>> = BTreeMap::new();
    loop {
        let event = wall.event().await;
        if event["param"]["id"] == 2 {
            break;
        }
        let fd = event["param"]["fd"].as_str().unwrap().to_owned();
        let event = event["event"].as_str().unwrap().to_owned();
        told.entry(fd).or_default().push(event);
    }
    // Of who had gone before the walls were told of its coming they are told nothing.
    assert!(13 <= told.len(), "{told:?}");
    for (fd, events) in told {
        assert_eq!(events, ["userJoin", "userOut"], "{fd}");
    }
}

#[tokio::test]
async fn walls_are_told_of_all_who_leave_a_node_that_drains_before_they_have_to() {
    let gateway = Gateway::start_alone("");
    let mut wall = wall(&gateway, "9", "r1").await;
    let mut users = Vec::new();
    for id in 1..=40 {
        users.push(user(&gateway, &id.to_string(), "r1").await);
    }
    for _ in &users {
        wall.told("userJoin").await;
    }
    gateway.stop();
    for user in &mut users {
        assert_eq!(user.closed().await, code(1012, "draining"));
    }
    let mut left = BTreeSet::new();
    for _ in &users {
        left.insert(wall.told("userOut").await["id"].as_u64());
    }
    assert_eq!(left.len(), users.len());
    assert_eq!(wall.closed().await, code(1012, "draining"));
}
