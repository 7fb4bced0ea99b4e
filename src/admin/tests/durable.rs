use serde_json::json;

use super::{
    publish::{check, fill},
    *,
};

async fn history(node: &Node, topic: &str) -> Vec<Value> {
    let page = node.get(&format!("/api/history/{topic}")).await.json(200);
    page["messages"].as_array().unwrap().clone()
}

#[tokio::test]
async fn what_is_durable_for_a_room_is_in_its_history_and_given_once() {
    let node = Node::new();
    let both = node.connect(None, &["a", "b"]);
    let other = node.connect(Some("1"), &["b"]);
    let to = ["room:a", "user:2", "room:b", "room:empty"];
    let body = json!({"to": to, "data": 7, "id": "k", "durable": true}).to_string();
    let answer = node.publish(&body).await.json(200);
    assert_eq!(answer, json!({"id": "k", "delivered_nodes": 1}));
    assert_eq!(both.received(&node), ["room:a message 7 k;"]);
    assert_eq!(other.received(&node), ["room:b message 7 k;"]);
    assert_eq!(node.publish(&body).await.json(200), answer);
    for topic in to {
        let rows = history(&node, topic).await;
        let [row] = &rows[..] else {
            panic!("{topic}: {rows:?}");
        };
        assert_eq!((&row["packet_id"], &row["msg"]), (&json!("k"), &json!(7)));
        if topic.starts_with("room:") {
            assert_eq!(row["to"], topic);
        }
    }
    // As somebody would say it who has not heard that it was kept.
    let message = Message::new("room:b".parse().unwrap(), "message", "7".into());
    let message = Message {
        id: crate::message::MessageId::Text("k".into()),
        ..message
    };
    let topics = ["room:b".parse().unwrap()];
    let again = node.state.parts.post.send(&message, &topics).await;
    assert_eq!(again.unwrap()[0].sessions, 2);
    assert_eq!(other.received(&node), [""; 0]);
    assert_eq!(history(&node, "room:b").await.len(), 1);
    // What is not durable is in no history, and one letter alone is kept.
    node.publish(r#"{"to":"room:a"}"#).await.json(200);
    assert_eq!(history(&node, "room:a").await.len(), 1);
    assert_eq!(node.state.parts.post.stats().kept.load(), 1);
}

#[tokio::test]
async fn what_is_durable_for_all_is_in_the_history_of_all() {
    let node = Node::new();
    let sessions = [node.connect(None, &[]), node.connect(Some("1"), &[])];
    let body = r#"{"to":"all","data":1,"id":"k","durable":true}"#;
    node.publish(body).await.json(200);
    for session in &sessions {
        assert_eq!(session.received(&node), ["all message 1 k;"]);
    }
    assert_eq!(history(&node, "all").await[0]["to"], "all");
    assert!(history(&node, "user:1").await.is_empty());
}

#[tokio::test]
async fn what_is_durable_for_a_room_waits_for_room_and_then_says_that_it_is_kept() {
    let node = Node::new();
    let busy = node.connect(Some("1"), &["x"]);
    fill(&node);
    let body = r#"{"to":"room:x","id":"k","durable":true}"#;
    let (_, detail) = node.publish(body).await.problem(503);
    assert!(detail.contains("is kept"), "{detail}");
    assert_eq!(history(&node, "room:x").await.len(), 1);
    busy.received(&node);
    assert_eq!(node.publish(body).await.json(200)["delivered_nodes"], 1);
    assert_eq!(busy.received(&node), ["room:x message null k;"]);
    assert_eq!(history(&node, "room:x").await.len(), 1);
}

#[tokio::test]
async fn what_cannot_be_kept_is_on_its_way_to_nobody() {
    let node = Node::new();
    let member = node.connect(None, &["x"]);
    node.state.parts.post.close().await;
    let body = r#"{"to":["room:x","all"],"id":"k","durable":true}"#;
    check(&node.publish(body).await, 503, None, "cannot be kept");
    assert_eq!(member.received(&node), [""; 0]);
}
