//! Secrets come from files, and show nowhere.

mod every;

use super::*;
use crate::config::rsa::{BITS, PrivateKey};

#[test]
fn a_secrets_file_may_come_from_the_environment_and_replaces_the_value() {
    let file = TestFile::new("redis://:password@host/0\n");
    let text = "[cluster]\nredis = \"redis://other/\"";
    let config = sound(text, &[("TIDEGATE_CLUSTER__REDIS_FILE", file.path())]);
    let redis = config.cluster.redis.unwrap();
    assert!(redis.matches("redis://:password@host/0"));

    let text = format!("[cluster]\nredis_file = {:?}", file.path());
    let config = sound(&text, &[("TIDEGATE_CLUSTER__REDIS", "redis://other/")]);
    assert!(config.cluster.redis.unwrap().matches("redis://other/"));
}

#[test]
fn a_backends_secret_may_come_from_the_environment_as_a_file() {
    let file = TestFile::new("from-the-file-0123456789\n");
    let table = format!("{{ file = {:?} }}", file.path());
    let config = sound(
        "[dialect.ride.backends]\nb = \"of the configuration\"\nc = { file = \"/nowhere\" }",
        &[
            (
                "TIDEGATE_DIALECT__RIDE__BACKENDS__Flask_1_FILE",
                file.path(),
            ),
            ("TIDEGATE_DIALECT__RIDE__BACKENDS__a", &table),
            ("TIDEGATE_DIALECT__RIDE__BACKENDS__b_file", file.path()),
            ("TIDEGATE_DIALECT__RIDE__BACKENDS__c", "[plain"),
        ],
    );
    let backends = config.dialect.ride.backends;
    let names: Vec<&String> = backends.keys().collect();
    assert_eq!(names, ["Flask_1", "a", "b", "c"]);
    for name in ["Flask_1", "a", "b"] {
        assert!(backends[name].matches("from-the-file-0123456789"), "{name}");
    }
    assert!(backends["c"].matches("[plain"));
}

#[test]
fn a_backends_secret_that_cannot_be_read_is_a_mistake() {
    let found = |name: &str, value: &str| {
        let name = format!("TIDEGATE_DIALECT__RIDE__BACKENDS__{name}");
        mistakes("", &[(&name, value)])
    };
    for (name, value) in [("be_FILE", "/nowhere"), ("be", "{\"file\": \"/nowhere\"}")] {
        let line = &found(name, value)[0];
        let beginning = "dialect.ride.backends: is not usable, expected for \"be\" a readable file: \
                         /nowhere: ";
        assert!(line.starts_with(beginning), "{line}");
    }
    assert_eq!(
        found("be", "{ file = /nowhere }"),
        [
            "dialect.ride.backends.be: is not usable, expected a secret, or a table such as \
             { file = \"...\" } (from TIDEGATE_DIALECT__RIDE__BACKENDS__be)"
        ]
    );
    let environment = [
        ("TIDEGATE_DIALECT__RIDE__BACKENDS__be", "hunter2"),
        ("TIDEGATE_DIALECT__RIDE__BACKENDS__be_FILE", "/nowhere"),
    ];
    assert_eq!(
        mistakes("", &environment),
        [
            "dialect.ride.backends.be: is set by another variable already (from \
             TIDEGATE_DIALECT__RIDE__BACKENDS__be_FILE)"
        ]
    );
}

#[test]
fn a_missing_file_names_the_key() {
    let line = &mistakes("[cluster]\nredis_file = \"/nowhere/redis\"", &[])[0];
    let beginning =
        "cluster.redis_file: cannot be read, expected a readable file: /nowhere/redis: ";
    assert!(line.starts_with(beginning), "{line}");
    check_mistake(
        "[cluster]\nredis_file = 5",
        "cluster.redis_file: is 5, expected the path of a file",
    );
}

#[test]
fn both_forms_of_a_secret_are_a_mistake() {
    let file = TestFile::new("redis://host/0");
    let text = format!(
        "[cluster]\nredis = \"redis://h/\"\nredis_file = {:?}",
        file.path()
    );
    check_mistake(
        &text,
        "cluster.redis: stands beside redis_file, expected one of the two",
    );
    let environment = [
        ("TIDEGATE_CLUSTER__REDIS", "redis://h/"),
        ("TIDEGATE_CLUSTER__REDIS_FILE", file.path()),
    ];
    assert_eq!(
        mistakes("", &environment),
        ["cluster.redis: stands beside redis_file, expected one of the two"]
    );
}

#[test]
fn no_mistake_shows_a_secret() {
    let file = TestFile::new("hunter2");
    let text = format!(
        r#"
        [cluster]
        redis = "hunter2"
        [store]
        url = "hunter2"
        [api]
        keys = [
            {{ key = "hunter2 with a blank", scopes = [] }},
            {{ key = "hunter2", scopes = [] }},
            {{ key = "hunter2", scopes = [] }},
            {{ key = ["hunter2"], scopes = [] }},
        ]
        [dialect.ride]
        backends = ["hunter2"]
        keys = [{{ alg = "RS256", public_key = "hunter2", secret = "hunter2" }}]
        [dialect.im]
        orders.hook.url = "https://user:hunter2@host/"
        [dialect.device]
        private_key_file = {:?}
        keys = [{{ alg = "RS256", public_key_file = {:?} }}]
        "#,
        file.path(),
        file.path()
    );
    let environment = [
        ("TIDEGATE_DIALECT__LIVE__KEY", ""),
        (
            "TIDEGATE_DIALECT__RIDE__HOOK",
            r#"{ url = "http://h/", secret = 2, x = "hunter2" }"#,
        ),
    ];
    let found = mistakes_alone(&text, &environment);
    assert!(10 <= found.len(), "{found:#?}");
    for line in &found {
        assert!(!line.contains("hunter2"), "{line}");
    }
}

#[test]
fn no_syntax_error_shows_a_secret() {
    for text in [
        "key = \"hunter2",
        "key = hunter2",
        "key = 'hunter2' hunter2",
        "key = [\"hunter2\", hunter2",
        "key = { a = \"hunter2\", \"hunter2\" }",
        "key = \"\\hunter2\"",
        "key = \"\"\"hunter2",
        "key = 1hunter2",
        "key = 2026-hunter2",
        "[hunter2",
    ] {
        let found = mistakes_alone(text, &[]).concat();
        assert!(
            found.starts_with("tidegate.toml: line 1, column "),
            "{found}"
        );
        assert!(!found.contains("hunter2"), "{found}");
    }
}

#[test]
fn development_mode_makes_what_is_missing_and_nothing_else() {
    let config = Config::from_source(&Source::default(), &GENERATED).unwrap();
    assert!(config.development);
    let made = &config.throw_away;
    assert_eq!(made.api_key.as_ref(), Some(&config.api.keys[0].key));
    assert_eq!(config.api.keys[0].scopes, Scope::ALL);
    assert_eq!(
        made.ride_backend.as_ref(),
        config.dialect.ride.backends.get(RIDE_BACKEND)
    );
    assert_eq!(made.device_secret, config.dialect.device.keys[0].secret);
    assert_eq!(config.dialect.ride.tokens, Some(RideTokens::Any));
    let shown = format!("{config:?}");
    for key in [&made.api_key, &made.page_key] {
        assert!(!shown.contains(key.as_ref().unwrap().expose()));
    }

    let config = sound("development = true", &[]);
    assert!(config.throw_away.device_secret.is_none());
    assert!(config.throw_away.api_key.is_some());
}

#[test]
fn the_key_of_the_page_is_good_for_tokens_that_are_good_for_nothing_else() {
    let config = Config::from_source(&Source::default(), &GENERATED).unwrap();
    let page = config.throw_away.page_key.as_ref().unwrap();
    let found: Vec<_> = { config.api.keys.iter() }
        .filter(|it| it.key == *page)
        .collect();
    assert_eq!((found.len(), &*found[0].scopes), (1, &[Scope::Token][..]));
    let pair = PrivateKey::make(BITS).unwrap().to_pem().unwrap();
    let own_key = format!("dialect.im.private_key = '''{}'''", pair.private.expose());
    for own in [
        "api.keys = [{ key = \"mine\", scopes = [\"admin\"] }]",
        "dialect.im.enabled = false",
        &own_key,
    ] {
        let config = sound(&format!("development = true\n{own}"), &[]);
        assert_eq!(config.throw_away.page_key, None, "{own}");
        let mut keys = config.api.keys.iter();
        assert!(!keys.any(|key| key.scopes == [Scope::Token]), "{own}");
    }
}

#[test]
fn a_file_of_a_secret_that_never_ends_is_read_to_the_limit() {
    let line = &mistakes("[cluster]\nredis_file = \"/dev/zero\"", &[])[0];
    assert!(
        line.ends_with("/dev/zero: is larger than 1048576 bytes"),
        "{line}"
    );
}

#[test]
fn a_secret_without_quotes_does_not_show_in_the_mistake() {
    for secret in [
        "31337313373133731337",
        "0x1b2e3d4c5b6a79888",
        "313373133731337313373133731337e999",
    ] {
        let text = format!("[[api.keys]]\nkey = {secret}\nscopes = [\"admin\"]");
        let error = Config::from_source(&Source::from_text(text), &Generated::new()).unwrap_err();
        let shown = error.to_string();
        assert!(!shown.contains("31337"), "{shown}");
        assert!(!shown.contains("31337313373133731337"), "{shown}");
    }
}
