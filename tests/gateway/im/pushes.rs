//! What applications push to chat users: `s` packets, mail, and history.

use serde_json::{Value, json};

use super::login;
use crate::support::Gateway;

#[tokio::test]
async fn a_push_comes_as_an_s_packet() {
    let gateway = Gateway::start("");
    let mut client = login(&gateway, 42).await;
    gateway
        .publish(&json!({"to": "user:42", "event": "order", "data": {"n": 1}, "id": "o-1"}))
        .await;
    let packet = client.packet().await;
    assert_eq!((&packet["id"], &packet["from"]), (&json!("o-1"), &json!(0)));
    assert_eq!(
        (&packet["type"], &packet["msg"]),
        (&json!("s"), &json!({"n": 1}))
    );
    assert!(packet["timestamp"].is_u64());
    assert!(gateway.history("user:42").await.is_empty());
}

#[tokio::test]
async fn a_durable_push_waits_for_the_next_login_and_is_in_the_history() {
    let gateway = Gateway::start("");
    let push =
        json!({"to": "user:42", "event": "order", "data": [1], "id": "o-2", "durable": true});
    gateway.publish(&push).await;
    let mut client = login(&gateway, 42).await;
    let packet = client.packet().await;
    assert_eq!(
        (&packet["type"], &packet["msg"]),
        (&json!("s"), &json!([1]))
    );
    let rows = gateway.history("user:42").await;
    assert_eq!(rows.len(), 1);
    let row = &rows[0];
    assert_eq!(
        (&row["packet_id"], &row["from"]),
        (&json!("o-2"), &json!(0))
    );
    assert_eq!((&row["to"], &row["type"]), (&json!(42), &json!("s")));
    assert_eq!((&row["msg"], &row["event"]), (&json!([1]), &json!("order")));
}

#[tokio::test]
async fn what_is_pushed_to_a_user_by_name_has_a_history_too() {
    let gateway = Gateway::start("");
    let push = json!({"to": "user:anna", "data": "hi", "durable": true});
    gateway.publish(&push).await;
    let rows = gateway.history("user:anna").await;
    assert_eq!((rows.len(), &rows[0]["to"]), (1, &json!("anna")));
    assert!(!rows[0]["packet_id"].is_null());
}

impl Gateway {
    /// The newest messages that were kept of a topic.
    pub(crate) async fn history(&self, topic: &str) -> Vec<Value> {
        let path = format!("/api/history/{topic}");
        let answer = self.api("GET", &path, &Value::Null).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let page: Value = serde_json::from_str(&answer.body).unwrap();
        page["messages"].as_array().unwrap().clone()
    }
}
