//! Every rule of the `device` dialect, by name, in both profiles where they differ.

mod extras;

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::{
    dialect::{
        Action, Answer, Grant,
        testing::{Client, check_order, json as any_json, lines, payload, steps},
    },
    message::{ConflationKey, DeliveryClass},
    topic::Topic,
};

const PROFILES: [Profile; 2] = [Profile::Documented, Profile::Observed];
const AUTH: &str = r#"{"type":"auth","data":{"token":"jwt"}}"#;
const WELCOME: &str =
    r#"reply {"type":"auth","data":{"status":"ok","client_id":"gw.1.2"},"time":1628160000}"#;
const HEARTBEAT: &str = r#"reply {"type":"ping"}"#;

fn settings(profile: Profile) -> Settings {
    Settings {
        profile,
        ..Settings::default()
    }
}

fn open(settings: Settings) -> Client {
    let (client, actions) = Client::open(&Device::new(settings), "");
    assert!(actions.is_empty());
    client
}

/// A client whose `auth` is being asked about.
fn asked(settings: Settings) -> Client {
    let mut client = open(settings);
    assert_eq!(lines(&client.text(AUTH)), "ask jwt -");
    client
}

fn grant() -> Grant {
    Grant {
        user: Some("7".parse().unwrap()),
        rooms: vec![Topic::room("ops").unwrap()],
        devices: vec!["9".into()],
        publish: vec!["user:7".into(), "room:device/*".into(), "all".into()],
        ..Grant::default()
    }
}

/// A client that is let in.
fn ready(settings: Settings) -> Client {
    let mut client = asked(settings);
    client.answer(Answer::Granted(grant()));
    client
}

fn error(code: u16, message: &str, end: &str) -> String {
    let close = if end.is_empty() {
        String::new()
    } else {
        format!("\nclose {end}")
    };
    format!(
        r#"reply {{"type":"error","data":{{"code":{code},"message":"{message}"}},"time":1628160000}}{close}"#
    )
}

/// What a frame of a client that is let in does, the same in both profiles.
#[track_caller]
fn check(frame: &str, expect: &str) {
    for profile in PROFILES {
        let mut client = ready(settings(profile));
        assert_eq!(lines(&client.text(frame)), expect, "{frame}");
    }
}

/// What the first frame of a client does, the same in both profiles.
#[track_caller]
fn check_first(frame: &str, expect: &str) {
    for profile in PROFILES {
        let mut client = open(settings(profile));
        assert_eq!(lines(&client.text(frame)), expect, "{frame}");
    }
}

/// A frame that is malformed, before `auth` and after it.
#[track_caller]
fn check_malformed(frame: &str, message: &str) {
    for start in [open, ready] {
        let mut client = start(settings(Profile::Documented));
        let expect = error(400, message, "violation");
        assert_eq!(lines(&client.text(frame)), expect, "{frame}");
        let mut client = start(settings(Profile::Observed));
        assert_eq!(lines(&client.text(frame)), "close violation", "{frame}");
    }
}

/// What the service's answer to `auth` does.
#[track_caller]
fn check_answer(answer: Answer, expect: &str) {
    for profile in PROFILES {
        let mut client = asked(settings(profile));
        assert_eq!(lines(&client.answer(answer.clone())), expect);
    }
}

// === Authentication ===

#[test]
fn a_grant_subscribes_and_then_says_ok_with_the_session_as_client_id() {
    let expect = format!("authenticate 7\nsubscribe room:ops\nsubscribe room:device/9\n{WELCOME}");
    check_answer(Answer::Granted(grant()), &expect);
}

#[test]
fn a_refusal_is_an_error_401_in_the_words_of_the_service() {
    let expect = error(401, "the token has expired", "auth_failed");
    check_answer(Answer::denied("the token has expired"), &expect);
}

#[test]
fn an_absent_service_is_an_error_503() {
    let expect = error(503, "authentication is not available", "auth_unavailable");
    check_answer(Answer::Unavailable, &expect);
}

#[test]
fn a_grant_without_a_user_is_refused() {
    let expect = error(401, "the token names no user", "auth_failed");
    check_answer(
        Answer::Granted(Grant {
            user: None,
            ..grant()
        }),
        &expect,
    );
}

#[test]
fn a_grant_with_a_device_that_is_no_room_is_refused_as_a_whole() {
    for device in [String::new(), "x".repeat(94), "a\n".to_owned()] {
        let grant = Grant {
            devices: vec!["9".into(), device.into()],
            ..grant()
        };
        let expect = error(401, "the token names an impossible device", "auth_failed");
        check_answer(Answer::Granted(grant), &expect);
    }
}

#[test]
fn a_grant_of_more_topics_than_a_session_may_have_is_an_error_401() {
    for profile in PROFILES {
        let mut client = ready(settings(profile));
        let message = "the token names too many rooms and devices";
        let expect = error(401, message, "too_many_topics");
        assert_eq!(lines(&client.overfull()), expect);
        assert_eq!(lines(&client.text(AUTH)), "");
    }
}

#[test]
fn auth_without_a_token_is_an_error_401() {
    for data in [
        "{}",
        "[]",
        r#"{"token":""}"#,
        r#"{"token":5}"#,
        r#"{"token":"a","token":"a"}"#,
    ] {
        let frame = format!(r#"{{"type":"auth","data":{data}}}"#);
        check_first(&frame, &error(401, "data.token is missing", "auth_failed"));
    }
}

#[test]
fn anything_before_auth_is_an_error_401() {
    for frame in [
        r#"{"type":"ping"}"#,
        r#"{"type":"pong"}"#,
        r#"{"type":"new_message","data":{"to":"user:7"}}"#,
    ] {
        check_first(frame, &error(401, "authenticate first", "auth_failed"));
    }
}

#[test]
fn silence_for_ten_seconds_is_an_error_401() {
    for profile in PROFILES {
        let mut client = open(settings(profile));
        assert_eq!(lines(&client.wait(Duration::from_millis(9_999))), "");
        assert_eq!(lines(&client.tick()), "", "a tick may be early");
        let expect = error(401, "no authentication in time", "auth_timeout");
        let actions = lines(&client.wait(Duration::from_millis(1)));
        assert_eq!(actions, expect.replace("1628160000", "1628160010"));
    }
}

#[test]
fn the_time_for_auth_does_not_run_while_the_service_is_asked() {
    let mut client = asked(settings(Profile::Documented));
    assert_eq!(lines(&client.wait(Duration::from_secs(60))), "");
}

#[test]
fn auth_again_is_answered_for_the_same_token_and_ends_the_session_for_another() {
    check(AUTH, WELCOME);
    let expect = error(401, "the session has another token", "auth_failed");
    check(r#"{"type":"auth","data":{"token":"other"}}"#, &expect);
    check(r#"{"type":"auth","data":{}}"#, &expect);
}

#[test]
fn an_answer_that_nobody_waits_for_does_nothing() {
    let mut client = ready(settings(Profile::Documented));
    assert_eq!(lines(&client.answer(Answer::denied("no"))), "");
}

// === Envelope ===

#[test]
fn what_is_no_json_object_is_malformed() {
    for frame in ["", "hello", "null", "5", "[]", "{} x"] {
        check_malformed(frame, "the frame is not a JSON object");
    }
}

#[test]
fn what_has_no_type_is_malformed() {
    for frame in [
        "{}",
        r#"{"data":{}}"#,
        r#"{"type":"","data":{}}"#,
        r#"{"type":5,"data":{}}"#,
    ] {
        check_malformed(frame, "type is missing or not a string");
    }
}

#[test]
fn data_that_is_neither_object_nor_array_is_malformed() {
    for data in ["5", "null", r#""x""#, "true"] {
        let frame = format!(r#"{{"type":"auth","data":{data}}}"#);
        check_malformed(&frame, "data is neither an object nor an array");
    }
    let frame = r#"{"type":"auth"}"#;
    check_malformed(frame, "data is neither an object nor an array");
}

#[test]
fn a_type_or_data_that_stands_twice_is_malformed() {
    check_malformed(
        r#"{"type":"auth","type":"auth","data":{"token":"jwt"}}"#,
        "type stands twice",
    );
    check_malformed(
        r#"{"type":"auth","data":{"token":"jwt"},"d\u0061ta":{}}"#,
        "data stands twice",
    );
}

#[test]
fn a_binary_frame_is_read_like_text() {
    for profile in PROFILES {
        let mut client = open(settings(profile));
        assert_eq!(lines(&client.binary(AUTH.as_bytes())), "ask jwt -");
    }
    let mut client = open(settings(Profile::Documented));
    let expect = error(400, "the frame is not UTF-8", "violation");
    assert_eq!(lines(&client.binary(b"\xff")), expect);
}

#[test]
fn a_ping_needs_no_data_and_is_answered_with_a_pong() {
    let expect = r#"reply {"type":"pong","time":1628160000}"#;
    check(r#"{"type":"ping"}"#, expect);
    check(r#"{"type":"ping","data":null,"time":1}"#, expect);
}

#[test]
fn a_pong_needs_no_data_and_is_taken_in_silence() {
    check(r#"{"type":"pong"}"#, "");
}

// === Publishing ===

#[test]
fn a_client_publishes_to_what_its_grant_lists_with_its_data_as_it_came() {
    check(
        r#"{"type":"new_message","data":{"to":"user:7", "content":"张","n":1.0},"time":5}"#,
        r#"publish user:7 new_message {"to":"user:7", "content":"张","n":1.0}"#,
    );
    check(
        r#"{"type":"wechat_login","data":{"to":"room:device/3"}}"#,
        r#"publish room:device/3 wechat_login {"to":"room:device/3"}"#,
    );
    check(
        r#"{"type":"own_type","data":{"to":"all"}}"#,
        r#"publish all own_type {"to":"all"}"#,
    );
}

#[test]
fn anything_else_is_an_error_403_and_the_session_goes_on() {
    for data in [
        r#"{"to":"user:8"}"#,
        r#"{"to":"user:77"}"#,
        r#"{"to":"room:device"}"#,
        r#"{"to":"node:gw"}"#,
        r#"{"to":"nonsense"}"#,
        r#"{"to":""}"#,
        r#"{"to":5}"#,
        r#"{"to":"user:7","to":"user:7"}"#,
        "{}",
        "[]",
        r#"["user:7"]"#,
    ] {
        let frame = format!(r#"{{"type":"new_message","data":{data}}}"#);
        check(&frame, &error(403, "data.to is not permitted", ""));
    }
    let mut client = ready(settings(Profile::Documented));
    client.text(r#"{"type":"new_message","data":{}}"#);
    assert_eq!(lines(&client.text(AUTH)), WELCOME);
}

#[test]
fn without_a_publish_claim_nothing_is_published() {
    let mut client = asked(settings(Profile::Documented));
    client.answer(Answer::Granted(Grant {
        publish: Vec::new(),
        ..grant()
    }));
    let actions = client.text(r#"{"type":"new_message","data":{"to":"user:7"}}"#);
    assert_eq!(lines(&actions), error(403, "data.to is not permitted", ""));
}

#[test]
fn the_status_of_a_device_is_the_latest_and_in_a_room_kept_for_a_day() {
    check(
        r#"{"type":"device_status","data":{"to":"room:device/9"}}"#,
        r#"publish room:device/9 device_status latest retain 86400s {"to":"room:device/9"}"#,
    );
    check(
        r#"{"type":"device_status","data":{"to":"room:device/x","device_id":9}}"#,
        r#"publish room:device/x device_status latest retain 86400s {"to":"room:device/x","device_id":9}"#,
    );
    for to in ["user:7", "all"] {
        let data = format!(r#"{{"to":"{to}","device_id":9}}"#);
        check(
            &format!(r#"{{"type":"device_status","data":{data}}}"#),
            &format!("publish {to} device_status latest {data}"),
        );
    }
}

#[test]
fn the_status_of_a_task_is_the_latest_and_not_kept() {
    check(
        r#"{"type":"task_status","data":{"to":"user:7","task_id":"t1"}}"#,
        r#"publish user:7 task_status latest {"to":"user:7","task_id":"t1"}"#,
    );
}

#[test]
fn a_status_of_nothing_in_particular_replaces_nothing() {
    for (kind, data) in [
        ("device_status", r#"{"to":"user:7"}"#),
        ("device_status", r#"{"to":"user:7","device_id":""}"#),
        ("device_status", r#"{"to":"user:7","device_id":[9]}"#),
        ("task_status", r#"{"to":"room:device/9","device_id":"9"}"#),
    ] {
        let frame = format!(r#"{{"type":"{kind}","data":{data}}}"#);
        let to = if data.contains("user:7") {
            "user:7"
        } else {
            "room:device/9"
        };
        check(&frame, &format!("publish {to} {kind} {data}"));
    }
}

fn key(topic: &str, event: &str, data: &'static str) -> Option<ConflationKey> {
    let message = Message::new(topic.parse().unwrap(), event, data.into());
    let message = classified(message);
    let is_latest = message.class == DeliveryClass::Latest;
    assert_eq!(is_latest, message.conflate.is_some());
    message.conflate
}

#[test]
fn a_status_replaces_that_of_the_same_device_or_task_at_the_same_topic() {
    let first = key("user:7", "device_status", r#"{"device_id":"9"}"#);
    assert!(first.is_some());
    let again = r#"{"status":"on","device_id":9}"#;
    assert_eq!(first, key("user:7", "device_status", again));
    assert_ne!(
        first,
        key("user:7", "device_status", r#"{"device_id":"8"}"#)
    );
    assert_ne!(
        first,
        key("user:8", "device_status", r#"{"device_id":"9"}"#)
    );
    assert_ne!(first, key("user:7", "task_status", r#"{"task_id":"9"}"#));
}

#[test]
fn other_events_and_broken_data_have_no_class() {
    assert_eq!(key("user:7", "new_message", r#"{"device_id":"9"}"#), None);
    assert_eq!(key("user:7", "device_status", r#"{"device_id":"#), None);
    assert_eq!(key("user:7", "device_status", ""), None);
}

// === Heartbeat ===

fn heartbeats(count: usize) -> String {
    vec![HEARTBEAT; count].join("\n")
}

#[test]
fn a_client_silent_for_thirty_seconds_is_sent_a_ping_and_again() {
    for profile in PROFILES {
        let mut client = ready(settings(profile));
        assert_eq!(lines(&client.wait(Duration::from_millis(29_999))), "");
        let actions = lines(&client.wait(Duration::from_millis(1)));
        assert_eq!(actions, HEARTBEAT);
        let actions = lines(&client.wait(Duration::from_secs(3_600)));
        assert_eq!(
            actions,
            heartbeats(120),
            "by default they may stay unanswered"
        );
    }
}

#[test]
fn any_frame_of_the_client_puts_the_ping_off() {
    for frame in [
        r#"{"type":"pong"}"#,
        r#"{"type":"ping"}"#,
        r#"{"type":"new_message","data":{"to":"user:8"}}"#,
    ] {
        let mut client = ready(settings(Profile::Documented));
        client.wait(Duration::from_secs(29));
        client.text(frame);
        assert_eq!(lines(&client.wait(Duration::from_secs(29))), "");
        assert_eq!(lines(&client.wait(Duration::from_secs(1))), HEARTBEAT);
    }
}

#[test]
fn unanswered_pings_end_the_session_at_the_limit() {
    let settings = Settings {
        ping_limit: 2,
        ..Settings::default()
    };
    let mut client = ready(settings);
    let actions = lines(&client.wait(Duration::from_millis(89_999)));
    assert_eq!(actions, heartbeats(2));
    let actions = lines(&client.wait(Duration::from_millis(1)));
    assert_eq!(actions, "close heartbeat_lost");
}

#[test]
fn only_pings_in_a_row_count() {
    let settings = Settings {
        ping_limit: 2,
        ..Settings::default()
    };
    let mut client = ready(settings);
    for _ in 0..10 {
        let actions = lines(&client.wait(Duration::from_secs(75)));
        assert_eq!(actions, heartbeats(2));
        client.text(r#"{"type":"pong"}"#);
    }
}

#[test]
fn a_heartbeat_of_zero_is_none() {
    let settings = Settings {
        heartbeat: Duration::ZERO,
        ..Settings::default()
    };
    let mut client = ready(settings);
    assert_eq!(lines(&client.wait(Duration::from_secs(3_600))), "");
}

#[test]
fn nobody_is_pinged_before_authentication() {
    let mut client = asked(settings(Profile::Documented));
    assert_eq!(lines(&client.wait(Duration::from_secs(300))), "");
}

// === Close forms ===

#[test]
fn closes_of_the_dialect_are_1008() {
    for profile in PROFILES {
        let device = Device::new(settings(profile));
        for reason in [
            CloseReason::AuthFailed,
            CloseReason::AuthTimeout,
            CloseReason::HeartbeatLost,
            CloseReason::Kicked,
            CloseReason::TooManyTopics,
        ] {
            assert_eq!(device.close_form(reason), CloseForm::Code(1008));
        }
    }
}

#[test]
fn only_a_malformed_frame_drops_the_connection_and_only_in_observed() {
    for reason in CloseReason::ALL {
        let device = Device::new(settings(Profile::Documented));
        assert_eq!(device.close_form(reason), reason.form(), "{reason:?}");
        let expect = match reason {
            CloseReason::Violation => CloseForm::None,
            _ => reason.form(),
        };
        let device = Device::new(settings(Profile::Observed));
        assert_eq!(device.close_form(reason), expect, "{reason:?}");
    }
}

// === Encoding ===

#[test]
fn a_message_is_type_data_and_time() {
    let device = Device::new(settings(Profile::Documented));
    let encoded = |data: &'static str| {
        let mut message = Message::new(Topic::all(), "new_message", data.into());
        message.time_ms = 1_628_160_000_999;
        payload(&device.encode(&message))
    };
    for data in [r#"{"content": "张"}"#, "[1]", "5", "null"] {
        let expect = format!(r#"{{"type":"new_message","data":{data},"time":1628160000}}"#);
        assert_eq!(encoded(data), expect);
    }
    let expect = r#"{"type":"new_message","data":null,"time":1628160000}"#;
    assert_eq!(encoded(""), expect);
}

// === Secrets ===

#[test]
fn no_token_is_asked_for_twice_or_shown() {
    let mut client = open(settings(Profile::Documented));
    let actions = client.text(AUTH);
    assert!(!format!("{actions:?}").contains("jwt"));
}

// === Whatever is sent ===

/// Texts near the dialect's own: its keys and values, in any number and combination.
fn frames() -> impl Strategy<Value = String> {
    let kind = prop_oneof![
        4 => Just("auth"), 1 => Just("ping"), 1 => Just("pong"), 2 => Just("device_status"),
        1 => Just("task_status"), 1 => Just(""), 1 => Just("x"),
    ];
    let data = prop_oneof![
        4 => Just(r#"{"token":"jwt"}"#), 1 => Just(r#"{"token":""}"#),
        2 => Just(r#"{"to":"user:7","device_id":9}"#), 1 => Just(r#"{"to":"room:x"}"#),
        1 => Just("[]"), 1 => Just("null"),
    ];
    (kind, data).prop_map(|(kind, data)| format!(r#"{{"type":"{kind}","data":{data}}}"#))
}

proptest! {
    #[test]
    fn whatever_is_sent_rules_of_order_and_permission_hold(
        profile in prop_oneof![Just(Profile::Documented), Just(Profile::Observed)],
        ping_limit in 0..3u32,
        steps in steps(frames()),
    ) {
        let settings = Settings { ping_limit, ..settings(profile) };
        let (mut client, mut actions) = Client::open(&Device::new(settings), "");
        for step in steps {
            actions.extend(client.step(step));
        }
        check_order(&actions);
        for action in &actions {
            match action {
                Action::Publish(message) => {
                    prop_assert!(message.topic.as_str().starts_with("user:"));
                }
                Action::Reply(reply) => {
                    let text = payload(reply);
                    let reply: serde_json::Value = serde_json::from_str(&text).unwrap();
                    let is_heartbeat = text.as_bytes() == frame::HEARTBEAT;
                    prop_assert!(reply["time"].is_u64() || is_heartbeat);
                }
                _ => {}
            }
        }
    }

    #[test]
    fn an_encoded_message_has_its_event_and_data_back(event: String, data in any_json()) {
        let device = Device::new(settings(Profile::Documented));
        let message = Message::new(Topic::all(), &*event, data.clone().into());
        let text = payload(&device.encode(&message));
        let frame: serde_json::Value = serde_json::from_str(&text).unwrap();
        let data: serde_json::Value = serde_json::from_str(&data).unwrap();
        prop_assert_eq!(&frame["type"], &event);
        prop_assert_eq!(&frame["data"], &data);
    }
}

#[test]
fn a_type_is_the_kind_of_a_message_unless_it_is_a_credential() {
    let device = Device::new(settings(Profile::Documented));
    let kind = |text| device.kind_of(text).map(std::borrow::Cow::into_owned);
    assert_eq!(kind(r#"{"type":"ping"}"#).as_deref(), Some("ping"));
    assert_eq!(kind(r#"{"type":"auth","data":{"token":"x"}}"#), None);
    assert_eq!(kind("{}"), None);
}
