//! What a node tells of its bounds, its certificate and its configuration.

use super::{names, sheet::Sheet};
use crate::stats::NodeStats;

/// Writes every family of these.
pub(super) fn write(sheet: &Sheet<'_>, stats: &NodeStats) {
    for (family, gauge) in [
        (&names::CONNECTIONS_MAX, &stats.connections_max),
        (&names::OUTBOX_MAX_BYTES, &stats.outboxes_bytes_max),
        (&names::CERTIFICATE_EXPIRY, &stats.certificate_expires_s),
        (&names::CONFIGURATION_OUTDATED, &stats.outdated),
    ] {
        sheet.gauge(family, &[], gauge.load() as f64);
    }
    for (outcome, count) in [
        ("applied", &stats.reloads_applied),
        ("failed", &stats.reloads_failed),
    ] {
        sheet.counter(&names::RELOADS, &[outcome], count.load());
    }
}
