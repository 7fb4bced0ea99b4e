//! What webhooks have counted.

use super::{names, sheet::Sheet};
use crate::{backend::hooks::Hooks, stats::HookDrop};

/// Writes every family of webhooks.
pub(super) fn write(sheet: &mut Sheet<'_>, hooks: &Hooks) {
    let stats = hooks.stats();
    for (outcome, count) in [
        ("dead", &stats.dead),
        ("delivered", &stats.delivered),
        ("gone", &stats.gone),
        ("kept", &stats.kept),
        ("retried", &stats.retried),
    ] {
        sheet.counter(&names::HOOKS, &[outcome], count.load());
    }
    for reason in HookDrop::ALL {
        let dropped = stats.dropped[reason as usize].load();
        sheet.counter(&names::HOOKS_DROPPED, &[reason.label()], dropped);
    }
    sheet.counter(&names::HOOKS_ERRORS, &[], stats.errors.load());
    sheet.gauge(&names::HOOKS_PENDING, &[], hooks.pending() as f64);
    let failing = hooks.states().into_iter();
    let failing = failing.filter(|hook| 0 < hook.failures).count();
    sheet.gauge(&names::HOOKS_FAILING, &[], failing as f64);
    let oldest = hooks.oldest().as_secs_f64();
    sheet.gauge(&names::HOOKS_OLDEST, &[], oldest);
    sheet.durations(&names::HOOK_SECONDS, &[], [&stats.attempt]);
}
