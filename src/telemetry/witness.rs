//! What the witness has counted.

use super::{names, sheet::Sheet};
use crate::{
    happening::Kind,
    witness::{DeedKind, DutyOutcome, Witness},
};

/// Writes every family of happenings and duties.
pub(super) fn write(sheet: &Sheet<'_>, witness: &Witness) {
    let stats = &witness.stats;
    for kind in Kind::ALL {
        for (outcome, counts) in [("dropped", &stats.dropped), ("kept", &stats.kept)] {
            let count = counts[kind as usize].load();
            sheet.counter(&names::HAPPENINGS, &[kind.label(), outcome], count);
        }
    }
    for kind in DeedKind::ALL {
        for outcome in DutyOutcome::ALL {
            let count = stats.duties[kind as usize][outcome as usize].load();
            sheet.counter(&names::DUTIES, &[kind.label(), outcome.label()], count);
        }
    }
    sheet.counter(&names::HAPPENING_ERRORS, &[], stats.errors.load());
    let waiting = witness.waiting() as f64;
    sheet.gauge(&names::HAPPENINGS_WAITING, &[], waiting);
    sheet.gauge(&names::DUES_SESSIONS, &[], witness.owing() as f64);
}
