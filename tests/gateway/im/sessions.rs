//! How many sessions a user has, and how they end.

use serde_json::json;

use super::{error, login, pair, says};
use crate::support::{Closed, Gateway, client::code};

const GOODBYE: &str = r#"{"id":0,"from":0,"type":"C","msg":"Server closes websocket"}"#;

#[tokio::test]
async fn a_second_login_ends_the_first_session_and_no_other() {
    for (profile, closed) in [
        ("documented", code(1008, "superseded")),
        ("observed", Closed::Empty),
    ] {
        let gateway = Gateway::start(&format!("dialect.im.profile = \"{profile}\""));
        let (mut old, mut other) = pair(&gateway).await;
        let mut new = login(&gateway, 7).await;
        old.expect(GOODBYE).await;
        assert_eq!(old.closed().await, closed);
        gateway.settle().await;
        // The end of the old one has taken nothing from the new one.
        other.say("1", 7, "hello").await;
        assert_eq!(new.packet().await["msg"], "hello");
        let online = json!({"id": 1, "to": 0, "type": "O", "msg": 7});
        assert_eq!(other.ask(&online).await["msg"], true);
    }
}

#[tokio::test]
async fn with_many_sessions_a_second_login_ends_none() {
    let gateway = Gateway::start("dialect.im.sessions = \"multi\"");
    let (mut first, _other) = pair(&gateway).await;
    let mut second = login(&gateway, 7).await;
    for session in [&mut first, &mut second] {
        let pong = session.ask(&json!({"id": 1, "to": 0, "type": "P"})).await;
        assert_eq!(pong["type"], "P");
    }
}

#[tokio::test]
async fn who_is_kicked_is_told_so() {
    let gateway = Gateway::start("");
    let mut client = login(&gateway, 7).await;
    gateway
        .api("DELETE", "/api/users/7/sessions", &json!({}))
        .await;
    client.expect(GOODBYE).await;
    assert_eq!(client.closed().await, code(1008, "kicked"));
}

#[tokio::test]
async fn a_message_is_kept_although_its_sender_has_gone() {
    let gateway = Gateway::start("");
    let (mut a, mut b) = pair(&gateway).await;
    for number in 0..50 {
        a.send(says(&number.to_string(), 42, "bye").to_string())
            .await;
    }
    a.socket.close(None).await.unwrap();
    for number in 0..50 {
        assert_eq!(b.packet().await["id"], number.to_string());
    }
    assert_eq!(
        b.ask(&says("x", 9, "x")).await,
        error("x", "You are not friends")
    );
}
