use serde_json::json;

use super::{publish::fill, *};

async fn results(node: &Node, messages: Value) -> Vec<Value> {
    let mut answer = node.publish_batch(&messages).await.json(200);
    match answer["results"].take() {
        Value::Array(results) => results,
        other => panic!("{other} is no list"),
    }
}

#[tokio::test]
async fn each_message_of_a_batch_stands_alone_and_is_answered_in_its_place() {
    let node = Node::new();
    node.state.set_limits(Limits {
        message_bytes_max: 10,
        ..LIMITS
    });
    let session = node.connect(Some("1"), &["x"]);
    let messages = json!([
        {"to": "user:1", "data": 1, "id": "a"},
        {"to": "nobody", "data": 2},
        5,
        {"to": "user:1", "data": "longer than ten"},
        {"to": "user:1", "ttl": 0},
        {"to": "user:1", "data": 1, "id": "a"},
        {"to": "user:1", "data": 2, "id": "a"},
        {"to": ["room:x", "user:2"], "event": "e", "data": 3, "id": "b", "durable": true},
        {"data": 4},
        {"to": "user:1", "data": 5, "id": "c"},
    ]);
    let results = results(&node, messages).await;
    let short: Vec<Value> = results
        .iter()
        .map(|result| match result.get("problem") {
            Some(problem) => json!([problem["status"], problem.get("field")]),
            None => json!([result["id"], result["delivered_nodes"]]),
        })
        .collect();
    let expect = json!([
        ["a", 1],
        [422, "to"],
        [422, null],
        [413, "data"],
        [422, "ttl"],
        ["a", 1],
        [409, "id"],
        ["b", 1],
        [422, "to"],
        ["c", 1],
    ]);
    assert_eq!(json!(short), expect);
    let expect = [
        "user:1 message 1 a;",
        "room:x e 3 b;",
        "user:1 message 5 c;",
    ];
    let mut received = session.received(&node);
    received.sort_by_key(|frame| expect.iter().position(|other| other == frame));
    assert_eq!(received, expect);
}

#[tokio::test]
async fn messages_of_a_batch_keep_the_order_of_their_topic() {
    let node = Node::new();
    let session = node.connect(Some("1"), &["x", "y"]);
    for is_durable in [false, true] {
        let message = |number: usize| {
            let to = [json!("room:x"), json!(["user:9", "room:y"])];
            json!({"to": to[number % 2], "data": number, "durable": is_durable})
        };
        let messages: Vec<Value> = (0..300).map(message).collect();
        let results = results(&node, json!(messages)).await;
        assert!(results.iter().all(|result| result["delivered_nodes"] == 1));
        let received = session.received(&node);
        for (room, first) in [("room:x", 0), ("room:y", 1)] {
            let of_room = received.iter().filter(|frame| frame.starts_with(room));
            let numbers = of_room.map(|frame| frame.split(' ').nth(2).unwrap().to_owned());
            let expect = (first..300)
                .step_by(2)
                .map(|number: usize| number.to_string());
            assert!(numbers.eq(expect), "{room}: {received:?}");
        }
    }
}

#[tokio::test]
async fn a_message_that_finds_the_node_busy_does_not_stop_the_others() {
    let node = Node::new();
    let idle = node.connect(Some("2"), &[]);
    let busy = node.connect(Some("1"), &[]);
    fill(&node);
    let messages = json!([{"to": "user:1", "id": "a"}, {"to": "user:2", "id": "b"}]);
    let answered = results(&node, messages.clone()).await;
    assert_eq!(answered[0]["problem"]["status"], 503);
    assert_eq!(answered[1], json!({"id": "b", "delivered_nodes": 1}));
    assert_eq!(idle.received(&node), ["user:2 message null b;"]);
    // The whole of it again: what is done is done.
    busy.received(&node);
    let answered = results(&node, messages).await;
    assert_eq!(answered[0], json!({"id": "a", "delivered_nodes": 1}));
    assert_eq!(busy.received(&node), ["user:1 message null a;"]);
    assert_eq!(idle.received(&node), [""; 0]);
}

#[tokio::test]
async fn a_batch_has_a_thousand_messages_at_most_and_a_megabyte() {
    let node = Node::new();
    let many = |count: usize| json!(vec![json!({"to": "user:1"}); count]);
    for count in [0, 1001] {
        let (field, detail) = node.publish_batch(&many(count)).await.problem(422);
        assert_eq!(field.as_deref(), Some("messages"));
        assert!(detail.contains("expected 1 to 1000"), "{detail}");
    }
    assert_eq!(results(&node, many(1000)).await.len(), 1000);
    let long = "x".repeat(60_000);
    let (_, detail) = node
        .publish_batch(&json!(vec![json!({"to": "all", "data": long}); 18]))
        .await
        .problem(413);
    assert!(detail.contains("1 MiB"), "{detail}");
    for body in [
        "",
        "{}",
        "[]",
        r#"{"messages":{}}"#,
        r#"{"messages":[],"x":1}"#,
    ] {
        let path = "/api/publish/batch";
        let answer = node.send(Method::POST, path, Some("publish"), body).await;
        answer.problem(422);
    }
    let read = node.send(Method::POST, "/api/publish/batch", Some("read"), "");
    read.await.problem(403);
}
