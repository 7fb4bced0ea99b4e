//! Schedules: messages and jobs at a time, or again and again.
//!
//! Contract, for every implementation of [`Schedules`]:
//!
//! - **Once**: of all who fire an occurrence, one does. What it pushes is in the queue of pushes in the same
//!   step in which the schedule gets its next time, or goes.
//! - **Time**: that of the implementation: one clock for all nodes.
//! - **Ids**: an id belongs to its schedule until that is over or removed.
//! - **Loss**: none.
//! - **Blocking**: every call ends within a limit of the implementation's own, with an error if need be.
//! - **Cancellation**: a call whose future is dropped may or may not be carried out.

pub mod cron;

use std::{fmt, future::Future, pin::Pin};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use self::cron::Cron;
use crate::jobs::board::Order;

/// What a call comes to.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, SchedulesError>> + Send + 'a>>;

/// Most schedules.
pub const SCHEDULES_MAX: usize = 10_000;
/// Most schedules of one page of a list.
pub const PAGE_MAX: usize = 100;
/// How late an occurrence may be that is passed over when it was missed, unless it says so itself: the nodes look
/// twice a second, and a Redis that changes its primary is away for seconds.
pub const LATE_MS: u64 = 10_000;

/// Keeps schedules. See the module's documentation for the contract.
pub trait Schedules: fmt::Debug + Send + Sync + 'static {
    /// Adds a schedule, unless its id is known; then that one is given.
    fn add(&self, entry: Entry) -> Pending<'_, Added>;

    /// Those whose time has come, up to `max`, with the time.
    fn due(&self, max: usize) -> Pending<'_, Due>;

    /// Fires an occurrence. False if somebody else has, or the schedule is gone.
    fn fire(&self, occurrence: Firing) -> Pending<'_, bool>;

    /// A schedule.
    fn find<'a>(&'a self, id: &'a str) -> Pending<'a, Option<Entry>>;

    /// The schedules that are next, from `offset` on, at most [`PAGE_MAX`].
    fn list(&self, offset: usize) -> Pending<'_, Vec<Entry>>;

    /// Removes a schedule. False if there is no such one.
    fn remove<'a>(&'a self, id: &'a str) -> Pending<'a, bool>;

    /// The time, in milliseconds since the Unix epoch.
    fn now_ms(&self) -> Pending<'_, u64>;
}

/// A schedule where it is kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// Names it.
    pub id: Box<str>,
    /// Its next time, in milliseconds since the Unix epoch.
    pub next_ms: u64,
    /// A [`Schedule`] in JSON.
    pub body: Bytes,
}

/// What came of adding a schedule.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Added {
    /// It was not known.
    New,
    /// This one is known.
    Known(Entry),
    /// There are [`SCHEDULES_MAX`] already.
    Full,
}

/// Schedules whose time has come.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Due {
    /// The time, in milliseconds since the Unix epoch.
    pub now_ms: u64,
    /// The schedules.
    pub entries: Vec<Entry>,
}

/// An occurrence to be fired.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Firing {
    /// The schedule as it was found.
    pub entry: Entry,
    /// Its time after this one; absent, it is over.
    pub next_ms: Option<u64>,
    /// What is pushed, a request of `POST /api/publish`.
    pub push: Option<Bytes>,
}

/// When something is to be done, and what.
#[derive(Debug, Deserialize, Serialize)]
pub struct Schedule<'a> {
    /// When.
    pub when: When,
    /// How late an occurrence may be, in milliseconds; absent: as late as it is.
    pub late_max_ms: Option<u64>,
    /// What.
    #[serde(borrow)]
    pub what: What<'a>,
}

/// When something is to be done.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum When {
    /// At a time, in milliseconds since the Unix epoch.
    At(u64),
    /// So many milliseconds after it was added.
    In(u64),
    /// Whenever the clock is like this, in a time zone.
    Cron(Box<str>, Option<Box<str>>),
}

/// What is to be done.
#[derive(Debug, Deserialize, Serialize)]
pub enum What<'a> {
    /// A message, a request of `POST /api/publish` without id and time.
    #[serde(borrow)]
    Publish(&'a RawValue),
    /// A job.
    Job {
        /// Who does it.
        kind: Box<str>,
        /// What is to be done.
        #[serde(borrow)]
        order: Order<'a>,
    },
}

/// What is to become of an occurrence whose time has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Verdict {
    /// Whether it is fired, not passed over.
    pub is_fired: bool,
    /// Whether it is later than those who look for it make it.
    pub is_late: bool,
    /// The next occurrence.
    pub next_ms: Option<u64>,
}

/// Why a call came to nothing.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("schedules cannot be kept: {0}")]
pub struct SchedulesError(pub Box<str>);

/// A request, one JSON object with something in it, with an id, which it does not have.
pub fn with_id(request: &[u8], id: &str) -> Bytes {
    let inside = request.trim_ascii_start();
    let inside = inside.strip_prefix(b"{").unwrap_or(inside);
    let id = serde_json::to_vec(id).expect("texts are JSON");
    [b"{\"id\":", &id[..], b",", inside].concat().into()
}

// === impl Schedule ===

impl Schedule<'_> {
    /// As it is kept.
    pub fn to_body(&self) -> Bytes {
        let body = serde_json::to_vec(self).expect("texts, numbers and JSON are JSON");
        body.into()
    }

    /// What is to become of the occurrence of `at_ms`. Of several that were missed it is the only one.
    pub fn judge(&self, at_ms: u64, now_ms: u64) -> Verdict {
        let late_ms = now_ms.saturating_sub(at_ms);
        Verdict {
            is_fired: self.late_max_ms.is_none_or(|max_ms| late_ms <= max_ms),
            is_late: LATE_MS < late_ms,
            next_ms: self.when.after(now_ms.max(at_ms)),
        }
    }
}

// === impl When ===

impl When {
    /// The first time, seen from `now_ms`.
    pub fn first(&self, now_ms: u64) -> Option<u64> {
        match self {
            Self::At(at_ms) => Some(*at_ms),
            Self::In(after_ms) => now_ms.checked_add(*after_ms),
            Self::Cron(..) => self.after(now_ms),
        }
    }

    /// The first time after `after_ms` at which it is done again.
    fn after(&self, after_ms: u64) -> Option<u64> {
        match self {
            Self::At(_) | Self::In(_) => None,
            Self::Cron(text, zone) => {
                let cron = Cron::parse(text, zone.as_deref()).ok()?;
                cron.after(after_ms)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE_MS: u64 = 60_000;

    fn judged(when: When, late_max_ms: Option<u64>, at_ms: u64, now_ms: u64) -> Verdict {
        let what = serde_json::from_str(r#"{"Publish":{"to":"all"}}"#).unwrap();
        let schedule = Schedule {
            when,
            late_max_ms,
            what,
        };
        schedule.judge(at_ms, now_ms)
    }

    #[test]
    fn of_several_occurrences_that_were_missed_one_is_fired_late_or_none() {
        let each_minute = || When::Cron("* * * * *".into(), None);
        let (at_ms, now_ms) = (10 * MINUTE_MS, 15 * MINUTE_MS + 1);
        let fired = judged(each_minute(), None, at_ms, now_ms);
        assert_eq!((fired.is_fired, fired.is_late), (true, true));
        assert_eq!(fired.next_ms, Some(16 * MINUTE_MS));
        let skipped = judged(each_minute(), Some(LATE_MS), at_ms, now_ms);
        assert_eq!((skipped.is_fired, skipped.is_late), (false, true));
        assert_eq!(skipped.next_ms, Some(16 * MINUTE_MS));
        let in_time = judged(each_minute(), Some(LATE_MS), at_ms, at_ms + 400);
        assert_eq!((in_time.is_fired, in_time.is_late), (true, false));
        assert_eq!(in_time.next_ms, Some(11 * MINUTE_MS));
    }

    #[test]
    fn a_request_gets_its_id() {
        let named = with_id(b" \n{ \"to\":\"all\"}", "a\"7");
        assert_eq!(named, r#"{"id":"a\"7", "to":"all"}"#);
        assert!(serde_json::from_slice::<serde_json::Value>(&named).is_ok());
    }

    #[test]
    fn what_is_for_one_time_is_over_then() {
        assert_eq!(When::At(5).first(10), Some(5));
        assert_eq!(When::In(5).first(10), Some(15));
        assert_eq!(judged(When::At(5), None, 5, 10).next_ms, None);
        assert_eq!(judged(When::In(5), None, 5, 10).next_ms, None);
    }

    /// Two nodes whose clock is one may see an occurrence before its time when that clock was set back.
    #[test]
    fn no_occurrence_comes_twice_when_the_clock_goes_back() {
        let each_minute = When::Cron("* * * * *".into(), None);
        let verdict = judged(each_minute, None, 10 * MINUTE_MS, 9 * MINUTE_MS);
        assert_eq!(verdict.next_ms, Some(11 * MINUTE_MS));
    }
}
