//! Times that come again and again, as cron has them: five fields, in a time zone.

use std::str::FromStr as _;

use jiff::{Timestamp, tz::TimeZone};

/// Fields of a text.
const FIELDS: usize = 5;
/// Longest text.
const BYTES_MAX: usize = 256;

/// Minutes, hours, days of the month, months and days of the week at which something is done.
#[derive(Clone, Debug)]
pub struct Cron {
    pattern: croner::Cron,
    zone: TimeZone,
}

/// Why a text is none, or a zone.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CronError {
    /// Of the text.
    #[error("{0}, expected five fields such as \"*/5 * * * *\": minute, hour, day, month, weekday")]
    Pattern(String),
    /// It has no time.
    #[error("has no time that comes, expected one that does")]
    Never,
    /// Of the zone.
    #[error("is {0:?}, expected a name such as Europe/Berlin, or UTC")]
    Zone(String),
}

// === impl Cron ===

impl Cron {
    /// Reads a text. Without a zone it is UTC.
    ///
    /// # Errors
    ///
    /// [`CronError`].
    pub fn parse(text: &str, zone: Option<&str>) -> Result<Self, CronError> {
        let zone = match zone {
            None => TimeZone::UTC,
            Some(name) => {
                TimeZone::get(name).map_err(|_| CronError::Zone(name.chars().take(64).collect()))?
            }
        };
        let fields = text.split_whitespace().count();
        if BYTES_MAX < text.len() || fields != FIELDS {
            return Err(CronError::Pattern(format!("has {fields} fields")));
        }
        let pattern = croner::Cron::from_str(text)
            .map_err(|error| CronError::Pattern(format!("is not understood: {error}")))?;
        Ok(Self { pattern, zone })
    }

    /// The first time after `after_ms`; both in milliseconds since the Unix epoch.
    pub fn after(&self, after_ms: u64) -> Option<u64> {
        let after = Timestamp::from_millisecond(i64::try_from(after_ms).ok()?).ok()?;
        let after = after.to_zoned(self.zone.clone());
        let next = self.pattern.find_next_occurrence(&after, false).ok()?;
        u64::try_from(next.timestamp().as_millisecond()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, zone: Option<&str>, after: &str, expect: &[&str]) {
        let cron = Cron::parse(text, zone).unwrap();
        let mut at_ms = after.parse::<Timestamp>().unwrap().as_millisecond() as u64;
        for expect in expect {
            at_ms = cron.after(at_ms).unwrap();
            let at = Timestamp::from_millisecond(at_ms as i64).unwrap();
            assert_eq!(at.to_string(), *expect, "{text} {zone:?}");
        }
    }

    #[test]
    fn five_fields_say_when() {
        check(
            "*/5 * * * *",
            None,
            "2026-01-01T00:02:00.5Z",
            &["2026-01-01T00:05:00Z", "2026-01-01T00:10:00Z"],
        );
        check(
            "30 4 1,15 * MON",
            None,
            "2026-06-02T00:00:00Z",
            // The day of the month or the day of the week, as everywhere.
            &["2026-06-08T04:30:00Z", "2026-06-15T04:30:00Z"],
        );
        check(
            "0 9 * * *",
            Some("Asia/Shanghai"),
            "2026-01-01T00:00:00Z",
            &["2026-01-01T01:00:00Z", "2026-01-02T01:00:00Z"],
        );
    }

    #[test]
    fn a_time_that_a_day_does_not_have_comes_when_that_hour_is_over_and_one_that_it_has_twice_once()
    {
        // On 29 March 2026 it is 3:00 after 1:59 in Berlin, on 25 October 2:00 after 2:59.
        check(
            "30 2 * * *",
            Some("Europe/Berlin"),
            "2026-03-28T12:00:00Z",
            &["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"],
        );
        check(
            "30 2 * * *",
            Some("Europe/Berlin"),
            "2026-10-24T12:00:00Z",
            &["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"],
        );
        check(
            "*/30 * * * *",
            Some("Europe/Berlin"),
            "2026-10-25T00:15:00Z",
            &[
                "2026-10-25T00:30:00Z",
                "2026-10-25T01:00:00Z",
                "2026-10-25T01:30:00Z",
                "2026-10-25T02:00:00Z",
            ],
        );
    }

    #[test]
    fn what_is_no_text_of_cron_says_why() {
        let error = |text: &str, zone| Cron::parse(text, zone).unwrap_err().to_string();
        for text in ["", "* * * *", "* * * * * *", "@hourly"] {
            let error = error(text, None);
            assert!(error.contains("fields, expected five"), "{text}: {error}");
        }
        for text in [
            "60 * * * *",
            "* 24 * * *",
            "x * * * *",
            "* * 0 * *",
            "*/0 * * * *",
        ] {
            let error = error(text, None);
            assert!(error.starts_with("is not understood: "), "{text}: {error}");
        }
        assert_eq!(
            error("* * * * *", Some("Mars/Olympus")),
            "is \"Mars/Olympus\", expected a name such as Europe/Berlin, or UTC"
        );
    }

    #[test]
    fn what_never_comes_has_no_time() {
        let cron = Cron::parse("0 0 31 2 *", None).unwrap();
        assert_eq!(cron.after(0), None);
    }
}
