//! The rules: which module is of which layer, who may name whom beyond that, and which dependency is
//! at home where.

/// Vocabulary knows vocabulary, the core also the core, an edge also the settings and neighbours
/// that [`EXCEPTIONS`] lists, and the top everything.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Layer {
    Vocabulary,
    Core,
    Settings,
    Edge,
    Top,
}

/// What the beginning of a path in `src` belongs to; the first that fits counts.
pub(crate) const LAYERS: &[(&str, Layer)] = &[
    ("close", Layer::Vocabulary),
    ("digest", Layer::Vocabulary),
    ("duty", Layer::Vocabulary),
    ("envelope", Layer::Vocabulary),
    ("frame", Layer::Vocabulary),
    ("id", Layer::Vocabulary),
    ("iso8601", Layer::Vocabulary),
    ("lookup", Layer::Vocabulary),
    ("message", Layer::Vocabulary),
    ("peer", Layer::Vocabulary),
    ("position", Layer::Vocabulary),
    ("record", Layer::Vocabulary),
    ("stats", Layer::Vocabulary),
    ("topic", Layer::Vocabulary),
    ("bus.rs", Layer::Core),
    ("clock", Layer::Core),
    ("contacts", Layer::Core),
    ("credentials", Layer::Core),
    ("dialect", Layer::Core),
    ("dispatch", Layer::Core),
    ("dues.rs", Layer::Core),
    ("endpoint", Layer::Core),
    ("estate", Layer::Core),
    ("farewell", Layer::Core),
    ("happening", Layer::Core),
    ("jobs", Layer::Core),
    ("journal", Layer::Core),
    ("ledger.rs", Layer::Core),
    ("mail.rs", Layer::Core),
    ("occupancy.rs", Layer::Core),
    ("orders", Layer::Core),
    ("outbox", Layer::Core),
    ("pauses", Layer::Core),
    ("presence.rs", Layer::Core),
    ("queue.rs", Layer::Core),
    ("router", Layer::Core),
    ("schedules", Layer::Core),
    ("services", Layer::Core),
    ("store.rs", Layer::Core),
    ("witness", Layer::Core),
    ("config", Layer::Settings),
    ("admin", Layer::Edge),
    ("auth", Layer::Edge),
    ("backend", Layer::Edge),
    ("bus", Layer::Edge),
    ("chat", Layer::Edge),
    ("cluster", Layer::Edge),
    ("drain", Layer::Edge),
    ("ingress", Layer::Edge),
    ("log", Layer::Edge),
    ("mail", Layer::Edge),
    ("presence", Layer::Edge),
    ("session", Layer::Edge),
    ("sockets", Layer::Edge),
    ("store", Layer::Edge),
    ("telemetry", Layer::Edge),
    ("app", Layer::Top),
    ("cli", Layer::Top),
    ("lib.rs", Layer::Top),
    ("main.rs", Layer::Top),
];

/// What a module may name beyond its layer, and why.
pub(crate) const EXCEPTIONS: &[(&str, &str, &str)] = &[
    ("admin", "auth", "who may call, and tokens on request"),
    ("admin", "telemetry", "it serves what is measured"),
    (
        "auth",
        "backend",
        "who somebody is can be a question to a hook",
    ),
    ("duty", "dialect::DialectId", "a plain name"),
    ("envelope", "dialect::DialectId", "a plain name"),
    (
        "envelope",
        "store",
        "records are plain, and have a form while they wait",
    ),
    ("message", "dialect::DialectId", "a plain name"),
    ("peer", "dialect::DialectId", "a plain name"),
    ("stats", "dialect::DialectId", "a plain name"),
    (
        "admin",
        "backend::ingest::NotPublished",
        "what comes of a push",
    ),
    ("admin", "backend::hooks", "webhooks are looked after there"),
    (
        "admin",
        "chat",
        "histories and contacts are asked for there",
    ),
    ("admin", "mail", "durable messages are handed in there"),
    (
        "telemetry",
        "backend::hooks::Hooks",
        "it shows what webhooks have counted",
    ),
    ("telemetry", "mail", "it shows what the post has counted"),
    (
        "chat",
        "mail",
        "what customers are told is for those who are away, too",
    ),
    (
        "telemetry",
        "cluster",
        "it shows what the ways between nodes have counted",
    ),
    (
        "ingress",
        "session",
        "what was upgraded is handed over to be served",
    ),
];

/// What the vocabulary and the core never name: sockets and everything that owns one.
pub(crate) const IO: &[&str] = &[
    "axum",
    "fastwebsockets",
    "hyper",
    "hyper_util",
    "redis",
    "rusqlite",
    "sqlx",
    "std::fs",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::UdpSocket",
    "std::time::SystemTime",
    "tokio::fs",
    "tokio::io",
    "tokio::net",
    "tokio_rustls",
];
/// The one place where the wall clock is read for the core.
pub(crate) const READS_THE_CLOCK: &str = "src/clock.rs";

/// Where a dependency is at home: the only files of `src` that may name it.
pub(crate) const HOMES: &[(&str, &[&str])] = &[
    ("axum", &["src/admin"]),
    ("clap", &["src/cli"]),
    ("croner", &["src/schedules"]),
    ("fastwebsockets", &["src/session", "src/ingress"]),
    ("jiff", &["src/schedules"]),
    // The configuration is told by it whether a key can be used.
    (
        "jsonwebtoken",
        &["src/auth", "src/config/check", "src/config/rsa.rs"],
    ),
    ("metrics", &["src/telemetry"]),
    ("metrics_exporter_prometheus", &["src/telemetry"]),
    ("metrics_process", &["src/telemetry"]),
    ("ppp", &["src/ingress"]),
    ("redis", &["src/cluster", "src/backend"]),
    ("rmp_serde", &["src/envelope"]),
    ("rusqlite", &["src/store"]),
    ("serde_bytes", &["src/envelope"]),
    ("siphasher", &["src/cluster"]),
    ("sqlx", &["src/store"]),
    ("tikv_jemallocator", &["src/main.rs"]),
    ("tokio_rustls", &["src/ingress", "src/session"]),
    ("toml", &["src/config"]),
    ("utoipa", &["src/admin"]),
    ("utoipa_axum", &["src/admin"]),
    ("x509_parser", &["src/ingress"]),
];
