//! Watches: who follows a topic while things happen, and what they are to be told.
//!
//! A watch is a lease: it ends by itself soon after whoever follows has stopped asking for more. What nobody
//! fetches in time is left out, the oldest first, and shows as a gap in the numbers of events.

use std::{
    collections::{HashSet, VecDeque},
    sync::atomic::Ordering::{AcqRel, Relaxed},
    time::Duration,
};

use bytes::Bytes;
use parking_lot::Mutex;

use super::{Recorder, WATCHING, What};
use crate::{
    id::Serial,
    topic::Topic,
    trace::{Event, Step, Tailed, TraceId, WatchQuery},
};

/// How long a watch lasts after somebody has asked for its events.
pub const WATCH_LEASE: Duration = Duration::from_secs(10);

/// Most watches of a node.
const WATCHES_MAX: usize = 16;
/// Most sessions of one watch that are followed.
const SESSIONS_MAX: usize = 10_000;
/// Most events of one watch that wait to be fetched.
const EVENTS_MAX: usize = 1000;
/// Most events of one answer: some tens of kilobytes.
const BATCH_MAX: usize = 250;
/// How much of what a message says is shown, in bytes.
const DATA_BYTES_MAX: usize = 256;

/// What a message says and to whom, for those who follow.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) topic: Topic,
    pub(super) data: Bytes,
}

/// Everybody who follows something.
#[derive(Debug, Default)]
pub(super) struct Watches(Mutex<Vec<Watch>>);

#[derive(Debug)]
struct Watch {
    query: WatchQuery,
    /// In uptime.
    until: Duration,
    sessions: HashSet<Serial>,
    events: VecDeque<Event>,
    next: u64,
}

impl Recorder {
    /// Whether anybody follows anything.
    pub fn is_watching(&self) -> bool {
        self.gate.load(Relaxed) & WATCHING != 0
    }

    /// Begins a watch, or renews it. Says whether it is new; `None` if there are too many.
    pub fn watch(&self, query: &WatchQuery) -> Option<bool> {
        self.watch_at(query, self.clock.uptime())
    }

    pub(super) fn watch_at(&self, query: &WatchQuery, now: Duration) -> Option<bool> {
        let until = now + WATCH_LEASE;
        let mut watches = self.watches.0.lock();
        watches.retain(|watch| now < watch.until);
        let known = watches.iter_mut().find(|watch| watch.query == *query);
        if let Some(watch) = known {
            watch.until = until;
            return Some(false);
        }
        if WATCHES_MAX <= watches.len() {
            return None;
        }
        watches.push(Watch {
            query: query.clone(),
            until,
            sessions: HashSet::new(),
            events: VecDeque::new(),
            next: 0,
        });
        self.gate.fetch_or(WATCHING, AcqRel);
        Some(true)
    }

    /// Follows these sessions too, as members of what is followed.
    pub fn cover(&self, topic: &Topic, sessions: impl Iterator<Item = Serial> + Clone) {
        for watch in &mut *self.watches.0.lock() {
            if watch.query.topic == *topic {
                let room = SESSIONS_MAX.saturating_sub(watch.sessions.len());
                watch.sessions.extend(sessions.clone().take(room));
            }
        }
    }

    /// Whether sessions of this topic are followed.
    pub fn covers(&self, topic: &Topic) -> bool {
        let watches = self.watches.0.lock();
        watches.iter().any(|watch| watch.query.topic == *topic)
    }

    /// Follows a session no more.
    pub fn uncover(&self, topic: Option<&Topic>, session: Serial) {
        for watch in &mut *self.watches.0.lock() {
            if topic.is_none_or(|topic| watch.query.topic == *topic) {
                watch.sessions.remove(&session);
            }
        }
    }

    /// What there is to be told to this watch since the last time.
    pub fn fetch(&self, watch: u64) -> Tailed {
        let mut watches = self.watches.0.lock();
        let watch = watches.iter_mut().find(|one| one.query.watch == watch);
        let Some(watch) = watch else {
            return Tailed::default();
        };
        let count = watch.events.len().min(BATCH_MAX);
        Tailed {
            events: watch.events.drain(..count).collect(),
            sessions: u32::try_from(watch.sessions.len()).unwrap_or(u32::MAX),
            is_refused: false,
        }
    }

    /// How many watches there are.
    pub fn watches(&self) -> usize {
        self.watches_at(self.clock.uptime())
    }

    pub(super) fn watches_at(&self, now: Duration) -> usize {
        let mut watches = self.watches.0.lock();
        self.end_watches(&mut watches, now);
        watches.len()
    }

    /// Tells a step to those who follow its topic or its session.
    pub(super) fn tell(
        &self,
        trace: TraceId,
        told: Option<&Told>,
        data: Option<&[u8]>,
        what: &What,
    ) {
        let now = self.clock.uptime();
        let mut watches = self.watches.0.lock();
        self.end_watches(&mut watches, now);
        let session = what.session();
        for watch in &mut *watches {
            let is_wanted = match session {
                Some(session) => watch.sessions.contains(&session),
                None => told.is_some_and(|told| told.topic == watch.query.topic),
            };
            if !is_wanted {
                continue;
            }
            let mut step = what.report(self.clock.now().unix_ms, &self.me());
            let data = data.or_else(|| {
                told.filter(|_| what.shows_data())
                    .map(|told| &told.data[..])
            });
            if let Some(data) = data.filter(|data| watch.query.with_data && !data.is_empty()) {
                step.facts.push(("data".into(), beginning(data)));
            }
            let left_out = watch.push(trace, step);
            self.stats.left_out.add(left_out);
        }
    }

    fn end_watches(&self, watches: &mut Vec<Watch>, now: Duration) {
        watches.retain(|watch| now < watch.until);
        if watches.is_empty() {
            self.gate.fetch_and(!WATCHING, AcqRel);
        }
    }
}

impl Watch {
    /// Says how many events had to give way.
    fn push(&mut self, trace: TraceId, step: Step) -> u64 {
        let number = self.next;
        self.next += 1;
        let is_full = self.events.len() == EVENTS_MAX;
        if is_full {
            self.events.pop_front();
        }
        self.events.push_back(Event {
            number,
            trace,
            step,
        });
        u64::from(is_full)
    }
}

impl What {
    /// Whether it is where a message comes, and what it says can be shown.
    fn shows_data(&self) -> bool {
        matches!(self, Self::Published { .. } | Self::Queued { .. })
    }
}

/// The beginning of what somebody says, as text.
fn beginning(data: &[u8]) -> Box<str> {
    let text = String::from_utf8_lossy(&data[..data.len().min(DATA_BYTES_MAX)]);
    match data.len() <= DATA_BYTES_MAX {
        true => text.into(),
        false => format!("{}...", text.trim_end_matches('\u{fffd}')).into(),
    }
}
