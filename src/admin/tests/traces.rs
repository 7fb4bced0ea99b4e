use serde_json::json;

use super::*;

async fn steps(node: &Node, id: &str) -> Value {
    let path = format!("/api/messages/{id}/steps");
    let answer = node.send(Method::GET, &path, Some("admin"), "").await;
    answer.json(200)
}

fn names(answer: &Value) -> Vec<&str> {
    let steps = answer["steps"].as_array().unwrap();
    steps
        .iter()
        .map(|step| step["step"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn it_is_told_what_happened_to_a_message() {
    let node = Node::new();
    let session = node.connect(Some("42"), &[]);
    let body = r#"{"to": "user:42", "data": "secret", "id": "order-17"}"#;
    node.publish(body).await.json(200);
    session.received(&node);
    node.publish(body).await.json(200);
    let answer = steps(&node, "order%2D17").await;
    assert_eq!(
        names(&answer),
        ["published", "routed", "queued", "written", "repeated_id"]
    );
    let published = &answer["steps"][0];
    assert_eq!(published["node"], NODE);
    let facts = json!({"topic": "user:42", "way": "api", "class": "ephemeral"});
    assert_eq!(published["facts"], facts);
    let facts = json!({"session": session.id(&node)});
    assert_eq!(answer["steps"][3]["facts"], facts);
    assert!(!answer.to_string().contains("secret"));
    assert_eq!(answer["nodes"][0]["node"], NODE);
    assert_eq!(answer.get("missing"), None);

    // By its trace, as logs have it.
    let trace = answer["trace"].as_str().unwrap();
    let path = format!("/api/traces/{trace}/steps");
    let by_trace = node.send(Method::GET, &path, Some(CONTROL), "").await;
    assert_eq!(by_trace.json(200), answer);
}

#[tokio::test]
async fn what_is_kept_and_what_waits_for_its_time_is_told_too() {
    let node = Node::new();
    node.publish(r#"{"to": ["user:7", "room:x"], "id": "a", "durable": true}"#)
        .await
        .json(200);
    let answer = steps(&node, "a").await;
    let expect = ["kept", "kept", "published", "nobody", "published", "nobody"];
    assert_eq!(names(&answer), expect);
    assert_eq!(answer["steps"][1]["facts"]["topic"], "room:x");
    let at = std::time::SystemTime::now() + Duration::from_secs(60);
    let at = at.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let body = json!({"to": "user:7", "id": "b", "at": at}).to_string();
    node.publish(&body).await.json(200);
    let answer = steps(&node, "b").await;
    assert_eq!(names(&answer), ["put_off"]);
    assert_eq!(
        answer["steps"][0]["facts"]["at_ms"],
        (at * 1000).to_string()
    );
    // What was published without an id is found by the one that it was given.
    let answer = node
        .publish(r#"{"to": "user:7", "at": 1, "ttl": 1}"#)
        .await
        .json(200);
    let id = answer["id"].as_str().unwrap();
    assert_eq!(names(&steps(&node, id).await), ["expired"]);
}

#[tokio::test]
async fn of_an_unknown_message_nothing_is_told_and_a_wrong_id_is_refused() {
    let node = Node::new();
    let answer = steps(&node, "nobody-knows").await;
    assert_eq!(answer["steps"], json!([]));
    assert_eq!(answer["nodes"][0]["sample"], 0.0);
    let get = async |path: &str, key| node.send(Method::GET, path, Some(key), "").await;
    let long = "x".repeat(513);
    for id in ["a%00b", &long] {
        let path = format!("/api/messages/{id}/steps");
        let (field, _) = get(&path, "admin").await.problem(422);
        assert_eq!(field.as_deref(), Some("id"));
    }
    let wrong = "/api/traces/order-17/steps";
    let (_, detail) = get(wrong, "admin").await.problem(422);
    assert!(detail.contains("16 hexadecimal digits"), "{detail}");
    get("/api/messages/a/steps", "read").await.problem(403);
    get("/api/messages/a/steps", "wrong").await.problem(401);
}

async fn tail(node: &Node, key: &str, body: &Value) -> Answer {
    let body = body.to_string();
    node.send(Method::POST, "/api/tail", Some(key), &body).await
}

#[tokio::test]
async fn a_topic_is_followed_from_the_first_call_on() {
    let node = Node::new();
    let session = node.connect(Some("42"), &["news"]);
    let first = tail(&node, "admin", &json!({"topic": "user:42", "data": true})).await;
    let first = first.json(200);
    assert_eq!(first["events"], json!([]));
    assert_eq!(first["sessions"], 1);
    node.publish(r#"{"to": "room:news", "data": "to all"}"#)
        .await;
    session.received(&node);
    let again = json!({"topic": "user:42", "data": true, "watch": first["watch"]});
    let second = tail(&node, CONTROL, &again).await.json(200);
    assert_eq!(second["watch"], first["watch"]);
    let events = second["events"].as_array().unwrap();
    let names: Vec<_> = events.iter().map(|event| &event["step"]).collect();
    assert_eq!(names, ["queued", "written"]);
    assert_eq!(events[0]["number"], 0);
    assert_eq!(events[0]["node"], NODE);
    assert_eq!(events[0]["facts"]["data"], "\"to all\"");
    assert_eq!(events[0]["facts"]["session"], session.id(&node));
    let third = tail(&node, "admin", &again).await.json(200);
    assert_eq!(third["events"], json!([]));
}

#[tokio::test]
async fn what_cannot_be_followed_is_refused() {
    let node = Node::new();
    for (topic, detail) in [
        ("all", "expected user:<id>, room:<name> or session:<id>"),
        ("car:7", "is not a topic"),
        ("session:x", "is not the id of a session"),
    ] {
        let answer = tail(&node, "admin", &json!({ "topic": topic })).await;
        let (field, found) = answer.problem(422);
        assert_eq!(field.as_deref(), Some("topic"));
        assert!(found.contains(detail), "{found}");
    }
    let body = json!({"topic": "user:1", "watch": "mine"});
    let (field, _) = tail(&node, "admin", &body).await.problem(422);
    assert_eq!(field.as_deref(), Some("watch"));
    tail(&node, "read", &json!({"topic": "user:1"}))
        .await
        .problem(403);
    for user in 0..16 {
        let body = json!({"topic": format!("user:{user}")});
        tail(&node, "admin", &body).await.json(200);
    }
    let answer = tail(&node, "admin", &json!({"topic": "user:16"})).await;
    assert!(answer.headers.contains_key("retry-after"));
    answer.problem(429);
}

#[tokio::test]
async fn the_status_names_the_slowest_consumers() {
    let node = Node::new();
    let status = node.send(Method::GET, "/api/process", Some(CONTROL), "");
    assert_eq!(status.await.json(200)["slowest"], json!([]));
    let session = node.connect(Some("42"), &[]);
    session.subscriber.send(crate::frame::Frame::text(b"hello"));
    let status = node.send(Method::GET, "/api/process", Some(CONTROL), "");
    let slowest = &status.await.json(200)["slowest"][0];
    assert_eq!(slowest["session"], session.id(&node));
    assert_eq!(slowest["bytes"], 7);
}
