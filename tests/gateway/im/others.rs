//! Chat beside other dialects: the same users, and pushes from one to the other.

use serde_json::{Value, json};

use super::{befriend, login, says};
use crate::support::{Client, Gateway};

/// A session of the `device` dialect that is logged in.
async fn device(gateway: &Gateway, user: &str, publish: &[&str]) -> Client {
    let token = gateway.device_token(user, &[], publish);
    let mut client = Client::connect(gateway, "/ws").await;
    let login = json!({"type": "auth", "data": {"token": token}});
    client.send(login.to_string()).await;
    assert_eq!(client.packet().await["data"]["status"], "ok");
    gateway.settle().await;
    client
}

#[tokio::test]
async fn a_chat_message_reaches_the_devices_of_its_receiver_as_an_event() {
    let gateway = Gateway::start("");
    befriend(&gateway, 7, 42).await;
    let mut phone = device(&gateway, "42", &[]).await;
    let mut other = device(&gateway, "43", &[]).await;
    let mut sender = login(&gateway, 7).await;
    sender.say("1", 42, "hello").await;
    sender
        .ask(&json!({"id": "2", "to": 42, "type": "i", "msg": 17}))
        .await;
    for (kind, msg) in [("t", json!("hello")), ("i", json!(17))] {
        let frame = phone.packet().await;
        let data = json!({"from": 7, "type": kind, "msg": msg});
        assert_eq!((&frame["type"], &frame["data"]), (&json!("chat"), &data));
    }
    // Who is there with a device alone is online, and to a stranger nothing was sent.
    let online = json!({"id": "3", "to": 0, "type": "O", "msg": 42});
    assert_eq!(sender.ask(&online).await["msg"], true);
    other.send(r#"{"type":"ping"}"#).await;
    assert_eq!(other.packet().await["type"], "pong");
}

#[tokio::test]
async fn what_a_device_publishes_to_a_chat_user_names_who_it_was() {
    let gateway = Gateway::start("");
    let mut customer = login(&gateway, 42).await;
    for (user, from) in [("1001", json!(1001)), ("scale-3", json!("scale-3"))] {
        let mut device = device(&gateway, user, &["user:42"]).await;
        let data = json!({"to": "user:42", "weight": 1.5});
        let frame = json!({"type": "weighed", "data": data});
        device.send(frame.to_string()).await;
        let packet = customer.packet().await;
        assert_eq!((&packet["type"], &packet["from"]), (&json!("s"), &from));
        assert_eq!(packet["msg"], data, "{packet}");
    }
    // It may write, but that makes nobody a friend.
    let packet = says("1", 1001, "thanks");
    assert_eq!(customer.ask(&packet).await["msg"], "You are not friends");
    let history = json!({"id": "h", "to": 0, "type": "H", "msg": {"id": -1}});
    assert_eq!(
        customer.ask(&history).await["msg"],
        Value::Array(Vec::new())
    );
}
