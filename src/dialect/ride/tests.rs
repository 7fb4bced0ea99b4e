//! Every rule of the `ride` dialect, by name, in both profiles where they differ.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::{
    dialect::{
        Action, Answer, Grant,
        testing::{Client, Step, check_order, json as any_json, lines, payload, session, steps},
    },
    message::Relay,
    topic::Topic,
};

const PROFILES: [Profile; 2] = [Profile::Documented, Profile::Observed];

fn settings(profile: Profile) -> Settings {
    Settings {
        profile,
        realm: Some("ride".into()),
        backends: vec![Backend {
            client_id: "11flask_backend".into(),
            secret: "s3cret".into(),
        }],
        ..Settings::default()
    }
}

fn asking(profile: Profile) -> Settings {
    Settings {
        tokens: Tokens::Ask,
        ..settings(profile)
    }
}

fn open(settings: Settings, query: &str) -> (Client, String) {
    let (client, actions) = Client::open(&Ride::new(settings), query);
    (client, lines(&actions))
}

/// What happens when a client comes with `query`.
#[track_caller]
fn check_open(settings: Settings, query: &str, expect: &str) {
    assert_eq!(open(settings, query).1, expect, "{query}");
}

/// What happens when a client comes with `query` and sends `frame`.
#[track_caller]
fn check_first(settings: Settings, query: &str, frame: &str, expect: &str) {
    let (mut client, _) = open(settings, query);
    assert_eq!(lines(&client.text(frame)), expect, "{frame}");
}

/// What a frame of the passenger `me` does.
#[track_caller]
fn check(profile: Profile, frame: &str, expect: &str) {
    let query = "client_id=phone&token=me";
    check_first(settings(profile), query, frame, expect);
}

/// What a frame of the backend does.
#[track_caller]
fn check_backend(profile: Profile, frame: &str, expect: &str) {
    let query = "client_id=11flask_backend&token=s3cret";
    check_first(settings(profile), query, frame, expect);
}

fn denied() -> &'static str {
    "close auth_failed"
}

fn granted(user: Option<&str>) -> Answer {
    Answer::Granted(Grant {
        user: user.map(|user| user.parse().unwrap()),
        ..Grant::default()
    })
}

// === Login ===

const ME: &str = "authenticate ride/me\nclaim ride:5:phoneride/me\nsubscribe room:ride/all";

/// What most clients are in, and stay in; larger states are boxed.
#[test]
fn an_idle_client_takes_48_bytes() {
    assert!(size_of::<Talk>() <= 48, "{}", size_of::<Talk>());
}

#[test]
fn credentials_in_the_query_authenticate_at_once_and_in_silence() {
    for profile in PROFILES {
        check_open(settings(profile), "client_id=phone&token=me", ME);
    }
}

#[test]
fn without_a_realm_the_token_is_the_whole_address() {
    let settings = Settings::default();
    let expect = "authenticate me\nclaim ride:5:phoneme\nsubscribe room:ride/all";
    check_open(settings, "client_id=phone&token=me", expect);
}

#[test]
fn the_query_is_form_decoded_and_of_a_repeated_key_the_first_counts() {
    let query = "a&token=a%2Fb+c%E5%BC%A0&client_id=p%20x&token=other&client_id=y";
    let expect = "authenticate ride/a/b c张\nclaim ride:3:p xride/a/b c张\nsubscribe room:ride/all";
    check_open(settings(Profile::Documented), query, expect);
}

#[test]
fn bytes_that_are_no_text_name_nobody() {
    for profile in PROFILES {
        for value in [
            "x%ff",
            "x%fe",
            "%C3%28",
            "%ED%A0%80",
            "%ef%bf%bd%ff",
            "a+%80",
        ] {
            let query = format!("client_id=a&token={value}");
            check_open(settings(profile), &query, denied());
            let query = format!("client_id={value}&token=me");
            check_open(settings(profile), &query, denied());
            let query = format!("client_id={value}");
            check_open(settings(profile), &query, denied());
        }
        // The replacement character itself is a text, and other keys are nobody's business.
        let query = "x=%ff&client_id=phone&token=%EF%BF%BD&%ff=1";
        let expect = ME.replace("ride/me", "ride/\u{fffd}");
        check_open(settings(profile), query, &expect);
    }
}

#[test]
fn an_empty_value_in_the_query_is_none() {
    for query in [
        "",
        "client_id=phone",
        "token=me",
        "client_id=&token=me",
        "client_id=a&token=",
    ] {
        check_open(settings(Profile::Documented), query, "");
    }
}

#[test]
fn the_login_frame_authenticates_in_silence() {
    for profile in PROFILES {
        let expect = "authenticate ride/me\nsubscribe room:ride/all";
        check_first(
            settings(profile),
            "",
            r#"{"flag":"login","token":"me"}"#,
            expect,
        );
    }
}

#[test]
fn a_login_without_a_client_id_claims_nothing() {
    let (mut client, _) = open(settings(Profile::Documented), "token=me");
    let actions = lines(&client.text(r#"{"flag":"login","token":"me"}"#));
    assert!(!actions.contains("claim"), "{actions}");
}

#[test]
fn the_login_frame_may_name_a_client_id_and_so_may_the_query() {
    let login = r#"{"flag":"login","token":"me"}"#;
    let named = r#"{"flag":"login","token":"me","client_id":"phone"}"#;
    for profile in PROFILES {
        check_first(settings(profile), "client_id=phone", login, ME);
        check_first(settings(profile), "", named, ME);
        check_first(settings(profile), "client_id=tablet", named, ME);
    }
}

#[test]
fn without_a_login_within_two_seconds_the_session_ends() {
    for profile in PROFILES {
        for query in ["", "client_id=phone", "token=me"] {
            let (mut client, _) = open(settings(profile), query);
            assert_eq!(lines(&client.wait(Duration::from_millis(1999))), "");
            assert_eq!(lines(&client.tick()), "", "a tick may be early");
            let end = client.wait(Duration::from_millis(1));
            assert_eq!(lines(&end), "close auth_timeout");
        }
    }
}

#[test]
fn a_login_in_time_stops_the_clock() {
    let (mut client, _) = open(settings(Profile::Documented), "");
    client.wait(Duration::from_millis(1999));
    client.text(r#"{"flag":"login","token":"me"}"#);
    assert_eq!(lines(&client.wait(Duration::from_secs(86_400))), "");
}

#[test]
fn the_first_frame_must_be_the_login() {
    for profile in PROFILES {
        for frame in [
            r#"{"flag":"ping"}"#,
            r#"{"flag":"close","token":"me"}"#,
            r#"{"flag":"latlng","target_token":"a","token":"me"}"#,
            r#"{"token":"me"}"#,
            r#"{"flag":"login"}"#,
            r#"{"flag":"login","token":""}"#,
            r#"{"flag":"login","token":5}"#,
            r#"{"flag":"login","token":"me","token":"me"}"#,
            "5",
            "[]",
        ] {
            check_first(settings(profile), "", frame, "close violation");
        }
    }
}

#[test]
fn what_is_no_json_is_ignored_before_the_login_too_in_observed() {
    for frame in ["hello", "null", ""] {
        check_first(settings(Profile::Observed), "", frame, "");
        check_first(settings(Profile::Documented), "", frame, "close violation");
    }
}

#[test]
fn a_token_that_is_no_address_is_refused() {
    for profile in PROFILES {
        let long = format!("client_id=a&token={}", "x".repeat(1024));
        check_open(settings(profile), &long, denied());
        check_open(settings(profile), "client_id=a&token=x%0A", denied());
        let long = format!("client_id={}&token=me", "x".repeat(1025));
        check_open(settings(profile), &long, denied());
    }
}

#[test]
fn a_repeated_login_with_the_same_token_is_silent_and_with_another_ends_the_session() {
    for profile in PROFILES {
        check(profile, r#"{"flag":"login","token":"me"}"#, "");
        let other = r#"{"flag":"login","token":"other"}"#;
        check(profile, other, "close violation");
        check(profile, r#"{"flag":"login"}"#, "close violation");
    }
}

#[test]
fn a_login_frame_with_a_target_is_a_login_in_documented_and_a_frame_like_any_in_observed() {
    let frame = r#"{"flag":"login","token":"me","target_token":"you"}"#;
    check(Profile::Documented, frame, "");
    let expect = format!("publish user:ride/you login {frame}");
    check(Profile::Observed, frame, &expect);
}

// === Backends and drivers ===

#[test]
fn a_backend_shows_its_secret_and_is_never_addressed_by_it() {
    let expect = "authenticate backend/11flask_backend\n\
                  claim ride:15:11flask_backendbackend/11flask_backend\n\
                  subscribe room:ride/all";
    for profile in PROFILES {
        for settings in [settings(profile), asking(profile)] {
            let query = "client_id=11flask_backend&token=s3cret";
            check_open(settings.clone(), query, expect);
            let frame = r#"{"flag":"login","token":"s3cret"}"#;
            check_first(settings.clone(), "client_id=11flask_backend", frame, expect);
            let frame = r#"{"flag":"login","token":"s3cret","client_id":"11flask_backend"}"#;
            check_first(settings, "", frame, expect);
        }
    }
}

#[test]
fn a_backend_with_a_wrong_secret_is_closed() {
    for profile in PROFILES {
        for settings in [settings(profile), asking(profile)] {
            for secret in ["s3cre", "s3crets", "S3CRET", "x"] {
                let query = format!("client_id=11flask_backend&token={secret}");
                check_open(settings.clone(), &query, denied());
            }
        }
    }
}

#[test]
fn the_secret_of_a_backend_is_an_ordinary_token_for_others() {
    let expect = "authenticate ride/s3cret\nclaim ride:1:aride/s3cret\nsubscribe room:ride/all";
    check_open(
        settings(Profile::Documented),
        "client_id=a&token=s3cret",
        expect,
    );
}

#[test]
fn a_driver_is_one_by_its_client_id_and_hears_what_all_drivers_hear() {
    let expect = "authenticate ride/me\nclaim ride:11:my_driver_7ride/me\n\
                  subscribe room:ride/all\nsubscribe room:ride/drivers";
    for profile in PROFILES {
        check_open(settings(profile), "client_id=my_driver_7&token=me", expect);
    }
}

#[test]
fn a_backend_is_no_driver_whatever_its_client_id() {
    let mut settings = settings(Profile::Documented);
    settings.backends[0].client_id = "driver_service".into();
    let (_, actions) = open(settings, "client_id=driver_service&token=s3cret");
    assert!(!actions.contains("room:ride/drivers"), "{actions}");
}

// === Services ===

#[test]
fn a_token_is_asked_about_and_the_user_it_belongs_to_is_the_address() {
    for profile in PROFILES {
        let (mut client, actions) = open(asking(profile), "client_id=driver_7&token=jwt");
        assert_eq!(actions, "ask jwt driver_7");
        let actions = lines(&client.answer(granted(Some("7"))));
        let expect = "authenticate ride/7\nclaim ride:8:driver_7ride/7\n\
                      subscribe room:ride/all\nsubscribe room:ride/drivers";
        assert_eq!(actions, expect);
    }
}

#[test]
fn a_login_frame_is_asked_about_too() {
    let frame = r#"{"flag":"login","token":"jwt"}"#;
    check_first(asking(Profile::Documented), "", frame, "ask jwt -");
}

#[test]
fn a_service_may_leave_the_client_its_own_word() {
    let (mut client, _) = open(asking(Profile::Documented), "client_id=phone&token=me");
    assert_eq!(lines(&client.answer(granted(None))), ME);
}

#[test]
fn granted_rooms_are_joined() {
    let (mut client, _) = open(asking(Profile::Documented), "client_id=a&token=jwt");
    let actions = client.answer(Answer::Granted(Grant {
        user: Some("7".parse().unwrap()),
        rooms: vec![Topic::room("fleet").unwrap()],
        ..Grant::default()
    }));
    assert!(lines(&actions).ends_with("\nsubscribe room:fleet"));
}

#[test]
fn a_refusal_and_an_absent_service_end_the_session() {
    for (answer, expect) in [
        (Answer::denied("expired"), "close auth_failed"),
        (Answer::Unavailable, "close auth_unavailable"),
        (
            granted(Some("backend/11flask_backend")),
            "close auth_failed",
        ),
    ] {
        let (mut client, _) = open(asking(Profile::Documented), "client_id=a&token=jwt");
        assert_eq!(lines(&client.answer(answer)), expect);
    }
}

#[test]
fn the_login_timeout_does_not_run_while_a_service_is_asked() {
    let (mut client, _) = open(asking(Profile::Documented), "");
    client.text(r#"{"flag":"login","token":"jwt"}"#);
    assert_eq!(lines(&client.wait(Duration::from_secs(60))), "");
}

#[test]
fn an_answer_that_nobody_waits_for_does_nothing() {
    let (mut client, _) = open(settings(Profile::Documented), "client_id=a&token=me");
    assert_eq!(lines(&client.answer(granted(Some("7")))), "");
}

#[test]
fn with_a_service_a_frame_carries_the_token_or_the_user() {
    for (token, expect) in [
        ("jwt", "publish user:ride/8 travel "),
        ("7", "publish user:ride/8 travel "),
        ("ride/7", "close violation"),
        ("8", "close violation"),
    ] {
        let (mut client, _) = open(asking(Profile::Documented), "client_id=a&token=jwt");
        client.answer(granted(Some("7")));
        let frame = format!(r#"{{"flag":"travel","target_token":"8","token":"{token}"}}"#);
        let actions = lines(&client.text(&frame));
        assert!(actions.starts_with(expect), "{token}: {actions}");
    }
}

// === Who comes in ===

const QUERY: &str = "client_id=phone&token=me";

/// A client whose token nobody has checked, and about whom is being asked.
fn claimed(settings: Settings) -> Client {
    let (client, actions) = Client::gated(&Ride::new(settings), QUERY);
    assert_eq!(lines(&actions), "may ride/me phone claimed");
    client
}

#[test]
fn who_is_let_in_is_who_it_says_and_joins_what_the_service_opens() {
    let mut client = claimed(settings(Profile::Documented));
    let ping = client.text(r#"{"flag":"ping"}"#);
    assert_eq!(lines(&ping), "", "nothing counts before");
    let actions = client.answer(Answer::Granted(Grant {
        rooms: vec![Topic::room("fleet").unwrap()],
        ..Grant::default()
    }));
    assert_eq!(lines(&actions), format!("{ME}\nsubscribe room:fleet"));
}

#[test]
fn the_service_names_who_has_only_claimed_to_be_somebody_within_the_realm() {
    let named = |user: &str| {
        let mut client = claimed(settings(Profile::Documented));
        (lines(&client.answer(granted(Some(user)))), client)
    };
    let (actions, mut client) = named("ride/you");
    assert_eq!(actions, ME.replace("ride/me", "ride/you"));
    // What it has logged in with is its token still, and so is its name.
    for token in ["me", "you"] {
        let text = format!(r#"{{"flag":"x","token":"{token}","target_token":"you"}}"#);
        let expect = format!("publish user:ride/you x {text}");
        assert_eq!(lines(&client.text(&text)), expect);
    }
    for user in ["you", "ride/", "rider/you", "backend/11flask_backend"] {
        assert_eq!(named(user).0, "close auth_failed", "{user}");
    }
}

#[test]
fn who_is_refused_or_cannot_be_decided_about_is_closed() {
    for (answer, expect) in [
        (Answer::denied("no"), "close auth_failed"),
        (Answer::Unavailable, "close auth_unavailable"),
    ] {
        for profile in PROFILES {
            let mut client = claimed(settings(profile));
            assert_eq!(lines(&client.answer(answer.clone())), expect);
        }
    }
}

#[test]
fn a_service_that_has_vouched_for_a_token_is_asked_first() {
    let (mut client, actions) = Client::gated(&Ride::new(asking(Profile::Documented)), QUERY);
    assert_eq!(lines(&actions), "ask me phone");
    let actions = client.answer(granted(Some("7")));
    assert_eq!(lines(&actions), "may ride/7 phone proven");
    let actions = client.answer(granted(None));
    assert!(lines(&actions).starts_with("authenticate ride/7\n"));
}

#[test]
fn nobody_is_asked_about_a_backend() {
    let query = "client_id=11flask_backend&token=s3cret";
    let (_, actions) = Client::gated(&Ride::new(settings(Profile::Documented)), query);
    assert!(lines(&actions).starts_with("authenticate backend/11flask_backend\n"));
}

// === Addresses ===

#[test]
fn no_token_leads_out_of_the_realm() {
    for token in [
        "../x", "/x", "x/../y", "user:x", "room:x", "all", "driver", "ride/x",
    ] {
        let query = format!("client_id=a&token={token}");
        let (_, actions) = open(settings(Profile::Documented), &query);
        let expect = format!("authenticate ride/{token}\n");
        assert!(actions.starts_with(&expect), "{actions}");
    }
}

#[test]
fn no_token_is_the_address_of_a_backend() {
    for profile in PROFILES {
        for realm in [None, Some("ride"), Some("backend")] {
            let settings = Settings {
                realm: realm.map(Box::from),
                ..settings(profile)
            };
            let query = "client_id=a&token=backend/11flask_backend";
            check_open(settings.clone(), query, denied());
            let frame = r#"{"flag":"login","token":"backend/11flask_backend"}"#;
            check_first(settings, "", frame, denied());
        }
    }
    let settings = Settings {
        realm: Some("backend".into()),
        ..Settings::default()
    };
    check_open(settings, "client_id=a&token=11flask_backend", denied());
}

#[test]
fn a_target_stays_in_the_realm() {
    for target in ["../x", "user:x", "room:x", "ride/x", "session:gw.1.2"] {
        let frame = format!(r#"{{"flag":"f","target_token":"{target}","token":"me"}}"#);
        let expect = format!("publish user:ride/{target} f {frame}");
        check(Profile::Documented, &frame, &expect);
    }
}

#[test]
fn a_backend_is_a_target_by_its_client_id() {
    let frame = r#"{"flag":"f","target_token":"backend/11flask_backend","token":"me"}"#;
    let expect = format!("publish user:backend/11flask_backend f {frame}");
    for profile in PROFILES {
        check(profile, frame, &expect);
    }
}

#[test]
fn a_target_that_is_no_address_is_one_that_nobody_has() {
    for target in ["x".repeat(1024), r"x\n".to_owned(), "backend/".to_owned()] {
        let frame = format!(r#"{{"flag":"f","target_token":"{target}","token":"me"}}"#);
        let expect = format!("publish user:backend/ f {frame}");
        for profile in PROFILES {
            check(profile, &frame, &expect);
        }
    }
}

// === Frames ===

#[test]
fn the_frame_reaches_the_target_unchanged() {
    let frame = " {\"lat\": 1.0, \"flag\" :\"trav\\u0065l\",\n\"target_token\":\"张\",\"token\":\"me\",\"x\":{\"y\":[1e3]}} ";
    let expect = format!("publish user:ride/张 travel {frame}");
    for profile in PROFILES {
        check(profile, frame, &expect);
    }
}

#[test]
fn the_relayed_text_is_for_clients_of_this_dialect() {
    let (mut client, _) = open(settings(Profile::Documented), "client_id=a&token=me");
    let frame = r#"{"flag":"f","target_token":"x","token":"me"}"#;
    let actions = client.text(frame);
    let [Action::Publish(message)] = &actions[..] else {
        panic!("{actions:?}");
    };
    let relay = message.relay.as_ref().unwrap();
    assert_eq!(relay.dialect, DialectId::Ride);
    assert_eq!(relay.text, frame);
}

#[test]
fn a_binary_frame_is_read_like_text() {
    let frame = r#"{"flag":"f","target_token":"x","token":"me"}"#;
    for profile in PROFILES {
        let (mut client, _) = open(settings(profile), "client_id=a&token=me");
        let expect = format!("publish user:ride/x f {frame}");
        assert_eq!(lines(&client.binary(frame.as_bytes())), expect);
    }
}

#[test]
fn a_sender_may_be_its_own_target() {
    let frame = r#"{"flag":"f","target_token":"me","token":"me"}"#;
    let expect = format!("publish user:ride/me f {frame}");
    for profile in PROFILES {
        check(profile, frame, &expect);
    }
}

#[test]
fn documented_a_missing_mandatory_field_ends_the_session() {
    for frame in [
        "{}",
        r#"{"target_token":"x","token":"me"}"#,
        r#"{"flag":"","target_token":"x","token":"me"}"#,
        r#"{"flag":1,"target_token":"x","token":"me"}"#,
        r#"{"flag":"f","token":"me"}"#,
        r#"{"flag":"f","target_token":"","token":"me"}"#,
        r#"{"flag":"f","target_token":5,"token":"me"}"#,
        r#"{"flag":"f","target_token":"x"}"#,
        r#"{"flag":"f","target_token":"x","token":""}"#,
        r#"{"flag":"f","target_token":"x","token":null}"#,
    ] {
        check(Profile::Documented, frame, "close violation");
    }
}

#[test]
fn documented_the_token_must_be_the_sessions_own() {
    let frame = r#"{"flag":"f","target_token":"x","token":"other"}"#;
    check(Profile::Documented, frame, "close violation");
}

#[test]
fn observed_only_the_target_is_mandatory_and_the_token_is_not_compared() {
    for (frame, event) in [
        (r#"{"target_token":"x"}"#, "message"),
        (r#"{"target_token":"x","flag":""}"#, "message"),
        (r#"{"target_token":"x","flag":7,"token":9}"#, "message"),
        (r#"{"target_token":"x","flag":"f","token":"other"}"#, "f"),
    ] {
        let expect = format!("publish user:ride/x {event} {frame}");
        check(Profile::Observed, frame, &expect);
    }
    for frame in [
        "{}",
        r#"{"flag":"f","token":"me"}"#,
        r#"{"flag":"f","target_token":"","token":"me"}"#,
        r#"{"flag":"f","target_token":null,"token":"me"}"#,
    ] {
        check(Profile::Observed, frame, "close violation");
    }
}

#[test]
fn a_mandatory_key_that_stands_twice_ends_the_session() {
    let twice = r#"{"flag":"f","target_token":"x","t\u0061rget_token":"y","token":"me"}"#;
    for profile in PROFILES {
        check(profile, twice, "close violation");
    }
    for frame in [
        r#"{"flag":"f","flag":"f","target_token":"x","token":"me"}"#,
        r#"{"flag":"f","target_token":"x","token":"me","token":"me"}"#,
    ] {
        check(Profile::Documented, frame, "close violation");
        let expect = format!("publish user:ride/x f {frame}");
        check(Profile::Observed, frame, &expect);
    }
}

#[test]
fn in_a_login_frame_the_token_is_mandatory_and_the_client_id_is_not() {
    for profile in PROFILES {
        let login = r#"{"flag":"login","token":"me","tok\u0065n":"me"}"#;
        check_first(settings(profile), "", login, "close violation");
        check(profile, login, "close violation");
        let login = r#"{"flag":"login","token":"me","client_id":"a","client_id":"phone"}"#;
        check_first(settings(profile), "", login, ME);
        check(profile, login, "");
    }
    let login = r#"{"flag":"login","flag":"login","token":"me"}"#;
    check_first(settings(Profile::Documented), "", login, "close violation");
    let expect = "authenticate ride/me\nsubscribe room:ride/all";
    check_first(settings(Profile::Observed), "", login, expect);
}

#[test]
fn any_other_key_may_stand_twice() {
    let frame = r#"{"flag":"f","target_token":"x","token":"me","msg":1,"msg":2}"#;
    let expect = format!("publish user:ride/x f {frame}");
    for profile in PROFILES {
        check(profile, frame, &expect);
    }
}

#[test]
fn what_is_no_json_ends_the_session_in_documented_and_is_ignored_in_observed() {
    for frame in ["", "hello", "{", "{} x", "null"] {
        check(Profile::Documented, frame, "close violation");
        check(Profile::Observed, frame, "");
    }
    for (profile, expect) in [
        (Profile::Documented, "close violation"),
        (Profile::Observed, ""),
    ] {
        let (mut client, _) = open(settings(profile), "client_id=a&token=me");
        assert_eq!(lines(&client.binary(b"{\"\xff\":1}")), expect);
    }
}

#[test]
fn json_that_is_no_object_ends_the_session() {
    for profile in PROFILES {
        for frame in ["5", "[]", r#""x""#, "true"] {
            check(profile, frame, "close violation");
        }
    }
}

#[test]
fn a_ping_needs_nothing_else_and_is_answered_with_the_bare_text_pong() {
    for profile in PROFILES {
        check(profile, r#"{"flag":"ping"}"#, "reply pong");
        check(profile, r#"{"flag":"ping","token":"other"}"#, "reply pong");
    }
}

#[test]
fn a_close_ends_the_session_in_silence_in_documented() {
    let documented = Profile::Documented;
    check(
        documented,
        r#"{"flag": "close","token": "me"}"#,
        "close logged_out",
    );
    check(
        documented,
        r#"{"flag":"close","token":"other"}"#,
        "close violation",
    );
    check(documented, r#"{"flag":"close"}"#, "close violation");
}

#[test]
fn a_close_is_a_frame_like_any_in_observed() {
    let observed = Profile::Observed;
    check(
        observed,
        r#"{"flag":"close","token":"me"}"#,
        "close violation",
    );
    let frame = r#"{"flag":"close","token":"me","target_token":"x"}"#;
    check(
        observed,
        frame,
        &format!("publish user:ride/x close {frame}"),
    );
}

#[test]
fn everybody_and_all_drivers_are_targets_of_backends_and_in_observed_of_anyone() {
    for (target, room) in [("all", "ride/all"), ("driver", "ride/drivers")] {
        let frame = format!(r#"{{"flag":"system","target_token":"{target}","token":"me"}}"#);
        let expect = format!("publish room:{room} system {frame}");
        check(Profile::Documented, &frame, "close violation");
        check(Profile::Observed, &frame, &expect);
        for profile in PROFILES {
            check_backend(profile, &frame, &expect);
        }
    }
}

#[test]
fn a_backend_needs_no_token_in_its_frames() {
    let frame = r#"{"flag":"pay_success","target_token":"x","order_id":7}"#;
    let expect = format!("publish user:ride/x pay_success {frame}");
    for profile in PROFILES {
        check_backend(profile, frame, &expect);
    }
    check_backend(
        Profile::Documented,
        r#"{"flag":"close"}"#,
        "close logged_out",
    );
    check_backend(Profile::Documented, r#"{"flag":"login"}"#, "");
    check_backend(
        Profile::Documented,
        r#"{"flag":"login","token":"s3cret"}"#,
        "",
    );
    let wrong = r#"{"flag":"login","token":"x"}"#;
    check_backend(Profile::Documented, wrong, "close violation");
    check_backend(
        Profile::Documented,
        r#"{"target_token":"x"}"#,
        "close violation",
    );
    check_backend(Profile::Documented, r#"{"flag":"f"}"#, "close violation");
}

#[test]
fn a_position_is_latest_by_sender_and_target() {
    let key = |profile, token: &str, target: &str| {
        let (mut client, _) = open(settings(profile), &format!("client_id=a&token={token}"));
        let frame = format!(r#"{{"flag":"latlng","target_token":"{target}","token":"{token}"}}"#);
        let actions = client.text(&frame);
        let expect = format!("publish user:ride/{target} latlng latest {frame}");
        assert_eq!(lines(&actions), expect);
        match actions.into_iter().next() {
            Some(Action::Publish(message)) => message.conflate.unwrap(),
            other => panic!("{other:?}"),
        }
    };
    for profile in PROFILES {
        let first = key(profile, "me", "x");
        assert_eq!(first, key(profile, "me", "x"));
        assert_ne!(first, key(profile, "me", "y"));
        assert_ne!(first, key(profile, "you", "x"));
    }
}

// === Claims ===

#[test]
fn a_claim_is_of_the_client_id_with_the_address() {
    let claim = |query: &str| {
        let (_, actions) = open(settings(Profile::Documented), query);
        let line = actions.lines().find(|line| line.starts_with("claim"));
        line.expect("a claim").to_owned()
    };
    let first = claim("client_id=phone&token=me");
    assert_eq!(first, claim("token=me&client_id=phone"));
    assert_ne!(first, claim("client_id=phone&token=you"));
    assert_ne!(first, claim("client_id=tablet&token=me"));
    assert_ne!(
        claim("client_id=aride/&token=b"),
        claim("client_id=a&token=ride/b")
    );
}

// === Close forms ===

#[test]
fn documented_closes_are_1008_and_of_an_idle_session_1000() {
    let ride = Ride::new(settings(Profile::Documented));
    for (reason, code) in [
        (CloseReason::Violation, 1008),
        (CloseReason::AuthFailed, 1008),
        (CloseReason::AuthTimeout, 1008),
        (CloseReason::Kicked, 1008),
        (CloseReason::Superseded, 1008),
        (CloseReason::Idle, 1000),
        (CloseReason::LoggedOut, 1008),
    ] {
        assert_eq!(ride.close_form(reason), CloseForm::Code(code), "{reason:?}");
    }
}

#[test]
fn observed_closes_are_empty_but_for_the_transport_and_what_invites_to_come_back() {
    let ride = Ride::new(settings(Profile::Observed));
    for reason in CloseReason::ALL {
        let expect = match reason.form() {
            CloseForm::Code(1000 | 1008) if reason != CloseReason::ClientClosed => CloseForm::Empty,
            form => form,
        };
        assert_eq!(ride.close_form(reason), expect, "{reason:?}");
    }
}

// === Encoding ===

#[track_caller]
fn check_encoded(topic: &str, data: &'static str, expect: &str) {
    let ride = Ride::new(settings(Profile::Documented));
    let topic = topic.parse().unwrap();
    let message = Message::new(topic, "find_driver", data.into());
    assert_eq!(payload(&ride.encode(&message)), expect);
}

#[test]
fn a_message_is_flag_and_target_with_the_fields_of_its_data() {
    check_encoded(
        "user:ride/me",
        r#"{"order_id":7, "msg":"张"}"#,
        r#"{"flag":"find_driver","target_token":"me","order_id":7,"msg":"张"}"#,
    );
    check_encoded(
        "user:ride/me",
        "{}",
        r#"{"flag":"find_driver","target_token":"me"}"#,
    );
}

#[test]
fn data_that_is_no_object_stands_under_data() {
    for data in ["[1]", "5", "null", r#""x""#] {
        let expect = format!(r#"{{"flag":"find_driver","target_token":"me","data":{data}}}"#);
        check_encoded("user:ride/me", data, &expect);
    }
}

#[test]
fn data_does_not_double_the_mandatory_keys() {
    check_encoded(
        "user:ride/me",
        r#"{"flag":"x","target_token":"y","\u0066lag":1,"token":"z"}"#,
        r#"{"flag":"find_driver","target_token":"me","token":"z"}"#,
    );
}

#[test]
fn the_target_is_what_clients_call_the_topic() {
    for (topic, name) in [
        ("user:ride/me", "me"),
        ("user:ride/a/b", "a/b"),
        ("user:other", "other"),
        ("user:rider", "rider"),
        ("user:backend/11flask_backend", "backend/11flask_backend"),
        ("room:ride/drivers", "driver"),
        ("room:ride/all", "all"),
        ("room:fleet", "fleet"),
        ("all", "all"),
        ("session:gw.1.2", "gw.1.2"),
    ] {
        let expect = format!(r#"{{"flag":"find_driver","target_token":"{name}"}}"#);
        check_encoded(topic, "{}", &expect);
    }
    assert_eq!(session().to_string(), "gw.1.2");
}

#[test]
fn only_a_relay_of_this_dialect_is_passed_on_as_it_is() {
    let ride = Ride::new(settings(Profile::Documented));
    let relayed = |dialect| {
        let mut message = Message::new(Topic::all(), "f", "{}".into());
        message.relay = Some(Relay {
            dialect,
            text: "as it came".into(),
        });
        payload(&ride.encode(&message))
    };
    assert_eq!(relayed(DialectId::Ride), "as it came");
    assert_eq!(
        relayed(DialectId::Im),
        r#"{"flag":"f","target_token":"all"}"#
    );
}

// === Bridge ===

#[track_caller]
fn check_bridged(payload: &str, expect: Option<&str>) {
    let ride = Ride::new(settings(Profile::Documented));
    let line = ride
        .bridged(payload)
        .map(|message| lines(&[Action::Publish(message)]));
    assert_eq!(line.as_deref(), expect, "{payload}");
}

#[test]
fn a_bridged_payload_is_its_data_with_the_target_set() {
    check_bridged(
        r#"{"target_token": "\u5f20", "data": {"flag": "no_driver", "msg": "x"}}"#,
        Some(
            r#"publish user:ride/张 no_driver {"flag":"no_driver","msg":"x","target_token":"张"}"#,
        ),
    );
    check_bridged(
        r#"{"target_token":"x","data":{"target_token":"y","flag":"f","target_token":1}}"#,
        Some(r#"publish user:ride/x f {"target_token":"x","flag":"f"}"#),
    );
    check_bridged(
        r#"{"target_token":"x","data":{"msg":1}}"#,
        Some(r#"publish user:ride/x message {"msg":1,"target_token":"x"}"#),
    );
    check_bridged(
        r#"{"target_token":"x","data":{"flag":"latlng"}}"#,
        Some(r#"publish user:ride/x latlng latest {"flag":"latlng","target_token":"x"}"#),
    );
}

#[test]
fn the_bridge_reaches_everybody_all_drivers_and_backends() {
    for (target, topic) in [
        ("all", "room:ride/all"),
        ("driver", "room:ride/drivers"),
        ("backend/a", "user:backend/a"),
    ] {
        let payload = format!(r#"{{"target_token":"{target}","data":{{"flag":"system"}}}}"#);
        let expect =
            format!(r#"publish {topic} system {{"flag":"system","target_token":"{target}"}}"#);
        check_bridged(&payload, Some(&expect));
    }
}

#[test]
fn a_bridged_payload_without_target_or_data_is_nothing() {
    for payload in [
        "",
        "null",
        "[]",
        r#"{"data":{"flag":"f"}}"#,
        r#"{"target_token":"","data":{"flag":"f"}}"#,
        r#"{"target_token":5,"data":{"flag":"f"}}"#,
        r#"{"target_token":"x"}"#,
        r#"{"target_token":"x","data":{}}"#,
        r#"{"target_token":"x","data":null}"#,
        r#"{"target_token":"x","data":"text"}"#,
        r#"{"target_token":"x","data":{"a":1},"data":{"a":2}}"#,
    ] {
        check_bridged(payload, None);
    }
}

// === Secrets ===

#[test]
fn no_secret_shows_in_debug_output() {
    let ride = Ride::new(settings(Profile::Documented));
    assert!(!format!("{ride:?}").contains("s3cret"));
}

// === Whatever is sent ===

/// Texts near the dialect's own: its keys and values, in any number and combination.
fn frames() -> impl Strategy<Value = String> {
    let key = prop_oneof![
        4 => Just("flag"), 4 => Just("token"), 4 => Just("target_token"),
        1 => Just("client_id"), 1 => Just("x"),
    ];
    let value = prop_oneof![
        Just("login"),
        Just("latlng"),
        Just("ping"),
        Just("close"),
        Just("me"),
        Just("me"),
        Just("all"),
        Just("driver"),
        Just("backend/"),
        Just("backend/x"),
        Just("../x"),
        Just("11flask_backend"),
        Just("s3cret"),
        Just(""),
    ];
    proptest::collection::vec((key, value), 0..4).prop_map(|fields| {
        let fields: Vec<_> = fields
            .iter()
            .map(|(key, value)| format!(r#""{key}":"{value}""#))
            .collect();
        format!("{{{}}}", fields.join(","))
    })
}

fn any_settings() -> impl Strategy<Value = Settings> {
    let profile = prop_oneof![Just(Profile::Documented), Just(Profile::Observed)];
    let tokens = prop_oneof![Just(Tokens::Any), Just(Tokens::Ask)];
    (profile, tokens).prop_map(|(profile, tokens)| Settings {
        tokens,
        ..settings(profile)
    })
}

fn check_realm(topic: &Topic) {
    let topic = topic.as_str();
    let is_within = [
        "user:ride/",
        "user:backend/",
        "room:ride/all",
        "room:ride/drivers",
    ]
    .iter()
    .any(|start| topic.starts_with(start));
    assert!(is_within, "{topic}");
}

proptest! {
    #[test]
    fn whatever_is_sent_rules_of_order_and_realm_hold(
        settings in any_settings(),
        query in prop_oneof![
            Just(""), Just("client_id=phone&token=me"),
            Just("client_id=11flask_backend&token=s3cret"), Just("client_id=driver_1"),
        ],
        steps in steps(frames()),
    ) {
        let (mut client, mut actions) = Client::open(&Ride::new(settings), query);
        for step in steps {
            let text = match &step {
                Step::Text(text) => text.clone(),
                _ => String::new(),
            };
            let done = client.step(step);
            for action in &done {
                match action {
                    Action::Publish(message) => {
                        check_realm(&message.topic);
                        let relay = message.relay.as_ref().unwrap();
                        prop_assert_eq!(&relay.text[..], text.as_bytes());
                        prop_assert_eq!(&message.data[..], text.as_bytes());
                    }
                    Action::Reply(frame) => prop_assert_eq!(payload(frame), "pong"),
                    Action::Authenticate(user) => {
                        let id = user.as_str();
                        prop_assert!(id.starts_with("ride/") || id == "backend/11flask_backend");
                    }
                    _ => {}
                }
            }
            actions.extend(done);
        }
        check_order(&actions);
    }

    #[test]
    fn any_query_is_survived(query: String) {
        let (_, actions) = Client::open(&Ride::new(settings(Profile::Documented)), &query);
        check_order(&actions);
    }

    #[test]
    fn any_token_is_an_address_in_its_realm_and_its_own_target(token: String) {
        let settings = settings(Profile::Documented);
        if let Some(address) = settings.address(&token) {
            prop_assert!(address.as_str().starts_with("ride/"));
            prop_assert_eq!(settings.name_in_realm(address.as_str()), &token);
            let topic = settings.topic(&token);
            prop_assert!(topic == Topic::user(&address) || address::is_broadcast(&token));
        }
    }

    #[test]
    fn an_encoded_message_is_one_object_with_each_mandatory_key_once(
        event: String,
        data in any_json(),
    ) {
        let ride = Ride::new(settings(Profile::Documented));
        let message = Message::new("user:ride/me".parse().unwrap(), &*event, data.into());
        let text = payload(&ride.encode(&message));
        let Some(Json::Object(object)) = json::parse(&text) else {
            panic!("{text}");
        };
        let field = |key| json::string(object.find(key).unwrap().unwrap()).unwrap();
        prop_assert_eq!(field("flag"), event);
        prop_assert_eq!(field("target_token"), "me");
    }
}

#[test]
fn a_flag_is_the_kind_of_a_message_unless_it_is_a_credential() {
    let ride = Ride::new(Settings::default());
    for (text, kind) in [
        (r#"{"flag":"travel","n":1}"#, Some("travel")),
        (r#"{"flag":"tr\u0061vel"}"#, Some("travel")),
        (r#"{"flag":"login","token":"x"}"#, None),
        (r#"{"flag":"l\u006fgin","token":"x"}"#, None),
        (r#"{"flag":"a","flag":"b"}"#, None),
        (r#"{"flag":""}"#, None),
        (r#"{"flag":7}"#, None),
        ("[]", None),
        ("x", None),
    ] {
        assert_eq!(ride.kind_of(text).as_deref(), kind, "{text}");
    }
}
