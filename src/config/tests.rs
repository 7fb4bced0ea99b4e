//! The configuration as its users see it: texts in, a configuration or mistakes out.

mod hooks;
mod im;
mod live;
mod reference;
mod room;
mod rules;
mod secrets;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use proptest::prelude::*;

use super::*;

/// One for all, so that two readings differ in nothing but their texts.
static GENERATED: LazyLock<Generated> = LazyLock::new(Generated::new);

/// What a node outside development mode needs at least.
const SOUND: &str = r#"
[dialect.ride]
tokens = "any"
realm = "ride"
[dialect.device]
keys = [{ alg = "HS256", secret = "0123456789abcdef" }]
"#;

fn source(text: &str, environment: &[(&str, &str)]) -> Source {
    let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Source {
        environment: environment.iter().map(pair).collect(),
        ..Source::from_text(text)
    }
}

#[track_caller]
fn sound(text: &str, environment: &[(&str, &str)]) -> Config {
    let source = source(&format!("{text}\n{SOUND}"), environment);
    Config::from_source(&source, &GENERATED).unwrap()
}

/// The mistakes of a text that stands in front of a sound one.
#[track_caller]
fn mistakes(text: &str, environment: &[(&str, &str)]) -> Vec<String> {
    mistakes_alone(&format!("{text}\n{SOUND}"), environment)
}

#[track_caller]
fn mistakes_alone(text: &str, environment: &[(&str, &str)]) -> Vec<String> {
    let error = Config::from_source(&source(text, environment), &GENERATED).unwrap_err();
    let text = error.to_string();
    assert_eq!(text.lines().count(), error.mistakes().len(), "{text}");
    text.lines().map(str::to_owned).collect()
}

#[track_caller]
fn check_mistake(text: &str, expect: &str) {
    assert_eq!(mistakes(text, &[]), [expect]);
}

/// A file that exists as long as the value does.
struct TestFile(PathBuf);

impl TestFile {
    fn new(text: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("tidegate-config-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, text).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for TestFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn defaults_are_those_of_the_documentation() {
    let config = sound("", &[]);
    assert!(!config.development);
    assert_eq!(config.listen.public, ["127.0.0.1:8080".parse().unwrap()]);
    assert_eq!(config.listen.admin, "127.0.0.1:8081".parse().unwrap());
    assert_eq!(config.cluster.prefix, "tg:");
    assert_eq!(config.store.url.expose(), "sqlite://tidegate.db");
    assert_eq!(config.limits.idle, Duration::from_secs(60));
    assert_eq!(config.limits.message_bytes_max, 65_536);
    assert_eq!(config.limits.outbox_bytes_max, 262_144);
    assert_eq!(config.limits.connections_max, 100_000);
    assert_eq!(config.drain.grace, Duration::from_secs(25));
    assert_eq!(config.dialect.ride.mount.paths, ["/ws/", "/websocket"]);
    assert_eq!(config.dialect.ride.mount.ping, Ping::Off);
    let every = Ping::Every(Duration::from_secs(25));
    assert_eq!(config.dialect.device.mount.ping, every);
    assert_eq!(config.dialect.room.mount.ping, every);
    assert_eq!(config.log.level.as_str(), "info");
    assert!(config.throw_away.is_empty());
    assert!(config.warnings().is_empty());
}

#[test]
fn every_key_of_the_documentation_is_known() {
    let pair = rsa::PrivateKey::make(rsa::BITS).unwrap().to_pem().unwrap();
    let file = TestFile::new(pair.private.expose());
    let text = DOCUMENTED.replace("im.pem", file.path());
    let public = pair.public.replace('\n', "\\n");
    let text = text.replace("-----BEGIN PUBLIC KEY-----...", &public);
    let config = Config::from_source(&source(&text, &[]), &GENERATED).unwrap();
    assert_eq!(config.node().as_str(), "gw-1");
    assert_eq!(config.api.keys[0].scopes.len(), 4);
    assert_eq!(config.backend.methods[0].timeout, Duration::from_secs(2));
    assert_eq!(config.backend.jobs[0].kind, "ocr");
    assert_eq!(config.dialect.live.max_age, Duration::from_secs(7 * 86_400));
    assert!(config.dialect.ride.backends["11flask_backend"].matches("secret"));
    let private = config.dialect.im.private_key.unwrap();
    assert!(private.matches(pair.private.expose().trim_end()));
}

const DOCUMENTED: &str = r#"
development = false
[listen]
public = "127.0.0.1:8080"
admin = "127.0.0.1:8081"
trusted_proxies = ["10.0.0.0/8"]
origins = ["https://app.example"]
[cluster]
redis = "redis://127.0.0.1:6379/0"
node = "gw-1"
prefix = "tg:"
[store]
url = "sqlite://tidegate.db"
[[api.keys]]
key = "0123456789abcdef"
scopes = ["publish", "read", "admin", "token"]
[limits]
idle = "60s"
message_bytes_max = 65536
outbox_bytes_max = 262144
connections_max = 100000
connections_per_address_max = 0
handshakes_per_second = 0
messages_per_second = 0
messages_burst = 0
[drain]
delay = "2s"
grace = "25s"
rate = 500
[presence]
linger = "2s"
[dialect.ride]
enabled = true
profile = "documented"
paths = ["/ws/", "/websocket"]
tokens = "any"
realm = "ride"
backends = { 11flask_backend = "secret" }
[dialect.im]
public_keys = ["-----BEGIN PUBLIC KEY-----..."]
private_key_file = "im.pem"
sessions = "single"
one_time = false
[dialect.room]
mode = "push"
strategy = "round_robin"
open = true
[dialect.live]
key = "kfw001-websocket"
max_age = "7d"
[dialect.device]
keys = [{ alg = "HS256", secret = "0123456789abcdef" }]
[backend]
pubsub_channel = "websocket_messages"
[[backend.methods]]
prefix = "shop."
url = "http://10.0.0.5/method"
timeout = "2s"
[[backend.hooks]]
events = ["session.opened", "session.closed"]
url = "http://10.0.0.5/hook"
secret = "..."
[[backend.jobs]]
kind = "ocr"
url = "http://10.0.0.5/ocr"
[log]
level = "info"
format = "text"
"#;

#[test]
fn the_environment_wins_over_the_file_and_the_file_over_the_default() {
    let text = "[limits]\nidle = \"30s\"\nmessage_bytes_max = 1024";
    let config = sound(text, &[("TIDEGATE_LIMITS__IDLE", "5s")]);
    assert_eq!(config.limits.idle, Duration::from_secs(5));
    assert_eq!(config.limits.message_bytes_max, 1024);
    assert_eq!(config.limits.connections_max, 100_000);
}

#[test]
fn the_environment_is_read_as_whatever_is_expected() {
    let config = sound(
        "",
        &[
            ("TIDEGATE_LIMITS__MESSAGE_BYTES_MAX", "8080"),
            ("TIDEGATE_LISTEN__PROXY_PROTOCOL", "true"),
            (
                "TIDEGATE_LISTEN__PUBLIC",
                r#"["127.0.0.1:1", "127.0.0.1:2"]"#,
            ),
            ("TIDEGATE_LISTEN__ORIGINS", "https://app.example"),
            ("TIDEGATE_CLUSTER__NODE", "8"),
            ("TIDEGATE_API__KEYS", r#"[{"key":"k","scopes":["read"]}]"#),
            ("TIDEGATE_DIALECT__RIDE__BACKENDS__Flask_1", "s3cret"),
            (
                "TIDEGATE_DIALECT__DEVICE__HOOK",
                "{ url = \"http://h/\", timeout = \"1s\" }",
            ),
        ],
    );
    assert_eq!(config.limits.message_bytes_max, 8080);
    assert!(config.listen.proxy_protocol);
    assert_eq!(config.listen.public.len(), 2);
    assert_eq!(config.listen.origins, ["https://app.example"]);
    assert_eq!(config.node().as_str(), "8");
    assert_eq!(config.api.keys[0].scopes, [Scope::Read]);
    assert!(config.dialect.ride.backends["Flask_1"].matches("s3cret"));
    let hook = config.dialect.device.hook.unwrap();
    assert_eq!(hook.timeout, Duration::from_secs(1));
}

#[test]
fn a_table_of_the_environment_gets_further_keys_of_the_environment() {
    let environment = [
        ("TIDEGATE_DIALECT__RIDE__HOOK", r#"{"url":"http://a/"}"#),
        ("TIDEGATE_DIALECT__RIDE__HOOK__TIMEOUT", "9s"),
    ];
    let hook = sound("", &environment).dialect.ride.hook.unwrap();
    assert_eq!(hook.timeout, Duration::from_secs(9));

    let environment = [
        ("TIDEGATE_LISTEN", "x"),
        ("TIDEGATE_LISTEN__ADMIN", "127.0.0.1:1"),
    ];
    assert_eq!(
        mistakes("", &environment),
        ["listen.admin: is no table of keys (from TIDEGATE_LISTEN__ADMIN)"]
    );
}

#[test]
fn the_case_of_a_variable_does_not_matter_and_none_stands_twice() {
    let config = sound("", &[("tidegate_limits__IDLE", "5s")]);
    assert_eq!(config.limits.idle, Duration::from_secs(5));
    let environment = [
        ("TIDEGATE_LIMITS__IDLE", "5s"),
        ("tidegate_limits__idle", "6s"),
    ];
    assert_eq!(
        mistakes("", &environment),
        ["limits.idle: is set by another variable already (from tidegate_limits__idle)"]
    );
}

#[test]
fn an_empty_variable_and_the_addresses_of_a_service_are_no_configuration() {
    let environment = [
        ("TIDEGATE_CLUSTER__REDIS", ""),
        ("TIDEGATE_SERVICE_HOST", "10.0.0.1"),
        ("TIDEGATE_SERVICE_PORT_PUBLIC", "8080"),
        ("TIDEGATE_PORT", "tcp://10.0.0.1:8080"),
        ("TIDEGATE_PORT_8080_TCP_ADDR", "10.0.0.1"),
        ("TIDEGATE_ADMIN_PORT_8081_TCP", "tcp://10.0.0.1:8081"),
        ("TIDEGATE_ADMIN_SERVICE_PORT", "8081"),
        ("PATH", "/bin"),
    ];
    assert!(sound("", &environment).cluster.redis.is_none());
    let mut nothing = source("", &environment);
    nothing.file = None;
    assert!(nothing.is_empty());
    assert!(
        Config::from_source(&nothing, &GENERATED)
            .unwrap()
            .development
    );
}

#[test]
fn unknown_keys_are_mistakes_that_name_the_nearest() {
    let text = "[limits]\nidel = \"1s\"";
    let line = &mistakes(text, &[("TIDEGATE_LSTEN__ADMIN", "x")]);
    assert!(line[0].starts_with("limits.idel: is not a known key, did you mean idle? Allowed are"));
    let beginning = "lsten: is not a known key (from TIDEGATE_LSTEN__ADMIN), did you mean listen?";
    assert!(line[1].starts_with(beginning), "{}", line[1]);

    let line = &mistakes("colour = 1", &[])[0];
    assert!(line.starts_with("colour: is not a known key, allowed are development, pid_file"));
    let line = &mistakes("\"\" = 1", &[])[0];
    assert!(line.starts_with("\"\": is not a known key, allowed are"));
    let line = &mistakes("[[api.keys]]\nkey = \"a\"\nscopes = []\nrole = 1", &[])[0];
    assert!(
        line.starts_with("api.keys[0].role: is not a known key"),
        "{line}"
    );
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let text = r#"
        nonsense = 1
        [listen]
        public = ["127.0.0.1:8080", 5]
        [limits]
        idle = "abc"
        message_timeout = 10
        connections_max = -1
        [drain]
        rate = 0
        [[api.keys]]
        scopes = ["everything"]
        [[backend.hooks]]
        events = ["session.opened"]
    "#;
    let mut found = mistakes(text, &[("TIDEGATE_LISTEN__ADMIN", "8081")]);
    found.sort();
    let expect = [
        "api.keys[0].key: is missing, expected a text that is not empty, or key_file",
        "api.keys[0].scopes[0]: is \"everything\", expected \"publish\", \"read\", \"admin\" or \
         \"token\"",
        "backend.hooks[0].url: is missing, expected an address such as \
         \"http://10.0.0.5/path\", without a password",
        "drain.rate: is 0, expected at least 1",
        "limits.connections_max: is -1, expected a whole number from 0 to 9223372036854775807",
        "limits.idle: is \"abc\", expected a duration such as \"60s\"",
        "limits.message_timeout: is 10, expected a duration such as \"60s\"",
        "listen.admin: is \"8081\" (from TIDEGATE_LISTEN__ADMIN), expected an address and a port \
         such as \"127.0.0.1:8080\"",
        "listen.public[1]: is 5, expected an address and a port such as \"127.0.0.1:8080\"",
    ];
    assert_eq!(found[..9], expect);
    assert!(found[9].starts_with("nonsense: is not a known key"));
}

#[test]
fn a_number_that_is_too_large_names_its_key_and_hides_nothing() {
    let text = r#"
        listen.trusted_proxies = ["10.0.0.0/8", 1e999, "10.0.0.0/33"]
        [limits]
        connections_max = 99999999999999999999
        handshakes_per_second = 5_000_000_000
        messages_per_second = 0xffff_ffff_ffff_ffff_ffff
        outbox_bytes_max = 0x10
    "#;
    let mut found = mistakes(text, &[("TIDEGATE_RUNTIME__SHARDS", "70000")]);
    found.sort();
    assert_eq!(
        found,
        [
            "limits.connections_max: is a number that is too large, expected a whole number from 0 \
             to 9223372036854775807",
            "limits.handshakes_per_second: is 5000000000, expected a whole number from 0 to \
             4294967295",
            "limits.messages_per_second: is a number that is too large, expected a whole number \
             from 0 to 4294967295",
            "listen.trusted_proxies[1]: is a number that is too large, expected a range of \
             addresses such as \"10.0.0.0/8\"",
            "listen.trusted_proxies[2]: is \"10.0.0.0/33\", expected a range of addresses such as \
             \"10.0.0.0/8\"",
            "runtime.shards: is \"70000\" (from TIDEGATE_RUNTIME__SHARDS), expected a whole number \
             from 0 to 65535",
        ]
    );
}

#[test]
fn a_list_with_a_mistake_is_not_judged_by_its_default() {
    let text = "dialect.ride = { tokens = \"any\", realm = \"r\", paths = \"/ws\" }\n\
                dialect.device = { keys = [{ alg = \"HS256\", secret = \"s\" }], paths = [5] }";
    assert_eq!(
        mistakes_alone(text, &[]),
        ["dialect.device.paths[0]: is 5, expected a text"]
    );
}

#[test]
fn a_syntax_error_names_line_and_column_and_shows_no_text() {
    let line = &mistakes_alone("[limits]\nidle = \"60s\n", &[])[0];
    assert!(line.starts_with("tidegate.toml: line 2, column "), "{line}");
    assert!(!line.contains("60s"), "{line}");
}

#[test]
fn what_cannot_be_read_is_not_called_missing_too() {
    let environment = [
        ("TIDEGATE_DIALECT__DEVICE", "5"),
        ("TIDEGATE_API__KEYS", "[5]"),
    ];
    let text = "[listen]\nadmin = \"0.0.0.0:1\"\n[dialect.ride]\ntokens = \"some\"";
    assert_eq!(
        mistakes_alone(text, &environment),
        [
            "api.keys[0]: is not a table of keys",
            "dialect.ride.tokens: is \"some\", expected \"any\", \"jwt\" or \"hook\"",
            "dialect.device: is not a table of keys",
        ]
    );
}

#[test]
fn a_file_that_is_not_there_is_a_mistake() {
    let source = ReloadSource::new(Some("/nowhere/tidegate.toml".into()), BTreeMap::new());
    let error = source.load().unwrap_err().to_string();
    assert!(
        error.starts_with("/nowhere/tidegate.toml: cannot be read"),
        "{error}"
    );
}

#[test]
fn a_file_that_never_ends_is_a_mistake() {
    let source = ReloadSource::new(Some("/dev/zero".into()), BTreeMap::new());
    assert_eq!(
        source.load().unwrap_err().to_string(),
        "/dev/zero: cannot be read: is larger than 1048576 bytes"
    );
}

/// What is found of a node whose file has this text: its pid file, or why that is not known.
fn pid_file(text: &str, environment: &[(&str, &str)]) -> Result<String, String> {
    let file = TestFile::new(text);
    let environment = source("", environment).environment;
    let source = ReloadSource::new(Some(file.path().into()), environment);
    let found = source.load_readable().map_err(|error| error.to_string())?;
    Ok(found.config.pid_file.display().to_string())
}

#[test]
fn a_node_is_found_although_the_file_has_mistakes() {
    let found = |text| pid_file(text, &[]).unwrap();
    assert_eq!(found("limits.idle = 7\npid_file = \"a.pid\""), "a.pid");
    for text in [
        "pid_file = \"a.pid\" # mine\n[limits\nidle",
        "# pid_file = \"b.pid\"\npublic = [\n]]\n  pid_file = 'a.pid'\n",
    ] {
        assert_eq!(found(text), "a.pid", "{text}");
    }
    assert_eq!(found("[limits"), "tidegate.pid");
}

#[test]
fn no_other_node_is_found_in_its_place() {
    for text in [
        "pid_file = \"a.pid\nx",
        "pid_file = \"a.pid\"\npid_file = \"b.pid\"",
        "[limits]\npid_file = \"a.pid\"\nidle",
        "\"pid_file\" = \"a.pid\", x",
    ] {
        let problem = pid_file(text, &[]).unwrap_err();
        assert!(problem.contains(": line "), "{text}: {problem}");
        let environment = [("TIDEGATE_PID_FILE", "c.pid")];
        assert_eq!(pid_file(text, &environment).unwrap(), "c.pid", "{text}");
    }
    let problem = pid_file("pid_file = 5", &[]).unwrap_err();
    assert_eq!(problem, "pid_file: is 5, expected the path of a file");
    let source = ReloadSource::new(Some("/nowhere/a.toml".into()), BTreeMap::new());
    let problem = source.load_readable().unwrap_err().to_string();
    assert!(problem.starts_with("/nowhere/a.toml: cannot be read"));
}

#[test]
fn a_reload_keeps_what_was_made_up() {
    let source = ReloadSource::new(None, BTreeMap::new());
    let (first, second) = (source.load().unwrap(), source.load().unwrap());
    assert_eq!(first.node(), second.node());
    assert_eq!(first.throw_away, second.throw_away);
    assert_eq!(first.diff(&second), Changes::default());
    let other = ReloadSource::new(None, BTreeMap::new()).load().unwrap();
    assert_ne!(first.throw_away, other.throw_away);
}

#[test]
fn a_reload_says_what_is_applied_and_what_needs_a_restart() {
    let old = sound(
        "[api]\nkeys = [{ key = \"one\", scopes = [\"read\"] }]",
        &[],
    );
    let text = r#"
        pid_file = "other.pid"
        [api]
        keys = [{ key = "two", scopes = ["read"] }]
        [listen]
        admin = "127.0.0.1:9"
        origins = ["https://app.example"]
        [cluster]
        redis = "redis://h/"
        [limits]
        idle = "1m"
        messages_burst = 7
        [dialect.room]
        paths = ["/rooms/{room}"]
        [dialect.live]
        key = "k"
        [log]
        level = "debug"
        format = "json"
    "#;
    let new = sound(text, &[]);
    let changes = old.diff(&new);
    let running = old.taken_over(new.clone());
    assert_eq!(running.diff(&new).needs_restart, changes.needs_restart);
    assert!(running.diff(&new).applied.is_empty());
    assert_eq!(old.diff(&running).applied, changes.applied);
    assert_eq!(
        changes.applied,
        [
            "api.keys",
            "dialect.live.key",
            "limits.messages_burst",
            "listen.origins",
            "log.level"
        ]
    );
    assert_eq!(
        changes.needs_restart,
        [
            "cluster.redis",
            // Its keys can be in Redis.
            "dialect.im.enabled",
            // It has a key now.
            "dialect.live.enabled",
            "dialect.room.paths",
            "listen.admin",
            "log.format",
            "pid_file"
        ]
    );
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in any::<String>(), value in any::<String>()) {
        let environment = [("TIDEGATE_LISTEN__PUBLIC", &*value), ("TIDEGATE_API__KEYS", &*value)];
        let _ = Config::from_source(&source(&text, &environment), &GENERATED);
    }

    #[test]
    fn no_value_of_any_type_makes_the_reader_panic(
        key in prop::sample::select(keys()),
        value in toml_value(),
        quoted in any::<bool>(),
    ) {
        let mut text = String::new();
        let mut environment = Vec::new();
        let variable = format!("TIDEGATE_{}", key.replace('.', "__").to_uppercase());
        if quoted {
            environment.push((variable.as_str(), value.as_str()));
        } else {
            text = format!("{key} = {value}");
        }
        let _ = Config::from_source(&source(&text, &environment), &GENERATED);
    }
}

fn keys() -> Vec<String> {
    let mut config = Config::default();
    config.dialect.device.hook = Some(LoginHook::default());
    super::diff::record(&config).into_keys().collect()
}

fn toml_value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        any::<bool>().prop_map(|truth| truth.to_string()),
        any::<f32>().prop_map(|number| format!("{number:?}")),
        "[a-z0-9:/.{}%-]{0,12}".prop_map(|text| format!("{text:?}")),
        Just("1979-05-27T07:32:00Z".to_owned()),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3)
                .prop_map(|items| format!("[{}]", items.join(", "))),
            ("(alg|url|key|secret|file|key_file)", inner)
                .prop_map(|(key, value)| format!("{{ {key} = {value} }}")),
        ]
    })
}
