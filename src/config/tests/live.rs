//! The keys of the `live` dialect.

use super::*;

const CIPHER: &str = "dialect.live.key = \"kfw001-websocket\"\n";
const TOKENS: &str = "dialect.live.auth = \"jwt\"\n\
                      dialect.live.keys = [{ alg = \"HS256\", secret = \"0123456789abcdef\" }]\n";

#[test]
fn switched_on_it_needs_what_its_way_of_proving_needs() {
    let on = "dialect.live.enabled = true\n";
    check_mistake(
        on,
        "dialect.live.key: is missing, expected the key that applications seal the auth of clients \
         with, since dialect.live.auth is \"3des\"",
    );
    check_mistake(
        &format!("{on}{CIPHER}dialect.live.auth = \"jwt\""),
        "dialect.live.keys: is missing, expected at least one key, since dialect.live.auth is \"jwt\"",
    );
    for keys in [CIPHER, TOKENS, "development = true\n"] {
        assert!(
            sound(&format!("{on}{keys}"), &[])
                .dialect
                .live
                .mount
                .enabled,
            "{keys}"
        );
    }
}

#[test]
fn who_does_not_speak_of_it_has_it_where_there_is_a_key() {
    let enabled = |text: &str| sound(text, &[]).dialect.live.mount.enabled;
    for (text, expect) in [
        ("", false),
        ("dialect.live.auth = \"jwt\"\n", false),
        ("development = true\ndialect.live.auth = \"jwt\"\n", false),
        ("development = true\n", true),
        (CIPHER, true),
        (TOKENS, true),
    ] {
        assert_eq!(enabled(text), expect, "{text}");
        assert!(!enabled(&format!("dialect.live.enabled = false\n{text}")));
    }
}

#[test]
fn development_mode_makes_a_key_up_where_there_is_none() {
    let made = sound("development = true", &[]);
    let key = made.throw_away.live_key.clone().unwrap();
    assert_eq!(made.dialect.live.key, Some(key.clone()));
    assert_eq!(key.expose().len(), 24, "all of it counts");
    let own = sound(&format!("development = true\n{CIPHER}"), &[]);
    assert_eq!(own.throw_away.live_key, None);
    assert!(!format!("{own:?}").contains("kfw001"));
}

#[test]
fn the_legacy_cipher_is_warned_of_and_the_other_way_is_not() {
    let warned = |text: &str| {
        let warnings = sound(text, &[]).warnings();
        warnings
            .iter()
            .any(|warning| warning.starts_with("dialect.live.auth: "))
    };
    assert!(warned(CIPHER));
    assert!(!warned(TOKENS));
    assert!(!warned("development = true"));
    assert!(!warned(&format!("dialect.live.enabled = false\n{CIPHER}")));
}
