//! What reaches whom, and in which words.

use tokio_tungstenite::tungstenite::Message;

use super::{PROFILES, backend, check_ends, check_goes_on, ended, start, start_with};
use crate::support::{Client, Gateway, client::code};

/// A frame from `me` to this target.
fn to(target: &str, event: &str) -> String {
    format!(r#"{{"flag":"{event}","token":"me","target_token":"{target}"}}"#)
}

#[tokio::test]
async fn the_target_receives_the_very_text_that_was_sent() {
    for profile in PROFILES {
        let gateway = start(profile);
        let mut me = Client::ride(&gateway, "c1", "me").await;
        let mut you = Client::ride(&gateway, "c2", "you").await;
        for text in [
            r#"{"flag":"travel","target_token":"you","token":"me","lat":"1.0","phone":"+49","msg":"你好 €"}"#,
            "{ \"token\" : \"me\",\n \"unknown\":{\"a\":[1.0,2e3,null]},\"flag\":\"pickup\",\"target_token\":\"you\" }",
            r#"{"flag":"own words","x":1,"x":2,"target_token":"you","token":"me"}"#,
            r#"{"flag":"latlng","target_token":"you","token":"me","lat":"30.1","lng":"120.2"}"#,
        ] {
            me.send(text).await;
            you.expect(text).await;
        }
        // Nothing is acknowledged.
        me.ping().await;
    }
}

#[tokio::test]
async fn a_binary_frame_arrives_as_text() {
    for profile in PROFILES {
        let gateway = start(profile);
        let mut me = Client::ride(&gateway, "c1", "me").await;
        me.feed(Message::binary(to("me", "x").into_bytes())).await;
        assert_eq!(me.message().await, Message::text(to("me", "x")));
    }
}

#[tokio::test]
async fn every_session_of_the_target_token_receives_it_the_senders_own_too() {
    for profile in PROFILES {
        let gateway = start(profile);
        let mut phone = Client::ride(&gateway, "phone", "me").await;
        let mut watch = Client::ride(&gateway, "watch", "me").await;
        let mut nameless = Client::connect(&gateway, "/websocket").await;
        nameless.send(r#"{"flag":"login","token":"me"}"#).await;
        nameless.ping().await;
        phone.send(to("me", "x")).await;
        for client in [&mut phone, &mut watch, &mut nameless] {
            client.expect(&to("me", "x")).await;
        }
    }
}

#[tokio::test]
async fn a_target_that_is_not_there_is_dropped_in_silence_and_counted() {
    for profile in PROFILES {
        let gateway = start(profile);
        let mut me = Client::ride(&gateway, "c1", "me").await;
        me.send(to("nobody", "x")).await;
        me.send(to(&"x".repeat(5000), "x")).await;
        me.ping().await;
        let name = "tidegate_messages_undeliverable_total";
        assert_eq!(gateway.metric(name, "").await, 2.0);
    }
}

#[tokio::test]
async fn a_backend_reaches_everybody_and_all_drivers() {
    for profile in PROFILES {
        let gateway = start(profile);
        let mut backend = backend(&gateway).await;
        let mut passenger = Client::ride(&gateway, "c1", "me").await;
        let mut driver = Client::ride(&gateway, "x_driver_7", "d7").await;
        let drivers = r#"{"flag":"system","target_token":"driver","msg":"1"}"#;
        let everybody = r#"{"flag":"system","target_token":"all","msg":"2"}"#;
        backend.send(drivers).await;
        backend.send(everybody).await;
        driver.expect(drivers).await;
        for client in [&mut driver, &mut passenger, &mut backend] {
            client.expect(everybody).await;
        }
    }
}

#[tokio::test]
async fn everybody_hears_only_who_is_logged_in() {
    let gateway = start("observed");
    let mut stranger = Client::connect(&gateway, "/websocket").await;
    let mut me = Client::ride(&gateway, "c1", "me").await;
    me.send(to("all", "x")).await;
    me.expect(&to("all", "x")).await;
    // The first it hears is its own.
    stranger.send(r#"{"flag":"login","token":"you"}"#).await;
    stranger.ping().await;
}

#[tokio::test]
async fn only_in_observed_may_anyone_reach_everybody() {
    for target in ["all", "driver"] {
        let text = to(target, "x");
        check_ends("documented", &text, code(1008, "violation")).await;
        let gateway = start("observed");
        let mut driver = Client::ride(&gateway, "driver_1", "d1").await;
        let mut me = Client::ride(&gateway, "c1", "me").await;
        me.send(text.clone()).await;
        driver.expect(&text).await;
    }
}

#[tokio::test]
async fn documented_a_missing_mandatory_field_ends_the_session() {
    for text in [
        r#"{"token":"me","target_token":"x"}"#,
        r#"{"flag":"x","target_token":"x"}"#,
        r#"{"flag":"x","token":"me"}"#,
        r#"{"flag":"","token":"me","target_token":"x"}"#,
        r#"{"flag":"x","token":"me","target_token":""}"#,
        r#"{"flag":"x","token":"me","target_token":7}"#,
        r#"{"flag":"x","token":"other","target_token":"x"}"#,
        r#"{"flag":"close"}"#,
    ] {
        check_ends("documented", text, code(1008, "violation")).await;
    }
}

#[tokio::test]
async fn documented_a_backend_needs_no_token_in_its_frames() {
    let gateway = start("documented");
    let mut backend = backend(&gateway).await;
    let mut me = Client::ride(&gateway, "c1", "me").await;
    let text = r#"{"flag":"no_driver","target_token":"me","order_id":7,"msg":"无"}"#;
    backend.send(text).await;
    me.expect(text).await;
    backend.send(r#"{"flag":"no_driver","order_id":7}"#).await;
    assert_eq!(backend.closed().await, code(1008, "violation"));
}

#[tokio::test]
async fn observed_only_the_target_is_mandatory() {
    let gateway = start("observed");
    let mut me = Client::ride(&gateway, "c1", "me").await;
    for text in [
        r#"{"target_token":"me"}"#,
        r#"{"target_token":"me","flag":5}"#,
        r#"{"target_token":"me","token":"somebody else","flag":"x"}"#,
        r#"{"flag":"close","token":"me","target_token":"me"}"#,
    ] {
        me.send(text).await;
        me.expect(text).await;
    }
    for text in [
        r#"{"flag":"x","token":"me"}"#,
        r#"{"flag":"x","token":"me","target_token":""}"#,
        r#"{"flag":"close","token":"me"}"#,
        "5",
        "[]",
    ] {
        check_ends("observed", text, ended("observed", "violation")).await;
    }
}

#[tokio::test]
async fn a_mandatory_key_that_stands_twice_ends_the_session() {
    for profile in PROFILES {
        for text in [
            r#"{"flag":"x","token":"me","target_token":"a","target_token":"b"}"#,
            r#"{"flag":"x","token":"me","target_token":"a","target\u005ftoken":"b"}"#,
        ] {
            check_ends(profile, text, ended(profile, "violation")).await;
        }
    }
    for profile in PROFILES {
        let gateway = start(profile);
        let mut client = Client::connect(&gateway, "/websocket").await;
        client
            .send(r#"{"flag":"login","token":"me","token":"me"}"#)
            .await;
        assert_eq!(client.closed().await, ended(profile, "violation"));
    }
    let text = r#"{"flag":"x","flag":"y","token":"me","target_token":"a"}"#;
    check_ends("documented", text, code(1008, "violation")).await;
    let text = r#"{"flag":"x","token":"me","token":"me","target_token":"a"}"#;
    check_ends("documented", text, code(1008, "violation")).await;
}

#[tokio::test]
async fn what_is_no_json_is_ignored_in_observed_and_ends_the_session_in_documented() {
    for text in [
        "hello",
        "",
        "{",
        r#"{"flag":"x"} "#.repeat(2).as_str(),
        "null",
    ] {
        check_goes_on("observed", text).await;
        check_ends("documented", text, code(1008, "violation")).await;
    }
}

#[tokio::test]
async fn a_ping_is_answered_with_a_bare_text() {
    for profile in PROFILES {
        let gateway = start(profile);
        let mut me = Client::ride(&gateway, "c1", "me").await;
        me.send(r#"{"flag":"ping","token":"x","target_token":"all"}"#)
            .await;
        assert_eq!(me.message().await, Message::text("pong"));
    }
}

#[tokio::test]
async fn a_close_is_followed_by_nothing_but_the_end() {
    let text = r#"{"flag":"close","token":"me"}"#;
    check_ends("documented", text, code(1008, "logged_out")).await;
}

#[tokio::test]
async fn idle_clients_see_1000_or_in_observed_an_empty_close() {
    for (profile, expect) in [
        ("documented", code(1000, "idle")),
        ("observed", ended("observed", "")),
    ] {
        let gateway = start_with(profile, "limits.idle = \"300ms\"");
        let mut client = Client::ride(&gateway, "c1", "me").await;
        assert_eq!(client.closed().await, expect);
    }
}

#[tokio::test]
async fn codes_of_the_transport_are_the_same_in_both_profiles() {
    for profile in PROFILES {
        let toml = "limits.message_bytes_max = 100";
        let gateway = start_with(profile, toml);
        let mut client = Client::ride(&gateway, "c1", "me").await;
        client.send("x".repeat(101)).await;
        assert_eq!(client.closed().await, code(1009, "message_too_big"));
    }
}

#[tokio::test]
async fn a_conversation_goes_on_in_order_and_in_both_directions() {
    let gateway = Gateway::start("runtime.shards = 4");
    let mut me = Client::ride(&gateway, "c1", "me").await;
    let mut you = Client::ride(&gateway, "c2", "you").await;
    for number in 0..500 {
        me.send(to("you", &number.to_string())).await;
        let back = format!(r#"{{"flag":"{number}","token":"you","target_token":"me"}}"#);
        you.send(back).await;
    }
    for number in 0..500 {
        you.expect(&to("you", &number.to_string())).await;
        let back = format!(r#"{{"flag":"{number}","token":"you","target_token":"me"}}"#);
        me.expect(&back).await;
    }
}
