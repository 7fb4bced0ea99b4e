//! What is counted about jobs and schedules.

use std::sync::Arc;

use super::{names, sheet::Sheet};
use crate::stats::{IngestStats, JobStats, ScheduleStats};

/// Where these figures are.
#[derive(Clone, Debug, Default)]
pub struct Work {
    /// Jobs.
    pub jobs: Arc<JobStats>,
    /// Jobs that come through the queue.
    pub intake: Arc<IngestStats>,
    /// Schedules.
    pub schedules: Arc<ScheduleStats>,
}

impl Work {
    pub(super) fn write(&self, sheet: &mut Sheet<'_>) {
        let Self {
            jobs,
            intake,
            schedules,
        } = self;
        sheet.counter(&names::JOB_ADDED, &[], jobs.added.load());
        for (outcome, count) in [
            ("dead", &jobs.dead),
            ("done", &jobs.done),
            ("failed", &jobs.failed),
            ("given_back", &jobs.given_back),
            ("lost", &jobs.lost),
        ] {
            sheet.counter(&names::JOB_ATTEMPTS, &[outcome], count.load());
        }
        sheet.durations(&names::JOB_CALL_SECONDS, &[], [&jobs.calls]);
        let errors = jobs.errors.load() + intake.errors.load();
        sheet.counter(&names::JOB_ERRORS, &[], errors);
        for (family, gauge) in [
            (&names::JOBS_DEAD, &jobs.buried),
            (&names::JOBS_OPEN, &jobs.open),
            (&names::JOBS_RUNNING, &jobs.running),
        ] {
            sheet.gauge(family, &[], gauge.load() as f64);
        }
        sheet.gauge(&names::JOBS_OLDEST, &[], jobs.oldest().as_secs_f64());
        for (outcome, count) in [
            ("fired", &schedules.fired),
            ("late", &schedules.late),
            ("refused", &schedules.refused),
            ("skipped", &schedules.skipped),
        ] {
            sheet.counter(&names::SCHEDULES, &[outcome], count.load());
        }
        sheet.counter(&names::SCHEDULE_ERRORS, &[], schedules.errors.load());
    }
}
