//! Every metric of the load generator.

/// A metric: what it counts, in base units.
#[derive(Debug)]
pub struct Family {
    /// Its name.
    pub name: &'static str,
    /// `counter`, `gauge` or `histogram`, as Prometheus calls it.
    pub kind: &'static str,
    /// What it is.
    pub help: &'static str,
}

macro_rules! families {
    ($($name:ident = $kind:literal $text:literal $help:literal;)+) => {
        $(
            pub(super) const $name: Family = Family { name: $text, kind: $kind, help: $help };
        )+

        /// All of them, in alphabetical order.
        pub const ALL: &[Family] = &[$($name),+];
    };
}

families! {
    CONNECTIONS = "gauge" "loadtest_connections"
        "Connections that are open";
    CONNECTIONS_LOST = "counter" "loadtest_connections_lost_total"
        "Connections that ended without being asked to, or did not come to be, by reason";
    ERRORS = "counter" "loadtest_errors_total"
        "What else went wrong, by error";
    GENERATOR_CPU = "counter" "loadtest_generator_cpu_seconds_total"
        "CPU time of each process of the load generator, by its number";
    HANDSHAKE = "histogram" "loadtest_handshake_seconds"
        "Time from the start of a connection to the end of its handshake";
    LATENCY = "histogram" "loadtest_latency_seconds"
        "Time from when a message was due to its reception, by kind; of those whose time is taken";
    PHASE = "gauge" "loadtest_phase"
        "1 for what the run is doing: connect, warmup, hold or ramp down";
    RECEIVED = "counter" "loadtest_received_total"
        "Messages received by clients, by kind";
    RUN = "gauge" "loadtest_run"
        "1, with the name of the scenario";
    SENT = "counter" "loadtest_sent_total"
        "Messages sent by clients, by kind";
    WATCHED_CPU = "counter" "loadtest_watched_cpu_seconds_total"
        "CPU time of each process of the server, and of those beside it, since the run began";
    WATCHED_RESIDENT = "gauge" "loadtest_watched_resident_bytes"
        "Resident memory of each process of the server, and of those beside it";
}
