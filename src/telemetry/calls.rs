//! Figures about what applications are asked: methods, and decisions.

use super::{names, sheet::Sheet};
use crate::{
    dialect::DialectId,
    router::Router,
    stats::{BreakerPhase, DecidingStats, HookOutcome, MethodOutcome, MethodStats},
};

/// Of services that come and go with reloads: nothing is left of those that are gone.
pub(super) fn write(sheet: &mut Sheet<'_>, router: &Router, stats: &MethodStats) {
    for dialect in DialectId::ALL {
        let shards = router.shards().iter();
        let (mut refused, mut dropped) = (0, 0);
        for stats in shards.map(|shard| shard.stats.dialect(dialect)) {
            refused += stats.calls_refused.load();
            dropped += stats.answers_dropped.load();
        }
        let labels = [dialect.label()];
        sheet.counter(&names::METHOD_ANSWERS_DROPPED, &labels, dropped);
        sheet.counter(&names::METHOD_CALLS_REFUSED, &labels, refused);
    }
    sheet.counter(&names::METHOD_CALLS_UNKNOWN, &[], stats.unknown.load());
    sheet.durations(&names::METHOD_CALL_SECONDS, &[], [&stats.call]);
    let services = stats.services();
    let calls = services.iter().flat_map(|service| {
        MethodOutcome::ALL.map(|outcome| {
            let count = service.calls[outcome as usize].load();
            ([service.prefix(), outcome.label()], count)
        })
    });
    sheet.named(&names::METHOD_CALLS, calls);
    let under_way = services.iter();
    let under_way = under_way.map(|service| ([service.prefix()], u64::from(service.under_way())));
    sheet.named(&names::METHOD_CALLS_UNDER_WAY, under_way);
    let breakers = services.iter().flat_map(|service| {
        let phase = service.breaker();
        BreakerPhase::ALL.map(|other| {
            let labels = [service.prefix(), other.label()];
            (labels, u64::from(other == phase))
        })
    });
    sheet.named(&names::METHOD_BREAKERS, breakers);
}

pub(super) fn write_deciding(sheet: &mut Sheet<'_>, stats: &DecidingStats) {
    for outcome in HookOutcome::ALL {
        let labels = [outcome.label()];
        let count = stats.connect.calls[outcome as usize].load();
        sheet.counter(&names::CONNECT_HOOKS, &labels, count);
        let count = stats.subscribe.calls[outcome as usize].load();
        sheet.counter(&names::SUBSCRIBE_HOOKS, &labels, count);
    }
    sheet.durations(&names::CONNECT_HOOK_SECONDS, &[], [&stats.connect.call]);
    sheet.durations(&names::SUBSCRIBE_HOOK_SECONDS, &[], [&stats.subscribe.call]);
}
