//! What is told of sessions, and what the application keeps with them.

use serde_json::{Value, json};

use super::{call, gateways, get, login, refused};
use crate::support::{Client, Gateway};

#[tokio::test]
async fn what_is_known_of_a_session_is_told_by_every_node() {
    for gateway in gateways("") {
        let (_client, id) = login(&gateway, "42").await;
        call(
            &gateway,
            "POST",
            "/api/rooms/b/members",
            &json!({"session": id}),
        )
        .await;
        call(
            &gateway,
            "POST",
            "/api/rooms/a/members",
            &json!({"session": id}),
        )
        .await;
        let nodes = if gateway.is_cluster() { 2 } else { 1 };
        for node in 0..nodes {
            let path = format!("/api/sessions/{id}");
            let answer = gateway.api_of(node, "GET", &path, &Value::Null).await;
            let mut session: Value = serde_json::from_str(&answer.body).unwrap();
            let rest = session.as_object_mut().unwrap();
            for key in ["since", "idle_seconds", "node"] {
                assert!(rest.remove(key).is_some(), "{key}");
            }
            let expect = json!({
                "id": id, "dialect": "device", "remote": "127.0.0.1", "user": "42",
                "rooms": ["a", "b"], "data": {},
            });
            assert_eq!(session, expect);
        }
        for id in ["nonsense", "gw-9.1.1", &format!("{id}ff")] {
            refused(
                &gateway,
                "GET",
                &format!("/api/sessions/{id}"),
                &json!({}),
                404,
            )
            .await;
        }
    }
}

/// The ids of all sessions, two a page.
async fn listed(gateway: &Gateway, filter: &str) -> Vec<String> {
    let mut ids: Vec<String> = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = get(gateway, &format!("/api/sessions?limit=2{filter}{cursor}")).await;
        assert_eq!(page.get("missing"), None);
        let sessions = page["sessions"].as_array().unwrap();
        assert!(sessions.len() <= 2);
        ids.extend(
            sessions
                .iter()
                .map(|one| one["id"].as_str().unwrap().to_owned()),
        );
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return ids,
        }
    }
}

#[tokio::test]
async fn sessions_are_listed_page_by_page_each_once() {
    for gateway in gateways("") {
        let mut clients = Vec::new();
        let mut ids = Vec::new();
        for user in 0..5 {
            let (client, id) = login(&gateway, &user.to_string()).await;
            clients.push(client);
            ids.push(id);
        }
        let _ride = Client::ride(&gateway, "c", "anna").await;
        assert_eq!(listed(&gateway, "").await.len(), 6);
        let mut devices = listed(&gateway, "&dialect=device").await;
        devices.sort();
        ids.sort();
        assert_eq!(devices, ids);
        assert_eq!(listed(&gateway, "&dialect=im").await, [""; 0]);
        let path = "/api/rooms/x/members";
        for id in &ids[1..4] {
            call(&gateway, "POST", path, &json!({"session": id})).await;
        }
        gateway.settle().await;
        let mut members = listed(&gateway, "&topic=room:x").await;
        members.sort();
        assert_eq!(members, ids[1..4]);
        for query in [
            "limit=0",
            "limit=101",
            "dialect=none",
            "topic=x",
            "cursor=x",
            "cursor=",
        ] {
            let path = format!("/api/sessions?{query}");
            refused(&gateway, "GET", &path, &json!({}), 422).await;
        }
    }
}

#[tokio::test]
async fn what_an_application_keeps_with_a_session_ends_with_it() {
    for gateway in gateways("") {
        let (client, id) = login(&gateway, "42").await;
        let (_other, other) = login(&gateway, "42").await;
        let path = format!("/api/sessions/{id}/data");
        assert_eq!(get(&gateway, &path).await, json!({}));
        let data = json!({"lang": "en", "cart": {"items": [1, 2]}});
        assert_eq!(call(&gateway, "PUT", &path, &data).await, data);
        let patch = json!({"lang": null, "cart": {"total": 1.5}});
        let expect = json!({"cart": {"items": [1, 2], "total": 1.5}});
        assert_eq!(call(&gateway, "PATCH", &path, &patch).await, expect);
        let nodes = if gateway.is_cluster() { 2 } else { 1 };
        for node in 0..nodes {
            let answer = gateway.api_of(node, "GET", &path, &Value::Null).await;
            assert_eq!(answer.body, expect.to_string());
        }
        let others = get(&gateway, &format!("/api/sessions/{other}/data")).await;
        assert_eq!(others, json!({}));
        let page = get(&gateway, "/api/sessions?topic=user:42").await;
        let mut kept: Vec<&Value> = page["sessions"].as_array().unwrap().iter().collect();
        kept.retain(|session| session["data"] == expect);
        assert_eq!(kept.len(), 1);
        check_refusals(&gateway, &path).await;
        assert_eq!(get(&gateway, &path).await, expect);
        drop(client);
        gateway.until_metric("tidegate_sessions", "", 1.0).await;
        for method in ["GET", "PUT", "PATCH"] {
            refused(&gateway, method, &path, &json!({}), 404).await;
        }
    }
}

async fn check_refusals(gateway: &Gateway, path: &str) {
    let long = json!({"a": "x".repeat(4096)});
    for method in ["PUT", "PATCH"] {
        refused(gateway, method, path, &long, 413).await;
        refused(gateway, method, path, &json!([1]), 422).await;
        refused(gateway, method, path, &json!(null), 422).await;
    }
    // Each is short enough, and both together are not.
    let patch = json!({"b": "x".repeat(4080)});
    refused(gateway, "PATCH", path, &patch, 413).await;
}
