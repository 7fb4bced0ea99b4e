use super::*;

const CALLS: &[(Method, &str, &str)] = &[
    (Method::POST, "/api/publish", "publish"),
    (Method::GET, "/api/topics/all", "read"),
    (Method::GET, "/api/users/1", "read"),
    (Method::DELETE, "/api/users/1/sessions", "admin"),
    (Method::DELETE, "/api/sessions/a.1.1", "admin"),
    (Method::GET, "/api/sessions", "read"),
    (Method::GET, "/api/sessions/a.1.1", "read"),
    (Method::GET, "/api/sessions/a.1.1/data", "read"),
    (Method::PUT, "/api/sessions/a.1.1/data", "admin"),
    (Method::PATCH, "/api/sessions/a.1.1/data", "admin"),
    (Method::GET, "/api/rooms", "read"),
    (Method::GET, "/api/rooms/x", "read"),
    (Method::DELETE, "/api/rooms/x", "admin"),
    (Method::POST, "/api/rooms/x/members", "admin"),
    (Method::DELETE, "/api/rooms/x/members/1", "admin"),
    (Method::DELETE, "/api/rooms/x/sessions/a.1.1", "admin"),
    (Method::GET, "/api/nodes", "read"),
    (Method::POST, "/api/nodes/gw-1/drain", "admin"),
    (Method::GET, "/api/hooks", "read"),
    (Method::GET, "/api/hooks/dead", "read"),
    (Method::POST, "/api/hooks/test", "admin"),
    (Method::POST, "/api/hooks/dead/retry", "admin"),
    (Method::DELETE, "/api/hooks/dead", "admin"),
];

const CONTROLS: &[(Method, &str)] = &[
    (Method::GET, "/api/process"),
    (Method::POST, "/api/process/stop"),
    (Method::POST, "/api/process/reload"),
    (Method::POST, "/api/process/token"),
];

#[tokio::test]
async fn without_a_key_nothing_is_told() {
    let node = Node::new();
    let open = Node::with_keys(&[]);
    let calls = CALLS.iter().map(|(method, path, _)| (method, *path));
    let controls = CONTROLS.iter().map(|(method, path)| (method, *path));
    let document = [(&Method::GET, "/api/openapi.json")];
    for (method, path) in calls.chain(controls).chain(document) {
        for key in [None, Some(""), Some("wrong"), Some("Read")] {
            let answer = node.send(method.clone(), path, key, "nonsense").await;
            answer.problem(401);
            let challenge = answer.headers["www-authenticate"].to_str().unwrap();
            assert!(challenge.starts_with("Bearer"), "{challenge}");
        }
        open.send(method.clone(), path, Some("read"), "")
            .await
            .problem(401);
    }
}

#[tokio::test]
async fn a_key_allows_what_its_scope_says() {
    let node = Node::new();
    for (method, path, needs) in CALLS {
        for key in ["publish", "read", "admin", "token"] {
            let answer = node.send(method.clone(), path, Some(key), "").await;
            if key == *needs || (key == "admin" && *needs != "token") {
                assert!(
                    ![401, 403].contains(&answer.status.as_u16()),
                    "{path} {key}"
                );
            } else {
                let (_, detail) = answer.problem(403);
                assert!(detail.contains(needs), "{detail}");
                let challenge = answer.headers["www-authenticate"].to_str().unwrap();
                assert!(challenge.contains("insufficient_scope"), "{challenge}");
            }
        }
        let control = node.send(method.clone(), path, Some(CONTROL), "").await;
        control.problem(401);
    }
}

#[tokio::test]
async fn the_control_secret_is_no_key_and_no_key_is_the_control_secret() {
    let node = Node::new();
    for (method, path) in CONTROLS {
        let answer = node.send(method.clone(), path, Some("admin"), "").await;
        answer.problem(401);
        let answer = node.send(method.clone(), path, Some(CONTROL), "").await;
        assert_ne!(answer.status.as_u16(), 401);
    }
}

#[tokio::test]
async fn a_key_is_shown_in_one_way() {
    let node = Node::new();
    for (value, status) in [
        ("Bearer read", 200),
        ("bearer read", 200),
        ("Basic read", 401),
        ("read", 401),
        ("Bearer", 401),
        ("Bearer read read", 401),
    ] {
        let request = axum::http::Request::get("/api/nodes").header("authorization", value);
        let request = request.body(Body::empty()).unwrap();
        let response = router(Arc::clone(&node.state)).oneshot(request).await;
        assert_eq!(response.unwrap().status().as_u16(), status, "{value}");
    }
}

#[tokio::test]
async fn keys_can_be_replaced() {
    let node = Node::new();
    node.state.parts.keys.reload(&[]);
    node.get("/api/nodes").await.problem(401);
}

#[tokio::test]
async fn what_is_not_there_is_a_problem_too() {
    let node = Node::new();
    for path in [
        "/",
        "/api",
        "/api/",
        "/api/nothing",
        "/api/users",
        "/api/users/",
        "/api/users/a/b",
    ] {
        node.get(path).await.problem(404);
    }
    let answer = node
        .send(Method::PUT, "/api/publish", Some("publish"), "")
        .await;
    answer.problem(405);
    assert_eq!(answer.headers["allow"], "POST");
    let answer = node.send(Method::POST, "/livez", None, "").await;
    answer.problem(405);
    assert_eq!(answer.headers["allow"], "GET,HEAD");
}

#[tokio::test]
async fn requests_are_counted_by_outcome() {
    let node = Node::new();
    node.get("/api/nodes").await;
    node.get("/api/nothing").await;
    node.send(Method::GET, "/api/nodes", None, "").await;
    node.publish("nonsense").await;
    node.send(Method::GET, "/metrics", None, "").await;
    let counts = node
        .state
        .parts
        .stats
        .requests
        .each_ref()
        .map(|count| count.load());
    // Failed, forbidden, invalid, ok, unauthorized.
    assert_eq!(counts, [0, 0, 2, 0, 1, 1]);
}

#[tokio::test]
async fn a_key_over_its_rate_is_told_when_to_come_back() {
    let key = |key: &str, requests_per_second| ApiKey {
        key: Secret::new(key),
        scopes: vec![Scope::Admin],
        requests_per_second,
        ..ApiKey::default()
    };
    let node = Node::with_keys(&[key("slow", 1), key("other", 1), key("free", 0)]);
    let get = |key| node.send(Method::GET, "/api/nodes", Some(key), "");
    // A batch is let in, and has to be paid for.
    let body = r#"{"messages":[{"to":"all"},{"to":"all"},{"to":"all"},{"to":"all"},{"to":"all"}]}"#;
    let path = "/api/publish/batch";
    let batch = node.send(Method::POST, path, Some("slow"), body).await;
    batch.json(200);
    let refused = get("slow").await;
    refused.problem(429);
    let seconds: u64 = refused.headers["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((2..=5).contains(&seconds), "{seconds}");
    get("other").await.json(200);
    for _ in 0..100 {
        get("free").await.json(200);
    }
    let limited = &node.state.parts.stats.requests[crate::stats::ApiOutcome::Limited as usize];
    assert_eq!(limited.load(), 1);
}
