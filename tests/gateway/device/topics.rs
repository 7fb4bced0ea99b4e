//! How many topics a session may have.

use serde_json::json;
use tidegate::auth::issue::{TokenRequest, issue};

use super::{PROFILES, auth, expect, expect_error, frame, ping, start, start_with};
use crate::support::{Client, Gateway, client::code};

/// A connection that has presented a token for this many devices and rooms beside its user.
async fn present(gateway: &Gateway, devices: usize, rooms: usize) -> Client {
    let named = |what: &str, count| (0..count).map(|number| format!("{what}{number}")).collect();
    let request = TokenRequest::Device {
        user: "42".to_owned(),
        devices: named("d", devices),
        rooms: named("r", rooms),
        publish: Vec::new(),
        ttl_seconds: 60,
    };
    let token = issue(gateway.config(), &request, gateway.now()).unwrap();
    let mut client = Client::connect(gateway, "/ws").await;
    client.send(auth(&token)).await;
    client
}

/// Expects what every refused login gets, and nothing before it.
async fn check_refused(mut client: Client) {
    expect_error(&mut client, 401).await;
    assert_eq!(client.closed().await, code(1008, "too_many_topics"));
}

#[tokio::test]
async fn a_session_may_have_128_topics_and_one_more_is_a_refused_login() {
    for profile in PROFILES {
        let gateway = start(profile);
        let mut client = present(&gateway, 120, 7).await;
        assert_eq!(frame(&mut client).await["type"], "auth");
        for to in [
            "user:42",
            "room:device/d0",
            "room:device/d119",
            "room:r0",
            "room:r6",
        ] {
            gateway.publish(&json!({"to": to, "event": to})).await;
            expect(&mut client, to, json!(null)).await;
        }
        check_refused(present(&gateway, 121, 7).await).await;
        check_refused(present(&gateway, 0, 128).await).await;
        ping(&mut client).await;
    }
}

#[tokio::test]
async fn a_login_that_is_refused_for_its_topics_hears_nothing_of_those_that_it_could_have() {
    for profile in PROFILES {
        let gateway = start_with(profile, "limits.topics_per_session_max = 3");
        let status = json!({
            "to": "room:device/d0", "event": "device_status", "data": {"device_id": "d0"},
        });
        gateway.publish(&status).await;
        check_refused(present(&gateway, 3, 0).await).await;
        let mut client = present(&gateway, 2, 0).await;
        assert_eq!(frame(&mut client).await["type"], "auth");
        expect(&mut client, "device_status", json!({"device_id": "d0"})).await;
        // Nothing is left of the refused one.
        gateway.settle().await;
        let answer = gateway.api("GET", "/api/users/42", &json!({})).await;
        let answer: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(answer["sessions"].as_array().unwrap().len(), 1, "{answer}");
    }
}
