//! What an application adds: who comes in, methods, rooms by the client's own word.

use super::*;
use crate::{
    dialect::{MethodFailure, Offers, Outcome},
    message::Message,
};

const CALL: &str = r#"{"type":"shop.order","data":{"n":1}}"#;
const SUBSCRIBE: &str = r#"{"type":"subscribe","data":{"room":"vip"},"seq":5}"#;

fn offering(profile: Profile) -> Settings {
    let offers = Offers::default();
    offers.set_methods(vec!["shop.".into()]);
    offers.set_decides_joins(true);
    Settings {
        profile,
        offers: Arc::new(offers),
        ..Settings::default()
    }
}

/// A client that is known, and about whom is being asked.
fn known() -> Client {
    let mut client = asked(settings(Profile::Documented)).with_gate();
    let actions = client.answer(Answer::Granted(grant()));
    assert_eq!(lines(&actions), "may 7 - proven");
    client
}

fn failure(code: u16, message: &str, kind: &str, names: &str) -> String {
    format!(
        r#"reply {{"type":"error","data":{{"code":{code},"message":"{message}","type":"{kind}"}},"time":1628160000{names}}}"#
    )
}

#[test]
fn who_is_known_comes_in_when_a_service_says_so_and_joins_what_it_opens() {
    let mut client = known();
    assert_eq!(lines(&client.text(CALL)), "", "nothing counts before");
    let admitted = Grant {
        user: Some("8".parse().unwrap()),
        rooms: vec![Topic::room("vip").unwrap()],
        ..Grant::default()
    };
    let expect = format!(
        "authenticate 7\nsubscribe room:ops\nsubscribe room:device/9\nsubscribe room:vip\n{WELCOME}"
    );
    assert_eq!(lines(&client.answer(Answer::Granted(admitted))), expect);
}

#[test]
fn who_is_refused_or_cannot_be_decided_about_is_told_as_by_its_token() {
    let expect = error(401, "pay first", "auth_failed");
    let denied = Answer::Denied("pay first".to_owned().into());
    assert_eq!(lines(&known().answer(denied)), expect);
    let expect = error(503, "authentication is not available", "auth_unavailable");
    assert_eq!(lines(&known().answer(Answer::Unavailable)), expect);
}

#[test]
fn a_type_that_an_application_answers_is_a_call_with_the_frame_as_it_came() {
    for profile in PROFILES {
        let mut client = ready(offering(profile));
        let actions = client.text(&format!(" {CALL}\n"));
        let [Action::Call(call)] = &actions[..] else {
            panic!("{actions:?}");
        };
        let crate::dialect::Request::Method(method) = &call.request else {
            panic!("{call:?}");
        };
        assert_eq!(
            (&*method.method, &method.body[..]),
            ("shop.order", CALL.as_bytes())
        );
        let returned = client.returned(&call.reference, Outcome::Answered("[1, 2]".into()));
        assert_eq!(
            lines(&returned),
            r#"reply {"type":"shop.order","data":[1, 2],"time":1628160000}"#
        );
    }
}

#[test]
fn an_answer_has_the_names_of_the_frame_and_a_failure_too() {
    let text = r#"{"seq":"\u0000\"","type":"shop.\u0000","id":1.0,"data":[]}"#;
    let mut client = ready(offering(Profile::Documented));
    let actions = client.text(text);
    let [Action::Call(call)] = &actions[..] else {
        panic!("{actions:?}");
    };
    let names = r#","id":1.0,"seq":"\u0000\"""#;
    let returned = client.returned(&call.reference, Outcome::Answered("null".into()));
    let expect = format!(r#"reply {{"type":"shop.\u0000","data":null,"time":1628160000{names}}}"#);
    assert_eq!(lines(&returned), expect);
    for (failure_is, code, message) in [
        (
            MethodFailure::Malformed,
            502,
            "the application has not answered as agreed",
        ),
        (
            MethodFailure::Refused(409),
            409,
            "the application has refused it",
        ),
        (
            MethodFailure::Timeout,
            504,
            "the application has not answered in time",
        ),
        (MethodFailure::TooMany, 429, "too many calls are under way"),
        (
            MethodFailure::Unavailable,
            503,
            "the application is not available",
        ),
        (
            MethodFailure::Unknown,
            404,
            "no application answers this type",
        ),
    ] {
        let returned = client.returned(&call.reference, Outcome::NotAnswered(failure_is));
        assert_eq!(
            lines(&returned),
            failure(code, message, "shop.\\u0000", names)
        );
    }
}

#[test]
fn the_dialects_own_types_stay_its_own() {
    let offers = Offers::default();
    offers.set_methods(["ping", "pong", "auth"].map(Into::into).to_vec());
    let mut client = ready(Settings {
        offers: Arc::new(offers),
        ..settings(Profile::Documented)
    });
    assert_eq!(
        lines(&client.text(r#"{"type":"ping"}"#)),
        r#"reply {"type":"pong","time":1628160000}"#
    );
    assert_eq!(lines(&client.text(AUTH)), WELCOME);
}

#[test]
fn nothing_is_called_before_the_client_is_let_in() {
    let mut client = open(offering(Profile::Documented));
    let expect = error(401, "authenticate first", "auth_failed");
    assert_eq!(lines(&client.text(CALL)), expect);
}

#[test]
fn a_room_is_joined_when_the_service_allows_it() {
    let mut client = ready(offering(Profile::Documented));
    assert_eq!(lines(&client.text(SUBSCRIBE)), "join room:vip");
    let joined = r#"reply {"type":"subscribe","data":{"status":"ok","room":"vip"},"time":1628160000,"seq":5}"#;
    assert_eq!(
        lines(&client.answer(Answer::Granted(Grant::default()))),
        format!("subscribe room:vip\n{joined}")
    );
    // There was no room for it: that is all.
    let expect = failure(429, "too many rooms", "subscribe", r#","seq":5"#);
    assert_eq!(lines(&client.overfull()), expect);
    for (answer, code, message) in [
        (Answer::denied("no"), 403, "no"),
        (Answer::Unavailable, 503, "nobody is there to decide"),
    ] {
        assert_eq!(lines(&client.text(SUBSCRIBE)), "join room:vip");
        let expect = failure(code, message, "subscribe", r#","seq":5"#);
        assert_eq!(lines(&client.answer(answer)), expect);
    }
    let leave = r#"{"type":"unsubscribe","data":{"room":"vip"}}"#;
    let left =
        r#"reply {"type":"unsubscribe","data":{"status":"ok","room":"vip"},"time":1628160000}"#;
    assert_eq!(
        lines(&client.text(leave)),
        format!("unsubscribe room:vip\n{left}")
    );
}

#[test]
fn no_spelling_of_a_room_is_another_topic() {
    let mut client = ready(offering(Profile::Documented));
    for room in ["user:7", "all", "session:gw.1.2"] {
        let text = format!(r#"{{"type":"subscribe","data":{{"room":"{room}"}}}}"#);
        let expect = format!("join room:{room}");
        assert_eq!(lines(&client.text(&text)), expect);
        client.answer(Answer::Unavailable);
    }
    let expect = failure(400, "data.room is no name of a room", "subscribe", "");
    for data in [
        r#"{"room":""}"#,
        r#"{"room":"a\u0001"}"#,
        "[]",
        r#"{"room":"a","room":"b"}"#,
    ] {
        let text = format!(r#"{{"type":"subscribe","data":{data}}}"#);
        assert_eq!(lines(&client.text(&text)), expect, "{data}");
    }
}

#[test]
fn names_of_rooms_to_join_can_have_a_shorter_limit() {
    let mut client = ready(Settings {
        room_chars_max: 3,
        ..offering(Profile::Documented)
    });
    assert_eq!(lines(&client.text(SUBSCRIBE)), "join room:vip");
    client.answer(Answer::Unavailable);
    let long = SUBSCRIBE.replace("vip", "vips");
    let message = "data.room is no name of a room";
    let expect = failure(400, message, "subscribe", r#","seq":5"#);
    assert_eq!(lines(&client.text(&long)), expect);
    let leave = long.replace("subscribe", "unsubscribe");
    assert!(lines(&client.text(&leave)).starts_with("unsubscribe room:vips"));
}

#[test]
fn without_offers_these_types_are_published_as_any_other() {
    for (kind, data) in [("shop.order", "{}"), ("subscribe", r#"{"room":"vip"}"#)] {
        let text = format!(r#"{{"type":"{kind}","data":{data}}}"#);
        check(&text, &error(403, "data.to is not permitted", ""));
        let text = format!(r#"{{"type":"{kind}","data":{{"to":"user:7"}}}}"#);
        check(
            &text,
            &format!(r#"publish user:7 {kind} {{"to":"user:7"}}"#),
        );
    }
}

#[test]
fn a_message_of_an_application_looks_like_an_answer() {
    let device = Device::new(settings(Profile::Documented));
    let mut message = Message::new("user:7".parse().unwrap(), "shop.order", "[1]".into());
    message.time_ms = 1_628_160_000_000;
    assert_eq!(
        payload(&crate::dialect::Dialect::encode(&device, &message)),
        r#"{"type":"shop.order","data":[1],"time":1628160000}"#
    );
}

proptest! {
    #[test]
    fn whatever_is_called_comes_back_under_its_type_and_its_names(
        rest: String,
        id in prop_oneof![any::<i64>().prop_map(|id| id.to_string()), ".{0,20}".prop_map(|id| {
            serde_json::to_string(&id).unwrap()
        })],
        data in any_json(),
        is_answered: bool,
    ) {
        let kind = format!("shop.{rest}");
        let quoted = serde_json::to_string(&kind).unwrap();
        let text = format!(r#"{{"id":{id},"data":[{data}],"type":{quoted}}}"#);
        let mut client = ready(offering(Profile::Documented));
        let actions = client.text(&text);
        let [Action::Call(call)] = &actions[..] else {
            panic!("{actions:?}");
        };
        let outcome = match is_answered {
            true => Outcome::Answered(data.clone().into()),
            false => Outcome::NotAnswered(MethodFailure::Timeout),
        };
        let returned = client.returned(&call.reference, outcome);
        let [Action::Reply(reply)] = &returned[..] else {
            panic!("{returned:?}");
        };
        let reply: serde_json::Value = serde_json::from_str(&payload(reply)).unwrap();
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        prop_assert_eq!(&reply["id"], &value(&id));
        if is_answered {
            prop_assert_eq!((&reply["type"], &reply["data"]), (&value(&quoted), &value(&data)));
        } else {
            prop_assert_eq!(&reply["data"]["type"], &value(&quoted));
        }
    }
}
