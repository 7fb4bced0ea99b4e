//! What clients say, and what comes of it.

use super::*;
use crate::dialect::{Outcome, ServiceOutcome, ServiceRefusal};

#[track_caller]
fn check(client: &mut Client, text: &str, expect: &str) {
    assert_eq!(lines(&client.text(text)), expect, "{text}");
}

/// The client gets an error with this code, and nothing else happens.
#[track_caller]
fn check_error(client: &mut Client, text: &str, code: u64) {
    let actions = lines(&client.text(text));
    let begin = format!(r#"reply {{"type":"error","code":{code},"message":""#);
    assert!(actions.starts_with(&begin), "{text}: {actions}");
    assert_eq!(actions.lines().count(), 1, "{text}: {actions}");
}

// === Push and chat ===

#[test]
fn in_push_mode_every_frame_is_answered_with_the_reply() {
    for profile in PROFILES {
        let mut client = joined(settings(profile, Mode::Push), "");
        for text in [
            "23423423",
            "",
            "{",
            "null",
            "{}",
            r#"{"message":1,"from":"a"}"#,
            r#"{"type":"1","to":"2","message":1}"#,
            r#"{"type":"transfer","customer":"5","to":"2"}"#,
        ] {
            check(&mut client, text, "reply no");
        }
        for bytes in [&b"x"[..], &[0xff], &[]] {
            assert_eq!(lines(&client.binary(bytes)), "reply no");
        }
    }
}

#[test]
fn in_chat_mode_a_message_is_said_to_its_room() {
    for profile in PROFILES {
        let mut client = joined(settings(profile, Mode::Chat), "");
        for (text, data) in [
            (r#"{"message":"你好","from":"a"}"#, r#""你好""#),
            (
                r#"{ "from" : "a", "x":1, "message" : [1.0 , 2] }"#,
                "[1.0 , 2]",
            ),
            (r#"{"mess\u0061ge":null,"from":"\u0061"}"#, "null"),
        ] {
            check(&mut client, text, &format!("publish room:a message {data}"));
        }
        let said = client.binary(br#"{"message":1,"from":"a"}"#);
        assert_eq!(lines(&said), "publish room:a message 1");
    }
}

#[test]
fn a_room_may_be_a_number() {
    for profile in PROFILES {
        let (mut client, _) = open_at(settings(profile, Mode::Chat), "/room/12/", "");
        let text = r#"{"message":1,"from":12}"#;
        check(&mut client, text, "publish room:12 message 1");
    }
}

#[test]
fn what_cannot_be_read_in_chat_mode_ends_the_session() {
    let long = format!(r#"{{"message":1,"from":"{}"}}"#, "x".repeat(100));
    for profile in PROFILES {
        for text in [
            "",
            "hello",
            "[]",
            "null",
            "{}",
            r#"{"message":1}"#,
            r#"{"from":"a"}"#,
            r#"{"message":1,"from":true}"#,
            r#"{"message":1,"from":null}"#,
            r#"{"message":1,"from":"a","from":"a"}"#,
            r#"{"message":1,"message":1,"from":"a"}"#,
            r#"{"message":1,"from":""}"#,
            r#"{"message":1,"from":"中"}"#,
            r#"{"message":1,"from":"live/7"}"#,
            r#"{"message":1,"from":"a\n"}"#,
            &long,
        ] {
            let mut client = joined(settings(profile, Mode::Chat), "");
            check(&mut client, text, "close violation");
            check(&mut client, r#"{"message":1,"from":"a"}"#, "");
        }
        let mut client = joined(settings(profile, Mode::Chat), "");
        assert_eq!(lines(&client.binary(&[0xff])), "close violation");
    }
}

#[test]
fn documented_a_room_has_to_be_one_that_the_client_is_in() {
    let text = r#"{"message":1,"from":"b"}"#;
    let mut client = joined(settings(Profile::Documented, Mode::Chat), "");
    check(&mut client, text, "close forbidden");
    // However it has come there, and as long as it is.
    let mut client = joined(settings(Profile::Documented, Mode::Chat), "");
    let room = Topic::room("b").unwrap();
    client.moved(&room, true);
    check(&mut client, text, "publish room:b message 1");
    client.moved(&room, false);
    check(&mut client, text, "close forbidden");
}

#[test]
fn observed_it_may_be_any_room_but_one_with_a_meaning() {
    let mut client = joined(for_others(Profile::Observed, Mode::Chat), "");
    let text = r#"{"message":1,"from":"b"}"#;
    check(&mut client, text, "publish room:b message 1");
    for room in ["agents", "user_7"] {
        let text = format!(r#"{{"message":1,"from":"{room}"}}"#);
        let mut client = joined(for_others(Profile::Observed, Mode::Chat), "");
        check(&mut client, &text, "close forbidden");
        let mut client = joined(settings(Profile::Observed, Mode::Chat), "");
        check(
            &mut client,
            &text,
            &format!("publish room:{room} message 1"),
        );
    }
}

#[test]
fn a_room_that_a_grant_names_is_one_it_may_speak_in_whatever_its_name() {
    let room = Room::new(for_others(Profile::Documented, Mode::Chat));
    let (mut client, _) = Client::open_at(&room, "/room/a/", "token=t");
    client.answer(granted(Some("7"), &["live/7"], None));
    let text = r#"{"message":1,"from":"live/7"}"#;
    check(&mut client, text, "publish room:live/7 message 1");
}

// === Envelopes ===

#[test]
fn one_to_one_goes_to_the_user_and_is_echoed_to_the_others_of_the_sender() {
    for settings in all() {
        let mut client = joined(settings, "user=1");
        // Who it says it is from, and what else it says, does not count.
        let text = r#"{"x":1,"message":["你" , 1.0],"from":"9","to":"2","type":1}"#;
        let data = r#"{"type":1,"from":"1","to":"2","message":["你" , 1.0]}"#;
        check(
            &mut client,
            text,
            &format!("publish user:2 single {data}\npublish user:1 single except gw.1.2 {data}"),
        );
        let text = r#"{"type":1,"to":2,"message":null}"#;
        let data = r#"{"type":1,"from":"1","to":"2","message":null}"#;
        check(
            &mut client,
            text,
            &format!("publish user:2 single {data}\npublish user:1 single except gw.1.2 {data}"),
        );
    }
}

#[test]
fn who_writes_to_themselves_gets_it_in_the_other_sessions() {
    for settings in all() {
        let mut client = joined(settings, "user=1");
        let data = r#"{"type":1,"from":"1","to":"1","message":1}"#;
        check(
            &mut client,
            data,
            &format!("publish user:1 single except gw.1.2 {data}"),
        );
    }
}

#[test]
fn a_group_message_goes_to_the_others_in_the_room_and_to_the_others_of_the_sender() {
    for settings in all() {
        let mut client = joined(settings, "user=1");
        let data = r#"{"type":2,"from":"1","to":"a","message":"x"}"#;
        check(
            &mut client,
            r#"{"type":2,"from":"1","to":"a","message":"x"}"#,
            &format!(
                "publish room:a group sparing {data}\npublish user:1 group except gw.1.2 {data}"
            ),
        );
    }
}

#[test]
fn what_cannot_be_sent_is_an_error() {
    for settings in all() {
        let mut client = joined(settings, "user=1");
        for (text, code) in [
            (r#"{"type":0}"#, 400),
            (r#"{"type":3,"to":"2","message":1}"#, 400),
            (r#"{"type":-1,"to":"2","message":1}"#, 400),
            (r#"{"type":99999999999999999999,"to":"2","message":1}"#, 400),
            (r#"{"type":1,"type":1,"to":"2","message":1}"#, 400),
            (r#"{"type":1,"type":"x","to":"2","message":1}"#, 400),
            (r#"{"type":1}"#, 400),
            (r#"{"type":1,"message":1}"#, 400),
            (r#"{"type":1,"to":"2"}"#, 400),
            (r#"{"type":1,"to":"","message":1}"#, 400),
            (r#"{"type":1,"to":null,"message":1}"#, 400),
            (r#"{"type":1,"to":"2","to":"3","message":1}"#, 400),
            (r#"{"type":1,"to":"2","message":1,"message":1}"#, 400),
            (r#"{"type":1,"to":"\u0000","message":1}"#, 400),
            (r#"{"type":2,"to":"\u0000","message":1}"#, 400),
            (r#"{"type":2,"to":"b","message":1}"#, 403),
            (r#"{"type":2,"to":"agents","message":1}"#, 403),
        ] {
            check_error(&mut client, text, code);
        }
    }
}

#[test]
fn nobody_sends_no_envelopes() {
    for settings in all() {
        let mut client = joined(settings, "");
        for text in [
            r#"{"type":1,"from":"1","to":"2","message":1}"#,
            r#"{"type":1,"from":"1","to":"service","message":1}"#,
            r#"{"type":2,"from":"1","to":"a","message":1}"#,
        ] {
            check_error(&mut client, text, 401);
        }
    }
}

// === Customer service ===

#[test]
fn a_customer_asks_and_hears_only_of_a_refusal() {
    for settings in all() {
        let mut client = joined(settings, "user=1&name=Eve");
        let data = r#"{"type":1,"from":"1","to":"service","message":[]}"#;
        let actions = lines(&client.text(r#"{"type":1,"to":"service","message":[]}"#));
        let quoted = data.replace('"', r#"\""#);
        assert_eq!(
            actions,
            format!(
                "call ask Service(Ask {{ name: \"Eve\", data: b\"{quoted}\" }})\n\
                 publish user:1 single except gw.1.2 {data}"
            )
        );
        let mut returned = |outcome| lines(&client.returned("ask", outcome));
        assert_eq!(returned(Outcome::Service(ServiceOutcome::Done)), "");
        let refusal = ServiceOutcome::Refused(ServiceRefusal::TooMany);
        assert!(returned(Outcome::Service(refusal)).contains(r#""code":429,"#));
        for outcome in [
            Outcome::Service(ServiceOutcome::Unavailable),
            Outcome::Unavailable,
        ] {
            let actions = returned(outcome);
            assert!(actions.contains(r#""code":503,"#), "{actions}");
            assert_eq!(actions.lines().count(), 1, "the session goes on");
        }
    }
}

fn agent(settings: Settings) -> Client {
    let (mut client, _) = open_at(settings, "/room/agents/", "agent=4");
    let done = Outcome::Service(ServiceOutcome::Done);
    assert_eq!(lines(&client.returned("sit", done)), "");
    client
}

#[test]
fn an_agent_passes_customers_on_and_is_told_what_became_of_it() {
    for settings in all() {
        let mut client = agent(settings);
        check(
            &mut client,
            r#"{"type":"transfer","customer":5,"to":"2"}"#,
            "call transfer:5 Service(Transfer { customer: UserId(..), to: UserId(..) })",
        );
        check(
            &mut client,
            r#"{"type":"release","customer":"a:b"}"#,
            "call release:a:b Service(Release { customer: UserId(..) })",
        );
        let mut returned = |reference, outcome| lines(&client.returned(reference, outcome));
        let done = Outcome::Service(ServiceOutcome::Done);
        assert_eq!(
            returned("transfer:5", done.clone()),
            r#"reply {"type":"ok","of":"transfer","customer":"5"}"#
        );
        assert_eq!(
            returned("release:a:b", done),
            r#"reply {"type":"ok","of":"release","customer":"a:b"}"#
        );
        for (refusal, code) in [
            (ServiceRefusal::NoAgent, 404),
            (ServiceRefusal::NotYours, 403),
            (ServiceRefusal::TooMany, 429),
        ] {
            let outcome = Outcome::Service(ServiceOutcome::Refused(refusal));
            let actions = returned("transfer:5", outcome);
            assert!(actions.contains(&format!(r#""code":{code},"#)), "{actions}");
            let names = r#","of":"transfer","customer":"5"}"#;
            assert!(actions.ends_with(names), "{actions}");
        }
        for text in [
            r#"{"type":"transfer","customer":"5"}"#,
            r#"{"type":"transfer","to":"5"}"#,
            r#"{"type":"transfer","customer":"5","to":"\u0000"}"#,
            r#"{"type":"release"}"#,
            r#"{"type":"release","customer":["5"]}"#,
        ] {
            check_error(&mut client, text, 400);
        }
    }
}

#[test]
fn an_agent_speaks_as_everybody_does_besides() {
    let mut client = agent(settings(Profile::Documented, Mode::Push));
    for text in [r#"{"type":"assign"}"#, "hello"] {
        check(&mut client, text, "reply no");
    }
    let data = r#"{"type":1,"from":"4","to":"5","message":1}"#;
    check(
        &mut client,
        data,
        &format!("publish user:5 single {data}\npublish user:4 single except gw.1.2 {data}"),
    );
}

#[test]
fn an_agent_that_cannot_take_customers_is_told_to_come_again() {
    for outcome in [
        Outcome::Unavailable,
        Outcome::Service(ServiceOutcome::Unavailable),
        Outcome::Service(ServiceOutcome::Refused(ServiceRefusal::TooMany)),
    ] {
        let settings = settings(Profile::Documented, Mode::Push);
        let (mut client, _) = open_at(settings, "/room/agents/", "agent=4");
        let actions = lines(&client.returned("sit", outcome));
        assert!(
            actions.starts_with(r#"reply {"type":"error","#),
            "{actions}"
        );
        assert!(actions.ends_with("\nclose auth_unavailable"), "{actions}");
    }
}
