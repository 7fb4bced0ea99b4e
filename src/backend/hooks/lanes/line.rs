//! What waits for one endpoint.

use std::{
    collections::{BTreeSet, HashMap, VecDeque, hash_map::Entry},
    sync::Arc,
    time::Duration,
};

use super::{ABSENT_MAX, Failure, Place, Step, Terms, backoff};
use crate::{
    dialect::Now,
    dispatch::{Dispatch, DispatchId},
};

/// After so many failures without a success in between it is the endpoint that fails, and not what it
/// was told: from then on one request at a time tries whether it is back.
const FAILING: u32 = 5;
/// Shortest time that an endpoint can ask for before it is tried again.
const RETRY_AFTER_MIN: Duration = Duration::from_secs(1);
/// Longest time that an endpoint can ask for before it is tried again.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60 * 60);
/// How often it is looked whether what nobody can be told has waited for too long.
const LOOK: Duration = Duration::from_secs(60);

/// The lanes of one endpoint.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// Absent: the configuration does not have it.
    pub(super) terms: Option<Terms>,
    lanes: HashMap<u64, Lane>,
    /// Lanes whose first dispatch may be tried, those that have waited longest first.
    ready: VecDeque<u64>,
    /// Lanes that are not to be tried before a time.
    resting: BTreeSet<(Duration, u64)>,
    paused_until: Duration,
    pub(super) pending: usize,
    pub(super) in_flight: usize,
    pub(super) trouble: Trouble,
}

/// How an endpoint is doing.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(in crate::backend::hooks) struct Trouble {
    /// Failures since the last success.
    pub(in crate::backend::hooks) failures: u32,
    /// When the first of them was, in milliseconds since the Unix epoch.
    pub(in crate::backend::hooks) since_ms: Option<u64>,
    /// What the last one was.
    pub(in crate::backend::hooks) last_error: Option<Box<str>>,
}

/// Dispatches that wait for one another. Never empty.
#[derive(Debug, Default)]
struct Lane {
    waiting: VecDeque<Item>,
    /// How often the first one was tried.
    attempts: u32,
}

/// A dispatch that waits.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) id: DispatchId,
    pub(super) since_ms: u64,
    pub(super) dispatch: Option<Arc<Dispatch>>,
}

// === impl Line ===

impl Line {
    /// Whether nobody would miss it.
    pub(super) fn is_needless(&self) -> bool {
        self.terms.is_none() && self.lanes.is_empty()
    }

    pub(super) fn configure(&mut self, terms: Option<Terms>) {
        self.terms = terms;
        self.rest_no_longer();
    }

    /// The endpoint was told something. What waited for it to come back need not any longer. Says
    /// whether it had been failing.
    pub(super) fn recover(&mut self) -> bool {
        let was_failing = self.is_failing();
        if was_failing {
            self.rest_no_longer();
        }
        self.trouble = Trouble::default();
        was_failing
    }

    pub(super) fn add(&mut self, lane: u64, item: Item) {
        self.pending += 1;
        match self.lanes.entry(lane) {
            Entry::Occupied(mut lane) => lane.get_mut().waiting.push_back(item),
            Entry::Vacant(vacant) => {
                vacant.insert(Lane {
                    waiting: [item].into(),
                    attempts: 0,
                });
                self.ready.push_back(lane);
            }
        }
    }

    pub(super) fn next(&mut self, url: &Arc<str>, now: Now) -> Option<Step> {
        while let Some(&(at, lane)) = self.resting.first()
            && at <= now.uptime
        {
            self.resting.pop_first();
            self.ready.push_back(lane);
        }
        if now.uptime < self.paused_until || self.limit() <= self.in_flight {
            return None;
        }
        let lane = match self.terms {
            Some(_) => self.ready.pop_front()?,
            None => self.expired(now)?,
        };
        self.in_flight += 1;
        let place = |item: &Item| Place {
            url: Arc::clone(url),
            lane,
            id: item.id,
            since_ms: item.since_ms,
        };
        let is_hopeless = self.is_hopeless();
        let retry_for = self.retry_for();
        let lane = self.lanes.get_mut(&lane)?;
        let item = lane.waiting.front()?;
        let is_expired = item.has_waited(retry_for, now);
        let attempt = match is_hopeless && is_expired {
            true => 0,
            false => {
                lane.attempts += 1;
                lane.attempts
            }
        };
        Some(Step {
            place: place(item),
            attempt,
            dispatch: item.dispatch.clone(),
            last_error: self.trouble.last_error.clone(),
        })
    }

    pub(super) fn next_at(&self) -> Option<Duration> {
        if self.limit() <= self.in_flight {
            // Whatever ends next wakes it.
            return None;
        }
        let resting = self.resting.first().map(|(at, _)| *at);
        let ready = (!self.ready.is_empty()).then_some(self.paused_until);
        let first = resting.into_iter().chain(ready).min()?;
        Some(first.max(self.paused_until))
    }

    /// Removes the first dispatch of a lane, which was under way.
    pub(super) fn settle(&mut self, lane: u64, id: DispatchId) -> Option<Item> {
        let Entry::Occupied(mut entry) = self.lanes.entry(lane) else {
            return None;
        };
        let is_first = |item: &Item| item.id == id;
        if !entry.get().waiting.front().is_some_and(is_first) {
            return None;
        }
        self.in_flight -= 1;
        self.pending -= 1;
        let item = entry.get_mut().waiting.pop_front();
        entry.get_mut().attempts = 0;
        if entry.get().waiting.is_empty() {
            entry.remove();
        } else {
            self.ready.push_back(lane);
        }
        item
    }

    /// Says whether the endpoint counts as failing from now on.
    pub(super) fn fail(&mut self, lane: u64, failure: Failure, now: Now) -> bool {
        let Failure {
            error,
            retry_after,
            chance,
        } = failure;
        let trouble = &mut self.trouble;
        trouble.failures = trouble.failures.saturating_add(1);
        trouble.since_ms.get_or_insert(now.unix_ms);
        trouble.last_error = Some(error);
        let failures = trouble.failures;
        // What the endpoint says counts instead of any pause of our own.
        let wanted = retry_after.map(|wanted| wanted.clamp(RETRY_AFTER_MIN, RETRY_AFTER_MAX));
        if let Some(wanted) = wanted {
            self.pause(now.uptime + wanted);
        } else if self.is_failing() {
            self.pause(now.uptime + backoff(failures - FAILING + 1, chance));
        }
        let attempts = self.lanes.get(&lane).map_or(1, |lane| lane.attempts);
        let rest = wanted.unwrap_or_else(|| backoff(attempts, chance));
        self.put_off(lane, now.uptime + rest);
        failures == FAILING
    }

    /// It was taken and not tried.
    pub(super) fn put_off_untried(&mut self, lane: u64, until: Duration) {
        if let Some(lane) = self.lanes.get_mut(&lane) {
            lane.attempts = lane.attempts.saturating_sub(1);
        }
        self.put_off(lane, until);
    }

    fn put_off(&mut self, lane: u64, until: Duration) {
        self.in_flight -= 1;
        self.resting.insert((until, lane));
    }

    /// Nothing waits any more, nor is anything under way.
    pub(super) fn clear(&mut self) {
        *self = Self {
            terms: self.terms,
            trouble: self.trouble.clone(),
            ..Self::default()
        };
    }

    /// Whatever waits for a time may be tried now.
    fn rest_no_longer(&mut self) {
        let resting = std::mem::take(&mut self.resting);
        self.ready.extend(resting.into_iter().map(|(_, lane)| lane));
        self.paused_until = Duration::ZERO;
    }

    fn pause(&mut self, until: Duration) {
        self.paused_until = self.paused_until.max(until);
    }

    fn limit(&self) -> usize {
        match self.terms {
            Some(terms) if !self.is_hopeless() => terms.concurrency_max,
            // One that tries whether it is back, or that buries.
            _ => 1,
        }
    }

    fn is_hopeless(&self) -> bool {
        self.terms.is_none() || self.is_failing()
    }

    fn is_failing(&self) -> bool {
        FAILING <= self.trouble.failures
    }

    fn retry_for(&self) -> Duration {
        self.terms.map_or(ABSENT_MAX, |terms| terms.retry_for)
    }

    /// A lane whose first dispatch has waited for too long; if there is none, the next look is later.
    fn expired(&mut self, now: Now) -> Option<u64> {
        let is_expired = |lane: &u64| {
            let first = self.lanes.get(lane).and_then(|lane| lane.waiting.front());
            first.is_some_and(|item| item.has_waited(ABSENT_MAX, now))
        };
        let found = self.ready.iter().position(is_expired);
        if found.is_none() {
            self.paused_until = now.uptime + LOOK;
        }
        self.ready.remove(found?)
    }
}

impl Item {
    fn has_waited(&self, time: Duration, now: Now) -> bool {
        let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.since_ms.saturating_add(ms) < now.unix_ms
    }
}
