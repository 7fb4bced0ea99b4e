//! Telemetry: what a node has counted, for Prometheus.
//!
//! Whoever counts does so in plain atomics, since a metric handle that two threads share costs ten
//! times as much. Here they are added up, once per scrape, under the names of one closed list.
//!
//! **Invariant:** every family of [`names::ALL`] is in every scrape, with all values of its labels,
//! zeros included, and nothing else is.

mod calls;
mod cluster;
mod hooks;
pub mod names;
mod node;
mod service;
mod sheet;
mod trace;
mod witness;
mod work;

#[cfg(test)]
mod tests;

use std::sync::{Arc, Weak};

use metrics_exporter_prometheus::PrometheusRecorder;

use self::sheet::Sheet;
pub use self::work::Work;
use crate::{
    backend::hooks::Hooks,
    clock::Clock,
    close::CloseReason,
    cluster::Cluster,
    dialect::DialectId,
    mail::post::Post,
    router::{Router, shard::Shard},
    stats::{
        ApiOutcome, ApiStats, ArchiveStats, AuthStats, BridgeStats, ChatOutcome, ChatStats, Count,
        DecidingStats, DialectStats, HookOutcome, IngestStats, IngressStats, LiveOutcome,
        LiveStats, LoginOutcome, MethodStats, NodeStats, ReceptionStats, RejectReason,
        RetentionStats, ShardStats, TokenOutcome,
    },
    topic::TopicKind,
    witness::Witness,
};

/// Where the figures are.
#[derive(Debug)]
pub struct Sources {
    /// Bounds in use, and reloads.
    pub node: Arc<NodeStats>,
    /// Sessions and messages.
    pub router: Arc<Router>,
    /// The public listeners.
    pub ingress: Arc<IngressStats>,
    /// Logins.
    pub auth: Arc<AuthStats>,
    /// Services that decide what clients may do.
    pub deciding: Arc<DecidingStats>,
    /// Methods that applications answer.
    pub methods: Arc<MethodStats>,
    /// The HTTP API.
    pub api: Arc<ApiStats>,
    /// The way to other members, if there are any.
    pub cluster: Option<Weak<Cluster>>,
    /// Durable messages to users.
    pub post: Post,
    /// What happens, and what is owed.
    pub witness: Arc<Witness>,
    /// Pushes that come through a queue.
    pub ingest: Arc<IngestStats>,
    /// Jobs and schedules.
    pub work: Work,
    /// Customer service.
    pub service: Arc<ReceptionStats>,
    /// What comes over the bridge.
    pub bridge: Arc<BridgeStats>,
    /// Chat messages.
    pub chat: Arc<ChatStats>,
    /// Live rooms.
    pub live: Arc<LiveStats>,
    /// Messages on their way to the database.
    pub archive: Arc<ArchiveStats>,
    /// Messages removed from the database.
    pub retention: Arc<RetentionStats>,
    /// Webhooks.
    pub hooks: Hooks,
    /// Time since the start.
    pub clock: Clock,
}

/// Renders the metrics of a node.
#[derive(Debug)]
pub struct Telemetry {
    sources: Sources,
    recorder: PrometheusRecorder,
}

// === impl Telemetry ===

impl Telemetry {
    /// Metrics from these sources.
    pub fn new(sources: Sources) -> Self {
        Self {
            sources,
            recorder: sheet::recorder(),
        }
    }

    /// One scrape, in the Prometheus text format. `ready`: whether the node wants clients.
    pub fn render(&self, ready: bool) -> String {
        let Sources {
            node,
            router,
            ingress,
            auth,
            deciding,
            methods,
            api,
            cluster,
            post,
            witness,
            ingest,
            work,
            service,
            bridge,
            chat,
            live,
            archive,
            retention,
            hooks,
            clock,
        } = &self.sources;
        let mut sheet = Sheet::new(&self.recorder);
        sheet.gauge(&names::BUILD_INFO, &[env!("CARGO_PKG_VERSION")], 1.0);
        sheet.gauge(&names::READY, &[], f64::from(u8::from(ready)));
        let uptime = clock.uptime().as_secs_f64();
        sheet.gauge(&names::UPTIME_SECONDS, &[], uptime);
        node::write(&sheet, node);
        write_sessions(&sheet, router);
        write_messages(&mut sheet, router);
        write_ingress(&mut sheet, ingress);
        write_auth(&mut sheet, auth);
        calls::write(&mut sheet, router, methods);
        calls::write_deciding(&mut sheet, deciding);
        write_api(&sheet, api);
        write_mail(&sheet, post);
        witness::write(&sheet, witness);
        write_ingest(&sheet, ingest);
        work.write(&mut sheet);
        service::write(&sheet, service);
        write_bridge(&sheet, bridge);
        write_chat(&mut sheet, chat);
        write_live(&sheet, live);
        write_archive(&sheet, archive);
        sheet.counter(&names::STORE_REMOVED, &[], retention.removed.load());
        sheet.counter(&names::STORE_ERRORS, &[], retention.errors.load());
        hooks::write(&mut sheet, hooks);
        let cluster = cluster.as_ref().and_then(Weak::upgrade);
        cluster::write(&mut sheet, router, cluster.as_deref());
        write_expired(&sheet, &self.sources);
        trace::write(&sheet, router.recorder(), *clock);
        write_process(&mut sheet);
        sheet.finish()
    }
}

fn write_sessions(sheet: &Sheet<'_>, router: &Router) {
    let shards = router.shards();
    for dialect in DialectId::ALL {
        let labels = [dialect.label()];
        let total = |count: fn(&DialectStats) -> &Count| {
            let counts = shards.iter().map(|shard| shard.stats.dialect(dialect));
            counts.map(|stats| count(stats).load()).sum::<u64>()
        };
        let closed = CloseReason::ALL.map(|reason| {
            let counts = shards.iter().map(|shard| shard.stats.dialect(dialect));
            let closed: u64 = counts
                .map(|stats| stats.closed[reason as usize].load())
                .sum();
            let labels = [dialect.label(), reason.label()];
            sheet.counter(&names::SESSIONS_CLOSED, &labels, closed);
            closed
        });
        let by = |reason: CloseReason| closed[reason as usize];
        sheet.counter(&names::IDLE_EVICTIONS, &labels, by(CloseReason::Idle));
        let slow = by(CloseReason::SlowConsumer);
        sheet.counter(&names::SLOW_CONSUMERS, &labels, slow);
        sheet.counter(&names::THROTTLED, &labels, total(|stats| &stats.throttled));
        let open = shards
            .iter()
            .map(|shard| shard.stats.dialect(dialect).open());
        sheet.gauge(&names::CONNECTIONS, &labels, open.sum::<u64>() as f64);
        let opened = total(|stats| &stats.opened);
        sheet.counter(&names::SESSIONS_OPENED, &labels, opened);
    }
    sheet.gauge(&names::SESSIONS, &[], router.sessions() as f64);
    sheet.gauge(&names::TOPICS, &[], router.topics() as f64);
}

fn write_messages(sheet: &mut Sheet<'_>, router: &Router) {
    let shards = router.shards();
    for dialect in DialectId::ALL {
        let total = |count: fn(&DialectStats) -> &Count| {
            let counts = shards.iter().map(|shard| shard.stats.dialect(dialect));
            counts.map(|stats| count(stats).load()).sum::<u64>()
        };
        let labels = [dialect.label(), "in"];
        sheet.counter(&names::MESSAGES, &labels, total(|stats| &stats.messages_in));
        sheet.counter(&names::BYTES_MOVED, &labels, total(|stats| &stats.bytes_in));
        let labels = [dialect.label(), "out"];
        sheet.counter(
            &names::MESSAGES,
            &labels,
            total(|stats| &stats.messages_out),
        );
        sheet.counter(
            &names::BYTES_MOVED,
            &labels,
            total(|stats| &stats.bytes_out),
        );
    }
    let total = |count: fn(&ShardStats) -> &Count| {
        let counts = shards.iter().map(|shard| count(&shard.stats).load());
        counts.sum::<u64>()
    };
    sheet.counter(&names::CONFLATED, &[], total(|stats| &stats.conflated));
    sheet.counter(&names::DELIVERIES, &[], total(|stats| &stats.deliveries));
    sheet.counter(&names::SOCKET_WRITES, &[], total(|stats| &stats.writes));
    let delivery = shards.iter().map(|shard| &shard.stats.delivery);
    sheet.durations(&names::DELIVERY_SECONDS, &["local"], delivery);
    let gauge = |gauge: fn(&Shard) -> usize| {
        let figures = shards.iter().map(|shard| gauge(shard));
        figures.sum::<usize>() as f64
    };
    sheet.gauge(&names::DELIVERIES_WAITING, &[], gauge(Shard::waiting));
    sheet.gauge(&names::OUTBOX_BYTES, &[], gauge(Shard::outbox_bytes));
    let retained = router.retained_bytes() as f64;
    sheet.gauge(&names::RETAINED_BYTES, &[], retained);
    let stats = &router.stats;
    for kind in TopicKind::ALL {
        let published = stats.published[kind as usize].load();
        sheet.counter(&names::PUBLISHED, &[kind.label()], published);
    }
    sheet.counter(&names::UNDELIVERABLE, &[], stats.undeliverable.load());
    sheet.counter(&names::BUSY, &[], stats.busy.load());
    sheet.counter(&names::RETAINED_EVICTED, &[], stats.retained_evicted.load());
}

fn write_ingress(sheet: &mut Sheet<'_>, stats: &IngressStats) {
    sheet.counter(&names::CONNECTIONS_ACCEPTED, &[], stats.accepted.load());
    sheet.counter(&names::ACCEPT_ERRORS, &[], stats.accept_errors.load());
    sheet.counter(&names::HANDSHAKES, &[], stats.upgraded.load());
    for reason in RejectReason::ALL {
        let rejected = stats.rejected[reason as usize].load();
        sheet.counter(&names::REJECTIONS, &[reason.label()], rejected);
    }
    sheet.durations(&names::HANDSHAKE_SECONDS, &[], [&stats.handshake]);
}

fn write_auth(sheet: &mut Sheet<'_>, stats: &AuthStats) {
    for dialect in DialectId::ALL {
        for outcome in LoginOutcome::ALL {
            let count = stats.logins[dialect.index()][outcome as usize].load();
            let labels = [dialect.label(), outcome.label()];
            sheet.counter(&names::LOGINS, &labels, count);
        }
    }
    for outcome in HookOutcome::ALL {
        let count = stats.hooks[outcome as usize].load();
        sheet.counter(&names::AUTH_HOOKS, &[outcome.label()], count);
    }
    sheet.durations(&names::AUTH_HOOK_SECONDS, &[], [&stats.hook]);
    for outcome in TokenOutcome::ALL {
        let count = stats.im_tokens[outcome as usize].load();
        sheet.counter(&names::IM_TOKENS, &[outcome.label()], count);
    }
}

fn write_api(sheet: &Sheet<'_>, stats: &ApiStats) {
    for outcome in ApiOutcome::ALL {
        let count = stats.requests[outcome as usize].load();
        sheet.counter(&names::API_REQUESTS, &[outcome.label()], count);
    }
    sheet.counter(&names::API_IDS_FORGOTTEN, &[], stats.ids_forgotten.load());
}

fn write_expired(sheet: &Sheet<'_>, sources: &Sources) {
    let shards = sources.router.shards();
    let on_shards: u64 = shards.iter().map(|shard| shard.stats.expired.load()).sum();
    for (place, count) in [
        ("bus", sources.router.stats.expired.load()),
        ("mail", sources.post.stats().expired.load()),
        ("queue", sources.api.expired.load()),
        ("shard", on_shards),
    ] {
        sheet.counter(&names::EXPIRED, &[place], count);
    }
}

fn write_ingest(sheet: &Sheet<'_>, stats: &IngestStats) {
    for (outcome, count) in [
        ("busy", &stats.busy),
        ("dead", &stats.dead),
        ("done", &stats.done),
    ] {
        sheet.counter(&names::PUSHES, &[outcome], count.load());
    }
    sheet.counter(&names::PUSH_ERRORS, &[], stats.errors.load());
}

fn write_bridge(sheet: &Sheet<'_>, stats: &BridgeStats) {
    for (outcome, count) in [
        ("delivered", &stats.delivered),
        ("dropped", &stats.dropped),
        ("invalid", &stats.invalid),
        ("undeliverable", &stats.undeliverable),
    ] {
        sheet.counter(&names::BRIDGE_MESSAGES, &[outcome], count.load());
    }
    sheet.counter(&names::BRIDGE_CONNECTS, &[], stats.connects.load());
}

fn write_chat(sheet: &mut Sheet<'_>, stats: &ChatStats) {
    for outcome in ChatOutcome::ALL {
        let count = stats.messages[outcome as usize].load();
        sheet.counter(&names::CHAT_MESSAGES, &[outcome.label()], count);
    }
    sheet.durations(&names::CHAT_ACK_SECONDS, &[], [&stats.acknowledged]);
    sheet.counter(&names::CHAT_FAILURES, &[], stats.failed.load());
}

fn write_live(sheet: &Sheet<'_>, stats: &LiveStats) {
    for outcome in LiveOutcome::ALL {
        let count = stats.calls[outcome as usize].load();
        sheet.counter(&names::LIVE_CALLS, &[outcome.label()], count);
    }
    sheet.counter(&names::LIVE_UNROUTED, &[], stats.unrouted.load());
}

fn write_archive(sheet: &Sheet<'_>, stats: &ArchiveStats) {
    for (outcome, count) in [
        ("dead", &stats.dead),
        ("drained", &stats.drained),
        ("stored", &stats.stored),
    ] {
        sheet.counter(&names::ARCHIVE_RECORDS, &[outcome], count.load());
    }
    sheet.counter(&names::ARCHIVE_ERRORS, &[], stats.errors.load());
    sheet.gauge(&names::ARCHIVE_ENTRIES, &[], stats.entries() as f64);
    let lag = stats.lag().as_secs_f64();
    sheet.gauge(&names::ARCHIVE_LAG, &[], lag);
}

fn write_mail(sheet: &Sheet<'_>, post: &Post) {
    let stats = post.stats();
    for (outcome, count) in [
        ("confirmed", &stats.confirmed),
        ("dropped", &stats.dropped),
        ("kept", &stats.kept),
        ("newer", &stats.newer),
        ("unreadable", &stats.unreadable),
    ] {
        sheet.counter(&names::MAIL_LETTERS, &[outcome], count.load());
    }
    sheet.counter(&names::MAIL_ERRORS, &[], stats.errors.load());
    sheet.gauge(&names::MAIL_USERS_WAITING, &[], post.waiting() as f64);
}

/// What the system does not tell is 0.
fn write_process(sheet: &mut Sheet<'_>) {
    let process = metrics_process::collector::collect();
    let gauge = |family, value: Option<u64>| {
        sheet.gauge(family, &[], value.unwrap_or_default() as f64);
    };
    gauge(&names::FDS_MAX, process.max_fds);
    gauge(&names::FDS_OPEN, process.open_fds);
    gauge(&names::RESIDENT_BYTES, process.resident_memory_bytes);
    gauge(&names::START_SECONDS, process.start_time_seconds);
    gauge(&names::THREADS, process.threads);
    gauge(&names::VIRTUAL_BYTES, process.virtual_memory_bytes);
    let cpu = process.cpu_seconds_total.unwrap_or_default();
    sheet.fraction(&names::CPU_SECONDS, cpu);
}
