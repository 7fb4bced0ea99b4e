//! Messages: kept, delivered, acknowledged; in their order and once.

use serde_json::{Value, json};

use super::{befriend, error, login, pair, says};
use crate::support::Gateway;

#[tokio::test]
async fn a_message_reaches_every_session_of_its_receiver_and_then_its_sender_is_told() {
    let gateway = Gateway::start("dialect.im.sessions = \"multi\"");
    let (mut a, mut one) = pair(&gateway).await;
    let mut two = login(&gateway, 42).await;
    a.say("1", 42, "hello").await;
    for session in [&mut one, &mut two] {
        let came = session.packet().await;
        assert_eq!((&came["id"], &came["from"]), (&json!("1"), &json!(7)));
        assert_eq!(
            (&came["type"], &came["msg"]),
            (&json!("t"), &json!("hello"))
        );
    }
}

#[tokio::test]
async fn pipelined_messages_are_kept_delivered_and_acknowledged_in_their_order() {
    let gateway = Gateway::start("");
    let (mut a, mut b) = pair(&gateway).await;
    const COUNT: usize = 200;
    for number in 0..COUNT {
        a.send(says(&number.to_string(), 42, "x").to_string()).await;
    }
    for number in 0..COUNT {
        assert_eq!(a.packet().await["id"], number.to_string());
    }
    for number in 0..COUNT {
        assert_eq!(b.packet().await["id"], number.to_string());
    }
    let rows = gateway.history("user:42").await;
    let ids: Vec<&str> = rows
        .iter()
        .map(|row| row["packet_id"].as_str().unwrap())
        .collect();
    let newest: Vec<String> = (COUNT - 100..COUNT)
        .rev()
        .map(|number| number.to_string())
        .collect();
    assert_eq!(ids, newest);
}

#[tokio::test]
async fn a_message_that_comes_again_is_kept_once_delivered_once_and_acknowledged_again() {
    let gateway = Gateway::start("");
    let (mut a, mut b) = pair(&gateway).await;
    let first = a.ask(&says("1", 42, "one")).await;
    let again = a.ask(&says("1", 42, "one")).await;
    assert_eq!(first, again);
    // The id as a number is another one, and so is one with other words.
    a.ask(&json!({"id": 1, "to": 42, "type": "t", "msg": "one"}))
        .await;
    a.say("1", 42, "two").await;
    let came = [b.packet().await, b.packet().await, b.packet().await];
    let ids = came.map(|packet| (packet["id"].clone(), packet["msg"].clone()));
    let expect = [("1".into(), "one"), (json!(1), "one"), ("1".into(), "two")];
    assert_eq!(ids, expect.map(|(id, msg): (Value, &str)| (id, json!(msg))));
    assert_eq!(gateway.history("user:7").await.len(), 3);
    // After a reconnect too, on whichever node; the receiver's new session gets it.
    let (mut a, mut b) = (login(&gateway, 7).await, login(&gateway, 42).await);
    a.say("1", 42, "two").await;
    assert_eq!(b.packet().await["msg"], "two");
    assert_eq!(gateway.history("user:7").await.len(), 3);
}

#[tokio::test]
async fn a_message_to_somebody_away_is_in_the_history_and_not_delivered_later() {
    let gateway = Gateway::start("");
    befriend(&gateway, 7, 42).await;
    let mut a = login(&gateway, 7).await;
    a.say("1", 42, "are you there").await;
    let mut b = login(&gateway, 42).await;
    let history = json!({"id": 5, "to": 0, "type": "H", "msg": {"id": -1, "from": -1}});
    let answer = b.ask(&history).await;
    let row = &answer["msg"][0];
    assert_eq!(row["msg"], "are you there");
    assert_eq!((&row["from"], &row["to"]), (&json!(7), &json!(42)));
    assert_eq!(row["send"], false);
}

#[tokio::test]
async fn a_message_to_oneself_needs_to_be_allowed_as_any_other() {
    let gateway = Gateway::start("");
    let mut a = login(&gateway, 7).await;
    let packet = says("1", 7, "note");
    assert_eq!(a.ask(&packet).await, error("1", "You are not friends"));
    gateway
        .api("PUT", "/api/im/friends/7/7", &Value::Null)
        .await;
    a.send(packet.to_string()).await;
    let both = [
        a.packet().await["type"].clone(),
        a.packet().await["type"].clone(),
    ];
    assert!(
        both.contains(&json!("A")) && both.contains(&json!("t")),
        "{both:?}"
    );
    assert_eq!(gateway.history("user:7").await.len(), 1);
}
