//! What is counted about customer service.

use super::{names, sheet::Sheet};
use crate::stats::ReceptionStats;

pub(super) fn write(sheet: &Sheet<'_>, stats: &ReceptionStats) {
    let customers = [
        ("assigned", &stats.customers_assigned),
        ("waiting", &stats.customers_waiting),
    ];
    for (state, count) in customers {
        sheet.gauge(&names::SERVICE_CUSTOMERS, &[state], count.load() as f64);
    }
    sheet.gauge(&names::SERVICE_AGENTS, &[], stats.agents.load() as f64);
    sheet.gauge(&names::SERVICE_LANES, &[], stats.lanes.load() as f64);
    for (reason, count) in ReceptionStats::REASONS.iter().zip(&stats.assigned) {
        sheet.counter(&names::SERVICE_ASSIGNMENTS, &[reason], count.load());
    }
    for (reason, count) in ReceptionStats::REFUSALS.iter().zip(&stats.refused) {
        sheet.counter(&names::SERVICE_REFUSALS, &[reason], count.load());
    }
    sheet.counter(&names::SERVICE_DROPPED, &[], stats.dropped.load());
    sheet.counter(&names::SERVICE_TOLD, &[], stats.told.load());
    sheet.counter(&names::SERVICE_WAITS, &[], stats.waits.load());
    sheet.counter(&names::SERVICE_ERRORS, &[], stats.errors.load());
}
