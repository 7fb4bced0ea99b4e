//! The page for newcomers, in Chromium.

use std::time::Duration;

use serde_json::json;
use tidegate::ingress::CHAT_USERS;

use super::browser::Browser;
use crate::{
    im::login,
    support::{Client, Closed, Gateway, http},
};

#[tokio::test]
async fn all_clients_of_the_page_for_newcomers_come_in() {
    let gateway = Gateway::start_alone("");
    let _browser = Browser::open(gateway.public());
    for (dialect, count) in [("ride", 2.0), ("device", 1.0), ("im", 2.0), ("room", 2.0)] {
        let labels = format!("dialect=\"{dialect}\"");
        super::browser::soon(async {
            while gateway.metric("tidegate_connections", &labels).await != count {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
    }
    // Those in the room hear what is said there.
    let mut guest = Client::connect(&gateway, "/room/demo/?user=guest").await;
    let message = json!({"to": "room:demo", "event": "x", "data": "hello"});
    gateway.publish(&message).await;
    guest.expect("\"hello\"").await;
    // Those who chat are friends, and each asks for what was said before.
    let [one, other] = CHAT_USERS;
    let mut one = login(&gateway, one).await;
    one.say("1", other, "hello").await;
    let mut other = login(&gateway, other).await;
    let history = json!({"id": "h", "to": 0, "type": "H", "msg": {"id": -1}});
    assert_eq!(other.ask(&history).await["msg"][0]["msg"], "hello");
    assert_ne!(other.close().await, Closed::Gone);
}

#[tokio::test]
async fn the_page_has_no_credential_that_is_good_for_more_than_to_try() {
    let gateway = Gateway::start_alone("");
    let page = http::call(gateway.public(), "GET", "/", &[], "").await;
    assert_eq!(page.status, 200);
    let config = gateway.config();
    let made = &config.throw_away;
    for secret in [
        &made.api_key,
        &made.ride_backend,
        &made.device_secret,
        &made.room_secret,
    ] {
        assert!(!page.body.contains(secret.as_ref().unwrap().expose()));
    }
    assert!(!page.body.contains(config.control.expose()));
    assert!(!page.body.contains("{{"), "something is not filled in");
    let key = made.page_key.as_ref().unwrap().expose();
    assert!(page.body.contains(key));
    let authorization = format!("Bearer {key}");
    let headers = [("authorization", authorization.as_str())];
    let ask = async |address, method, path, body| {
        http::call(address, method, path, &headers, body)
            .await
            .status
    };
    let id = r#"{"id":42}"#;
    assert_eq!(ask(gateway.public(), "POST", "/IM/token", id).await, 200);
    for (method, path) in [
        ("POST", "/api/publish"),
        ("GET", "/api/users/42"),
        ("GET", "/api/history/user:42"),
        ("PUT", "/api/im/friends/7/42"),
        ("DELETE", "/api/users/42/sessions"),
    ] {
        assert_eq!(
            ask(gateway.admin(), method, path, "{}").await,
            403,
            "{path}"
        );
    }
}

#[tokio::test]
async fn where_keys_are_configured_the_page_has_none() {
    let toml = "api.keys = [{ key = \"mine-1\", scopes = [\"token\", \"admin\"] }]";
    let gateway = Gateway::start_alone(toml);
    let page = http::call(gateway.public(), "GET", "/", &[], "").await;
    assert!(page.body.contains("key = \"\""), "{}", page.body);
    assert!(!page.body.contains("mine-1"));
}
