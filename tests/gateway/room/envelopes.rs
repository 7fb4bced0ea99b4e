//! One to one and group chat: envelopes with an address.

use serde_json::json;

use super::{PROFILES, REPLY, join, join_as, push, with_profile};
use crate::support::{Client, Gateway};

const MODES: [&str; 2] = ["push", "chat"];

fn start(profile: &str, mode: &str) -> Gateway {
    let toml = format!("dialect.room.mode = \"{mode}\"");
    Gateway::start(&with_profile(profile, &toml))
}

/// Every gateway that there is.
fn gateways() -> impl Iterator<Item = Gateway> {
    let profiles = PROFILES.into_iter();
    profiles.flat_map(|profile| MODES.map(|mode| start(profile, mode)))
}

/// What `me` says reaches these, each time once, and those not at all.
async fn check(
    gateway: &Gateway,
    me: &mut Client,
    said: impl Fn(u32) -> (String, String),
    reached: &mut [Client],
    others: &mut [Client],
) {
    for number in 0..4 {
        let (text, heard) = said(number);
        me.send(text).await;
        for client in &mut *reached {
            client.expect(&heard).await;
        }
    }
    // Whatever came late or twice would come before this.
    me.heard().await;
    push(gateway, "all", &json!("end")).await;
    for client in reached.iter_mut().chain(others).chain([me]) {
        client.expect("\"end\"").await;
    }
}

#[tokio::test]
async fn one_to_one_reaches_every_session_of_the_user_and_the_senders_others_once_each() {
    for gateway in gateways() {
        let mut me = join_as(&gateway, "a", "1").await;
        let mut reached = Vec::new();
        for (room, user) in [("a", "1"), ("b", "1"), ("a", "2"), ("c", "2")] {
            reached.push(join_as(&gateway, room, user).await);
        }
        let mut others = [
            join(&gateway, "/room/a/").await,
            join_as(&gateway, "a", "3").await,
        ];
        let said = |number| {
            let message = format!(r#"["你在吗，多少钱", {number}]"#);
            // Who it says it is from does not count.
            (
                format!(r#"{{"type":1,"from":"9","to":"2","message":{message}}}"#),
                format!(r#"{{"type":1,"from":"1","to":"2","message":{message}}}"#),
            )
        };
        check(&gateway, &mut me, said, &mut reached, &mut others).await;
    }
}

#[tokio::test]
async fn a_group_message_reaches_each_session_of_the_room_and_of_the_sender_once() {
    for gateway in gateways() {
        let mut me = join_as(&gateway, "g", "1").await;
        let mut reached = vec![join(&gateway, "/room/g/").await];
        // The sender's in the room and not in it, and two on each node of others.
        for (room, user) in [
            ("g", "1"),
            ("x", "1"),
            ("g", "1"),
            ("x", "1"),
            ("g", "2"),
            ("g", "2"),
            ("g", "3"),
        ] {
            reached.push(join_as(&gateway, room, user).await);
        }
        let mut others = [
            join_as(&gateway, "x", "2").await,
            join(&gateway, "/room/x/").await,
        ];
        let said = |number| {
            (
                format!(r#"{{"message":{number},"to":"g","type":2}}"#),
                format!(r#"{{"type":2,"from":"1","to":"g","message":{number}}}"#),
            )
        };
        check(&gateway, &mut me, said, &mut reached, &mut others).await;
    }
}

#[tokio::test]
async fn what_somebody_writes_to_themselves_reaches_their_other_sessions_once() {
    for gateway in gateways() {
        let mut me = join_as(&gateway, "a", "1").await;
        let mut reached = [
            join_as(&gateway, "a", "1").await,
            join_as(&gateway, "b", "1").await,
        ];
        let said = |number| {
            (
                format!(r#"{{"type":1,"to":1,"message":{number}}}"#),
                format!(r#"{{"type":1,"from":"1","to":"1","message":{number}}}"#),
            )
        };
        check(&gateway, &mut me, said, &mut reached, &mut []).await;
    }
}

#[tokio::test]
async fn an_envelope_without_an_authenticated_sender_is_refused_and_the_session_goes_on() {
    for gateway in gateways() {
        let mut nobody = join(&gateway, "/room/g/").await;
        let mut other = join_as(&gateway, "g", "2").await;
        for text in [
            r#"{"type":1,"from":"1","to":"2","message":1}"#,
            r#"{"type":2,"from":"1","to":"g","message":1}"#,
            r#"{"type":1,"to":"service","message":1}"#,
        ] {
            nobody.send(text).await;
            check_error(&mut nobody, 401).await;
        }
        other.heard().await;
    }
}

#[tokio::test]
async fn what_cannot_be_done_is_an_error_and_the_session_goes_on() {
    for gateway in gateways() {
        let mut me = join_as(&gateway, "g", "1").await;
        let mut other = join_as(&gateway, "h", "2").await;
        let long = format!(r#"{{"type":2,"to":"{}","message":1}}"#, "x".repeat(101));
        for (text, code) in [
            (r#"{"type":2,"to":"h","message":1}"#, 403),
            (r#"{"type":3,"to":"2","message":1}"#, 400),
            (r#"{"type":-1,"to":"2","message":1}"#, 400),
            (r#"{"type":1,"type":1,"to":"2","message":1}"#, 400),
            (r#"{"type":1,"message":1}"#, 400),
            (r#"{"type":1,"to":"","message":1}"#, 400),
            (r#"{"type":1,"to":["2"],"message":1}"#, 400),
            (r#"{"type":1,"to":"2"}"#, 400),
            (r#"{"type":1,"to":"2","message":1,"message":2}"#, 400),
            (r#"{"type":1,"to":"a\u0000","message":1}"#, 400),
            (&long, 400),
        ] {
            me.send(text).await;
            check_error(&mut me, code).await;
        }
        me.heard().await;
        other.heard().await;
    }
}

/// The next frame has to be an error with this code.
async fn check_error(client: &mut Client, code: u64) {
    let text = client.text().await;
    let error: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&error["type"], &error["code"]),
        (&json!("error"), &json!(code))
    );
    assert!(error["message"].is_string(), "{text}");
}

#[tokio::test]
async fn what_is_for_somebody_who_is_away_is_counted() {
    let gateway = start("documented", "push");
    let mut me = join_as(&gateway, "g", "1").await;
    me.send(r#"{"type":1,"to":"2","message":1}"#).await;
    me.heard().await;
    let undeliverable = "tidegate_messages_undeliverable_total";
    gateway.until_metric(undeliverable, "", 1.0).await;
}

#[tokio::test]
async fn an_object_whose_type_is_no_integer_is_no_envelope() {
    for profile in PROFILES {
        let gateway = start(profile, "push");
        let mut me = join_as(&gateway, "g", "1").await;
        for kind in ["1.0", "\"1\"", "1e0", "null", "[1]"] {
            let envelope = format!(r#"{{"type":{kind},"to":"2","message":1}}"#);
            me.send(envelope).await;
            me.expect(REPLY).await;
        }
    }
}
