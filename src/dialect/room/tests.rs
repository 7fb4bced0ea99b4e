//! Conversations fed by hand. What is said of both profiles is tried in both.

mod entering;
mod speaking;

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::{
    dialect::{
        Action, Answer, Grant,
        testing::{Client, Step, check_order, json, lines, payload, session, steps},
    },
    topic::Topic,
};

const PROFILES: [Profile; 2] = [Profile::Documented, Profile::Observed];
const MODES: [Mode; 2] = [Mode::Push, Mode::Chat];

/// A node for trying things out.
fn settings(profile: Profile, mode: Mode) -> Settings {
    Settings {
        profile,
        mode,
        reply: "no".into(),
        open: true,
        believes: true,
        ..Settings::default()
    }
}

/// A node for others, whose rooms are open.
fn for_others(profile: Profile, mode: Mode) -> Settings {
    Settings {
        believes: false,
        ..settings(profile, mode)
    }
}

/// Every profile with every mode.
fn all() -> impl Iterator<Item = Settings> {
    let profiles = PROFILES.into_iter();
    profiles.flat_map(|profile| MODES.map(|mode| settings(profile, mode)))
}

fn open_at(settings: Settings, path: &str, query: &str) -> (Client, String) {
    let (client, actions) = Client::open_at(&Room::new(settings), path, query);
    (client, lines(&actions))
}

/// A client that is in room `a`.
fn joined(settings: Settings, query: &str) -> Client {
    let (client, actions) = open_at(settings, "/room/a/", query);
    assert!(actions.ends_with("subscribe room:a"), "{actions}");
    client
}

fn granted(user: Option<&str>, rooms: &[&str], role: Option<&str>) -> Answer {
    Answer::Granted(Grant {
        user: user.map(|user| user.parse().unwrap()),
        rooms: rooms
            .iter()
            .map(|room| Topic::room(room).unwrap())
            .collect(),
        role: role.map(Into::into),
        ..Grant::default()
    })
}

// === Paths, encoding and closes ===

#[test]
fn an_impossible_room_is_not_found() {
    let room = Room::new(settings(Profile::Documented, Mode::Push));
    for path in ["/room/中/", "/room/a%2Fb/", "/"] {
        let hello = Hello {
            session: &session(),
            path,
            query: "",
            remote: [127, 0, 0, 1].into(),
            now: Default::default(),
        };
        let refused = room.accept(&hello).err();
        assert_eq!(refused.map(|refusal| refusal.status), Some(404), "{path}");
    }
}

#[test]
fn a_message_is_its_data_alone_and_none_is_null() {
    let room = Room::new(settings(Profile::Documented, Mode::Push));
    for (data, text) in [
        (r#"{"name": "234"}"#, r#"{"name": "234"}"#),
        (r#""你""#, r#""你""#),
        ("", "null"),
    ] {
        let topic = Topic::room("a").unwrap();
        let message = Message::new(topic, "send_to_chrome", data.as_bytes().into());
        assert_eq!(payload(&room.encode(&message)), text);
    }
}

#[test]
fn a_frame_that_cannot_be_read_closes_with_1011_and_everything_else_as_everywhere() {
    for settings in all() {
        let room = Room::new(settings);
        for reason in CloseReason::ALL {
            let expect = match reason {
                CloseReason::Violation => CloseForm::Code(1011),
                _ => reason.form(),
            };
            assert_eq!(room.close_form(reason), expect, "{reason:?}");
        }
    }
}

#[test]
fn applications_are_told_of_envelopes_and_of_messages() {
    let room = Room::new(settings(Profile::Documented, Mode::Push));
    for (text, kind) in [
        (r#"{"type":1,"to":"2","message":1}"#, "single"),
        (r#"{"type":2}"#, "group"),
        (r#"{"type":3}"#, "message"),
        (r#"{"type":1,"type":1}"#, "message"),
        (r#"{"type":"1"}"#, "message"),
        (r#"{"message":1,"from":"a"}"#, "message"),
        ("hello", "message"),
        ("", "message"),
    ] {
        assert_eq!(room.kind_of(text).as_deref(), Some(kind), "{text}");
    }
}

// === Whatever comes ===

/// Frames of the dialect, good and bad.
fn frame() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just("\"a\"".to_owned()),
        Just("\"b\"".to_owned()),
        Just("\"service\"".to_owned()),
        Just("1".to_owned()),
        Just("2".to_owned()),
        Just("\"transfer\"".to_owned()),
        json(),
    ];
    let key = prop_oneof![
        Just("type"),
        Just("from"),
        Just("to"),
        Just("message"),
        Just("customer"),
    ];
    proptest::collection::vec((key, word), 0..5).prop_map(|fields| {
        let fields: Vec<_> = fields
            .into_iter()
            .map(|(key, value)| format!("{key:?}:{value}"))
            .collect();
        format!("{{{}}}", fields.join(","))
    })
}

fn choice() -> impl Strategy<Value = (Settings, &'static str, &'static str)> {
    let choices = (
        0..2usize,
        0..2usize,
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
    );
    let settings = choices.prop_map(|(profile, mode, open, believes, decides)| {
        let settings = Settings {
            open,
            believes,
            ..settings(PROFILES[profile], MODES[mode])
        };
        settings.offers.set_decides_joins(decides);
        settings
    });
    let paths = prop_oneof![
        Just("/room/a/"),
        Just("/room/agents"),
        Just("/room/user_7/")
    ];
    let queries = prop_oneof![
        Just(""),
        Just("token=t"),
        Just("user=7"),
        Just("agent=4&name=Eve"),
        Just("token=t&user=7"),
        Just("token=%FF"),
    ];
    (settings, paths, queries)
}

proptest! {
    #[test]
    fn nothing_is_done_before_the_client_is_let_in_nor_after_the_end(
        (settings, path, query) in choice(),
        steps in steps(frame()),
    ) {
        let (mut client, mut actions) = Client::open_at(&Room::new(settings), path, query);
        for step in steps {
            if matches!(actions.last(), Some(Action::Close(_))) {
                break;
            }
            // A session feeds nothing else in while a question is open.
            let is_asking = matches!(actions.last(), Some(Action::Ask(_)));
            if is_asking == matches!(step, Step::Answer(_)) {
                actions.extend(client.step(step));
            }
        }
        check_order(&actions);
    }

    #[test]
    fn what_is_published_is_json_and_nobody_is_somebody_else(
        (mode, texts) in (0..2usize, proptest::collection::vec(frame(), 0..12)),
    ) {
        let mut client = joined(settings(Profile::Observed, MODES[mode]), "user=7");
        for text in texts {
            for action in client.text(&text) {
                let Action::Publish(message) = action else {
                    continue;
                };
                let data: Value = serde_json::from_slice(&message.data).unwrap();
                if &*message.event != "message" {
                    prop_assert_eq!(&data["from"], "7");
                    prop_assert!(data["type"] == 1 || data["type"] == 2);
                }
            }
        }
    }
}
