//! Each rule between keys, broken once.

use super::*;

#[test]
fn development_mode_is_for_the_loopback_only() {
    let text = "development = true\n[listen]\npublic = \"0.0.0.0:8080\"\nadmin = \"[::]:8081\"";
    let found = mistakes(text, &[]);
    assert!(found[0].starts_with("listen.public: is 0.0.0.0:8080, expected a loopback address"));
    assert!(found[1].starts_with("listen.admin: is [::]:8081, expected a loopback address"));
    sound(
        "development = true\n[listen]\npublic = [\"127.0.0.9:1\", \"[::1]:1\"]",
        &[],
    );
}

#[test]
fn any_configuration_ends_the_implied_development_mode() {
    let text = mistakes_alone("", &[]);
    assert_eq!(
        text,
        [
            "dialect.ride.tokens: is missing, expected \"any\", \"jwt\" or \"hook\"",
            "dialect.device.keys: is missing, expected at least one key, or dialect.device.hook",
        ]
    );
    let mut source = source("", &[("TIDEGATE_LOG__LEVEL", "debug")]);
    source.file = None;
    assert!(Config::from_source(&source, &GENERATED).is_err());
}

#[test]
fn an_admin_listener_for_others_needs_a_key() {
    check_mistake(
        "[listen]\nadmin = \"0.0.0.0:8081\"",
        "api.keys: is missing, expected at least one key, since listen.admin is no loopback address",
    );
}

#[test]
fn api_keys_are_unique_and_fit_into_a_header() {
    check_mistake(
        "api.keys = [{ key = \"a b\", scopes = [] }]",
        "api.keys[0].key: is not usable, expected visible ASCII characters without blanks, since \
         it travels in a header",
    );
    check_mistake(
        "api.keys = [{ key = \"a\", scopes = [] }, { key = \"a\", scopes = [] }]",
        "api.keys[1].key: stands there twice",
    );
    check_mistake(
        "api.keys = [{ key = \"\", scopes = [] }]",
        "api.keys[0].key: is not usable, expected a text that is not empty",
    );
}

#[test]
fn listeners_have_addresses_of_their_own() {
    check_mistake(
        "listen.public = []",
        "listen.public: is empty, expected at least one address",
    );
    check_mistake(
        "listen.public = \"127.0.0.1:8081\"",
        "listen.admin: has 127.0.0.1:8081, which is taken already",
    );
    sound(
        "[listen]\npublic = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"",
        &[],
    );
}

#[test]
fn origins_are_written_as_browsers_do() {
    for origin in [
        "app.example",
        "https://",
        "https://app.example/",
        "https://*.example",
        "https://b.example:443",
        "http://a:80",
        "https://bücher.example",
        "https://a.example:",
        "https://a:99999",
        "https://a:0",
        "https://a:08",
        "https://a:+8",
        "https://user@a",
        "https://a:b:1",
        "http://127.1",
        "http://::1",
        "http://[::0001]",
        "http://[::1]:80",
        "1a://host",
        "://host",
    ] {
        check_mistake(
            &format!("listen.origins = [\"https://a\", {origin:?}]"),
            &format!(
                "listen.origins[1]: is {origin:?}, expected what browsers send, such as \
                 \"https://app.example\" or \"http://localhost:3000\": without a path, without the \
                 port that the scheme has anyway, and with the name in ASCII (\"xn--...\")"
            ),
        );
    }
    for origin in [
        "https://app.example",
        "https://xn--bcher-kva.example:8443",
        "http://localhost:3000",
        "http://a:443",
        "https://App_1.example.",
        "http://127.0.0.1:1",
        "http://[::1]",
        "http://[2001:db8::1]:8080",
        "chrome-extension://abcdefghijklmnop",
    ] {
        sound(&format!("listen.origins = {origin:?}"), &[]);
    }
}

#[test]
fn the_files_of_the_certificate_are_there() {
    let text = "listen.tls = { cert = \"/nowhere/cert.pem\", key = \"/nowhere/key.pem\" }";
    let found = mistakes(text, &[]);
    assert!(found[0].starts_with("listen.tls.cert: is /nowhere/cert.pem, which cannot be read"));
    assert!(found[1].starts_with("listen.tls.key: is /nowhere/key.pem, which cannot be read"));
    check_mistake(
        "listen.tls = { cert = \"/dev/null\" }",
        "listen.tls.key: is missing, expected the path of a file",
    );
}

#[test]
fn neighbours_have_known_schemes() {
    check_mistake(
        "cluster.redis = \"http://h/\"",
        "cluster.redis: is not usable, expected redis:// or rediss:// or redis+sentinel:// or \
         rediss+sentinel:// or redis+cluster:// or rediss+cluster:// and a host",
    );
    check_mistake(
        "backend.pubsub_channel = \"websocket_messages\"",
        "backend.pubsub_channel: is a channel of cluster.redis, which is missing",
    );
    check_mistake(
        "cluster.redis = \"redis://h\"\nbackend.pubsub_channel = \"\"",
        "backend.pubsub_channel: is empty, expected a name",
    );
    check_mistake(
        "store.url = \"postgres://h/\"",
        "store.url: is not usable, expected sqlite:// or mysql:// and more",
    );
    check_mistake(
        "cluster.prefix = \"{tg}:\"",
        "cluster.prefix: has braces, expected a text without them",
    );
    check_mistake(
        "cluster.node = \"gw.1\"",
        "cluster.node: is \"gw.1\", expected a name of at most 64 letters, digits, \"-\" and \"_\"",
    );
}

#[test]
fn kinds_of_jobs_are_told_apart_and_have_bounds() {
    let jobs = |more: &str| {
        let job = "kind = \"ocr\", url = \"http://h\"";
        format!("backend.jobs = [{{ {job} }}, {{ kind = \"pdf\", url = \"http://h\", {more} }}]")
    };
    sound(
        &jobs("body = \"form\", retry_min = \"1s\", retry_max = \"1s\""),
        &[],
    );
    for (more, problem) in [
        (
            "attempts_max = 0",
            "attempts_max: is 0, expected at least 1",
        ),
        (
            "concurrency_max = 0",
            "concurrency_max: is 0, expected at least 1",
        ),
        (
            "timeout = 0",
            "timeout: is 0, expected a duration such as \"10s\"",
        ),
        (
            "retry_max = \"10ms\"",
            "retry_max: is shorter than retry_min, expected at least as long",
        ),
        (
            "legacy_list = \"idcardimg\"",
            "legacy_list: is a list in cluster.redis, which is missing",
        ),
    ] {
        check_mistake(&jobs(more), &format!("backend.jobs[1].{problem}"));
    }
    let twice = "{ kind = \"ocr\", url = \"http://h\" }";
    check_mistake(
        &format!("backend.jobs = [{twice}, {twice}]"),
        "backend.jobs[1].kind: stands there twice",
    );
}

#[test]
fn orders_are_looked_up_by_plain_names_or_one_query() {
    let name = "is not usable, expected a name of up to 64 letters, digits, _, $ and -";
    for key in ["table", "order_column", "customer_column", "courier_column"] {
        let key = format!("dialect.im.orders.{key}");
        for bad in ["", "a b", "a`", "a;"] {
            check_mistake(&format!("{key} = '{bad}'"), &format!("{key}: {name}"));
        }
    }
    sound("dialect.im.orders.table = 'shop.require'", &[]);
    let key = "dialect.im.orders.query";
    let problem = "is not usable, expected one query with one ? for the id of the order";
    check_mistake(
        &format!("{key} = 'SELECT a, b FROM c'"),
        &format!("{key}: {problem}"),
    );
    sound(&format!("{key} = 'SELECT a, b FROM c WHERE d = ?'"), &[]);
}

#[test]
fn limits_that_would_let_nothing_through_are_mistakes() {
    for key in [
        "message_bytes_max",
        "outbox_bytes_max",
        "outboxes_bytes_max",
        "connections_max",
        "handshakes_pending_max",
        "header_bytes_max",
        "topics_per_session_max",
        "uplink_bytes_max",
        "history_page_max",
        "room_chars_max",
    ] {
        check_mistake(
            &format!("limits.{key} = 0"),
            &format!("limits.{key}: is 0, expected at least 1"),
        );
    }
    for (key, max) in [
        ("history_page_max", 1000),
        ("outbox_bytes_max", 1 << 30),
        ("room_chars_max", 100),
    ] {
        let beyond = max + 1;
        check_mistake(
            &format!("limits.{key} = {beyond}"),
            &format!("limits.{key}: is {beyond}, expected at most {max}"),
        );
    }
    for key in ["idle", "message_timeout", "handshake_timeout"] {
        check_mistake(
            &format!("limits.{key} = 0"),
            &format!("limits.{key}: is 0, expected a duration such as \"10s\""),
        );
    }
    check_mistake(
        "limits = { messages_per_second = 5, messages_burst = 0 }",
        "limits.messages_burst: is 0, expected at least 1, since limits.messages_per_second is a \
         limit",
    );
    check_mistake(
        "dialect.room.service_idle = 0",
        "dialect.room.service_idle: is 0, expected a duration such as \"10s\"",
    );
    check_mistake("drain.rate = 0", "drain.rate: is 0, expected at least 1");
    check_mistake(
        "listen.accept_backlog = 0",
        "listen.accept_backlog: is 0, expected at least 1",
    );
    check_mistake(
        "runtime.shards = 1025",
        "runtime.shards: is 1025, expected at most 1024",
    );
    assert_eq!(
        sound("limits.messages_per_second = 9", &[]).limits.burst(),
        9
    );
}

#[test]
fn levels_are_levels() {
    for level in ["loud", "tidegate=loud", "=info", "info,"] {
        let found = mistakes(&format!("log.level = {level:?}"), &[]);
        assert!(found[0].starts_with(&format!("log.level: is {level:?}, expected error, warn")));
    }
    let level = "warn,tidegate::session=trace";
    let config = sound(&format!("log.level = {level:?}"), &[]);
    assert_eq!(config.log.level.as_str(), level);
}

#[test]
fn paths_begin_with_a_slash_and_belong_to_one_dialect() {
    let ride = |paths: &str| {
        mistakes_alone(
            &format!(
                // With a cluster there is `im`, too.
                "cluster.redis = \"redis://h/\"\n\
                 [dialect.ride]\ntokens = \"any\"\nrealm = \"r\"\npaths = {paths}\n\
                 [dialect.device]\nkeys = [{{ alg = \"HS256\", secret = \"s\" }}]"
            ),
            &[],
        )
    };
    assert_eq!(
        ride("[\"/a\", \"/ws\"]"),
        ["dialect.device.paths: has \"/ws\", which dialect.ride.paths has already"]
    );
    assert_eq!(
        ride("[\"/x/{a}\", \"/x/{b}\"]"),
        ["dialect.ride.paths: has \"/x/{b}\", which dialect.ride.paths has already"]
    );
    assert_eq!(
        ride("[\"/{a}\"]"),
        ["dialect.im.paths: has \"/{token}\", which dialect.ride.paths has already"]
    );
    assert_eq!(
        ride("[\"ws\"]"),
        [
            "dialect.ride.paths: has \"ws\", expected paths that begin with / and whose segments \
             are plain or a placeholder such as {token}"
        ]
    );
}

#[test]
fn a_dialect_that_is_off_takes_no_path_and_needs_no_keys() {
    let text = "[dialect.ride]\nenabled = false\npaths = [\"/ws\"]\n\
                [dialect.device]\nkeys = [{ alg = \"HS256\", secret = \"s\" }]";
    Config::from_source(&source(text, &[]), &GENERATED).unwrap();
    let text = "[dialect.ride]\ntokens = \"any\"\nrealm = \"r\"\n[dialect.device]\nenabled = false";
    Config::from_source(&source(text, &[]), &GENERATED).unwrap();
}

/// Mistakes of `[dialect.ride]` with these keys, beside a sound `[dialect.device]`.
#[track_caller]
fn ride_mistakes(text: &str) -> Vec<String> {
    let device = "[dialect.device]\nkeys = [{ alg = \"HS256\", secret = \"s\" }]";
    mistakes_alone(&format!("[dialect.ride]\n{text}\n{device}"), &[])
}

#[test]
fn ride_tokens_need_what_they_are_checked_with() {
    let found = ride_mistakes("tokens = \"any\"");
    assert!(found[0].starts_with("dialect.ride.realm: is missing, expected a word"));
    assert_eq!(
        ride_mistakes("tokens = \"jwt\""),
        [
            "dialect.ride.keys: is missing, expected at least one key, since dialect.ride.tokens \
             is \"jwt\""
        ]
    );
    assert_eq!(
        ride_mistakes("tokens = \"hook\""),
        [
            "dialect.ride.hook.url: is missing, expected the address of a service, since \
             dialect.ride.tokens is \"hook\""
        ]
    );
    for realm in ["", "a/b", "backend"] {
        assert_eq!(
            ride_mistakes(&format!("tokens = \"any\"\nrealm = {realm:?}")),
            ["dialect.ride.realm: is not usable, expected a word of letters, digits, - and _"]
        );
    }
    let found = ride_mistakes("tokens = \"any\"\nrealm = \"r\"\nbackends = { a = \"\" }");
    assert_eq!(
        found,
        ["dialect.ride.backends: is not usable, expected a secret for \"a\" that is not empty"]
    );
}

#[test]
fn token_keys_fit_their_algorithm() {
    let found = |keys: &str| ride_mistakes(&format!("tokens = \"jwt\"\nkeys = [{keys}]"));
    assert_eq!(
        found("{ alg = \"HS256\" }"),
        [
            "dialect.ride.keys[0].secret: is missing, expected the secret that tokens are signed \
             with, or secret_file"
        ]
    );
    assert_eq!(
        found("{ alg = \"none\", secret = \"s\" }"),
        ["dialect.ride.keys[0].alg: is \"none\", expected \"HS256\" or \"RS256\""]
    );
    assert_eq!(
        found("{ alg = \"HS256\", secret = \"s\", public_key = \"p\" }"),
        ["dialect.ride.keys[0].public_key: is there, expected secret alone with this alg"]
    );
    assert_eq!(
        found("{ alg = \"RS256\", public_key = \"p\" }"),
        ["dialect.ride.keys[0].public_key: is not usable, expected an RSA public key, PEM"]
    );
}

#[test]
fn a_public_key_is_pem() {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let file = TestFile::new(&pair.public_key_pem());
    let text = format!(
        "dialect.ride = {{ tokens = \"any\", realm = \"r\" }}\n\
         dialect.device.keys = [{{ alg = \"RS256\", public_key_file = {:?} }}]",
        file.path()
    );
    Config::from_source(&source(&text, &[]), &GENERATED).unwrap();
}

#[test]
fn backends_are_told_apart_and_answer_in_time() {
    let text = r#"
        backend.methods = [
            { prefix = "a.", url = "http://h/", timeout = 0 },
            { prefix = "a.", url = "h" },
        ]
        backend.jobs = [{ kind = "k", url = "http://h/", attempts_max = 0, concurrency_max = 0 }]
    "#;
    assert_eq!(
        mistakes(text, &[]),
        [
            "backend.methods[1].url: is \"h\", expected an address such as \
             \"http://10.0.0.5/path\", without a password",
            "backend.methods[0].timeout: is 0, expected a duration such as \"10s\"",
            "backend.methods[1].prefix: stands there twice",
            "backend.jobs[0].concurrency_max: is 0, expected at least 1",
            "backend.jobs[0].attempts_max: is 0, expected at least 1",
        ]
    );
}

#[test]
fn services_that_answer_and_decide_have_bounds_and_dialects_that_they_concern() {
    let text = r#"
        limits.calls_per_session_max = 0
        backend.methods = [
            { prefix = "", url = "http://h/", concurrency_max = 0, answer_bytes_max = 0 },
            { prefix = "a\"b", url = "http://h/", dialects = ["live", "ride"], pause = 0, answer_bytes_max = 131073 },
        ]
        backend.connect = { url = "http://h/", timeout = 0, waiting_max = 0 }
        backend.subscribe = { url = "http://h/", dialects = "im" }
    "#;
    let prefix = r#"expected 1 to 64 letters, digits and ".", "-", "_", ":", "/""#;
    assert_eq!(
        mistakes(text, &[]),
        [
            "limits.calls_per_session_max: is 0, expected at least 1".to_owned(),
            format!("backend.methods[0].prefix: is \"\", {prefix}"),
            "backend.methods[0].concurrency_max: is 0, expected at least 1".to_owned(),
            "backend.methods[0].answer_bytes_max: is 0, expected at least 1".to_owned(),
            format!("backend.methods[1].prefix: is \"a\\\"b\", {prefix}"),
            "backend.methods[1].pause: is 0, expected a duration such as \"10s\"".to_owned(),
            "backend.methods[1].answer_bytes_max: is 131073, expected at most half of limits.outbox_bytes_max, 131072".to_owned(),
            "backend.methods[1].dialects: has \"ride\", expected \"live\" or \"device\"".to_owned(),
            "backend.connect.timeout: is 0, expected a duration such as \"10s\"".to_owned(),
            "backend.connect.waiting_max: is 0, expected at least 1".to_owned(),
            "backend.subscribe.dialects: has \"im\", expected \"room\" or \"device\"".to_owned(),
        ]
    );
    let words = r#"
        backend.methods = [
            { prefix = "subscribe", url = "http://h/" },
            { prefix = "subscribe.", url = "http://h/" },
            { prefix = "ping", url = "http://h/", dialects = ["live"] },
            { prefix = "auth", url = "http://h/", dialects = ["device"] },
        ]
    "#;
    assert_eq!(
        mistakes(words, &[]),
        [
            "backend.methods[0].prefix: is \"subscribe\", a word of the gateway's own",
            "backend.methods[3].prefix: is \"auth\", a word of the gateway's own",
        ]
    );
    let many = r#"{ prefix = "a", url = "http://h/" },"#.repeat(101);
    let found = mistakes(&format!("backend.methods = [{many}]"), &[]);
    assert_eq!(found[0], "backend.methods: are 101, expected at most 100");
    let text =
        r#"backend.connect = { url = "http://h/", when_down = "open", dialects = ["chat"] }"#;
    assert_eq!(
        mistakes(text, &[]),
        [
            "backend.connect.when_down: is \"open\", expected \"deny\" or \"allow\"",
            "backend.connect.dialects[0]: is \"chat\", expected \"ride\", \"im\", \"room\", \"live\" or \
             \"device\"",
        ]
    );
}

#[test]
fn what_may_be_regretted_is_a_warning() {
    let text = r#"
        api.keys = [{ key = "short", scopes = [] }]
        cluster.redis = "redis://h/"
        limits.outbox_bytes_max = 4096
        drain.grace = "1s"
    "#;
    let warnings = sound(text, &[]).warnings();
    let keys: Vec<_> = warnings
        .iter()
        .filter_map(|line| line.split(':').next())
        .collect();
    let expect = [
        "store.url",
        "limits.outbox_bytes_max",
        "drain.grace",
        "api.keys",
        "api.keys",
    ];
    assert_eq!(keys, expect);
    assert!(!warnings.concat().contains("short,"));
}
