//! Chat mode: what clients say to rooms.

use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use super::{PROFILES, join, join_as, push, with_profile};
use crate::support::{Client, Gateway, client::code};

fn start(profile: &str, toml: &str) -> Gateway {
    let toml = format!("dialect.room.mode = \"chat\"\n{toml}");
    Gateway::start(&with_profile(profile, &toml))
}

#[tokio::test]
async fn what_is_said_reaches_the_room_its_sender_too() {
    for profile in PROFILES {
        let gateway = start(profile, "");
        let mut one = join(&gateway, "/room/12/").await;
        let mut other = join_as(&gateway, "12", "7").await;
        let mut stranger = join(&gateway, "/room/13/").await;
        for (said, heard) in [
            (r#"{"message":"你好","from":"12"}"#, r#""你好""#),
            (r#"{"message":"x","from":12}"#, r#""x""#),
            (
                r#"{ "from" : "12", "more": 1, "message" : {"a": [1.0, 2e3]} }"#,
                r#"{"a": [1.0, 2e3]}"#,
            ),
            (r#"{"message":null,"from":"12"}"#, "null"),
            (r#"{"message":[],"from":"12","type":"1"}"#, "[]"),
        ] {
            one.send(said).await;
            for client in [&mut one, &mut other] {
                client.expect(heard).await;
            }
        }
        one.feed(Message::binary(br#"{"message":1,"from":"12"}"#.as_slice()))
            .await;
        for client in [&mut one, &mut other] {
            client.expect("1").await;
        }
        stranger.heard().await;
    }
}

#[tokio::test]
async fn what_one_client_says_arrives_in_order() {
    let gateway = start("documented", "");
    let mut one = join(&gateway, "/room/12/").await;
    let mut other = join(&gateway, "/room/12/").await;
    for number in 0..200 {
        one.send(json!({"message": number, "from": "12"}).to_string())
            .await;
    }
    for number in 0..200 {
        other.expect(&number.to_string()).await;
    }
}

#[tokio::test]
async fn a_frame_that_cannot_be_read_ends_the_session_with_1011() {
    for profile in PROFILES {
        let gateway = start(profile, "");
        let mut other = join(&gateway, "/room/12/").await;
        let long = format!(r#"{{"message":1,"from":"{}"}}"#, "x".repeat(100));
        for message in [
            Message::text("hello"),
            Message::text(""),
            Message::text("5"),
            Message::text("[]"),
            Message::text("null"),
            Message::text("{}"),
            Message::text(r#"{"message":1}"#),
            Message::text(r#"{"from":"12"}"#),
            Message::text(r#"{"message":1,"from":"12","from":"13"}"#),
            Message::text(r#"{"message":1,"message":2,"from":"12"}"#),
            Message::text(r#"{"message":1,"from":null}"#),
            Message::text(r#"{"message":1,"from":["12"]}"#),
            Message::text(r#"{"message":1,"from":""}"#),
            Message::text(r#"{"message":1,"from":"中文"}"#),
            Message::text(r#"{"message":1,"from":"a b"}"#),
            Message::text(r#"{"message":1,"from":"live/x"}"#),
            Message::text(long),
            Message::binary([0xff, 0xfe].as_slice()),
        ] {
            let mut client = join(&gateway, "/room/12/").await;
            client.feed(message.clone()).await;
            assert_eq!(
                client.closed().await,
                code(1011, "violation"),
                "{message:?}"
            );
        }
        other.heard().await;
    }
}

#[tokio::test]
async fn documented_only_who_is_in_a_room_says_something_there() {
    let gateway = start("documented", "");
    let mut other = join(&gateway, "/room/13/").await;
    let mut client = join(&gateway, "/room/12/").await;
    client.send(r#"{"message":1,"from":"13"}"#).await;
    assert_eq!(client.closed().await, code(1008, "forbidden"));
    other.heard().await;
}

#[tokio::test]
async fn observed_anyone_says_something_anywhere() {
    let gateway = start("observed", "");
    let mut other = join(&gateway, "/room/13/").await;
    let mut client = join(&gateway, "/room/12/").await;
    client.send(r#"{"message":1,"from":13}"#).await;
    other.expect("1").await;
    client.heard().await;
}

#[tokio::test]
async fn a_room_that_the_application_has_put_a_session_into_is_one_it_is_in() {
    let gateway = start("documented", "");
    let mut other = join(&gateway, "/room/13/").await;
    let mut client = join_as(&gateway, "12", "7").await;
    let answer = gateway
        .api("POST", "/api/rooms/13/members", &json!({"user": "7"}))
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    client.send(r#"{"message":1,"from":"13"}"#).await;
    for member in [&mut client, &mut other] {
        member.expect("1").await;
    }
    let answer = gateway
        .api("DELETE", "/api/rooms/13/members/7", &json!({}))
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    client.send(r#"{"message":1,"from":"13"}"#).await;
    assert_eq!(client.closed().await, code(1008, "forbidden"));
    other.heard().await;
}

#[tokio::test]
async fn pushes_arrive_as_in_push_mode() {
    let gateway = start("documented", "");
    let mut client = join(&gateway, "/room/12/").await;
    push(&gateway, "room:12", &json!({"name": "234"})).await;
    client.expect(r#"{"name":"234"}"#).await;
}

#[tokio::test]
async fn two_who_have_said_something_can_go_and_come_back() {
    let gateway = start("documented", "");
    let mut one = join(&gateway, "/room/12/").await;
    let other = join(&gateway, "/room/12/").await;
    drop(other);
    gateway
        .until_metric("tidegate_connections", "room", 1.0)
        .await;
    let mut other: Client = join(&gateway, "/room/12/").await;
    one.send(r#"{"message":1,"from":"12"}"#).await;
    other.expect("1").await;
}
