//! Who gets in, how, and until when.

use std::time::Duration;

use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;

use super::{BACKEND, PROFILES, backend, check_ends, check_goes_on, ended, start, start_with};
use crate::support::{
    Client, Gateway,
    client::{code, status},
};

const LOGIN: &str = r#"{"flag":"login","token":"me"}"#;

#[tokio::test]
async fn credentials_in_the_query_log_in_at_once_and_in_silence() {
    for profile in PROFILES {
        let gateway = start(profile);
        for path in [
            "/ws/?client_id=c1&token=me",
            "/websocket?token=me&client_id=c1",
            "/?client_id=c1&token=me",
        ] {
            let mut client = Client::connect(&gateway, path).await;
            client.ping().await;
        }
    }
}

#[tokio::test]
async fn the_first_frame_logs_in_and_success_is_silence() {
    for profile in PROFILES {
        let gateway = start(profile);
        for path in ["/websocket", "/ws/", "/ws/?client_id=c1", "/ws/?token=me"] {
            let mut client = Client::connect(&gateway, path).await;
            client.send(LOGIN).await;
            client.ping().await;
        }
    }
}

#[tokio::test]
async fn a_login_in_a_binary_frame_is_a_login() {
    let gateway = start("documented");
    let mut client = Client::connect(&gateway, "/ws/").await;
    client.feed(Message::binary(LOGIN.as_bytes())).await;
    client.ping().await;
}

#[tokio::test]
async fn without_a_login_the_session_ends_after_two_seconds() {
    let check = async |profile| {
        let gateway = start(profile);
        let started = Instant::now();
        let mut client = Client::connect(&gateway, "/websocket").await;
        assert_eq!(client.closed().await, ended(profile, "auth_timeout"));
        assert!(Duration::from_secs(2) <= started.elapsed());
    };
    tokio::join!(check("documented"), check("observed"));
}

#[tokio::test]
async fn a_login_stops_the_clock() {
    let gateway = Gateway::start("dialect.ride.login_timeout = \"400ms\"\nlimits.idle = \"1s\"");
    let mut client = Client::connect(&gateway, "/websocket").await;
    client.send(LOGIN).await;
    // The idle limit is what ends it.
    assert_eq!(client.closed().await, code(1000, "idle"));
}

#[tokio::test]
async fn a_first_frame_that_is_no_login_ends_the_session() {
    for profile in PROFILES {
        let gateway = start(profile);
        for text in [
            r#"{"flag":"ping"}"#,
            r#"{"flag":"login"}"#,
            r#"{"flag":"login","token":""}"#,
            r#"{"flag":"latlng","token":"me","target_token":"x"}"#,
            "5",
        ] {
            let mut client = Client::connect(&gateway, "/websocket").await;
            client.send(text).await;
            assert_eq!(client.closed().await, ended(profile, "violation"), "{text}");
        }
    }
}

#[tokio::test]
async fn a_second_login_with_the_same_token_is_silent() {
    for profile in PROFILES {
        check_goes_on(profile, LOGIN).await;
    }
}

#[tokio::test]
async fn a_second_login_with_another_token_ends_the_session() {
    for profile in PROFILES {
        let text = r#"{"flag":"login","token":"other"}"#;
        check_ends(profile, text, ended(profile, "violation")).await;
    }
}

#[tokio::test]
async fn a_backend_with_a_wrong_secret_is_closed() {
    for profile in PROFILES {
        let gateway = start(profile);
        let path = "/ws/?client_id=11flask_backend&token=your_secret_toke";
        let mut query = Client::connect(&gateway, path).await;
        assert_eq!(query.closed().await, ended(profile, "auth_failed"));
        let mut frame = Client::connect(&gateway, "/ws/?client_id=11flask_backend").await;
        frame.send(LOGIN).await;
        assert_eq!(frame.closed().await, ended(profile, "auth_failed"));
    }
}

#[tokio::test]
async fn a_backend_logs_in_by_a_frame_too() {
    let gateway = start("documented");
    let mut driver = Client::ride(&gateway, "driver_1", "d1").await;
    let mut backend = Client::connect(&gateway, "/websocket?client_id=11flask_backend").await;
    backend
        .send(r#"{"flag":"login","token":"your_secret_token"}"#)
        .await;
    let text = r#"{"flag":"system","target_token":"driver","msg":"hi"}"#;
    backend.send(text).await;
    driver.expect(text).await;
}

#[tokio::test]
async fn a_backend_is_addressed_by_its_name_and_never_by_its_secret() {
    for profile in PROFILES {
        let gateway = start(profile);
        let mut backend = backend(&gateway).await;
        let mut client = Client::ride(&gateway, "c1", "me").await;
        for target in ["your_secret_token", "backend/11flask_backend"] {
            let text = format!(r#"{{"flag":"x","token":"me","target_token":"{target}"}}"#);
            client.send(text).await;
        }
        let second = r#"{"flag":"x","token":"me","target_token":"backend/11flask_backend"}"#;
        backend.expect(second).await;
    }
}

#[tokio::test]
async fn nobody_takes_the_address_of_a_backend() {
    for profile in PROFILES {
        let gateway = start(profile);
        let path = "/ws/?client_id=c1&token=backend/11flask_backend";
        let mut client = Client::connect(&gateway, path).await;
        assert_eq!(client.closed().await, ended(profile, "auth_failed"));
    }
}

#[tokio::test]
async fn bytes_that_are_no_text_are_nobodys_credentials() {
    for profile in PROFILES {
        let gateway = start(profile);
        for query in [
            "client_id=c1&token=x%00",
            "client_id=c1&token=x%ff",
            "client_id=c1&token=x%fe",
            "client_id=x%ff&token=me",
            "client_id=x%ff",
        ] {
            let path = format!("/ws/?{query}");
            let mut client = Client::connect(&gateway, &path).await;
            let end = client.closed().await;
            assert_eq!(end, ended(profile, "auth_failed"), "{query}");
        }
        let path = "/ws/?client_id=c1&token=%E5%BC%A0";
        let mut client = Client::connect(&gateway, path).await;
        client.ping().await;
    }
}

#[tokio::test]
async fn outside_development_a_realm_keeps_claimed_tokens_apart() {
    let toml = format!(
        "development = false\ndialect.ride.tokens = \"any\"\ndialect.ride.realm = \"ride\"\n{BACKEND}\n\
         dialect.device.enabled = false"
    );
    let gateway = Gateway::start(&toml);
    let mut me = Client::ride(&gateway, "c1", "me").await;
    let mut escaping = Client::ride(&gateway, "c2", "../me").await;
    for target in ["ride/me", "../ride/me", "me"] {
        let text = format!(r#"{{"flag":"x","token":"../me","target_token":"{target}"}}"#);
        escaping.send(text).await;
    }
    me.expect(r#"{"flag":"x","token":"../me","target_token":"me"}"#)
        .await;
}

#[tokio::test]
async fn any_other_path_is_a_riders_only_if_it_is_configured() {
    let gateway = start("documented");
    let refused = Client::try_connect(&gateway, "/other?client_id=c1&token=me", &[]).await;
    assert_eq!(status(refused), 404);
    let gateway = start_with("documented", "dialect.ride.any_path = true");
    let mut client = Client::connect(&gateway, "/other?client_id=c1&token=me").await;
    client.ping().await;
}
