//! Every metric of a node: the one list that dashboards, alerts and documentation are checked
//! against.
//!
//! Labels are enums or configured names, never ids. Figures that add up say so.

use metrics::Unit;

/// What is exported under one name.
#[derive(Debug)]
pub struct Family {
    /// Its name.
    pub name: &'static str,
    /// How its values behave.
    pub kind: Kind,
    /// What is measured; a plain number if absent.
    pub unit: Option<Unit>,
    /// The labels that all its values have.
    pub labels: &'static [&'static str],
    /// What it tells.
    pub help: &'static str,
}

/// How values behave.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// They only grow.
    Counter,
    /// They come and go.
    Gauge,
    /// They are counted in buckets.
    Histogram,
}

/// Declares the families, and [`ALL`] of them.
macro_rules! families {
    ($($name:ident = $kind:ident $unit:expr, $text:literal [$($label:literal),*] $help:literal;)+) => {
        $(
            pub(super) static $name: Family = Family {
                name: $text,
                kind: Kind::$kind,
                unit: $unit,
                labels: &[$($label),*],
                help: $help,
            };
        )+

        /// Every family, in alphabetical order.
        pub static ALL: &[&Family] = &[$(&$name),+];
    };
}

const BYTES: Option<Unit> = Some(Unit::Bytes);
const SECONDS: Option<Unit> = Some(Unit::Seconds);

families! {
    ACCEPT_ERRORS = Counter None, "tidegate_accept_errors_total" []
        "Errors of accepting connections, for example for want of open files";
    API_IDS_FORGOTTEN = Counter None, "tidegate_api_ids_forgotten_total" []
        "Ids of publishes forgotten before their ten minutes were over, for want of room";
    API_REQUESTS = Counter None, "tidegate_api_requests_total" ["outcome"]
        "Requests to the HTTP API";
    ARCHIVE_ENTRIES = Gauge None, "tidegate_archive_entries" []
        "Messages of the cluster that were accepted and are in no database yet";
    ARCHIVE_ERRORS = Counter None, "tidegate_archive_errors_total" []
        "Calls of the database or of Redis that failed while messages were moved; they are repeated";
    ARCHIVE_LAG = Gauge SECONDS, "tidegate_archive_lag_seconds" []
        "Age of the oldest message that is in no database yet";
    ARCHIVE_RECORDS = Counter None, "tidegate_archive_records_total" ["outcome"]
        "Messages that this node has moved: drained from the list of older servers, stored, dead";
    AUTH_HOOK_SECONDS = Histogram SECONDS, "tidegate_auth_hook_seconds" []
        "Time of the calls of login hooks that were made";
    AUTH_HOOKS = Counter None, "tidegate_auth_hooks_total" ["outcome"]
        "Calls of login hooks; overloaded ones were not made";
    BRIDGE_CONNECTS = Counter None, "tidegate_bridge_connects_total" []
        "Times that the channel of the bridge was subscribed to; after the first, something was lost";
    BRIDGE_MESSAGES = Counter None, "tidegate_bridge_messages_total" ["outcome"]
        "What applications published to the channel of the bridge, as this node has dealt with it";
    BUILD_INFO = Gauge None, "tidegate_build_info" ["version"]
        "Always 1; the version is in the label";
    BUS_BUSY = Counter None, "tidegate_bus_busy_total" []
        "Publishes refused since the way to other nodes was full; part of publishes busy";
    BUS_CONFLATED = Counter None, "tidegate_bus_conflated_total" []
        "Messages that took the place of an older one on their way to another node";
    BUS_DELIVERY_SECONDS = Histogram SECONDS, "tidegate_bus_delivery_seconds" []
        "Time from a publish on another node to the delivery to this node's sessions, by both clocks";
    BUS_ENTRIES = Counter None, "tidegate_bus_entries_total" ["direction"]
        "Entries written into inboxes of nodes, and read from the own one";
    BUS_ENVELOPES = Counter None, "tidegate_bus_envelopes_total" ["direction"]
        "Messages, questions, answers and canaries in these entries, without repeats";
    BUS_ERRORS = Counter None, "tidegate_bus_errors_total" []
        "Calls of Redis that failed; what can be repeated is";
    BUS_LOST = Counter None, "tidegate_bus_lost_total" ["reason"]
        "Messages between nodes that are lost; the log has the ranges";
    BUS_REPEATED = Counter None, "tidegate_bus_repeated_total" []
        "Messages that came twice and were dropped";
    BUS_ROUND_TRIP_SECONDS = Histogram SECONDS, "tidegate_bus_round_trip_seconds" []
        "Time of a canary from this node through Redis to its own inbox and back";
    BUS_VERSION = Gauge None, "tidegate_bus_version" []
        "The version in which the node writes to all others: the last that all of them know";
    BUS_VERSION_MAX = Gauge None, "tidegate_bus_version_max" []
        "The last version of the bus that the node knows";
    BYTES_MOVED = Counter BYTES, "tidegate_bytes_total" ["dialect", "direction"]
        "Bytes read from and written to clients after the upgrade, before encryption";
    CANARY_AGE = Gauge SECONDS, "tidegate_canary_age_seconds" []
        "Age of the newest canary that came back; 0 without a cluster";
    CERTIFICATE_EXPIRY = Gauge SECONDS, "tidegate_certificate_expiry_time_seconds" []
        "When the first certificate of the public listeners expires, in Unix seconds; 0 without TLS";
    CHAT_ACK_SECONDS = Histogram SECONDS, "tidegate_chat_ack_seconds" []
        "Time from a chat message to what says that it is kept and on its way";
    CHAT_FAILURES = Counter None, "tidegate_chat_failures_total" []
        "Calls of chat clients, messages aside, that came to nothing for want of a service";
    CHAT_MESSAGES = Counter None, "tidegate_chat_messages_total" ["outcome"]
        "Chat messages of clients; kept and repeated ones were acknowledged";
    CLUSTER_REOPENED = Counter None, "tidegate_cluster_reopened_total" []
        "Times inbox and log were opened in a new life of Redis' data, the first time included";
    CONFIGURATION_OUTDATED = Gauge None, "tidegate_configuration_outdated" []
        "1 while the configuration could not be read again the last time, else 0";
    CONNECT_HOOK_SECONDS = Histogram SECONDS, "tidegate_connect_hook_seconds" []
        "Time of the calls of the service that decides who comes in";
    CONNECT_HOOKS = Counter None, "tidegate_connect_hooks_total" ["outcome"]
        "Calls of the service that decides who comes in; overloaded ones were not made";
    CONNECTIONS = Gauge None, "tidegate_connections" ["dialect"]
        "Upgraded connections that are open: sessions opened less sessions closed";
    CONNECTIONS_ACCEPTED = Counter None, "tidegate_connections_accepted_total" []
        "Connections accepted on the public listeners";
    CONNECTIONS_MAX = Gauge None, "tidegate_connections_max" []
        "Most sessions that the node takes";
    DELIVERIES = Counter None, "tidegate_deliveries_total" []
        "Messages put into outboxes; divided by messages published: subscribers of a message";
    DELIVERIES_WAITING = Gauge None, "tidegate_deliveries_waiting" []
        "Published messages that have not been put into all outboxes of their subscribers";
    DELIVERY_SECONDS = Histogram SECONDS, "tidegate_delivery_seconds" ["kind"]
        "Time from a publish to the write to its last subscriber of a shard";
    DIRECTORY_TOPICS = Gauge None, "tidegate_directory_topics" []
        "Topics with subscribers on other nodes, counted once per topic";
    DUES_SESSIONS = Gauge None, "tidegate_dues_sessions" []
        "Sessions that owe something at their end, with those that have ended and are not settled";
    DUTIES = Counter None, "tidegate_duties_total" ["kind", "outcome"]
        "Duties of sessions that have ended, of this node or of one that has died: done, found done, failed";
    FENCED = Counter None, "tidegate_fenced_total" []
        "Times the other nodes had declared this one dead while it lived";
    HANDSHAKE_SECONDS = Histogram SECONDS, "tidegate_handshake_seconds" []
        "Time from a connection to its upgrade";
    HANDSHAKES = Counter None, "tidegate_handshakes_total" []
        "Upgrades that became sessions";
    HAPPENING_ERRORS = Counter None, "tidegate_happening_errors_total" []
        "Calls that failed while happenings or what is owed were kept; they are repeated";
    HAPPENINGS = Counter None, "tidegate_happenings_total" ["kind", "outcome"]
        "What has happened and somebody wants to hear of: kept to be told, or dropped for want of room";
    HAPPENINGS_WAITING = Gauge None, "tidegate_happenings_waiting" []
        "Happenings that wait to be kept";
    HOOK_SECONDS = Histogram SECONDS, "tidegate_hook_seconds" []
        "Time of a request to a webhook, failed ones included";
    HOOKS_DROPPED = Counter None, "tidegate_hooks_dropped_total" ["reason"]
        "What was not kept for a webhook: too much waited already, or there is no such endpoint";
    HOOKS_ERRORS = Counter None, "tidegate_hooks_errors_total" []
        "Calls of Redis or of the database that failed while webhooks were told; they are repeated";
    HOOKS_FAILING = Gauge None, "tidegate_hooks_failing" []
        "Webhooks whose last request failed";
    HOOKS_OLDEST = Gauge SECONDS, "tidegate_hooks_oldest_seconds" []
        "Age of the oldest happening that waits for a webhook on this node";
    HOOKS_PENDING = Gauge None, "tidegate_hooks_pending" []
        "What waits for webhooks on this node, once for each of them";
    HOOKS = Counter None, "tidegate_hooks_total" ["outcome"]
        "What webhooks were to be told: kept, delivered, retried, dead, gone to another node";
    IDLE_EVICTIONS = Counter None, "tidegate_idle_evictions_total" ["dialect"]
        "Sessions ended since their clients were silent; part of sessions closed";
    IM_TOKENS = Counter None, "tidegate_im_tokens_total" ["outcome"]
        "Answers to requests for tokens of the im dialect";
    INBOX_ENTRIES = Gauge None, "tidegate_inbox_entries" []
        "Entries that waited in the node's inbox at its last heartbeat";
    JOB_CALL_SECONDS = Histogram SECONDS, "tidegate_job_call_seconds" []
        "Time of the calls of services that do jobs";
    JOB_ERRORS = Counter None, "tidegate_job_errors_total" []
        "Calls of what keeps jobs that failed; they are repeated";
    JOB_ADDED = Counter None, "tidegate_jobs_added_total" []
        "Jobs that were added on this node";
    JOBS_DEAD = Gauge None, "tidegate_jobs_dead" []
        "Dead jobs of all nodes together";
    JOBS_OLDEST = Gauge SECONDS, "tidegate_jobs_oldest_seconds" []
        "Age of the oldest job that is neither done nor dead";
    JOBS_OPEN = Gauge None, "tidegate_jobs_open" []
        "Jobs of all nodes together that are neither done nor dead";
    JOBS_RUNNING = Gauge None, "tidegate_jobs_running" []
        "Jobs that this node works on";
    JOB_ATTEMPTS = Counter None, "tidegate_jobs_total" ["outcome"]
        "Attempts at jobs on this node, by what came of them";
    LIVE_CALLS = Counter None, "tidegate_live_calls_total" ["outcome"]
        "Calls of the gateway's own methods of live rooms";
    LIVE_UNROUTED = Counter None, "tidegate_live_unrouted_total" []
        "What was said in live rooms and found no room on its way for ten seconds";
    LOGINS = Counter None, "tidegate_logins_total" ["dialect", "outcome"]
        "Answers to the question whether a credential is good";
    MAIL_ERRORS = Counter None, "tidegate_mail_errors_total" []
        "Calls of the mail that failed; what was to be put was refused, the rest is repeated";
    MAIL_LETTERS = Counter None, "tidegate_mail_letters_total" ["outcome"]
        "Durable messages to users: kept, confirmed by a client, dropped for newer ones, left for a newer node, unreadable";
    MAIL_USERS_WAITING = Gauge None, "tidegate_mail_users_waiting" []
        "Users with sessions whose mail is to be read";
    CONFLATED = Counter None, "tidegate_messages_conflated_total" []
        "Messages that took the place of an older one that still waited";
    EXPIRED = Counter None, "tidegate_messages_expired_total" ["kind"]
        "Messages dropped when their ttl was over, by where they waited; on a shard, once per shard";
    PUBLISHED = Counter None, "tidegate_messages_published_total" ["kind"]
        "Messages published on this node, by kind of topic";
    MESSAGES = Counter None, "tidegate_messages_total" ["dialect", "direction"]
        "Messages from clients, and data frames written to clients as a whole";
    UNDELIVERABLE = Counter None, "tidegate_messages_undeliverable_total" []
        "Messages to a user or a session that nobody was; part of messages published";
    METHOD_ANSWERS_DROPPED = Counter None, "tidegate_method_answers_dropped_total" ["dialect"]
        "Answers to method calls, or what took their place, whose session had ended";
    METHOD_BREAKERS = Gauge None, "tidegate_method_breakers" ["prefix", "phase"]
        "What the breaker of each service that answers methods does with calls: 1 for the phase it is in";
    METHOD_CALL_SECONDS = Histogram SECONDS, "tidegate_method_call_seconds" []
        "Time of the method calls that were made";
    METHOD_CALLS_REFUSED = Counter None, "tidegate_method_calls_refused_total" ["dialect"]
        "Method calls that were not made since their session had too many under way";
    METHOD_CALLS = Counter None, "tidegate_method_calls_total" ["prefix", "outcome"]
        "Calls of each service that answers methods; open and overloaded ones were not made";
    METHOD_CALLS_UNDER_WAY = Gauge None, "tidegate_method_calls_under_way" ["prefix"]
        "Method calls that wait for the answer of a service";
    METHOD_CALLS_UNKNOWN = Counter None, "tidegate_method_calls_unknown_total" []
        "Method calls that no service was there for any more";
    NODES = Gauge None, "tidegate_nodes" []
        "Living nodes that this one knows of, itself included";
    OUTBOX_BYTES = Gauge BYTES, "tidegate_outbox_bytes" []
        "Bytes that wait in all outboxes";
    OUTBOX_MAX_BYTES = Gauge BYTES, "tidegate_outbox_max_bytes" []
        "Most bytes that may wait in all outboxes";
    PRESENCE_DELTAS = Counter None, "tidegate_presence_deltas_total" ["direction"]
        "Entries written into the presence stream, and entries of other nodes read from it";
    PRESENCE_GAPS = Counter None, "tidegate_presence_gaps_total" []
        "Gaps found in what other nodes wrote into the presence stream; each leads to a snapshot";
    PRESENCE_PENDING = Gauge None, "tidegate_presence_pending" []
        "Changes and entries that are on their way into the presence stream";
    PRESENCE_SNAPSHOTS = Counter None, "tidegate_presence_snapshots_total" []
        "Snapshots of all topics that this node has written";
    PRESENCE_UNREADABLE = Counter None, "tidegate_presence_unreadable_total" []
        "Entries of other nodes in the presence stream that could not be read; the next one shows a gap";
    CPU_SECONDS = Counter SECONDS, "tidegate_process_cpu_seconds_total" []
        "Processor time of the process, user and system";
    FDS_MAX = Gauge None, "tidegate_process_max_fds" []
        "Most files that the process may have open";
    FDS_OPEN = Gauge None, "tidegate_process_open_fds" []
        "Files that the process has open";
    RESIDENT_BYTES = Gauge BYTES, "tidegate_process_resident_memory_bytes" []
        "Memory of the process in RAM";
    START_SECONDS = Gauge SECONDS, "tidegate_process_start_time_seconds" []
        "When the process started, in seconds since the Unix epoch";
    THREADS = Gauge None, "tidegate_process_threads" []
        "Threads of the process";
    VIRTUAL_BYTES = Gauge BYTES, "tidegate_process_virtual_memory_bytes" []
        "Address space of the process";
    BUSY = Counter None, "tidegate_publishes_busy_total" []
        "Publishes refused for want of room; publishers wait and try again";
    PUSH_ERRORS = Counter None, "tidegate_push_errors_total" []
        "Calls of the queue of pushes that failed; they are repeated";
    PUSHES = Counter None, "tidegate_pushes_total" ["outcome"]
        "Pushes out of the queue: done, dead since nothing can be done with them, busy and tried again";
    READY = Gauge None, "tidegate_ready" []
        "1 while the node wants clients, else 0";
    REJECTIONS = Counter None, "tidegate_rejections_total" ["reason"]
        "Connections and requests that did not become sessions";
    RELOADS = Counter None, "tidegate_reloads_total" ["outcome"]
        "Times the configuration was read again: it is in use, or had mistakes that changed nothing";
    RETAINED_BYTES = Gauge BYTES, "tidegate_retained_bytes" []
        "Bytes charged for messages kept for later subscribers";
    RETAINED_EVICTED = Counter None, "tidegate_retained_evicted_total" []
        "Kept messages that gave way before their time";
    SCHEDULE_ERRORS = Counter None, "tidegate_schedule_errors_total" []
        "Looks for what is due that failed; they are repeated";
    SCHEDULES = Counter None, "tidegate_schedules_total" ["outcome"]
        "Occurrences of schedules that this node has dealt with, and jobs of theirs that nobody does";
    SERVICE_AGENTS = Gauge None, "tidegate_service_agents" []
        "Agents of all nodes who are there, as this node has seen them last";
    SERVICE_ASSIGNMENTS = Counter None, "tidegate_service_assignments_total" ["reason"]
        "Customers who got an agent by a call of this node";
    SERVICE_CUSTOMERS = Gauge None, "tidegate_service_customers" ["state"]
        "Customers of all nodes, as this node has seen them last";
    SERVICE_ERRORS = Counter None, "tidegate_service_errors_total" []
        "Calls of whoever keeps customer service that failed";
    SERVICE_LANES = Gauge None, "tidegate_service_lanes" []
        "Customers of all nodes of whom something is to be told, as this node has seen them last";
    SERVICE_DROPPED = Counter None, "tidegate_service_messages_dropped_total" []
        "Messages of customers who were released before anybody was there for them";
    SERVICE_REFUSALS = Counter None, "tidegate_service_refusals_total" ["reason"]
        "Calls of customers, agents and the API that were refused";
    SERVICE_TOLD = Counter None, "tidegate_service_told_total" []
        "Changes and messages of customers that this node has published";
    SERVICE_WAITS = Counter None, "tidegate_service_waits_total" []
        "Times that something is told later, for want of room or of the agent it is for";
    SESSIONS = Gauge None, "tidegate_sessions" []
        "Sessions that messages can reach";
    SESSIONS_CLOSED = Counter None, "tidegate_sessions_closed_total" ["dialect", "reason"]
        "Sessions that ended";
    SESSIONS_OPENED = Counter None, "tidegate_sessions_opened_total" ["dialect"]
        "Sessions that began";
    SLOW_CONSUMERS = Counter None, "tidegate_slow_consumers_total" ["dialect"]
        "Sessions ended since they did not take their messages; part of sessions closed";
    SOCKET_WRITES = Counter None, "tidegate_socket_writes_total" []
        "Calls of the system that wrote to clients";
    STORE_ERRORS = Counter None, "tidegate_store_errors_total" []
        "Looks for messages that are too old which failed; there is another one in an hour";
    STORE_REMOVED = Counter None, "tidegate_store_removed_total" []
        "Messages removed since they were older than the retention";
    SUBSCRIBE_HOOK_SECONDS = Histogram SECONDS, "tidegate_subscribe_hook_seconds" []
        "Time of the calls of the service that decides who joins a room";
    SUBSCRIBE_HOOKS = Counter None, "tidegate_subscribe_hooks_total" ["outcome"]
        "Calls of the service that decides who joins a room; overloaded ones were not made";
    TAIL_LEFT_OUT = Counter None, "tidegate_tail_left_out_total" []
        "Events left out for those who follow topics, since they did not fetch them in time";
    TAIL_WATCHES = Gauge None, "tidegate_tail_watches" []
        "Topics that somebody follows on this node";
    TAKEOVERS = Counter None, "tidegate_takeovers_total" []
        "Dead nodes that this one has reaped";
    THROTTLED = Counter None, "tidegate_throttled_total" ["dialect"]
        "Times a session was not read for a while, since it was over its rate";
    TOPICS = Gauge None, "tidegate_topics" []
        "Topics with subscribers on this node, without those of single sessions and of all";
    TRACE_BYTES = Gauge BYTES, "tidegate_trace_bytes" []
        "Bytes that the remembered steps of messages take";
    TRACE_MEMORY = Gauge SECONDS, "tidegate_trace_memory_seconds" []
        "How far back all steps are remembered: the age of the newest one that was overwritten";
    TRACE_OVERWRITTEN = Counter None, "tidegate_trace_overwritten_total" []
        "Steps of messages that gave way to newer ones; part of the steps remembered";
    TRACE_STEPS = Counter None, "tidegate_trace_steps_total" []
        "Steps of messages that were remembered";
    UPLINK_BYTES = Gauge BYTES, "tidegate_uplink_bytes" []
        "Bytes that wait on their way to other nodes";
    UPTIME_SECONDS = Gauge SECONDS, "tidegate_uptime_seconds" []
        "Time since the node started";
}
