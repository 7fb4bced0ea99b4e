//! Who gets in, what a grant opens, and what ends a session.

use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::json;
use tidegate::auth::issue::{TokenRequest, issue};

use super::{PROFILES, auth, dropped, expect, expect_error, frame, login, ping, start, start_with};
use crate::support::{Client, Gateway, client::code};

#[tokio::test]
async fn success_tells_the_session_its_id() {
    for profile in PROFILES {
        let gateway = start(profile);
        let (mut client, id) = login(&gateway, "42", &[], &[]).await;
        let to_it = json!({"to": format!("session:{id}"), "event": "hello", "data": {"a": 1}});
        gateway.publish(&to_it).await;
        expect(&mut client, "hello", json!({"a": 1})).await;
    }
}

#[tokio::test]
async fn a_bad_token_is_an_error_and_the_end() {
    for profile in PROFILES {
        let gateway = start(profile);
        let other = Gateway::start("");
        let good = gateway.device_token("42", &[], &[]);
        let (head, _) = good.rsplit_once('.').unwrap();
        for token in [
            "x".to_owned(),
            other.device_token("42", &[], &[]),
            format!("{head}.AAAA"),
            format!(
                "{}.",
                head.replace(
                    "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9",
                    "eyJhbGciOiJub25lIn0"
                )
            ),
        ] {
            let mut client = Client::connect(&gateway, "/ws").await;
            client.send(auth(&token)).await;
            expect_error(&mut client, 401).await;
            assert_eq!(client.closed().await, code(1008, "auth_failed"), "{token}");
        }
        let outcome = gateway.metric("tidegate_logins_total", "device").await;
        assert_eq!(outcome, 4.0);
    }
}

#[tokio::test]
async fn silence_is_an_error_and_the_end() {
    for profile in PROFILES {
        let gateway = start_with(profile, "dialect.device.auth_timeout = \"300ms\"");
        let mut client = Client::connect(&gateway, "/ws").await;
        expect_error(&mut client, 401).await;
        assert_eq!(client.closed().await, code(1008, "auth_timeout"));
    }
}

#[tokio::test]
async fn nothing_but_auth_comes_first() {
    for profile in PROFILES {
        let gateway = start(profile);
        for text in [
            r#"{"type":"ping"}"#,
            r#"{"type":"new_message","data":{"to":"user:42"}}"#,
            r#"{"type":"auth","data":{}}"#,
            r#"{"type":"auth","data":{"token":""}}"#,
            r#"{"type":"auth","data":{"token":7}}"#,
        ] {
            let mut client = Client::connect(&gateway, "/ws").await;
            client.send(text).await;
            expect_error(&mut client, 401).await;
            assert_eq!(client.closed().await, code(1008, "auth_failed"), "{text}");
        }
    }
}

#[tokio::test]
async fn a_malformed_frame_is_an_error_and_in_observed_just_the_end() {
    for profile in PROFILES {
        let gateway = start(profile);
        for is_in in [false, true] {
            for text in [
                "hello",
                "5",
                "null",
                "[]",
                "{}",
                r#"{"data":{}}"#,
                r#"{"type":"","data":{}}"#,
                r#"{"type":7,"data":{}}"#,
                r#"{"type":"x"}"#,
                r#"{"type":"x","data":"text"}"#,
                r#"{"type":"x","data":null}"#,
                r#"{"type":"auth","data":"token"}"#,
                r#"{"type":"x","type":"y","data":{}}"#,
            ] {
                let mut client = Client::connect(&gateway, "/ws").await;
                if is_in {
                    client
                        .send(auth(&gateway.device_token("42", &[], &[])))
                        .await;
                    frame(&mut client).await;
                }
                client.send(text).await;
                if profile == "documented" {
                    expect_error(&mut client, 400).await;
                }
                assert_eq!(client.closed().await, dropped(profile), "{text}");
            }
        }
    }
}

#[tokio::test]
async fn the_same_token_again_is_answered_and_another_one_ends_the_session() {
    for profile in PROFILES {
        let gateway = start(profile);
        let token = gateway.device_token("42", &[], &[]);
        let mut client = Client::connect(&gateway, "/ws").await;
        client.send(auth(&token)).await;
        let first = frame(&mut client).await;
        client.send(auth(&token)).await;
        assert_eq!(frame(&mut client).await["data"], first["data"]);
        client
            .send(auth(&gateway.device_token("43", &[], &[])))
            .await;
        expect_error(&mut client, 401).await;
        assert_eq!(client.closed().await, code(1008, "auth_failed"));
    }
}

#[tokio::test]
async fn every_session_of_a_user_receives_what_is_sent_to_the_user() {
    for profile in PROFILES {
        let gateway = start(profile);
        let (mut phone, first) = login(&gateway, "42", &[], &[]).await;
        let (mut tablet, second) = login(&gateway, "42", &[], &[]).await;
        let (mut other, _) = login(&gateway, "43", &[], &[]).await;
        assert_ne!(first, second);
        let data = json!({"text": "你好", "n": [1.0, null]});
        let message = json!({"to": "user:42", "event": "new_message", "data": data});
        gateway.publish(&message).await;
        for client in [&mut phone, &mut tablet] {
            expect(client, "new_message", data.clone()).await;
        }
        ping(&mut other).await;
    }
}

/// A token for the user 42, the device `d1` and the room `news`, made at this time.
fn token_of(gateway: &Gateway, now: u64) -> String {
    let request = TokenRequest::Device {
        user: "42".to_owned(),
        devices: vec!["d1".to_owned()],
        rooms: vec!["news".to_owned()],
        publish: Vec::new(),
        ttl_seconds: 60,
    };
    issue(gateway.config(), &request, now).unwrap()
}

/// Logs in with this token, and expects what is sent to the rooms of [`token_of`].
async fn check_rooms(gateway: &Gateway, token: &str) {
    let mut client = Client::connect(gateway, "/ws").await;
    client.send(auth(token)).await;
    assert_eq!(frame(&mut client).await["type"], "auth");
    for room in ["news", "device/d1"] {
        let message = json!({"to": format!("room:{room}"), "event": "x", "data": room});
        gateway.publish(&message).await;
        expect(&mut client, "x", json!(room)).await;
    }
}

/// Logs in with this token, and expects to be refused.
async fn check_refused(gateway: &Gateway, token: &str) {
    let mut client = Client::connect(gateway, "/ws").await;
    client.send(auth(token)).await;
    expect_error(&mut client, 401).await;
    assert_eq!(client.closed().await, code(1008, "auth_failed"));
}

#[tokio::test]
async fn rooms_of_the_grant_are_joined_at_once() {
    for profile in PROFILES {
        let gateway = start(profile);
        check_rooms(&gateway, &token_of(&gateway, gateway.now())).await;
    }
}

#[tokio::test]
async fn an_expired_token_is_refused() {
    for profile in PROFILES {
        let gateway = start(profile);
        check_refused(&gateway, &token_of(&gateway, gateway.now() - 3600)).await;
    }
}

#[tokio::test]
async fn a_token_with_an_rsa_signature_is_a_token() {
    let pairs = [(), ()].map(|()| rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap());
    for profile in PROFILES {
        let [good, other] = pairs.each_ref().map(|pair| {
            let (private, public) = (pair.serialize_pem(), pair.public_key_pem());
            let keys = format!("[{{ alg = \"RS256\", public_key = '''{public}''' }}]");
            let toml = format!(
                "dialect.device.private_key = '''{private}'''\ndialect.device.keys = {keys}"
            );
            start_with(profile, &toml)
        });
        check_rooms(&good, &token_of(&good, good.now())).await;
        check_refused(&good, &token_of(&other, good.now())).await;
        check_refused(&good, &token_of(&good, good.now() - 3600)).await;
        // The public key is no shared secret, whatever the token says about itself.
        let secret = EncodingKey::from_secret(pairs[0].public_key_pem().as_bytes());
        let token = encode(&Header::default(), &json!({"sub": "42"}), &secret).unwrap();
        check_refused(&good, &token).await;
    }
}

#[tokio::test]
async fn a_kicked_client_is_told_so() {
    for profile in PROFILES {
        let gateway = start(profile);
        let (mut client, id) = login(&gateway, "42", &[], &[]).await;
        let (mut other, _) = login(&gateway, "42", &[], &[]).await;
        let answer = gateway
            .api("DELETE", &format!("/api/sessions/{id}"), &json!({}))
            .await;
        assert!((200..300).contains(&answer.status), "{answer:?}");
        assert_eq!(client.closed().await, code(1008, "kicked"));
        ping(&mut other).await;
        gateway
            .api("DELETE", "/api/users/42/sessions", &json!({}))
            .await;
        assert_eq!(other.closed().await, code(1008, "kicked"));
    }
}
