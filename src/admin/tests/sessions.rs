use serde_json::json;

use super::*;
use crate::close::CloseReason;

#[tokio::test]
async fn a_user_is_found_by_an_encoded_id() {
    let node = Node::new();
    let session = node.connect(Some("ride/张 3"), &[]);
    for path in ["ride%2F%E5%BC%A0%203", "ride%2f张%203"] {
        let path = path.replace('张', "%E5%BC%A0");
        let answer = node.get(&format!("/api/users/{path}")).await.json(200);
        assert_eq!(answer["online"], true);
        assert_eq!(answer["sessions"][0]["id"], session.id(&node));
    }
    let answer = node.get("/api/users/user%2Fx").await.json(200);
    assert_eq!(answer, json!({"online": false, "sessions": []}));
}

#[tokio::test]
async fn a_session_is_told_about() {
    let node = Node::new();
    let session = node.connect(Some("42"), &["x"]);
    let mut answer = node.get("/api/users/42").await.json(200);
    let idle = answer["sessions"][0]["idle_seconds"].take();
    // It never said anything, and came in 2023.
    assert!(1_000_000 < idle.as_u64().unwrap());
    let expect = json!({
        "id": session.id(&node), "dialect": "device", "node": NODE, "since": 1_700_000_000,
        "remote": "203.0.113.7", "idle_seconds": null,
    });
    assert_eq!(answer["sessions"], json!([expect]));

    session.subscriber.see(1);
    let answer = node.get("/api/users/42").await.json(200);
    assert_eq!(answer["sessions"][0]["idle_seconds"], 0);
}

#[tokio::test]
async fn an_impossible_user_is_refused() {
    let node = Node::new();
    let long = format!("/api/users/{}", "x".repeat(1025));
    for path in ["/api/users/a%0Ab", &long] {
        let (field, _) = node.get(path).await.problem(422);
        assert_eq!(field.as_deref(), Some("id"));
    }
    node.get("/api/users/%FF").await.problem(422);
}

#[tokio::test]
async fn a_topic_says_whom_it_reaches() {
    let node = Node::new();
    let named = node.connect(Some("1"), &["a/b"]);
    node.connect(None, &["a/b"]);
    let answer = node.get("/api/topics/room:a%2Fb").await.json(200);
    let expect = json!({"topic": "room:a/b", "subscribers": 2, "nodes": [NODE]});
    assert_eq!(answer, expect);

    let answer = node.get("/api/topics/room:a%2Fb?members=1").await.json(200);
    let members = answer["members"].as_array().unwrap();
    let users: Vec<&Value> = members
        .iter()
        .filter_map(|member| member.get("user"))
        .collect();
    assert_eq!(members.len(), 2);
    assert_eq!(users, [&json!("1")]);

    for (topic, count) in [
        ("all".to_owned(), 2),
        ("user:1".to_owned(), 1),
        (format!("session:{}", named.id(&node)), 1),
    ] {
        let answer = node
            .get(&format!("/api/topics/{topic}?members=1"))
            .await
            .json(200);
        assert_eq!(answer["subscribers"], count);
        assert_eq!(answer["members"].as_array().unwrap().len(), count);
    }
    let answer = node.get("/api/topics/room:empty").await.json(200);
    assert_eq!(
        answer,
        json!({"topic": "room:empty", "subscribers": 0, "nodes": []})
    );
    for topic in ["room", "room:", "node:gw-1"] {
        let (field, _) = node.get(&format!("/api/topics/{topic}")).await.problem(422);
        assert_eq!(field.as_deref(), Some("topic"));
    }
}

#[tokio::test]
async fn a_session_is_kicked_once() {
    let node = Node::new();
    let session = node.connect(Some("1"), &[]);
    let other = node.connect(Some("1"), &[]);
    let path = format!("/api/sessions/{}?reason=banned", session.id(&node));
    assert_eq!(node.delete(&path).await.json(200), json!({"kicked": 1}));
    assert_eq!(session.subscriber.closed(), Some(CloseReason::Kicked));
    assert_eq!(other.subscriber.closed(), None);
    node.delete(&path).await.problem(404);
    for id in [
        "nonsense",
        "gw-2.1.1",
        "gw-1.18f4.1",
        "gw-1.18f3.ffffffffffff",
    ] {
        node.delete(&format!("/api/sessions/{id}"))
            .await
            .problem(404);
    }
}

#[tokio::test]
async fn all_sessions_of_a_user_are_kicked() {
    let node = Node::new();
    let sessions = [(); 3].map(|()| node.connect(Some("a/b"), &[]));
    let other = node.connect(Some("a"), &[]);
    let path = "/api/users/a%2Fb/sessions";
    let body = r#"{"reason":"banned"}"#;
    let answer = node.send(Method::DELETE, path, Some("admin"), body).await;
    assert_eq!(answer.json(200), json!({"kicked": 3}));
    for session in sessions {
        assert_eq!(session.subscriber.closed(), Some(CloseReason::Kicked));
    }
    assert_eq!(other.subscriber.closed(), None);
    assert_eq!(node.delete(path).await.json(200), json!({"kicked": 0}));
}

#[tokio::test]
async fn a_reason_is_a_short_text() {
    let node = Node::new();
    let long = "x".repeat(257);
    for body in [
        r#"{"reason":5}"#.to_owned(),
        r#"["banned"]"#.to_owned(),
        r#"{"reason":""}"#.to_owned(),
        r#"{"because":"x"}"#.to_owned(),
        format!(r#"{{"reason":"{long}"}}"#),
    ] {
        let path = "/api/users/1/sessions";
        let answer = node.send(Method::DELETE, path, Some("admin"), &body).await;
        answer.problem(422);
    }
    let path = format!("/api/users/1/sessions?reason={long}");
    node.delete(&path).await.problem(422);
}
