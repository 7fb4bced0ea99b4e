//! Every rule of the `im` dialect, by name, in both profiles where they differ.

use proptest::prelude::*;

use super::*;
use crate::{
    dialect::{
        Action, Answer, Call, Grant, Outcome, Request,
        testing::{Client, UNIX_MS, check_order, json as any_json, lines, payload, session, steps},
    },
    message::Sender,
    position::Position,
    record::{Chat, Content, Of, Push, Query, Record, TEXT_UNITS_MAX},
};

const PROFILES: [Profile; 2] = [Profile::Documented, Profile::Observed];
const BAD_DATA: &str = "Bad data formation";

fn settings(profile: Profile) -> Settings {
    Settings {
        profile,
        ..Settings::default()
    }
}

fn person(number: u64) -> Person {
    Person::new(number).unwrap()
}

/// A client whose token is being asked about.
fn asked(settings: Settings) -> Client {
    let (client, actions) = Client::open_at(&Im::new(settings), "/im/a.b.c", "");
    assert_eq!(lines(&actions), "ask a.b.c -");
    client
}

fn grant(user: &str) -> Answer {
    Answer::Granted(Grant {
        user: Some(user.parse().unwrap()),
        ..Grant::default()
    })
}

/// User 7, let in.
fn ready(settings: Settings) -> Client {
    let mut client = asked(settings);
    client.answer(grant("7"));
    client
}

fn error(id: &str, text: &str) -> String {
    format!(r#"reply {{"id":{id},"from":0,"type":"E","msg":"{text}"}}"#)
}

/// What a packet of a client that is let in does.
#[track_caller]
fn check_in(profile: Profile, packet: &str, expect: &str) {
    let mut client = ready(settings(profile));
    assert_eq!(lines(&client.text(packet)), expect, "{packet}");
}

/// The same in both profiles.
#[track_caller]
fn check(packet: &str, expect: &str) {
    for profile in PROFILES {
        check_in(profile, packet, expect);
    }
}

/// What a packet has a service do, in its own name.
#[track_caller]
fn check_call(profile: Profile, packet: &str, id: &str, expect: Option<Request>) {
    let actions = ready(settings(profile)).text(packet);
    match expect {
        Some(request) => {
            let [Action::Call(call)] = &*actions else {
                panic!("{packet}: {actions:?}");
            };
            let expect = Call {
                reference: id.into(),
                request,
            };
            assert_eq!(*call, expect, "{packet}");
        }
        None => assert_eq!(lines(&actions), error(id, BAD_DATA), "{packet}"),
    }
}

/// What a client is told of an outcome.
#[track_caller]
fn check_returned(profile: Profile, outcome: Outcome, expect: &str) {
    let mut client = ready(settings(profile));
    let actions = client.returned(r#""a""#, outcome);
    assert_eq!(lines(&actions), expect);
}

#[track_caller]
fn check_returned_in_both(outcome: &Outcome, expect: &str) {
    for profile in PROFILES {
        check_returned(profile, outcome.clone(), expect);
    }
}

// === Login ===

#[test]
fn the_token_is_the_last_segment_of_the_path_and_the_query_is_overlooked() {
    for (path, token) in [
        ("/a.b.c", "a.b.c"),
        ("/im/a.b.c", "a.b.c"),
        ("/im/a.b.c/", "a.b.c"),
        ("/im/x", "x"),
        ("/im/%20", "%20"),
        ("/im/", "im"),
        ("/", ""),
        ("", ""),
    ] {
        let (_, actions) = Client::open_at(&Im::new(Settings::default()), path, "x=1&token=2");
        assert_eq!(lines(&actions), format!("ask {token} -"), "{path}");
    }
}

#[test]
fn a_good_token_is_welcomed() {
    for (profile, text) in [
        (Profile::Documented, "login in"),
        (Profile::Observed, "Connect successfully"),
    ] {
        let mut client = asked(settings(profile));
        let welcome = format!(
            r#"reply {{"id":0,"from":0,"type":"L","msg":"{text}","timestamp":1628160000000}}"#
        );
        let expect = format!("authenticate 7\nclaim im\u{0}7\n{welcome}");
        assert_eq!(lines(&client.answer(grant("7"))), expect);
    }
}

#[test]
fn with_any_number_of_sessions_nothing_is_claimed() {
    for profile in PROFILES {
        let mut client = asked(Settings {
            sessions: Sessions::Multi,
            ..settings(profile)
        });
        let actions = lines(&client.answer(grant("7")));
        assert!(actions.starts_with("authenticate 7\nreply "), "{actions}");
    }
}

#[test]
fn a_user_has_one_name_however_the_token_spells_it() {
    let mut client = asked(Settings::default());
    let actions = lines(&client.answer(grant("007")));
    assert!(actions.starts_with("authenticate 7\nclaim im\u{0}7\n"));
}

#[test]
fn a_bad_token_is_answered_and_then_the_session_ends() {
    let expect = format!("{}\nclose auth_failed", error("0", "Invalidate token"));
    let nobody = Answer::Granted(Grant::default());
    for profile in PROFILES {
        for answer in [
            Answer::denied("the token has expired"),
            nobody.clone(),
            grant("0"),
            grant("-7"),
            grant("mallory"),
            grant("9223372036854775807"),
        ] {
            let mut client = asked(settings(profile));
            assert_eq!(lines(&client.answer(answer)), expect);
        }
    }
}

#[test]
fn an_absent_service_is_an_unknown_error_and_the_client_may_come_again() {
    let expect = format!("{}\nclose auth_unavailable", error("0", "Unknown error"));
    for profile in PROFILES {
        let mut client = asked(settings(profile));
        assert_eq!(lines(&client.answer(Answer::Unavailable)), expect);
    }
}

#[test]
fn who_is_known_comes_in_when_a_service_says_so() {
    let known = || {
        let mut client = asked(Settings::default()).with_gate();
        assert_eq!(lines(&client.answer(grant("7"))), "may 7 - proven");
        client
    };
    let mut client = known();
    let ping = client.text(r#"{"id":1,"to":0,"type":"P"}"#);
    assert_eq!(lines(&ping), "", "nothing counts before");
    let actions = lines(&client.answer(Answer::Granted(Grant {
        rooms: vec!["room:news".parse().unwrap()],
        ..Grant::default()
    })));
    let expect = "authenticate 7\nsubscribe room:news\nclaim im\u{0}7\nreply ";
    assert!(actions.starts_with(expect), "{actions}");
    for (answer, text, end) in [
        (Answer::denied("no"), "Invalidate token", "auth_failed"),
        (Answer::Unavailable, "Unknown error", "auth_unavailable"),
    ] {
        let expect = format!("{}\nclose {end}", error("0", text));
        assert_eq!(lines(&known().answer(answer)), expect);
    }
}

#[test]
fn an_answer_that_nobody_waits_for_is_overlooked() {
    let mut client = ready(Settings::default());
    assert_eq!(lines(&client.answer(grant("8"))), "");
    let mut client = asked(Settings::default());
    client.answer(Answer::denied("no"));
    assert_eq!(lines(&client.answer(grant("8"))), "");
    assert_eq!(
        lines(&client.text(r#"{"id":1,"to":0,"type":"P"}"#)),
        "",
        "after the end"
    );
    assert_eq!(lines(&client.returned("1", Outcome::Located)), "");
}

// === Packets ===

#[test]
fn a_ping_is_answered_with_pong() {
    for (id, packet) in [
        ("5", r#"{"id":5,"from":7,"to":0,"type":"P","msg":"ping"}"#),
        (r#""a""#, r#"{"id":"a","to":0,"type":"P"}"#),
        ("5", r#"{"id":5,"to":9,"type":"P","msg":null}"#),
    ] {
        let expect = format!(r#"reply {{"id":{id},"from":0,"to":0,"type":"P","msg":"pong"}}"#);
        check_in(Profile::Documented, packet, &expect);
        let expect = format!(r#"reply {{"id":{id},"from":0,"type":"P","msg":"pong"}}"#);
        check_in(Profile::Observed, packet, &expect);
    }
}

#[test]
fn a_binary_packet_of_utf8_is_read_like_a_text() {
    for profile in PROFILES {
        let packet = r#"{"id":5,"to":0,"type":"P"}"#;
        let text = lines(&ready(settings(profile)).text(packet));
        let binary = lines(&ready(settings(profile)).binary(packet.as_bytes()));
        assert_eq!(text, binary);
        let actions = ready(settings(profile)).binary(b"\xff");
        assert_eq!(lines(&actions), error("0", BAD_DATA));
    }
}

#[test]
fn a_packet_that_is_no_object_is_one_error_with_id_0_and_the_session_goes_on() {
    for profile in PROFILES {
        let mut client = ready(settings(profile));
        for packet in ["", "x", "{", "5", "null", "[]", r#""x""#, r#"{"id":5} x"#] {
            let actions = lines(&client.text(packet));
            assert_eq!(actions, error("0", BAD_DATA), "{packet}");
        }
        let ping = lines(&client.text(r#"{"id":5,"to":0,"type":"P"}"#));
        assert!(ping.contains("pong"));
    }
}

#[test]
fn an_error_has_the_id_of_its_packet_if_that_is_a_good_one() {
    for (packet, id) in [
        (r#"{"id":5,"type":"P"}"#, "5"),
        (r#"{"id":5,"to":null,"type":"P"}"#, "5"),
        (r#"{"id":"a","to":0}"#, r#""a""#),
        (r#"{"id":5,"to":0,"type":null}"#, "5"),
        (r#"{"id":5,"to":0,"type":1}"#, "5"),
        (r#"{"id":5,"to":0,"type":"\ud800"}"#, "5"),
        (r#"{"to":0,"type":"P"}"#, "0"),
        (r#"{"id":null,"to":0,"type":"P"}"#, "0"),
        (r#"{"id":true,"to":0,"type":"P"}"#, "0"),
        (r#"{"id":[5],"to":0,"type":"P"}"#, "0"),
        (r#"{"id":{},"to":0,"type":"P"}"#, "0"),
        (r#"{"id":"\ud800","to":0,"type":"P"}"#, "0"),
        (r#"{"id":1e999,"to":0,"type":"P"}"#, "0"),
    ] {
        check(packet, &error(id, BAD_DATA));
    }
}

#[test]
fn a_packet_of_an_unknown_type_is_an_error() {
    for kind in ["", "x", "p", "PP", "E", "L", "A", "C", "s"] {
        let packet = format!(r#"{{"id":5,"to":8,"type":"{kind}","msg":"x"}}"#);
        check(&packet, &error("5", BAD_DATA));
    }
}

#[test]
fn an_id_comes_back_as_the_very_text_it_was() {
    for id in [
        "5",
        "-5",
        "0",
        "1.50",
        "1e3",
        "12345678901234567890123",
        r#""""#,
        r#""5""#,
        r#""张""#,
        r#""\u5f20\n\/""#,
    ] {
        let packet = format!(r#"{{"id": {id} ,"to":0,"type":"x"}}"#);
        check(&packet, &error(id, BAD_DATA));
    }
}

#[test]
fn an_id_has_up_to_128_bytes_as_it_stands() {
    let id = format!(r#""{}""#, "x".repeat(126));
    let packet = |id: &str| format!(r#"{{"id":{id},"to":0,"type":"x"}}"#);
    check(&packet(&id), &error(&id, BAD_DATA));
    for id in [
        format!(r#""{}""#, "x".repeat(127)),
        format!(r#""{}""#, "\\u0041".repeat(22)),
        "1".repeat(129),
    ] {
        check(&packet(&id), &error("0", BAD_DATA));
    }
}

#[test]
fn of_a_key_that_stands_twice_the_last_value_counts() {
    for profile in PROFILES {
        let packet =
            r#"{"id":1,"id":5,"to":null,"to":8,"type":"x","type":"t","msg":1,"\u006dsg":"b"}"#;
        check_call(profile, packet, "5", Some(draft('t', 8, "b", r#""b""#)));
    }
}

// === O ===

#[test]
fn whether_a_user_is_online_is_asked_by_number_or_name() {
    let online = |user: &str| Some(Request::Online(user.parse().unwrap()));
    for profile in PROFILES {
        for (msg, expect) in [
            ("8", online("8")),
            (r#""8""#, online("8")),
            ("8.0", online("8")),
            (r#""driver/张""#, online("driver/张")),
            ("-1", None),
            ("1.5", None),
            ("1e999", None),
            (r#""""#, None),
            (r#""a\n""#, None),
            (r#""\ud800""#, None),
            ("null", None),
            ("true", None),
            ("[8]", None),
            ("{}", None),
        ] {
            let packet = format!(r#"{{"id":5,"to":0,"type":"O","msg":{msg}}}"#);
            check_call(profile, &packet, "5", expect);
        }
        check_call(profile, r#"{"id":5,"to":0,"type":"O"}"#, "5", None);
    }
}

#[test]
fn whether_a_user_is_online_is_true_or_false() {
    for is_online in [true, false] {
        let expect = format!(
            r#"reply {{"id":"a","from":0,"type":"O","msg":{is_online},"timestamp":1628160000000}}"#
        );
        check_returned_in_both(&Outcome::Online(is_online), &expect);
    }
}

// === S ===

/// A phone that reports WGS-84.
#[track_caller]
fn check_position(msg: &str, expect: Option<(f64, f64)>) {
    for profile in PROFILES {
        let mut client = ready(Settings {
            coordinates: Coordinates::None,
            ..settings(profile)
        });
        let packet = format!(r#"{{"id":5,"to":0,"type":"S","msg":{msg}}}"#);
        let actions = client.text(&packet);
        let expect = expect.map(|(longitude, latitude)| {
            Request::Locate(Position {
                longitude,
                latitude,
            })
        });
        match (&*actions, expect) {
            ([Action::Call(call)], Some(request)) => assert_eq!(call.request, request, "{msg}"),
            (_, None) => assert_eq!(lines(&actions), error("5", BAD_DATA), "{msg}"),
            _ => panic!("{msg}: {actions:?}"),
        }
    }
}

#[test]
fn a_position_is_spelled_in_two_ways_and_the_documents_goes_first() {
    let place = Some((121.5, 31.25));
    for msg in [
        r#"{"longtitude":121.5,"latitude":31.25}"#,
        r#"{"longitude":121.5,"latitude":31.25}"#,
        r#"{"longitude":1,"longtitude":121.5,"latitude":31.25}"#,
        r#"{"longitude":121.5,"longtitude":null,"latitude":31.25}"#,
        r#"{"longtitude":"121.5","latitude":"31.25"}"#,
        r#"{"longtitude":1,"longtitude":1.215e2,"latitude":31.25,"x":1}"#,
    ] {
        check_position(msg, place);
    }
}

#[test]
fn a_position_out_of_range_or_no_number_is_bad_data() {
    check_position(
        r#"{"longitude":-180,"latitude":85.05112878}"#,
        Some((-180.0, 85.051_128_78)),
    );
    for msg in [
        r#"{"longitude":180.1,"latitude":0}"#,
        r#"{"longitude":-180.1,"latitude":0}"#,
        r#"{"longitude":0,"latitude":85.1}"#,
        r#"{"longitude":0,"latitude":-85.1}"#,
        r#"{"longitude":0}"#,
        r#"{"latitude":0}"#,
        r#"{"longitude":null,"latitude":0}"#,
        r#"{"longitude":"","latitude":0}"#,
        r#"{"longitude":"x","latitude":0}"#,
        r#"{"longitude":"NaN","latitude":0}"#,
        r#"{"longitude":"inf","latitude":0}"#,
        r#"{"longitude":1e999,"latitude":0}"#,
        r#"{"longitude":true,"latitude":0}"#,
        r#"{"longitude":[1],"latitude":0}"#,
        "[121.5,31.25]",
        r#""121.5,31.25""#,
        "null",
    ] {
        check_position(msg, None);
    }
}

#[test]
fn a_position_is_converted_as_configured() {
    let packet = r#"{"id":5,"to":0,"type":"S","msg":{"longtitude":121.5,"latitude":31.25}}"#;
    for (coordinates, east) in [
        (Coordinates::None, 0.0),
        (Coordinates::Gcj02, 0.0043),
        (Coordinates::Bd09, 0.0108),
    ] {
        let actions = ready(Settings {
            coordinates,
            ..Settings::default()
        })
        .text(packet);
        let [Action::Call(call)] = &*actions else {
            panic!("{actions:?}");
        };
        let Request::Locate(place) = &call.request else {
            panic!("{call:?}");
        };
        let shift = 121.5 - place.longitude;
        assert!((shift - east).abs() < 0.0005, "{coordinates:?} {shift}");
    }
}

#[test]
fn a_position_is_acknowledged_to_couriers_only() {
    let expect = r#"reply {"id":"a","from":0,"type":"A","msg":"updated position"}"#;
    check_returned_in_both(&Outcome::Located, expect);
    let expect = error(r#""a""#, "You have no right to do");
    check_returned_in_both(&Outcome::NoCourier, &expect);
}

// === T ===

#[test]
fn an_order_is_taken_by_number_or_text() {
    let take = |id: &str| Some(Request::TakeOrder(id.into()));
    let longest = "x".repeat(128);
    for profile in PROFILES {
        for (msg, expect) in [
            ("1001".to_owned(), take("1001")),
            (r#""1001""#.to_owned(), take("1001")),
            (r#""a b/\u5f20""#.to_owned(), take("a b/张")),
            (format!(r#""{longest}""#), take(&longest)),
            (format!(r#""{longest}x""#), None),
            (r#""""#.to_owned(), None),
            (r#""a\u0000""#.to_owned(), None),
            (r#""\ud800""#.to_owned(), None),
            ("1e999".to_owned(), None),
            ("null".to_owned(), None),
            ("true".to_owned(), None),
            (r#"{"id":1}"#.to_owned(), None),
        ] {
            let packet = format!(r#"{{"id":5,"to":0,"type":"T","msg":{msg}}}"#);
            check_call(profile, &packet, "5", expect);
        }
    }
}

#[test]
fn what_became_of_an_order() {
    let customer = person(42);
    let expect = r#"reply {"id":"a","from":0,"type":"A","msg":"success","uid":42}"#;
    check_returned_in_both(&Outcome::Taken { customer }, expect);
    for (outcome, text) in [
        (Outcome::NoOrder, "Can't find order"),
        (Outcome::NotYours, "You have no right to do"),
        (Outcome::TakenBefore, "Already send!"),
        (Outcome::Unavailable, "Unknown error"),
    ] {
        check_returned_in_both(&outcome, &error(r#""a""#, text));
    }
}

// === H ===

fn query(after: u64, from: Option<u64>, since_ms: u64) -> Option<Request> {
    Some(Request::History(Query {
        of: Of::Chat(person(7)),
        after: RecordId(after),
        before: None,
        since_ms,
        from: from.map(person),
        max: 40,
    }))
}

#[track_caller]
fn check_history(profile: Profile, msg: &str, expect: Option<Request>) {
    let packet = format!(r#"{{"id":5,"to":0,"type":"H","msg":{msg}}}"#);
    check_call(profile, &packet, "5", expect);
}

#[test]
fn a_history_is_asked_by_the_last_id_and_the_sender() {
    for profile in PROFILES {
        for (msg, expect) in [
            (r#"{"id":-1,"from":-1}"#, query(0, None, 0)),
            (r#"{"id":"-1","from":"-1"}"#, query(0, None, 0)),
            ("{}", query(0, None, 0)),
            (r#"{"id":null,"from":null}"#, query(0, None, 0)),
            (r#"{"id":9}"#, query(9, None, 0)),
            (r#"{"id":"9","from":"8"}"#, query(9, Some(8), 0)),
            (r#"{"id":0,"from":8}"#, query(0, Some(8), 0)),
            (r#"{"id":-7,"from":-7}"#, query(0, None, 0)),
            (
                r#"{"id":9007199254740993}"#,
                query(9_007_199_254_740_993, None, 0),
            ),
            (r#"{"from":0}"#, None),
            (r#"{"from":"x"}"#, None),
            (r#"{"id":"x"}"#, None),
            (r#"{"id":"+1"}"#, None),
            (r#"{"id":"-"}"#, None),
            (r#"{"id":1.5}"#, None),
            (r#"{"id":9223372036854775808}"#, None),
            (r#"{"id":[1]}"#, None),
            ("null", None),
            ("true", None),
            ("[]", None),
        ] {
            check_history(profile, msg, expect);
        }
        check_call(profile, r#"{"id":5,"to":0,"type":"H"}"#, "5", None);
    }
}

#[test]
fn a_history_is_asked_by_a_time_in_the_document_only() {
    for (msg, since_ms) in [
        ("1628160000000", 1_628_160_000_000),
        ("1628160000000.5", 1_628_160_000_001),
        ("0", 0),
        (r#""1628160000000""#, 1_628_160_000_000),
        (r#""2021-08-05T10:40:00.000Z""#, 1_628_160_000_000),
        (r#""2021-08-05T18:40+08:00""#, 1_628_160_000_000),
        (r#""2021-08-05""#, 1_628_121_600_000),
        (r#""1969-07-20""#, 0),
    ] {
        check_history(Profile::Documented, msg, query(0, None, since_ms));
        check_history(Profile::Observed, msg, None);
    }
    for msg in ["-1", "1e16", r#""""#, r#""yesterday""#, r#""2021-02-30""#] {
        for profile in PROFILES {
            check_history(profile, msg, None);
        }
    }
}

fn records() -> Vec<Record> {
    let chat = |id, time_ms, kind, msg: &str, is_online| Record {
        id: RecordId(id),
        time_ms,
        content: Content::Chat(Chat {
            from: person(8),
            to: person(7),
            kind,
            msg: msg.into(),
            packet_id: Some("1".into()),
            is_online,
        }),
    };
    let push = Record {
        id: RecordId(2),
        time_ms: UNIX_MS,
        content: Content::Push(Push {
            topic: Topic::all(),
            name: "1".into(),
            event: "x".into(),
            data: "{}".into(),
            sender: None,
        }),
    };
    vec![
        chat(3, 1_795_936_738_123, 't', "张\"", true),
        push,
        chat(1, 0, 'i', "", false),
    ]
}

#[test]
fn a_history_is_an_array_of_rows() {
    let rows = |yes: &str, no: &str| {
        format!(
            r#"reply {{"id":"a","from":0,"type":"H","msg":[{{"id":3,"from":8,"to":7,"type":"t","msg":"张\"","send":{yes},"timestamp":"2026-11-29T07:18:58.123Z"}},{{"id":1,"from":8,"to":7,"type":"i","msg":"","send":{no},"timestamp":"1970-01-01T00:00:00.000Z"}}],"timestamp":1628160000000}}"#
        )
    };
    let expect = rows("true", "false");
    check_returned(Profile::Documented, Outcome::History(records()), &expect);
    let buffer = |bit| format!(r#"{{"type":"Buffer","data":[{bit}]}}"#);
    let expect = rows(&buffer(1), &buffer(0));
    check_returned(Profile::Observed, Outcome::History(records()), &expect);
    let expect = r#"reply {"id":"a","from":0,"type":"H","msg":[],"timestamp":1628160000000}"#;
    check_returned_in_both(&Outcome::History(Vec::new()), expect);
}

// === t and i ===

fn draft(kind: char, to: u64, msg: &str, json: &str) -> Request {
    Request::Chat(ChatDraft {
        to: person(to),
        kind,
        msg: msg.into(),
        packet_id: "5".into(),
        json: json.into(),
    })
}

#[test]
fn a_message_is_a_string_or_a_number_to_a_user() {
    for profile in PROFILES {
        for kind in ['t', 'i'] {
            for (to, msg, expect) in [
                ("8", r#""hi""#, Some((8, "hi"))),
                (r#""8""#, r#""\u5f20\n""#, Some((8, "张\n"))),
                (r#""008""#, r#""""#, Some((8, ""))),
                ("7", r#""to myself""#, Some((7, "to myself"))),
                ("8", "5", Some((8, "5"))),
                ("8", "-1.50", Some((8, "-1.50"))),
                ("0", r#""hi""#, None),
                ("-8", r#""hi""#, None),
                ("1.5", r#""hi""#, None),
                (r#""x""#, r#""hi""#, None),
                ("true", r#""hi""#, None),
                ("9223372036854775807", r#""hi""#, None),
                ("8", "null", None),
                ("8", "true", None),
                ("8", "[]", None),
                ("8", "{}", None),
                ("8", "1e999", None),
                ("8", r#""\ud800""#, None),
            ] {
                let packet = format!(r#"{{"id":5,"to":{to},"type":"{kind}","msg": {msg} }}"#);
                let expect = expect.map(|(to, text)| draft(kind, to, text, msg));
                check_call(profile, &packet, "5", expect);
            }
            let packet = format!(r#"{{"id":5,"to":8,"type":"{kind}"}}"#);
            check_call(profile, &packet, "5", None);
        }
    }
}

#[test]
fn a_message_has_up_to_1023_utf16_units() {
    assert_eq!(TEXT_UNITS_MAX, 1023);
    for (text, fits) in [
        ("x".repeat(1023), true),
        ("张".repeat(1023), true),
        (format!("{}x", "😀".repeat(511)), true),
        ("x".repeat(1024), false),
        ("😀".repeat(512), false),
    ] {
        for profile in PROFILES {
            for kind in ['t', 'i'] {
                let json = format!(r#""{text}""#);
                let packet = format!(r#"{{"id":5,"to":8,"type":"{kind}","msg":{json}}}"#);
                match fits {
                    true => {
                        let expect = draft(kind, 8, &text, &json);
                        check_call(profile, &packet, "5", Some(expect));
                    }
                    false => check_in(profile, &packet, &error("5", "Message is too long")),
                }
            }
        }
    }
    let number = format!(
        r#"{{"id":5,"to":8,"type":"t","msg":0.{}}}"#,
        "1".repeat(1022)
    );
    check(&number, &error("5", "Message is too long"));
}

#[test]
fn an_escape_is_one_character_and_not_its_letters() {
    let json = format!(r#""{}""#, "\\u0041".repeat(1023));
    let packet = format!(r#"{{"id":5,"to":8,"type":"t","msg":{json}}}"#);
    for profile in PROFILES {
        let expect = draft('t', 8, &"A".repeat(1023), &json);
        check_call(profile, &packet, "5", Some(expect));
    }
}

#[test]
fn a_message_is_acknowledged_when_it_is_stored() {
    for (profile, text) in [(Profile::Documented, "success"), (Profile::Observed, "")] {
        let expect =
            format!(r#"reply {{"id":"a","from":0,"type":"A","msg":"{text}","timestamp":123}}"#);
        check_returned(profile, Outcome::Kept { time_ms: 123 }, &expect);
    }
}

#[test]
fn a_message_that_is_not_stored_is_an_error() {
    let expect = error(r#""a""#, "You are not friends");
    check_returned_in_both(&Outcome::NotFriends, &expect);
    let expect = error(r#""a""#, "Fail to storage message");
    check_returned_in_both(&Outcome::NotKept, &expect);
}

// === What is delivered ===

fn sent(kind: char) -> Message {
    let draft = ChatDraft {
        to: person(8),
        kind,
        msg: "张".into(),
        packet_id: r#""p-1""#.into(),
        json: r#""\u5f20""#.into(),
    };
    chat_message(person(7), &draft, RecordId::at(1_795_936_738_123))
}

#[test]
fn a_message_arrives_with_the_packet_id_its_own_type_and_an_iso_time() {
    for profile in PROFILES {
        for kind in ['t', 'i'] {
            let message = sent(kind);
            assert_eq!(message.topic.as_str(), "user:8");
            let expect = format!(
                r#"{{"id":"p-1","from":7,"type":"{kind}","msg":"\u5f20","timestamp":"2026-11-29T07:18:58.123Z"}}"#
            );
            assert_eq!(
                payload(&Im::new(settings(profile)).encode(&message)),
                expect
            );
        }
    }
}

#[test]
fn a_message_to_other_dialects_is_the_event_chat() {
    let message = sent('t');
    assert_eq!(&*message.event, "chat");
    assert_eq!(message.data, r#"{"from":7,"type":"t","msg":"\u5f20"}"#);
    assert_eq!(message.class, DeliveryClass::Durable);
    let id = RecordId::at(1_795_936_738_123).0;
    assert_eq!(message.id, MessageId::Number(id));
}

#[test]
fn any_other_message_is_a_packet_of_the_system() {
    let mut message = Message::new(Topic::all(), "x", r#"{"a": 1}"#.into());
    message.id = MessageId::Number(9);
    message.time_ms = UNIX_MS;
    let encoded = |message: &Message| payload(&Im::new(Settings::default()).encode(message));
    let end = r#""type":"s","msg":{"a": 1},"timestamp":1628160000000}"#;
    assert_eq!(encoded(&message), format!(r#"{{"id":9,"from":0,{end}"#));
    message.id = MessageId::Text("a\"".into());
    for (user, from) in [("7", "7"), ("007", r#""007""#), ("bob", r#""bob""#)] {
        message.sender = Some(Sender {
            user: Some(user.parse().unwrap()),
            session: session(),
        });
        let expect = format!(r#"{{"id":"a\"","from":{from},{end}"#);
        assert_eq!(encoded(&message), expect);
    }
    message.sender = None;
    message.relay = Some(Relay {
        dialect: DialectId::Ride,
        text: "relayed".into(),
    });
    message.data = "".into();
    assert_eq!(
        encoded(&message),
        r#"{"id":"a\"","from":0,"type":"s","msg":null,"timestamp":1628160000000}"#
    );
}

#[test]
fn a_customer_is_told_who_has_taken_the_order() {
    let mut message = order_taken(person(7), person(42), "a\"1");
    message.time_ms = UNIX_MS;
    message.sender = Some(Sender {
        user: Some(person(7).into()),
        session: session(),
    });
    assert_eq!(message.topic.as_str(), "user:42");
    assert_eq!(
        payload(&Im::new(Settings::default()).encode(&message)),
        r#"{"id":"order:a\"1:7","from":7,"type":"s","msg":"a\"1","timestamp":1628160000000}"#
    );
}

// === Ends ===

#[test]
fn who_is_sent_away_is_told_so() {
    for profile in PROFILES {
        let im = Im::new(settings(profile));
        for reason in CloseReason::ALL {
            let expect = matches!(reason, CloseReason::Kicked | CloseReason::Superseded)
                .then(|| r#"{"id":0,"from":0,"type":"C","msg":"Server closes websocket"}"#.into());
            assert_eq!(im.farewell(reason).as_ref().map(payload), expect);
        }
    }
}

#[test]
fn only_observed_closes_without_a_code_for_a_bad_token_and_a_second_login() {
    for reason in CloseReason::ALL {
        let im = Im::new(settings(Profile::Documented));
        assert_eq!(im.close_form(reason), reason.form());
        let im = Im::new(settings(Profile::Observed));
        let expect = match reason {
            CloseReason::AuthFailed | CloseReason::Superseded => CloseForm::Empty,
            _ => reason.form(),
        };
        assert_eq!(im.close_form(reason), expect);
    }
}

#[test]
fn no_token_is_shown() {
    let (_, actions) = Client::open_at(&Im::new(Settings::default()), "/im/secret", "");
    assert!(!format!("{actions:?}").contains("secret"));
}

// === Whatever is sent ===

/// Texts near the dialect's own: its keys and values, in any number and combination.
fn packets() -> impl Strategy<Value = String> {
    let id = prop_oneof![4 => Just("5"), 2 => Just(r#""a""#), 1 => Just("null"), 1 => Just("[]")];
    let to = prop_oneof![2 => Just("0"), 4 => Just("8"), 1 => Just("null"), 1 => Just(r#""x""#)];
    let kind = prop_oneof![
        1 => Just("P"), 1 => Just("O"), 1 => Just("S"), 1 => Just("T"), 2 => Just("H"),
        3 => Just("t"), 2 => Just("i"), 1 => Just("x"),
    ];
    let msg = prop_oneof![
        2 => Just("5".to_owned()),
        2 => Just(r#""hi""#.to_owned()),
        1 => Just(r#"{"longtitude":"121.5","latitude":31.25}"#.to_owned()),
        1 => Just(r#"{"id":-1,"from":8}"#.to_owned()),
        1 => any_json(),
    ];
    (id, to, kind, msg).prop_map(|(id, to, kind, msg)| {
        format!(r#"{{"id":{id},"to":{to},"type":"{kind}","msg":{msg}}}"#)
    })
}

fn outcomes() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        any::<u64>().prop_map(|time_ms| Outcome::Kept { time_ms }),
        Just(Outcome::NotFriends),
        Just(Outcome::NotKept),
        Just(Outcome::History(records())),
        Just(Outcome::Located),
        Just(Outcome::NoCourier),
        any::<bool>().prop_map(Outcome::Online),
        Just(Outcome::Taken {
            customer: person(42)
        }),
        Just(Outcome::TakenBefore),
        Just(Outcome::NoOrder),
        Just(Outcome::NotYours),
        Just(Outcome::Unavailable),
    ]
}

proptest! {
    #[test]
    fn whatever_is_sent_each_packet_is_answered_or_called_for_once(
        profile in prop_oneof![Just(Profile::Documented), Just(Profile::Observed)],
        steps in steps(packets()),
        outcome in outcomes(),
    ) {
        let mut client = asked(settings(profile));
        let mut actions = client.answer(grant("7"));
        for step in steps {
            let is_packet = !matches!(
                step,
                crate::dialect::testing::Step::Answer(_) | crate::dialect::testing::Step::Wait(_)
            );
            let mut done = client.step(step);
            prop_assert_eq!(done.len(), usize::from(is_packet));
            if let Some(Action::Call(call)) = done.first() {
                let answers = client.returned(&call.reference, outcome.clone());
                prop_assert_eq!(answers.len(), 1);
                done.extend(answers);
            }
            actions.extend(done);
        }
        check_order(&actions);
        for action in &actions {
            if let Action::Reply(reply) = action {
                let packet: serde_json::Value = serde_json::from_str(&payload(reply)).unwrap();
                prop_assert_eq!(&packet["from"], 0);
                prop_assert!(packet["id"].is_number() || packet["id"].is_string());
                prop_assert!(packet["type"].is_string());
                prop_assert!(!packet["msg"].is_null());
            }
        }
    }

    #[test]
    fn whatever_is_sent_before_the_grant_rules_of_order_hold(steps in steps(packets())) {
        let (mut client, mut actions) = Client::open_at(&Im::new(Settings::default()), "/x", "");
        for step in steps {
            actions.extend(client.step(step));
        }
        check_order(&actions);
    }

    #[test]
    fn any_text_arrives_as_it_was_sent(text in any::<String>()) {
        let json = serde_json::to_string(&text).unwrap();
        let packet = format!(r#"{{"id":5,"to":8,"type":"t","msg":{json}}}"#);
        let actions = ready(Settings::default()).text(&packet);
        let [Action::Call(Call { request: Request::Chat(draft), .. })] = &*actions else {
            return Err(TestCaseError::fail(lines(&actions)));
        };
        let message = chat_message(person(7), draft, RecordId::at(UNIX_MS));
        let packet = payload(&Im::new(Settings::default()).encode(&message));
        let packet: serde_json::Value = serde_json::from_str(&packet).unwrap();
        prop_assert_eq!(&packet["msg"], &text);
        prop_assert_eq!(&*draft.msg, &*text);
    }
}
