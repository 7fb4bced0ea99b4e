//! What the ways between members have counted. A node without others shows zeros.

use std::time::Duration;

use super::{names, sheet::Sheet};
use crate::{
    cluster::Cluster,
    envelope::Version,
    router::Router,
    stats::{ClusterStats, LostReason},
};

/// Writes every family of the cluster.
pub(super) fn write(sheet: &mut Sheet<'_>, router: &Router, cluster: Option<&Cluster>) {
    let nothing = ClusterStats::default();
    let stats = cluster.map_or(&nothing, |cluster| &cluster.stats);
    write_bus(sheet, stats);
    write_presence(sheet, stats);
    let seconds = |time: Duration| time.as_secs_f64();
    let age = cluster.and_then(Cluster::canary_age).map_or(0.0, seconds);
    sheet.gauge(&names::CANARY_AGE, &[], age);
    let or_zero = |figure: fn(&Cluster) -> usize| cluster.map_or(0, figure) as f64;
    sheet.gauge(&names::UPLINK_BYTES, &[], or_zero(Cluster::uplink_bytes));
    sheet.gauge(
        &names::DIRECTORY_TOPICS,
        &[],
        or_zero(Cluster::remote_topics),
    );
    let pending = or_zero(Cluster::unannounced);
    sheet.gauge(&names::PRESENCE_PENDING, &[], pending);
    let lag = cluster.map_or(0, Cluster::inbox_entries);
    sheet.gauge(&names::INBOX_ENTRIES, &[], lag as f64);
    let version = cluster.map_or(Version::MAX, Cluster::version);
    for (family, version) in [
        (&names::BUS_VERSION, version),
        (&names::BUS_VERSION_MAX, Version::MAX),
    ] {
        sheet.gauge(family, &[], f64::from(version.number()));
    }
    let nodes = router
        .presence()
        .map_or(1, |presence| presence.nodes().len());
    sheet.gauge(&names::NODES, &[], nodes as f64);
}

fn write_bus(sheet: &mut Sheet<'_>, stats: &ClusterStats) {
    for (direction, entries, envelopes) in [
        ("in", &stats.entries_in, &stats.envelopes_in),
        ("out", &stats.entries_out, &stats.envelopes_out),
    ] {
        sheet.counter(&names::BUS_ENTRIES, &[direction], entries.load());
        sheet.counter(&names::BUS_ENVELOPES, &[direction], envelopes.load());
    }
    for reason in LostReason::ALL {
        let lost = stats.lost[reason as usize].load();
        sheet.counter(&names::BUS_LOST, &[reason.label()], lost);
    }
    for (family, count) in [
        (&names::BUS_REPEATED, &stats.repeated),
        (&names::BUS_CONFLATED, &stats.conflated),
        (&names::BUS_BUSY, &stats.busy),
        (&names::BUS_ERRORS, &stats.errors),
    ] {
        sheet.counter(family, &[], count.load());
    }
    sheet.durations(&names::BUS_DELIVERY_SECONDS, &[], [&stats.delivery]);
    sheet.durations(&names::BUS_ROUND_TRIP_SECONDS, &[], [&stats.round_trip]);
}

fn write_presence(sheet: &Sheet<'_>, stats: &ClusterStats) {
    for (direction, deltas) in [("in", &stats.deltas_in), ("out", &stats.deltas_out)] {
        sheet.counter(&names::PRESENCE_DELTAS, &[direction], deltas.load());
    }
    for (family, count) in [
        (&names::PRESENCE_GAPS, &stats.log_gaps),
        (&names::PRESENCE_SNAPSHOTS, &stats.snapshots),
        (&names::PRESENCE_UNREADABLE, &stats.log_unreadable),
        (&names::CLUSTER_REOPENED, &stats.reopened),
        (&names::TAKEOVERS, &stats.takeovers),
        (&names::FENCED, &stats.fenced),
    ] {
        sheet.counter(family, &[], count.load());
    }
}
