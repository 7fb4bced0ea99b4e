//! What `POST /api/schedules` is asked for.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::{
    admin::{
        State,
        input::{self, Text},
        jobs::JobRequest,
        problem::Problem,
        publish,
    },
    jobs::board::Order,
    schedules::{
        LATE_MS, Schedule, What, When,
        cron::{Cron, CronError},
    },
};

/// When something is to be done, and what
///
/// One of `at`, `in` and `cron`, and one of `publish` and `job`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "cron": "0 8 * * MON-FRI", "timezone": "Europe/Berlin", "missed": "skip", "id": "morning",
    "publish": {"to": "room:news", "data": "Good morning"},
}))]
pub(super) struct ScheduleRequest<'a> {
    /// At this time, in seconds since the Unix epoch, at most a year ahead. A time that has passed is late.
    #[schema(minimum = 0)]
    at: Option<f64>,
    /// In so many seconds, at most a year.
    #[schema(minimum = 0)]
    r#in: Option<f64>,
    /// Again and again: minute, hour, day of the month, month, day of the week.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 256)]
    cron: Option<Text<256>>,
    /// The time zone of `cron`; UTC if it is missing.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 64)]
    timezone: Option<Text<64>>,
    /// What is published: what `POST /api/publish` takes, without `id` and `at`.
    #[serde(borrow)]
    #[schema(value_type = Option<serde_json::Value>)]
    publish: Option<&'a RawValue>,
    /// What is done: what `POST /api/jobs` takes, without `id`.
    #[serde(borrow)]
    #[schema(value_type = Option<serde_json::Value>)]
    job: Option<&'a RawValue>,
    /// Names the schedule. The same one again with the same id is answered as the first time until it is
    /// over or removed; another one is refused.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 64)]
    pub(super) id: Option<Text<64>>,
    /// What becomes of an occurrence whose time has passed while no node was there. Of several, one comes late.
    #[schema(value_type = Option<Missed>, default = "fire")]
    missed: Option<Missed>,
    /// How late it may be and is still fired, in seconds. With `skip` 10 if it is missing, with `fire` as late as
    /// it is.
    #[schema(minimum = 0)]
    late_max: Option<f64>,
}

/// What becomes of an occurrence that was missed
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Missed {
    /// It is fired late.
    Fire,
    /// It is passed over.
    Skip,
}

/// The job of a schedule, as it is told.
#[derive(Debug, Serialize)]
pub(super) struct Job<'a> {
    pub(super) kind: Box<str>,
    #[serde(flatten)]
    pub(super) order: Order<'a>,
}

// === impl ScheduleRequest ===

impl<'a> ScheduleRequest<'a> {
    /// The schedule, and its first time.
    pub(super) fn read(&self, state: &State, now_ms: u64) -> Result<(Schedule<'a>, u64), Problem> {
        let when = self.when()?;
        let latest_ms = now_ms.saturating_add(publish::AHEAD_MAX_MS);
        let is_cron = matches!(when, When::Cron(..));
        let first = when.first(now_ms);
        let first = first.filter(|first_ms| is_cron || *first_ms <= latest_ms);
        let field = if self.at.is_some() { "at" } else { "in" };
        let first_ms = first.ok_or_else(|| match is_cron {
            true => wrong("cron", &CronError::Never.to_string()),
            false => wrong(field, "is more than a year ahead, expected at most that"),
        })?;
        let late_max_ms = match (millis("late_max", self.late_max)?, self.missed) {
            (None, Some(Missed::Skip)) => Some(LATE_MS),
            (late_max_ms, _) => late_max_ms,
        };
        let schedule = Schedule {
            when,
            late_max_ms,
            what: self.what(state)?,
        };
        Ok((schedule, first_ms))
    }

    fn when(&self) -> Result<When, Problem> {
        if self.timezone.is_some() && self.cron.is_none() {
            return Err(wrong("timezone", "has no cron, expected one beside it"));
        }
        let (at, after) = (millis("at", self.at)?, millis("in", self.r#in)?);
        match (at, after, &self.cron) {
            (Some(at_ms), None, None) => Ok(When::At(at_ms)),
            (None, Some(after_ms), None) => Ok(When::In(after_ms)),
            (None, None, Some(Text(cron))) => {
                let zone = self.timezone.as_ref().map(|Text(zone)| zone);
                Cron::parse(cron, zone.map(|zone| &**zone)).map_err(|error| match error {
                    CronError::Zone(_) => wrong("timezone", &error.to_string()),
                    _ => wrong("cron", &error.to_string()),
                })?;
                Ok(When::Cron(cron.clone(), zone.cloned()))
            }
            _ => Err(Problem::unprocessable("expected one of at, in and cron")),
        }
    }

    fn what(&self, state: &State) -> Result<What<'a>, Problem> {
        match (self.publish, self.job) {
            (Some(request), None) => {
                let text = request.get().as_bytes();
                let checked = publish::schedule::check(state, text);
                checked.map_err(|problem| problem.within("publish"))?;
                Ok(What::Publish(request))
            }
            (None, Some(job)) => {
                let job: JobRequest<'a> = input::read(job.get().as_bytes())
                    .and_then(|job: JobRequest<'a>| job.check(state).map(|()| job))
                    .map_err(|problem| problem.within("job"))?;
                if job.id.is_some() {
                    return Err(wrong("job.id", "is given by the schedule, expected none"));
                }
                let (kind, order) = (job.kind(), job.order());
                Ok(What::Job { kind, order })
            }
            _ => Err(Problem::unprocessable("expected one of publish and job")),
        }
    }
}

fn millis(field: &'static str, seconds: Option<f64>) -> Result<Option<u64>, Problem> {
    let millis = |seconds: f64| {
        // Far beyond any time, and far below where numbers lose their milliseconds.
        let is_time = (0.0..1e12).contains(&seconds);
        let expected = format!("is {seconds}, expected seconds from 0 to a year from now");
        is_time
            .then_some((seconds * 1000.0) as u64)
            .ok_or_else(|| wrong(field, &expected))
    };
    seconds.map(millis).transpose()
}

fn wrong(field: &str, problem: &str) -> Problem {
    Problem::unprocessable(format!("{field}: {problem}")).field(field)
}
