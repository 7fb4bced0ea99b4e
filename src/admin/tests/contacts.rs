use serde_json::json;

use super::*;

const PATHS: [&str; 2] = ["/api/im/friends/7/42", "/api/im/couriers/7"];

#[tokio::test]
async fn who_may_write_to_whom_is_changed_one_way_and_again_without_harm() {
    let node = Node::new();
    for _ in 0..2 {
        for path in PATHS {
            let answer = node.send(Method::PUT, path, Some("admin"), "").await;
            assert_eq!(answer.status, StatusCode::NO_CONTENT);
        }
    }
    let friends = async |of: &str| node.get(&format!("/api/im/friends/{of}")).await.json(200);
    assert_eq!(friends("7").await, json!({"friends": [42]}));
    assert_eq!(friends("42").await, json!({"friends": []}));
    let couriers = node.get("/api/im/couriers").await.json(200);
    assert_eq!(couriers, json!({"couriers": [7]}));
    for _ in 0..2 {
        for path in PATHS {
            let answer = node.send(Method::DELETE, path, Some("admin"), "").await;
            assert_eq!(answer.status, StatusCode::NO_CONTENT);
        }
    }
    assert_eq!(friends("7").await, json!({"friends": []}));
    let couriers = node.get("/api/im/couriers").await.json(200);
    assert_eq!(couriers, json!({"couriers": []}));
}

#[tokio::test]
async fn only_an_administrator_changes_them() {
    let node = Node::new();
    for path in PATHS {
        for method in [Method::PUT, Method::DELETE] {
            for key in ["publish", "read", "token"] {
                node.send(method.clone(), path, Some(key), "")
                    .await
                    .problem(403);
            }
        }
    }
}

#[tokio::test]
async fn who_is_no_chat_user_is_refused() {
    let node = Node::new();
    for (path, field) in [
        ("/api/im/friends/anna/1", "a"),
        ("/api/im/friends/1/0", "b"),
        ("/api/im/friends/1/-1", "b"),
        ("/api/im/couriers/1.5", "id"),
        ("/api/im/couriers/99999999999999999999", "id"),
    ] {
        let answer = node.send(Method::PUT, path, Some("admin"), "").await;
        let (found, _) = answer.problem(422);
        assert_eq!(found.as_deref(), Some(field), "{path}");
    }
}
