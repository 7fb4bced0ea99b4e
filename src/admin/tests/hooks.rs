use serde_json::json;

use super::*;
use crate::{
    backend::{
        HttpClient,
        hooks::{Hooks, Parts},
    },
    config::{Backend, EventHook},
    happening::Kind,
    store::sqlite::SqliteHooks,
};

/// The webhooks of a node that has one.
pub(super) fn of_test(clock: Clock) -> Hooks {
    let kept = Arc::new(SqliteHooks::new(Database::of_test()));
    let hook = EventHook {
        events: vec![Kind::SessionOpened, Kind::SessionClosed],
        url: HOOK.parse().unwrap(),
        ..EventHook::default()
    };
    let backend = Backend {
        hooks: vec![hook],
        ..Backend::default()
    };
    let client = HttpClient::new().unwrap();
    Hooks::new(Parts::of_one(client, clock, kept), &backend)
}

async fn post(node: &Node, path: &str, body: &Value) -> Answer {
    let body = body.to_string();
    node.send(Method::POST, path, Some("admin"), &body).await
}

#[tokio::test]
async fn the_webhooks_of_a_configuration_are_listed() {
    let node = Node::new();
    let hooks = node.get("/api/hooks").await.json(200);
    let expect = json!({
        "url": HOOK, "events": ["session.opened", "session.closed"], "configured": true,
        "pending": 0, "in_flight": 0, "failures": 0, "failing_since": null, "last_error": null,
    });
    assert_eq!(hooks, json!({"hooks": [expect]}));
}

#[tokio::test]
async fn only_a_webhook_of_the_configuration_is_sent_a_sample() {
    let node = Node::new();
    let test = async |body: Value| post(&node, "/api/hooks/test", &body).await;
    for body in [
        json!({"url": "http://127.0.0.1:1/other"}),
        json!({"hook": 1}),
    ] {
        test(body).await.problem(404);
    }
    for (body, field) in [
        (json!({}), "url"),
        (json!({"hook": 0, "event": "call.due"}), "event"),
        (json!({"hook": 0, "event": "nonsense"}), "event"),
    ] {
        let (found, _) = test(body).await.problem(422);
        assert_eq!(found.as_deref(), Some(field));
    }
    let tested = test(json!({"hook": 0})).await.json(200);
    assert_eq!(tested["event"], "session.opened");
    assert_eq!(
        (&tested["url"], &tested["status"]),
        (&json!(HOOK), &Value::Null)
    );
    // Nobody listens there.
    let error = tested["error"].as_str().unwrap();
    assert!(error.contains("could not be spoken to"), "{error}");
}

#[tokio::test]
async fn which_of_the_dead_are_meant_has_to_be_said() {
    let node = Node::new();
    let dead = node.get("/api/hooks/dead").await.json(200);
    assert_eq!(dead, json!({"dead": [], "next": null}));
    node.get("/api/hooks/dead?cursor=x").await.problem(422);
    node.get("/api/hooks/dead?limit=0").await.problem(422);
    for body in [json!({}), json!({"ids": []}), json!({"ids": ["x"]})] {
        let (field, _) = post(&node, "/api/hooks/dead/retry", &body)
            .await
            .problem(422);
        assert_eq!(field.as_deref(), Some("ids"));
    }
    for body in [json!({"all": true}), json!({"ids": ["7-0"]})] {
        let retried = post(&node, "/api/hooks/dead/retry", &body).await.json(200);
        assert_eq!(retried, json!({"count": 0}));
    }
}
