//! The way in of `room` clients.

use super::*;

const NO_WAY_IN: &str = "dialect.room.keys: is missing, expected at least one key, or \
                         dialect.room.hook, or dialect.room.open = true, or backend.connect or \
                         backend.subscribe for the dialect: nobody could come in";
const KEY: &str = "dialect.room.keys = [{ alg = \"HS256\", secret = \"0123456789abcdef\" }]\n";
/// What lets clients in.
const WAYS: [&str; 4] = [
    "development = true\n",
    KEY,
    "dialect.room.hook.url = \"http://127.0.0.1/\"\n",
    "dialect.room.open = true\n",
];

#[test]
fn who_does_not_speak_of_it_has_it_where_something_lets_clients_in() {
    let enabled = |text: &str| sound(text, &[]).dialect.room.mount.enabled;
    assert!(!enabled(""));
    // Made for clients of other dialects, as far as anybody knows.
    assert!(!enabled("backend.subscribe.url = \"http://127.0.0.1/\""));
    assert!(!enabled("dialect.room.open = false"));
    for text in WAYS {
        assert!(enabled(text), "{text}");
        assert!(!enabled(&format!("dialect.room.enabled = false\n{text}")));
    }
}

#[test]
fn switched_on_it_needs_a_way_in() {
    let on = "dialect.room.enabled = true\n";
    check_mistake(on, NO_WAY_IN);
    check_mistake(
        &format!("{on}backend.connect = {{ url = \"http://127.0.0.1/\", dialects = [\"im\"] }}"),
        NO_WAY_IN,
    );
    for text in WAYS {
        sound(&format!("{on}{text}"), &[]);
    }
    for hook in ["connect", "subscribe"] {
        sound(
            &format!("{on}backend.{hook}.url = \"http://127.0.0.1/\""),
            &[],
        );
    }
}

#[test]
fn its_paths_end_with_the_room() {
    check_mistake(
        &format!("dialect.room.paths = [\"/r/{{room}}\", \"/room/{{group}}/ws\"]\n{KEY}"),
        "dialect.room.paths: has \"/room/{group}/ws\", expected paths that end with a placeholder \
         such as {group}, which stands for the room",
    );
    check_mistake(
        &format!("dialect.room.keys = [{{ alg = \"HS256\" }}]\n{}", &WAYS[3]),
        "dialect.room.keys[0].secret: is missing, expected the secret that tokens are signed with, \
         or secret_file",
    );
}

#[test]
fn open_rooms_on_a_node_for_others_are_warned_of() {
    let warnings = |text: &str| sound(text, &[]).warnings();
    let open = "dialect.room.open = true\n";
    assert_eq!(
        warnings(open),
        ["dialect.room.open: is true, so that anybody may join every room that has no meaning"]
    );
    assert!(warnings(&format!("development = true\n{open}")).is_empty());
    assert!(warnings(KEY).is_empty());
    let short = "dialect.room.keys = [{ alg = \"HS256\", secret = \"short\" }]";
    assert!(warnings(short)[0].starts_with("dialect.room.keys: has a secret of less than"));
}

#[test]
fn development_mode_makes_a_key_for_it_if_there_is_none() {
    let config = Config::from_source(&Source::default(), &GENERATED).unwrap();
    let made = &config.throw_away.room_secret;
    assert!(made.is_some() && *made == config.dialect.room.keys[0].secret);
    let hook = "development = true\ndialect.room.hook.url = \"http://127.0.0.1/\"";
    let config = sound(hook, &[]);
    assert!(config.throw_away.room_secret.is_none() && config.dialect.room.keys.is_empty());
    let off = sound("development = true\ndialect.room.enabled = false", &[]);
    assert!(off.throw_away.room_secret.is_none());
}

#[test]
fn a_way_in_is_taken_over_by_a_reload_and_the_switch_is_not() {
    let (before, next) = (sound("", &[]), sound(KEY, &[]));
    let changes = before.diff(&next);
    assert_eq!(changes.needs_restart, ["dialect.room.enabled"]);
    assert_eq!(changes.applied, ["dialect.room.keys"]);
    let taken = before.taken_over(next.clone());
    assert!(!taken.dialect.room.mount.enabled);
    assert_eq!(taken.diff(&next).needs_restart, ["dialect.room.enabled"]);
}
