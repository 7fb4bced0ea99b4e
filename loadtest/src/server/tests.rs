use proptest::prelude::*;

use super::greeting::Greeting;
use super::publish::Way;
use super::*;
use crate::template::Seat;

const WHOLE: &str = r#"
separator = "\n"
heartbeats = [{ hear = "2", say = "3" }]

[client]
path = "/socket/?n={i}"
headers = ["Origin: http://a"]
hello = [{ expect = "0{" }, { send = "40" }, { expect = "40{" }]

[subscriber]
hello = [{ send = "join {i}" }]

[publisher]
path = "/pub"
headers = []

[publish]
frame = "42 {seq} {pad}"
grows = -3

[room.member]
hello = [{ send = "join {room}" }]

[room.publish]
frame = "to {room} {seq}"

[pair.client]
path = "/pair/{i}/{partner}"

[pair.publish]
frame = "{pad}"
grows = 2

[echo]
send = "echo"
expect = "ohce"
"#;

fn check_wrong(text: &str, contained: &str) {
    let message = text.parse::<Server>().unwrap_err().to_string();
    assert!(message.contains(contained), "{message}");
    assert!(!message.contains('\n'), "{message}");
}

fn text(text: &str) -> Template {
    Template::new(text)
}

#[test]
fn roles_are_the_clients_but_for_what_they_say() {
    let server: Server = WHOLE.parse().unwrap();
    assert_eq!(server.subscriber.path.for_index(7), "/socket/?n=7");
    assert_eq!(server.subscriber.headers, ["Origin: http://a"]);
    let hello = [
        Step::Expect(text("0{")),
        Step::Send(text("40")),
        Step::Expect(text("40{")),
    ];
    assert_eq!(server.client.hello, hello);
    assert_eq!(server.subscriber.hello[..3], hello);
    assert_eq!(server.subscriber.hello[3..], [Step::Send(text("join {i}"))]);
    assert_eq!(server.publisher.path.for_index(7), "/pub");
    assert!(server.publisher.headers.is_empty());
    assert_eq!(server.publisher.hello, hello);
    let publish = server.publish.unwrap();
    assert_eq!((publish.grows, publish.is_by_frames()), (-3, true));
}

#[test]
fn members_of_rooms_and_pairs_are_clients_but_for_what_they_say() {
    let mut server: Server = WHOLE.parse().unwrap();
    let seat = Seat { index: 6, room: 2 };
    let room = server.room.take().unwrap();
    assert_eq!(room.member.path.for_seat(seat), "/socket/?n=6");
    assert_eq!(room.member.hello[..3], server.client.hello);
    assert_eq!(room.member.hello[3..], [Step::Send(text("join {room}"))]);
    assert_eq!(room.publisher, room.member);
    let published = room.publish.bind(seat).message;
    assert_eq!(published.expand(0, "9", ""), "to 2 9");
    let pair = server.pair.take().unwrap();
    assert_eq!(pair.client.path.for_seat(seat), "/pair/6/7");
    assert_eq!(pair.client.headers, ["Origin: http://a"]);
    assert_eq!((pair.publish.grows, pair.publish.is_by_frames()), (2, true));
    let apart = WHOLE.replace("[room.publish]", "[room.publisher]\n[room.publish]");
    let room = apart.parse::<Server>().unwrap().room.unwrap();
    assert_eq!(room.publisher, server.client);
}

#[test]
fn a_mistake_names_its_line_and_what_is_allowed() {
    check_wrong(
        "[client]\npath = \"/\"\nhelo = []",
        "line 3: unknown field `helo`, expected one of `path`, `headers`, `hello`",
    );
    check_wrong(
        "[clients]",
        "line 1: unknown field `clients`, expected one of `client`, `subscriber`, `publisher`, `echo`, `publish`, `room`, `pair`, `heartbeats`, `separator`",
    );
    check_wrong(
        "[client]\npath = \"/\"\nhello = [{ say = \"x\" }]",
        "line 3: unknown variant `say`, expected `send` or `expect`",
    );
    check_wrong("[client]", "missing field `path`");
    check_wrong("[client]\npath = 5", "expected a string");
    check_wrong("heartbeats = 5", "line 1: invalid type");
    check_wrong("client", "line 1: ");
}

#[test]
fn what_does_not_go_together_is_refused() {
    let with = |rest: &str| format!("separator = \"\\n\"\n[client]\npath = \"/\"\n{rest}");
    let publish = "publish: has either frame, or post and body";
    check_wrong(&with("[publish]\nframe = \"a\"\npost = \"/b\""), publish);
    check_wrong(&with("[publish]\npost = \"/b\""), publish);
    check_wrong(
        &with("[publish]\nframe = \"a\"\nheaders = [\"a: b\"]"),
        publish,
    );
    check_wrong(&with("headers = [\"a\"]"), "Name: value");
    check_wrong(
        &with("[room.publish]\npost = \"/b\""),
        "line 5: unknown field `post`, expected `frame` or `grows`",
    );
    check_wrong(
        &with("[pair]\nclient = { headers = [\"a\"] }\npublish = { frame = \"b\" }"),
        "Name: value",
    );
    let posting = "[publisher]\npath = \"/p\"\n[publish]\npost = \"/b\"\nbody = \"{seq}\"";
    check_wrong(&with(posting), "publisher: only who publishes by a frame");
    check_wrong("separator = \"ä\"\n[client]\npath = \"/\"", "separator: ");
}

#[test]
fn a_post_has_its_head_and_its_length() {
    let file = "[client]\npath = \"/\"\n[publish]\npost = \"/p?id=1\"\nbody = \"{seq}\"\nheaders = [\"A: b\"]";
    let server: Server = file.parse().unwrap();
    let publish = server.publish.unwrap();
    assert!(!publish.is_by_frames());
    let mut out = Vec::new();
    publish.way.encode(&mut out, "äb");
    let expected = "POST /p?id=1 HTTP/1.1\r\nHost: loadtest\r\nA: b\r\nContent-Length: 3\r\n\r\näb";
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn the_files_that_are_ready_are_right() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("servers");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|kind| kind == "toml") {
            let server = Server::read(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
            assert!(server.publish.is_some(), "{path:?}");
            count += 1;
        }
    }
    assert!(0 < count);
    assert_eq!(Server::ride().publish.unwrap().way, Way::Frame);
}

#[test]
fn options_go_before_the_files_echo() {
    let mut server: Server = WHOLE.parse().unwrap();
    let echo = |server: &Server, send: Option<&str>, expect: Option<&str>| {
        let (send, expect) = (send.map(text), expect.map(text));
        Echo::of(server, send.as_ref(), expect.as_ref())
            .map(|echo| (echo.send.for_index(0), echo.expect.for_index(0)))
    };
    let pair = |send: &str, expect: &str| Some((send.to_owned(), expect.to_owned()));
    assert_eq!(echo(&server, None, None), pair("echo", "ohce"));
    assert_eq!(echo(&server, Some("a"), Some("")), pair("a", ""));
    assert_eq!(echo(&server, Some(""), None), None);
    server.echo = None;
    assert_eq!(echo(&server, None, Some("b")), None);
    assert_eq!(echo(&server, Some("a"), None), pair("a", ""));
}

#[test]
fn a_greeting_waits_for_each_expected_message() {
    let steps = &WHOLE.parse::<Server>().unwrap().subscriber.hello;
    let mut greeting = Greeting::default();
    let speak = |greeting: &mut Greeting| {
        let mut sent = Vec::new();
        greeting.speak(steps, Seat::of(5), |text| sent.push(text.to_owned()));
        sent
    };
    let hear = |greeting: &mut Greeting, message: &str| {
        greeting.hear(steps, message.as_bytes());
        greeting.end_message(steps, Seat::of(5))
    };
    assert!(speak(&mut greeting).is_empty());
    assert!(!hear(&mut greeting, "something else"));
    assert!(speak(&mut greeting).is_empty());
    assert!(hear(&mut greeting, "0{\"sid\":1}"));
    assert_eq!(speak(&mut greeting), ["40"]);
    assert!(!greeting.is_done(steps));
    assert!(hear(&mut greeting, "40{}"));
    assert_eq!(speak(&mut greeting), ["join 5"]);
    assert!(greeting.is_done(steps));
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let word = || "[a-c{}]{1,3}".prop_map(|word| Template::new(&word));
    let step = prop_oneof![word().prop_map(Step::Send), word().prop_map(Step::Expect)];
    prop::collection::vec(step, 0..8)
}

proptest! {
    #[test]
    fn every_greeting_ends_when_all_is_said_and_heard_and_not_before(
        steps in steps(), cut in 0..4_usize,
    ) {
        let mut greeting = Greeting::default();
        let mut sent = Vec::new();
        greeting.speak(&steps, Seat::of(3), |text| sent.push(text.to_owned()));
        for step in &steps {
            let Step::Expect(expected) = step else { continue };
            prop_assert!(!greeting.is_done(&steps));
            let message = format!("({})", expected.for_index(3));
            let (head, tail) = message.as_bytes().split_at(cut.min(message.len()));
            greeting.hear(&steps, head);
            greeting.hear(&steps, tail);
            prop_assert!(greeting.end_message(&steps, Seat::of(3)));
            greeting.speak(&steps, Seat::of(3), |text| sent.push(text.to_owned()));
        }
        prop_assert!(greeting.is_done(&steps));
        let all = steps.iter().filter_map(|step| match step {
            Step::Send(text) => Some(text.for_index(3)),
            Step::Expect(_) => None,
        });
        prop_assert_eq!(sent, all.collect::<Vec<_>>());
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "(?s).{0,60}") {
        let _ = text.parse::<Server>();
        let _ = format!("[client]\npath = \"/\"\n{text}").parse::<Server>();
    }
}
