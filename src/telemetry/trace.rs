//! What is remembered of messages, and who follows topics.

use super::{names, sheet::Sheet};
use crate::{clock::Clock, recorder::Recorder};

/// Writes every family of the recorder.
pub(super) fn write(sheet: &Sheet<'_>, recorder: &Recorder, clock: Clock) {
    let stats = &recorder.stats;
    sheet.counter(&names::TAIL_LEFT_OUT, &[], stats.left_out.load());
    sheet.gauge(&names::TAIL_WATCHES, &[], recorder.watches() as f64);
    sheet.gauge(&names::TRACE_BYTES, &[], recorder.bytes() as f64);
    let age_ms = clock.now().unix_ms.saturating_sub(recorder.since_ms());
    sheet.gauge(&names::TRACE_MEMORY, &[], age_ms as f64 / 1000.0);
    sheet.counter(&names::TRACE_OVERWRITTEN, &[], stats.overwritten.load());
    sheet.counter(&names::TRACE_STEPS, &[], stats.steps.load());
}
