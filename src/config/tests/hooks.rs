use super::*;
use crate::{dialect::DialectId, happening::Kind};

/// The mistakes in a hook with these keys.
fn mistakes_in(keys: &str) -> Vec<String> {
    mistakes(
        &format!("[[backend.hooks]]\nurl = \"http://h/\"\n{keys}"),
        &[],
    )
}

#[track_caller]
fn check(keys: &str, expect: &str) {
    let expect = format!("backend.hooks[0].{expect}");
    assert_eq!(mistakes_in(keys), [expect], "{keys}");
}

#[test]
fn a_hook_says_of_what_it_is_told() {
    let config = sound(
        r#"
        [backend]
        hooks_backlog_max = 7
        [[backend.hooks]]
        url = "http://h/a"
        events = ["session.opened", "message.received"]
        dialects = ["ride", "device"]
        messages = ["order_*", "bye"]
        retry_for = "1h"
        concurrency_max = 3
        [[backend.hooks]]
        url = "http://h/b"
        events = "undeliverable"
        "#,
        &[],
    );
    let [first, second] = &config.backend.hooks[..] else {
        panic!("there are two");
    };
    assert_eq!(first.events, [Kind::SessionOpened, Kind::MessageReceived]);
    assert_eq!(first.dialects, [DialectId::Ride, DialectId::Device]);
    assert_eq!(first.messages, ["order_*", "bye"]);
    assert_eq!(first.retry_for, Duration::from_secs(3600));
    assert_eq!(first.concurrency_max, 3);
    assert_eq!(second.events, [Kind::Undeliverable]);
    assert_eq!(second.retry_for, Duration::from_secs(24 * 3600));
    assert_eq!(config.backend.hooks_backlog_max, 7);
}

#[test]
fn an_unknown_event_is_answered_with_those_that_there_are() {
    let events = "\"message.received\", \"room.occupied\", \"room.vacated\", \"session.closed\", \
                  \"session.opened\" or \"undeliverable\"";
    for event in ["session.gone", "call.due"] {
        check(
            &format!("events = [\"{event}\"]"),
            &format!("events[0]: is \"{event}\", expected {events}"),
        );
    }
    check("events = []", "events: is empty, expected at least one");
    check(
        "events = \"session.closed\"\ndialects = [\"mail\"]",
        "dialects[0]: is \"mail\", expected \"ride\", \"im\", \"room\", \"live\" or \"device\"",
    );
}

#[test]
fn messages_are_named_where_they_are_wanted() {
    check(
        "events = \"message.received\"",
        "messages: is missing, expected the flags, methods or types of the messages that it is told of, \
         since message.received is among its events",
    );
    check(
        "events = \"session.closed\"\nmessages = [\"x\"]",
        "messages: is of no use, since message.received is not among its events",
    );
    for pattern in ["", "a*b", "**"] {
        check(
            &format!("events = \"message.received\"\nmessages = [\"{pattern}\"]"),
            &format!("messages[0]: is {pattern:?}, expected a name, or its beginning and a \"*\""),
        );
    }
}

#[test]
fn a_hook_has_bounds_and_an_address_of_its_own() {
    let rest = "events = \"session.closed\"\n";
    for (key, value, expect) in [
        (
            "timeout",
            "\"0s\"",
            "is 0, expected a duration such as \"10s\"",
        ),
        (
            "retry_for",
            "\"0s\"",
            "is 0, expected a duration such as \"10s\"",
        ),
        ("concurrency_max", "0", "is 0, expected at least 1"),
    ] {
        check(
            &format!("{rest}{key} = {value}"),
            &format!("{key}: {expect}"),
        );
    }
    let twice = format!("{rest}[[backend.hooks]]\nurl = \"http://h/\"\n{rest}");
    assert_eq!(
        mistakes_in(&twice),
        ["backend.hooks[1].url: stands there twice"]
    );
    assert_eq!(
        mistakes("backend.hooks_backlog_max = 0", &[]),
        ["backend.hooks_backlog_max: is 0, expected at least 1"]
    );
}
