use std::collections::{BTreeMap, BTreeSet};

use super::{
    names::{ALL, Kind},
    *,
};
use crate::{
    backend::{HttpClient, hooks},
    config::Backend,
    id::Member,
    mail::post,
    message::Message,
    store::sqlite::{Database, SqliteHooks, SqliteJournal, SqliteMail},
    topic::Topic,
    witness::Witness,
};

const LABELS: &[&str] = &[
    "dialect",
    "direction",
    "kind",
    "outcome",
    "phase",
    "prefix",
    "reason",
    "state",
    "version",
    "le",
];

fn telemetry() -> Telemetry {
    let methods = Arc::<MethodStats>::default();
    methods.set(["shop."].into_iter());
    let member = Member::new(&"gw".parse().unwrap(), 1);
    let router = Router::new(member, 2, 1024, 4096);
    let clock = Clock::start();
    let kept = Arc::new(SqliteHooks::new(Database::of_test()));
    let parts = hooks::Parts::of_one(HttpClient::new().unwrap(), clock, kept);
    Telemetry::new(Sources {
        node: Arc::default(),
        hooks: Hooks::new(parts, &Backend::default()),
        cluster: None,
        post: Post::new(post::Parts {
            mail: SqliteMail::of_test(),
            journal: Arc::new(SqliteJournal::new(Database::of_test(), clock)),
            router: Arc::clone(&router),
            clock,
        }),
        witness: Witness::of_test(&router, clock),
        router,
        ingest: Arc::default(),
        work: Work::default(),
        service: Arc::default(),
        bridge: Arc::default(),
        chat: Arc::default(),
        live: Arc::default(),
        archive: Arc::default(),
        retention: Arc::default(),
        ingress: Arc::default(),
        auth: Arc::default(),
        deciding: Arc::default(),
        methods,
        api: Arc::default(),
        clock,
    })
}

/// What a scrape says of one name.
#[derive(Debug, Default)]
struct Scraped {
    help: Vec<String>,
    kind: Vec<String>,
    /// Values by their suffix and labels.
    values: BTreeMap<String, f64>,
    labels: BTreeSet<String>,
}

fn parse(text: &str) -> BTreeMap<String, Scraped> {
    let mut families: BTreeMap<String, Scraped> = BTreeMap::new();
    let mut histograms = BTreeSet::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            let family = families.entry(name.to_owned()).or_default();
            family.help.push(help.to_owned());
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            if kind == "histogram" {
                histograms.insert(name.to_owned());
            }
            let family = families.entry(name.to_owned()).or_default();
            family.kind.push(kind.to_owned());
        } else {
            let (key, value) = line.rsplit_once(' ').unwrap();
            let name = key.split('{').next().unwrap();
            let base = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| {
                let base = name.strip_suffix(suffix)?;
                histograms.contains(base).then_some(base)
            });
            let name = base.unwrap_or(name);
            let family = families.entry(name.to_owned()).or_default();
            let rest = key.strip_prefix(name).unwrap().to_owned();
            let labels = rest.split_once('{').map_or("", |(_, labels)| labels);
            for label in labels.split(',').filter_map(|pair| pair.split_once('=')) {
                family.labels.insert(label.0.to_owned());
            }
            let value: f64 = value.parse().unwrap();
            assert_eq!(family.values.insert(rest, value), None, "twice: {line}");
        }
    }
    families
}

#[test]
fn every_family_is_there_once_from_the_start_and_nothing_else() {
    let scraped = parse(&telemetry().render(false));
    let expect: BTreeSet<&str> = ALL.iter().map(|family| family.name).collect();
    let found: BTreeSet<&str> = scraped.keys().map(String::as_str).collect();
    assert_eq!(found, expect);
    for family in ALL {
        let scraped = &scraped[family.name];
        assert_eq!(scraped.help, [family.help], "{}", family.name);
        let kind = format!("{:?}", family.kind).to_lowercase();
        assert_eq!(scraped.kind, [kind], "{}", family.name);
        assert!(!scraped.values.is_empty(), "{}", family.name);
        let mut labels: BTreeSet<String> = family.labels.iter().map(|&l| l.to_owned()).collect();
        if family.kind == Kind::Histogram {
            labels.insert("le".to_owned());
        }
        assert_eq!(scraped.labels, labels, "{}", family.name);
        let allowed = |label: &String| LABELS.contains(&label.as_str());
        assert!(scraped.labels.iter().all(allowed), "{}", family.name);
    }
}

#[test]
fn every_value_of_a_label_is_there_from_the_start() {
    let scraped = parse(&telemetry().render(false));
    let count = |name: &str| scraped[name].values.len();
    let dialects = DialectId::ALL.len();
    let reasons = CloseReason::ALL.len();
    assert_eq!(count("tidegate_sessions_closed_total"), dialects * reasons);
    assert_eq!(count("tidegate_messages_total"), dialects * 2);
    assert_eq!(count("tidegate_rejections_total"), RejectReason::ALL.len());
    assert_eq!(
        count("tidegate_messages_published_total"),
        TopicKind::ALL.len()
    );
    assert_eq!(
        count("tidegate_logins_total"),
        dialects * LoginOutcome::ALL.len()
    );
    assert_eq!(count("tidegate_delivery_seconds"), 17);
    let none = &scraped["tidegate_handshakes_total"].values;
    assert_eq!(none[""], 0.0);
}

#[test]
fn names_are_as_prometheus_wants_them() {
    let names: Vec<&str> = ALL.iter().map(|family| family.name).collect();
    assert!(names.is_sorted_by(|a, b| a < b), "sorted, none twice");
    for family in ALL {
        let name = family.name;
        assert!(name.starts_with("tidegate_"), "{name}");
        let base = name.strip_suffix("_total");
        assert_eq!(base.is_some(), family.kind == Kind::Counter, "{name}");
        if let Some(unit) = family.unit {
            assert!(base.unwrap_or(name).ends_with(unit.as_str()), "{name}");
        }
        for suffix in ["_count", "_sum", "_bucket"] {
            assert!(!name.ends_with(suffix), "{name}");
        }
        assert!(
            !family.help.is_empty() && !family.help.ends_with('.'),
            "{name}"
        );
    }
}

#[test]
fn figures_are_added_up_over_the_shards_and_follow_what_happens() {
    let telemetry = telemetry();
    let Sources {
        router,
        ingress,
        auth,
        api,
        clock,
        ..
    } = &telemetry.sources;
    for shard in router.shards() {
        let ride = shard.stats.dialect(DialectId::Ride);
        ride.opened.add(5);
        ride.closed[CloseReason::Idle as usize].add(1);
        ride.closed[CloseReason::SlowConsumer as usize].add(2);
        ride.bytes_in.add(100);
        let delivery = &shard.stats.delivery;
        delivery.record(std::time::Duration::from_micros(300));
        delivery.record(std::time::Duration::from_secs(7));
    }
    let message = Message::new("user:nobody".parse::<Topic>().unwrap(), "e", "1".into());
    router.publish(message, clock.now()).unwrap();
    ingress.rejected[RejectReason::Origin as usize].add(3);
    auth.hooks[HookOutcome::Timeout as usize].add(4);
    api.requests[ApiOutcome::Forbidden as usize].add(6);

    // A second scrape says the same, not more.
    telemetry.render(true);
    let scraped = parse(&telemetry.render(true));
    let value = |name: &str, key: &str| scraped[&format!("tidegate_{name}")].values[key];
    assert_eq!(value("connections", "{dialect=\"ride\"}"), 4.0);
    assert_eq!(value("sessions_opened_total", "{dialect=\"ride\"}"), 10.0);
    let key = "{dialect=\"ride\",reason=\"slow_consumer\"}";
    assert_eq!(value("sessions_closed_total", key), 4.0);
    assert_eq!(value("slow_consumers_total", "{dialect=\"ride\"}"), 4.0);
    assert_eq!(value("idle_evictions_total", "{dialect=\"ride\"}"), 2.0);
    assert_eq!(
        value("bytes_total", "{dialect=\"ride\",direction=\"in\"}"),
        200.0
    );
    assert_eq!(value("messages_published_total", "{kind=\"user\"}"), 1.0);
    assert_eq!(value("messages_undeliverable_total", ""), 1.0);
    assert_eq!(value("rejections_total", "{reason=\"origin\"}"), 3.0);
    assert_eq!(value("auth_hooks_total", "{outcome=\"timeout\"}"), 4.0);
    assert_eq!(value("api_requests_total", "{outcome=\"forbidden\"}"), 6.0);
    assert_eq!(value("ready", ""), 1.0);
    assert_eq!(
        value("delivery_seconds", "_bucket{kind=\"local\",le=\"0.00025\"}"),
        0.0
    );
    assert_eq!(
        value("delivery_seconds", "_bucket{kind=\"local\",le=\"0.0005\"}"),
        2.0
    );
    assert_eq!(
        value("delivery_seconds", "_bucket{kind=\"local\",le=\"5\"}"),
        2.0
    );
    assert_eq!(
        value("delivery_seconds", "_bucket{kind=\"local\",le=\"+Inf\"}"),
        4.0
    );
    assert_eq!(value("delivery_seconds", "_count{kind=\"local\"}"), 4.0);
    assert_eq!(value("delivery_seconds", "_sum{kind=\"local\"}"), 14.0006);
    assert!(0.0 < value("process_resident_memory_bytes", ""));
}

#[test]
fn what_becomes_of_chat_messages_is_told() {
    let telemetry = telemetry();
    let Sources { chat, archive, .. } = &telemetry.sources;
    chat.count(ChatOutcome::NotFriends, 5);
    let acknowledged = std::time::Duration::from_millis(3);
    chat.acknowledged.record(acknowledged);
    archive.stored.add(8);
    archive.set_waiting(9, std::time::Duration::from_millis(1500));
    let scraped = parse(&telemetry.render(true));
    let value = |name: &str, key: &str| scraped[&format!("tidegate_{name}")].values[key];
    let key = "{outcome=\"not_friends\"}";
    assert_eq!(value("chat_messages_total", key), 5.0);
    assert_eq!(value("chat_messages_total", "{outcome=\"kept\"}"), 0.0);
    assert_eq!(value("chat_ack_seconds", "_count"), 1.0);
    assert_eq!(value("chat_ack_seconds", "_bucket{le=\"0.005\"}"), 1.0);
    let key = "{outcome=\"stored\"}";
    assert_eq!(value("archive_records_total", key), 8.0);
    assert_eq!(value("archive_entries", ""), 9.0);
    assert_eq!(value("archive_lag_seconds", ""), 1.5);
}

#[test]
fn the_operations_page_has_every_name() {
    let page = include_str!("../../docs/OPERATIONS.md");
    for family in ALL {
        let name = format!("`{}`", family.name);
        assert!(page.contains(&name), "{name} is missing");
    }
}
