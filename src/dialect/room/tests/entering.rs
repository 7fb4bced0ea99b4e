//! Who comes into which room.

use super::*;
use crate::dialect::Offers;

#[test]
fn in_development_mode_anyone_comes_in_and_is_whom_it_says() {
    for settings in all() {
        for (query, expect) in [
            ("", "enter\nsubscribe room:a"),
            ("user=", "enter\nsubscribe room:a"),
            ("user=7&name=Eve", "authenticate 7\nsubscribe room:a"),
            ("agent=4", "authenticate 4\nsubscribe room:a"),
            ("user=7&agent=4", "authenticate 4\nsubscribe room:a"),
            ("user=%00", "close auth_failed"),
            ("user=%FF", "close auth_failed"),
            ("token=%FF", "close auth_failed"),
        ] {
            let (_, actions) = open_at(settings.clone(), "/room/a", query);
            assert_eq!(actions, expect, "{query}");
        }
    }
}

#[test]
fn for_others_nobody_is_believed() {
    for settings in PROFILES.map(|profile| for_others(profile, Mode::Push)) {
        for query in ["", "user=7", "user=%FF", "agent=4&name=Eve"] {
            let (_, actions) = open_at(settings.clone(), "/room/a/", query);
            assert_eq!(actions, "enter\nsubscribe room:a", "{query}");
        }
    }
}

#[test]
fn everybody_is_decided_about_before_anything_else() {
    for (query, asked, entered) in [
        ("", "may - - claimed", "enter"),
        ("user=7", "may 7 - claimed", "authenticate 7"),
    ] {
        let room = Room::new(settings(Profile::Documented, Mode::Push));
        let begin = |answer: Answer| {
            let (client, actions) = Client::gated_at(&room, "/room/a/", query);
            assert_eq!(lines(&actions), asked);
            lines(&{ client }.answer(answer))
        };
        assert_eq!(
            begin(granted(None, &["b", "a"], None)),
            format!("{entered}\nsubscribe room:a\nsubscribe room:b")
        );
        // Nobody has proven who it is.
        assert_eq!(
            begin(granted(Some("9"), &[], None)),
            "authenticate 9\nsubscribe room:a"
        );
        assert_eq!(begin(Answer::denied("no")), "close auth_failed");
        assert_eq!(begin(Answer::Unavailable), "close auth_unavailable");
    }
}

#[test]
fn a_token_goes_before_what_the_query_says() {
    for settings in all() {
        let room = Room::new(settings);
        let begin = |answer: Answer| {
            let (client, actions) = Client::open_at(&room, "/room/a/", "token=t&user=7");
            assert_eq!(lines(&actions), "ask t -");
            lines(&{ client }.answer(answer))
        };
        assert_eq!(
            begin(granted(Some("42"), &["b", "live/9"], None)),
            "authenticate 42\nsubscribe room:a\nsubscribe room:b\nsubscribe room:live/9"
        );
        // A hook that leaves the client its own word.
        assert_eq!(
            begin(granted(None, &["b"], None)),
            "authenticate 7\nsubscribe room:a\nsubscribe room:b"
        );
        assert_eq!(begin(Answer::denied("no")), "close auth_failed");
        assert_eq!(begin(Answer::Unavailable), "close auth_unavailable");
    }
}

#[test]
fn who_has_shown_a_good_token_is_proven() {
    let room = Room::new(for_others(Profile::Documented, Mode::Push));
    let (client, _) = Client::gated_at(&room, "/room/a/", "token=t");
    let asked = { client }.answer(granted(Some("42"), &[], None));
    assert_eq!(lines(&asked), "may 42 - proven");
    let (client, _) = Client::gated_at(&room, "/room/a/", "token=t&user=7");
    let asked = { client }.answer(granted(None, &[], None));
    assert_eq!(lines(&asked), "may - - claimed");
}

fn closed(open: bool) -> Settings {
    Settings {
        open,
        believes: false,
        ..Settings::default()
    }
}

/// What comes of a client with a token for this.
#[track_caller]
fn check(settings: &Settings, path: &str, answer: Answer, expect: &str) {
    let (client, actions) = Client::open_at(&Room::new(settings.clone()), path, "token=t");
    assert_eq!(lines(&actions), "ask t -");
    assert_eq!(lines(&{ client }.answer(answer)), expect, "{path}");
}

#[test]
fn a_room_that_is_not_open_takes_a_grant() {
    let settings = closed(false);
    let (_, actions) = open_at(settings.clone(), "/room/a/", "");
    assert_eq!(actions, "close auth_failed");
    let seven = |rooms: &[&str]| granted(Some("7"), rooms, None);
    let inside = "authenticate 7\nsubscribe room:a";
    check(&settings, "/room/a/", seven(&["a"]), inside);
    check(&settings, "/room/a/", seven(&["b"]), "close auth_failed");
    let nobody = granted(None, &["a"], None);
    check(&settings, "/room/a/", nobody, "enter\nsubscribe room:a");
}

#[test]
fn a_room_with_a_meaning_is_for_those_it_is_for_also_where_rooms_are_open() {
    for open in [true, false] {
        let settings = closed(open);
        let seven = |rooms: &[&str], role| granted(Some("7"), rooms, role);
        let refused = "close auth_failed";
        for path in ["/room/agents/", "/room/user_7/", "/room/user_/"] {
            let (_, actions) = open_at(settings.clone(), path, "user=7&agent=7");
            assert_eq!(actions, refused, "{path}");
        }
        check(&settings, "/room/agents/", seven(&[], None), refused);
        check(
            &settings,
            "/room/agents/",
            seven(&[], Some("boss")),
            refused,
        );
        check(
            &settings,
            "/room/user_8/",
            seven(&[], Some("agent")),
            refused,
        );
        let nobody = granted(None, &[], Some("agent"));
        check(&settings, "/room/agents/", nobody, refused);
        let own = "authenticate 7\nsubscribe room:user_7";
        check(&settings, "/room/user_7/", seven(&[], None), own);
        let guest = "authenticate 7\nsubscribe room:agents";
        check(&settings, "/room/agents/", seven(&["agents"], None), guest);
        let sits = "authenticate 7\nsubscribe room:agents\n\
                    call sit Service(Sit { name: \"7\" })";
        check(&settings, "/room/agents/", seven(&[], Some("agent")), sits);
    }
}

#[test]
fn the_service_decides_about_rooms_that_nothing_else_opens() {
    let offers = Arc::new(Offers::default());
    offers.set_decides_joins(true);
    let settings = Settings {
        offers,
        ..closed(false)
    };
    let room = Room::new(settings.clone());
    for (answer, expect) in [
        (
            granted(None, &[], None),
            "authenticate 7\nsubscribe room:a\nsubscribe room:b",
        ),
        (Answer::denied("no"), "close auth_failed"),
        (Answer::Unavailable, "close auth_unavailable"),
    ] {
        let (mut client, _) = Client::open_at(&room, "/room/a/", "token=t");
        let asked = client.answer(granted(Some("7"), &["b"], None));
        assert_eq!(lines(&asked), "join room:a as 7");
        assert_eq!(lines(&client.answer(answer)), expect);
    }
    let (_, actions) = open_at(settings.clone(), "/room/agents/", "");
    assert_eq!(actions, "join room:agents");
    let inside = "authenticate 7\nsubscribe room:a";
    check(
        &settings,
        "/room/a/",
        granted(Some("7"), &["a"], None),
        inside,
    );
}

#[test]
fn more_rooms_than_a_session_may_have_end_it() {
    let mut client = joined(settings(Profile::Documented, Mode::Push), "");
    assert_eq!(lines(&client.overfull()), "close too_many_topics");
}

#[test]
fn an_agent_takes_customers_from_when_it_is_in() {
    for settings in all() {
        let (mut client, actions) = open_at(settings, "/room/agents/", "agent=4&name=%E6%9D%8E");
        assert_eq!(
            actions,
            "authenticate 4\nsubscribe room:agents\ncall sit Service(Sit { name: \"李\" })"
        );
        assert_eq!(lines(&client.text(r#"{"type":0}"#)).lines().count(), 1);
    }
    let long = format!("agent=4&name={}", "x".repeat(101));
    for query in ["agent=4", "agent=4&name=%07", &long] {
        let settings = settings(Profile::Documented, Mode::Push);
        let (_, actions) = open_at(settings, "/room/agents/", query);
        assert!(actions.ends_with("Sit { name: \"4\" })"), "{actions}");
    }
}

#[test]
fn in_development_mode_anyone_may_watch_the_agents_and_takes_no_customers() {
    for query in ["", "user=7"] {
        let settings = settings(Profile::Documented, Mode::Push);
        let (_, actions) = open_at(settings, "/room/agents/", query);
        assert!(actions.ends_with("subscribe room:agents"), "{actions}");
    }
}
