use super::{
    document::{ROUTES, request},
    *,
};

/// Calls that a key of the scope `publish` is enough for.
const PUBLISHES: &[&str] = &[
    "DELETE /api/schedules/{id}",
    "POST /api/jobs",
    "POST /api/publish",
    "POST /api/publish/batch",
    "POST /api/say",
    "POST /api/schedules",
];

/// Calls that the command line may make, beside those to the process.
const OPERATES: &[&str] = &[
    "DELETE /api/jobs/{id}",
    "GET /api/jobs",
    "GET /api/jobs/{id}",
    "GET /api/messages/{id}/steps",
    "GET /api/traces/{trace}/steps",
    "POST /api/jobs/{id}/retry",
    "POST /api/say",
    "POST /api/tail",
];

/// What a caller must show.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Needs {
    Nothing,
    Control,
    AnyKey,
    Scope(&'static str),
}

/// What the rest of the routes needs follows from their methods, so that a new one is guarded or fails here.
fn needs(route: &str) -> Needs {
    if !route.contains(" /api/") {
        return Needs::Nothing;
    }
    if route.contains(" /api/process") {
        return Needs::Control;
    }
    if PUBLISHES.contains(&route) {
        return Needs::Scope("publish");
    }
    match route {
        "GET /api/openapi.json" => Needs::AnyKey,
        // Who got what is more than who is there.
        "GET /api/messages/{id}/steps" | "GET /api/traces/{trace}/steps" => Needs::Scope("admin"),
        _ if route.starts_with("GET ") => Needs::Scope("read"),
        _ => Needs::Scope("admin"),
    }
}

#[tokio::test]
async fn without_a_key_nothing_is_told_but_health_and_metrics() {
    let node = Node::new();
    let without_keys = Node::with_keys(&[]);
    let mut open = Vec::new();
    for route in ROUTES {
        let (method, path) = request(route);
        if needs(route) == Needs::Nothing {
            let answer = node.send(method, &path, None, "").await;
            assert_eq!(answer.status, 200, "{route}");
            open.push(*route);
            continue;
        }
        for key in [None, Some(""), Some("wrong"), Some("Read")] {
            let answer = node.send(method.clone(), &path, key, "nonsense").await;
            answer.problem(401);
            let challenge = answer.headers["www-authenticate"].to_str().unwrap();
            assert!(challenge.starts_with("Bearer"), "{challenge}");
        }
        let answer = without_keys.send(method, &path, Some("read"), "").await;
        answer.problem(401);
    }
    assert_eq!(open, ["GET /livez", "GET /metrics", "GET /readyz"]);
}

#[tokio::test]
async fn a_key_allows_what_its_scope_says() {
    let node = Node::new();
    for route in ROUTES {
        let Needs::Scope(scope) = needs(route) else {
            continue;
        };
        let (method, path) = request(route);
        for key in ["publish", "read", "admin", "token"] {
            let answer = node.send(method.clone(), &path, Some(key), "").await;
            if key == scope || key == "admin" {
                let status = answer.status.as_u16();
                assert!(![401, 403].contains(&status), "{route} {key}");
                continue;
            }
            let (_, detail) = answer.problem(403);
            assert!(detail.contains(scope), "{route}: {detail}");
            let challenge = answer.headers["www-authenticate"].to_str().unwrap();
            assert!(challenge.contains("insufficient_scope"), "{challenge}");
        }
    }
}

#[tokio::test]
async fn the_control_secret_is_no_key_and_no_key_is_the_control_secret() {
    let node = Node::new();
    for route in ROUTES {
        let (method, path) = request(route);
        let answer = node.send(method.clone(), &path, Some(CONTROL), "").await;
        match needs(route) {
            Needs::Nothing => {}
            Needs::Control => {
                assert_ne!(answer.status, 401, "{route}");
                for key in ["publish", "read", "admin", "token"] {
                    let answer = node.send(method.clone(), &path, Some(key), "").await;
                    answer.problem(401);
                }
            }
            Needs::AnyKey | Needs::Scope(_) => {
                let may = OPERATES.contains(route);
                assert_eq!(answer.status != 401, may, "{route}");
            }
        }
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
