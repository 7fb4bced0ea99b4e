use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{
    dialect::{
        Action, Answer, Grant, Incoming, MethodCall, MethodFailure, Now, Outcome, Request,
        testing::{Client, check_order, lines, payload, session, steps},
    },
    topic::Topic,
};

const RECEIPT: &str =
    "reply {\"status\":200,\"event\":\"receiveMessage\",\"info\":\"服务端已收到您的请求内容\"}";
const BUILTINS: [Builtin; 3] = [
    Builtin {
        controller: "index.index",
        actions: &["index"],
    },
    Builtin {
        controller: "live.user",
        actions: &["join", "out"],
    },
    Builtin {
        controller: "index.shop",
        actions: &["close"],
    },
];

/// Takes an object in the query for the credential itself.
#[derive(Debug)]
struct Open;

impl Passes for Open {
    fn read(&self, auth: &str, unix_seconds: u64) -> Option<Party> {
        assert_eq!(unix_seconds, 1_628_160_000);
        match json::parse(auth)? {
            json::Json::Object(object) => Party::read(&object, "id"),
            _ => None,
        }
    }
}

const AUTH: &str = "auth=%7B%22id%22:1,%22type%22:%22wechatUser%22,%22code%22:%22r%261%22,\
                    %22nickname%22:%22T%3Cm%22,%22ctime%22:5%7D";

fn dialect(profile: Profile) -> Live {
    let offers = Offers::default();
    offers.set_methods(vec!["Shop.".into(), "live.user.".into(), "one".into()]);
    Live::new(Settings {
        profile,
        receipts: true,
        passes: Arc::new(Open),
        builtins: BUILTINS.to_vec(),
        offers: Arc::new(offers),
    })
}

/// A client that is let in.
fn client(profile: Profile) -> Client {
    let (client, actions) = Client::open(&dialect(profile), AUTH);
    assert_eq!(lines(&actions), "authenticate 1");
    client
}

const PROFILES: [Profile; 2] = [Profile::Documented, Profile::Observed];

/// What a frame is answered with behind the receipt.
#[track_caller]
fn said(client: &mut Client, text: &str) -> String {
    let lines = lines(&client.text(text));
    let rest = lines.strip_prefix(RECEIPT);
    rest.unwrap_or_else(|| panic!("{text}: {lines}"))
        .trim_start()
        .to_owned()
}

/// Where a method leads: the controller and the action, or the application, or the status.
#[track_caller]
fn led(profile: Profile, method: &str) -> String {
    let mut client = client(profile);
    let text = json!({ "method": method }).to_string();
    let mut actions = client.text(&text);
    assert_eq!(lines(&actions[..1]), RECEIPT);
    assert_eq!(actions.len(), 2, "{method}");
    match actions.remove(1) {
        Action::Call(call) => match call.request {
            Request::Live(call) => format!("{} {}", call.controller, call.action),
            Request::Method(call) => format!("application {}", call.method),
            other => panic!("{other:?}"),
        },
        Action::Reply(frame) => {
            let reply: Value = serde_json::from_str(&payload(&frame)).unwrap();
            format!("{} {}", reply["status"], reply["event"].as_str().unwrap())
        }
        other => panic!("{other:?}"),
    }
}

fn refused(query: &str) -> Option<Refusal> {
    let hello = Hello {
        session: &session(),
        path: "/live",
        query,
        remote: [127, 0, 0, 1].into(),
        now: Now {
            unix_ms: 1_628_160_000_000,
            ..Now::default()
        },
    };
    dialect(Profile::Documented).accept(&hello).err()
}

#[test]
fn without_a_good_auth_the_upgrade_is_refused_with_403_and_the_header_that_clients_look_for() {
    for query in [
        "",
        "auth=",
        "auth",
        "auth=x",
        "auth=%7B%7D",
        "auth=%ff",
        "AUTH=%7B%22id%22:1%7D",
        "x=1",
    ] {
        let refusal = refused(query).unwrap();
        assert_eq!(refusal.status, 403, "{query}");
        assert_eq!(refusal.header, Some(("message", "error auth")), "{query}");
    }
    assert_eq!(refused(AUTH), None);
}

#[test]
fn who_is_known_comes_in_without_a_word_if_nobody_minds() {
    let (mut client, actions) = Client::gated(&dialect(Profile::Documented), AUTH);
    assert_eq!(lines(&actions), "may 1 - proven");
    let room = Topic::room("x").unwrap();
    let grant = Grant {
        rooms: vec![room],
        ..Grant::default()
    };
    let actions = client.answer(Answer::Granted(grant));
    assert_eq!(lines(&actions), "authenticate 1\nsubscribe room:x");
    assert_eq!(lines(&client.answer(Answer::denied("no"))), "");
    for (answer, expect) in [
        (Answer::denied("no"), "close auth_failed"),
        (Answer::Unavailable, "close auth_unavailable"),
    ] {
        let (mut client, _) = Client::gated(&dialect(Profile::Documented), AUTH);
        assert_eq!(lines(&client.answer(answer)), expect);
        assert_eq!(lines(&client.text("2")), "");
    }
}

#[test]
fn the_number_two_is_a_heartbeat_however_it_is_written() {
    for profile in PROFILES {
        let mut client = client(profile);
        for text in ["2", " 2", "02", "2.0", "2e0", "+2", "2 ", "\n2", "0.2e1"] {
            assert_eq!(lines(&client.text(text)), "reply 3", "{text:?}");
        }
        assert_eq!(lines(&client.binary(b"2")), "reply 3");
    }
}

#[test]
fn what_is_no_json_object_ends_the_session() {
    for profile in PROFILES {
        for text in [
            "", "3", "2x", "0x2", "-2", "22", "\"2\"", "null", "true", "x", "{", "{}{}", "[",
            "{a:1}",
        ] {
            let mut client = client(profile);
            assert_eq!(lines(&client.text(text)), "close violation", "{text:?}");
            assert_eq!(lines(&client.text("2")), "");
        }
        let mut client = client(profile);
        assert_eq!(lines(&client.binary(b"\xff")), "close violation");
    }
    assert_eq!(
        lines(&client(Profile::Documented).text("[]")),
        "close violation"
    );
    let dialect = |profile| dialect(profile).close_form(CloseReason::Violation);
    assert_eq!(dialect(Profile::Documented), CloseForm::Code(1008));
    assert_eq!(dialect(Profile::Observed), CloseForm::None);
}

#[test]
fn the_original_takes_an_array_for_a_request_without_a_method() {
    let mut client = client(Profile::Observed);
    for text in ["[]", " [1,{\"method\":\"live.user.join\"}]"] {
        assert!(said(&mut client, text).contains("index.index"), "{text}");
    }
}

#[test]
fn an_idle_client_is_told_so_by_1000_and_in_the_observed_profile_by_nothing() {
    let form = |profile| dialect(profile).close_form(CloseReason::Idle);
    assert_eq!(form(Profile::Documented), CloseForm::Code(1000));
    assert_eq!(form(Profile::Observed), CloseForm::None);
    assert_eq!(
        dialect(Profile::Observed).close_form(CloseReason::Draining),
        CloseForm::Code(1012)
    );
}

#[test]
fn each_frame_is_answered_with_a_receipt_first_unless_they_are_off() {
    let mut client = client(Profile::Documented);
    let actions = client.text(r#"{"method":"no.such.thing"}"#);
    let first = lines(&actions[..1]);
    assert_eq!(first, RECEIPT);
    let mut settings = (*dialect(Profile::Documented).settings).clone();
    settings.receipts = false;
    let (mut client, _) = Client::open(&Live::new(settings), AUTH);
    let actions = client.text(r#"{"method":"no.such.thing"}"#);
    assert!(lines(&actions).contains("methodNotFound"));
    assert_eq!(actions.len(), 1);
}

#[test]
fn a_method_is_routed_by_its_parts_whatever_their_case() {
    for profile in PROFILES {
        for (method, expect) in [
            ("live.user.join", "live.user join"),
            ("LIVE.User.jOIN", "live.user join"),
            ("..live.user.join...", "live.user join"),
            ("index", "index.index index"),
            ("index.index", "index.index index"),
            ("Index.Index.Index", "index.index index"),
            ("shop.close", "index.shop close"),
            ("", "index.index index"),
            ("...", "index.index index"),
            ("a.b.c.d", "index.index index"),
            ("a....b", "index.index index"),
        ] {
            assert_eq!(led(profile, method), expect, "{method}");
        }
    }
}

#[test]
fn no_method_leads_to_the_index() {
    let mut client = client(Profile::Documented);
    for text in [
        "{}",
        r#"{"method":null}"#,
        r#"{"method":{"a":1}}"#,
        r#"{"Method":"live.user.join"}"#,
    ] {
        assert!(said(&mut client, text).contains("index.index"), "{text}");
    }
}

#[test]
fn what_applications_have_goes_there_and_what_the_gateway_has_does_not() {
    for profile in PROFILES {
        for (method, expect) in [
            ("shop.order", "application shop.order"),
            (".SHOP.Order.", "application SHOP.Order"),
            ("shop.a.b.c.d", "application shop.a.b.c.d"),
            ("live.user.wave", "application live.user.wave"),
            ("live.user.out", "live.user out"),
            ("one", "application one"),
        ] {
            assert_eq!(led(profile, method), expect, "{method}");
        }
    }
}

#[test]
fn what_nobody_has_is_not_found_and_in_the_observed_profile_an_error_if_there_is_no_controller() {
    for (method, documented, observed) in [
        ("shop", "405 methodNotFound", "405 methodNotFound"),
        (
            "index.index.nothing",
            "405 methodNotFound",
            "405 methodNotFound",
        ),
        (
            "live.nobody.join",
            "405 methodNotFound",
            "500 controllerError",
        ),
        ("live..join", "405 methodNotFound", "500 controllerError"),
        ("5", "405 methodNotFound", "405 methodNotFound"),
        ("join.pending", "405 methodNotFound", "500 controllerError"),
    ] {
        assert_eq!(led(Profile::Documented, method), documented, "{method}");
        assert_eq!(led(Profile::Observed, method), observed, "{method}");
    }
}

/// What is sent on for a frame.
fn body(text: &str, is_method: bool) -> Value {
    let mut client = client(Profile::Documented);
    let call = match client.text(text).remove(1) {
        Action::Call(call) => call,
        other => panic!("{other:?}"),
    };
    let body = match call.request {
        Request::Live(call) if !is_method => call.request,
        Request::Method(MethodCall { body, .. }) if is_method => body,
        other => panic!("{other:?}"),
    };
    serde_json::from_slice(&body).unwrap()
}

#[test]
fn the_server_says_itself_who_calls_whatever_the_client_says() {
    for (method, is_method) in [("live.user.join", false), ("shop.x", true)] {
        let text = format!(
            r#"{{"fd":"9","code":"x","auth":{{"id":2}},"\u0061uth":3,"method":"{method}","say":"a","FD":1}}"#
        );
        let expect = json!({
            "method": method, "say": "a", "FD": 1, "fd": "gw.1.2", "code": "r&amp;1",
            "auth": {"id": 1, "type": "wechatUser", "code": "r&amp;1", "nickname": "T&lt;m"},
        });
        assert_eq!(body(&text, is_method), expect);
    }
    // Two methods are one: the last.
    let mut client = client(Profile::Documented);
    let actions = client.text(r#"{"method":"live.user.join","a":1,"method":"shop.x"}"#);
    let Action::Call(call) = &actions[1] else {
        panic!("{actions:?}");
    };
    let Request::Method(call) = &call.request else {
        panic!("{call:?}");
    };
    let text = String::from_utf8_lossy(&call.body);
    assert!(
        text.starts_with(r#"{"a":1,"method":"shop.x","fd":"#),
        "{text}"
    );
}

#[test]
fn texts_are_escaped_and_nothing_else() {
    let text = r#"{"method":"live.user.join","a<":"<b a=\"1\">&'\u003c\u0022\\\"张\n","l":["&",{"k&":"&amp;"}],"n":1e999,"s":"a:b\\"}"#;
    let mut client = client(Profile::Documented);
    let Action::Call(call) = client.text(text).remove(1) else {
        panic!();
    };
    let Request::Live(call) = call.request else {
        panic!();
    };
    let sent = String::from_utf8(call.request.to_vec()).unwrap();
    let expect = r#"{"method":"live.user.join","a<":"&lt;b a=&quot;1&quot;&gt;&amp;'&lt;&quot;\\&quot;张\n","l":["&amp;",{"k&":"&amp;amp;"}],"n":1e999,"s":"a:b\\","fd":"#;
    assert!(sent.starts_with(expect), "{sent}");
}

fn escaped_value(value: &Value) -> Value {
    match value {
        Value::String(text) => {
            let text = text.replace('&', "&amp;").replace('<', "&lt;");
            text.replace('>', "&gt;").replace('"', "&quot;").into()
        }
        Value::Array(list) => list.iter().map(escaped_value).collect(),
        Value::Object(object) => {
            let fields = object.iter();
            fields
                .map(|(key, value)| (key.clone(), escaped_value(value)))
                .collect()
        }
        other => other.clone(),
    }
}

#[test]
fn what_comes_of_a_call_is_done_in_its_order() {
    for profile in PROFILES {
        let mut client = client(profile);
        let room = Topic::room("live/users/a").unwrap();
        let call = LiveCall {
            controller: "live.wall".into(),
            action: "join.pending".into(),
            party: Arc::new(
                Open.read("{\"id\":1,\"type\":\"wall\"}", 1_628_160_000)
                    .unwrap(),
            ),
            request: "{}".into(),
        };
        let actions = client.returned(
            "",
            Outcome::Live(vec![
                Effect::Join(room.clone()),
                Effect::Reply(Reply::plain(200, "userJoinSuccess", "加入房间成功")),
                Effect::Reply(Reply::plain(200, "a", "b").with("[1]")),
                Effect::Leave(room),
                Effect::Then(call.clone()),
            ]),
        );
        let param = match profile {
            Profile::Documented => ",\"param\":null",
            Profile::Observed => "",
        };
        let expect = format!(
            "subscribe room:live/users/a\n\
             reply {{\"status\":200,\"event\":\"userJoinSuccess\",\"info\":\"加入房间成功\"{param}}}\n\
             reply {{\"status\":200,\"event\":\"a\",\"info\":\"b\",\"param\":[1]}}\n\
             unsubscribe room:live/users/a\ncall  {:?}",
            Request::Live(call)
        );
        assert_eq!(lines(&actions), expect);
    }
}

#[test]
fn the_answer_of_an_application_is_passed_on_as_it_is_and_its_failure_told() {
    let mut client = client(Profile::Documented);
    let answer = Outcome::Answered("{ \"a\": [1] }".into());
    assert_eq!(lines(&client.returned("", answer)), "reply { \"a\": [1] }");
    for (failure, expect) in [
        (
            MethodFailure::Unknown,
            "405,\"event\":\"methodNotFound\",\"info\":\"您请求的method方法不存在\"",
        ),
        (
            MethodFailure::Timeout,
            "500,\"event\":\"controllerError\",\"info\":\"程序错误\"",
        ),
        (
            MethodFailure::Refused(404),
            "500,\"event\":\"controllerError\",\"info\":\"程序错误\"",
        ),
        (
            MethodFailure::TooMany,
            "500,\"event\":\"controllerError\",\"info\":\"程序错误\"",
        ),
    ] {
        let lines = lines(&client.returned("", Outcome::NotAnswered(failure)));
        let expect = format!("reply {{\"status\":{expect},\"param\":null}}");
        assert_eq!(lines, expect);
    }
    let lines = lines(&client.returned("", Outcome::Unavailable));
    assert!(lines.contains("controllerError"));
}

fn encoded(profile: Profile, event: &str, data: &'static str) -> String {
    let message = Message::new(Topic::all(), event, data.into());
    payload(&dialect(profile).encode(&message))
}

#[test]
fn what_is_published_is_told_with_what_the_dialect_has_to_say_of_it() {
    for (event, info) in [
        ("serverBroadcast", "收到服务广播内容"),
        ("userSayNeedCheck", "收到用户广播内容"),
        ("userSayBroadcast", "用户消息审核通过"),
        ("wallSayBroadcast", "收到大屏幕广播内容"),
        ("wallSayRecall", "撤回一条大屏幕消息"),
        ("userJoin", "用户加入房间"),
        ("userOut", "用户退出房间"),
        ("anything", ""),
    ] {
        let expect = format!(
            "{{\"status\":200,\"event\":\"{event}\",\"info\":\"{info}\",\"param\":{{\"a\":1}}}}"
        );
        for profile in PROFILES {
            assert_eq!(encoded(profile, event, "{\"a\":1}"), expect);
        }
    }
}

#[test]
fn an_empty_param_is_there_and_in_the_observed_profile_left_out() {
    for data in [
        "", "null", "[]", "[ ]", "{}", "0", "0.0", "-0", "\"\"", "false",
    ] {
        let shown = if data.is_empty() { "null" } else { data };
        let rest = format!(",\"param\":{shown}}}");
        assert!(
            encoded(Profile::Documented, "e", data).ends_with(&rest),
            "{data}"
        );
        assert!(
            encoded(Profile::Observed, "e", data).ends_with("\"info\":\"\"}"),
            "{data}"
        );
    }
    for data in [
        "1",
        "-1",
        "0.5",
        "\"0\"",
        "\" \"",
        "[0]",
        "{\"a\":0}",
        "true",
    ] {
        let rest = format!(",\"param\":{data}}}");
        assert!(
            encoded(Profile::Observed, "e", data).ends_with(&rest),
            "{data}"
        );
    }
}

#[test]
fn the_kind_of_a_message_is_its_method() {
    let dialect = dialect(Profile::Documented);
    assert_eq!(
        dialect.kind_of(r#"{"method":"live.user.say"}"#).unwrap(),
        "live.user.say"
    );
    assert_eq!(dialect.kind_of("2"), None);
    assert_eq!(dialect.kind_of("{}"), None);
}

#[test]
fn rooms_are_of_users_or_of_walls_and_one_that_cannot_be_is_none() {
    let party = |code: &str| Party {
        code: code.into(),
        ..Open
            .read("{\"id\":1,\"type\":\"wall\"}", 1_628_160_000)
            .unwrap()
    };
    assert_eq!(
        party("r1").users_room().unwrap().as_str(),
        "room:live/users/r1"
    );
    assert_eq!(
        party("r1").walls_room().unwrap().as_str(),
        "room:live/walls/r1"
    );
    assert!(party(&"x".repeat(CODE_CHARS_MAX)).users_room().is_ok());
    assert!(party(&"x".repeat(CODE_CHARS_MAX + 1)).users_room().is_err());
    assert!(party("a\n").walls_room().is_err());
}

fn request_text() -> impl Strategy<Value = String> {
    let method = prop_oneof![
        "(live\\.user\\.|shop\\.|\\.)?[a-z.]{0,8}",
        Just("live.user.join".to_owned()),
    ];
    (method, crate::dialect::testing::json()).prop_map(|(method, more)| {
        format!(
            r#"{{"method":{},"say":{more}}}"#,
            serde_json::to_string(&method).unwrap()
        )
    })
}

proptest! {
    #[test]
    fn escaping_is_that_of_each_text(json in crate::dialect::testing::json()) {
        let value: Value = serde_json::from_str(&json).unwrap();
        let escaped = escaped(&json).into_owned();
        let found: Value = serde_json::from_str(&escaped).unwrap();
        prop_assert_eq!(found, escaped_value(&value));
        prop_assert!(escaped.len() <= json.len() * 6);
    }

    #[test]
    fn what_is_no_json_is_escaped_to_something(text in "[\"\\\\{}:,a&<u0-9\u{e9}]{0,24}") {
        let _ = escaped(&text);
        let mut client = client(Profile::Observed);
        let _ = client.text(&text);
    }

    #[test]
    fn nothing_that_a_client_does_can_panic_or_come_out_of_order(steps in steps(request_text())) {
        for profile in PROFILES {
            let (mut client, mut actions) = Client::open(&dialect(profile), AUTH);
            for step in steps.clone() {
                actions.extend(client.step(step));
            }
            let end = actions.iter().position(|action| matches!(action, Action::Close(_)));
            check_order(&actions);
            prop_assert!(end.is_none_or(|end| end == actions.len() - 1));
        }
    }
}

#[test]
fn an_incoming_text_is_read_whatever_it_was_framed_as() {
    let party = Open
        .read("{\"id\":1,\"type\":\"wall\"}", 1_628_160_000)
        .unwrap();
    let read = |message| frame::read(message, Profile::Documented, &session(), &party);
    let text = r#"{"method":"a"}"#;
    assert_eq!(
        read(Incoming::Text(text)),
        read(Incoming::Binary(text.as_bytes()))
    );
}
