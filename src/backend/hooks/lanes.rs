//! Lanes: what of all that waits may be told now.
//!
//! Pure: the time goes in, and what is to be tried comes out. Every endpoint has lanes of its own, and
//! of each lane only the first dispatch is under way, so that endpoints do not wait for one another and
//! the order within a lane holds. Of most dispatches only the ids are kept; bodies have one bound.

mod backoff;
mod line;

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use self::line::{Item, Line};
pub(super) use self::{backoff::backoff, line::Trouble};
use crate::{
    dialect::Now,
    dispatch::{Dispatch, DispatchId},
};

/// Most bytes of bodies that are kept for their turn. The others are read again then, which costs a
/// call each.
const BODIES_BYTES_MAX: usize = 8 * 1024 * 1024;
/// How long an endpoint that the configuration no longer has is waited for.
pub(super) const ABSENT_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Everything that waits for endpoints, and what is under way to them.
#[derive(Debug)]
pub(super) struct Lanes {
    lines: BTreeMap<Arc<str>, Line>,
    /// What is not removed from where it is kept, and since when it waits.
    held: BTreeMap<DispatchId, u64>,
    bodies_bytes: usize,
    bodies_bytes_max: usize,
}

/// How an endpoint is told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Terms {
    /// Most requests at once.
    pub(super) concurrency_max: usize,
    /// How long something is tried.
    pub(super) retry_for: Duration,
}

/// What is to be done with a dispatch.
#[derive(Clone, Debug)]
pub(super) struct Step {
    /// Where it belongs.
    pub(super) place: Place,
    /// How often it was tried, this time included; 0: it has waited for too long to be tried at all.
    pub(super) attempt: u32,
    /// What the endpoint is told, if that is in memory.
    pub(super) dispatch: Option<Arc<Dispatch>>,
    /// Why the endpoint could not be told last time.
    pub(super) last_error: Option<Box<str>>,
}

/// Where a dispatch belongs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Place {
    pub(super) url: Arc<str>,
    pub(super) lane: u64,
    pub(super) id: DispatchId,
    /// Since when it waits, in milliseconds since the Unix epoch.
    pub(super) since_ms: u64,
}

/// Why an endpoint could not be told.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Failure {
    /// In words.
    pub(super) error: Box<str>,
    /// When the endpoint wants to be asked again; others of its lanes wait too.
    pub(super) retry_after: Option<Duration>,
    /// From 0 to 1, by chance.
    pub(super) chance: f64,
}

/// What waits for an endpoint, and how that is doing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct State {
    pub(super) url: Arc<str>,
    pub(super) is_configured: bool,
    pub(super) pending: usize,
    pub(super) in_flight: usize,
    pub(super) trouble: Trouble,
}

// === impl Lanes ===

impl Lanes {
    pub(super) fn new() -> Self {
        Self {
            lines: BTreeMap::new(),
            held: BTreeMap::new(),
            bodies_bytes: 0,
            bodies_bytes_max: BODIES_BYTES_MAX,
        }
    }

    /// These endpoints are there, and no others. What waits for others goes on waiting; who has been
    /// paused for is tried at once.
    pub(super) fn configure(&mut self, endpoints: &HashMap<Arc<str>, Terms>) {
        for (url, terms) in endpoints {
            let line = self.lines.entry(Arc::clone(url)).or_default();
            line.configure(Some(*terms));
        }
        for (url, line) in &mut self.lines {
            if !endpoints.contains_key(url) {
                line.configure(None);
            }
        }
        self.lines.retain(|_, line| !line.is_needless());
    }

    /// Takes note of a dispatch, unless it is known.
    pub(super) fn add(&mut self, id: DispatchId, dispatch: Dispatch) {
        if self.held.contains_key(&id) {
            return;
        }
        let since_ms = dispatch.since_ms;
        self.held.insert(id, since_ms);
        let lane = hash(&dispatch.lane);
        let url = match self.lines.get_key_value(&*dispatch.url) {
            Some((url, _)) => Arc::clone(url),
            None => Arc::from(&*dispatch.url),
        };
        let bytes = dispatch.body.len();
        let dispatch = (self.bodies_bytes + bytes <= self.bodies_bytes_max).then(|| {
            self.bodies_bytes += bytes;
            Arc::new(dispatch)
        });
        let item = Item {
            id,
            since_ms,
            dispatch,
        };
        self.lines.entry(url).or_default().add(lane, item);
    }

    /// What is to be done next, if something is.
    pub(super) fn next(&mut self, now: Now) -> Option<Step> {
        self.lines
            .iter_mut()
            .find_map(|(url, line)| line.next(url, now))
    }

    /// When something is to be done that is not to be done now, in the node's uptime.
    pub(super) fn next_at(&self) -> Option<Duration> {
        self.lines.values().filter_map(Line::next_at).min()
    }

    /// Whether nothing is under way, and nothing is to be begun before this time.
    pub(super) fn rest_until(&self, time: Duration) -> bool {
        let pending: usize = self.lines.values().map(|line| line.pending).sum();
        let in_flight: usize = self.lines.values().map(|line| line.in_flight).sum();
        // What is held beyond that is being removed.
        let is_quiet = in_flight == 0 && pending == self.held.len();
        is_quiet && self.next_at().is_none_or(|at| time < at)
    }

    /// The endpoint was told. Says whether it had been failing.
    pub(super) fn told(&mut self, place: &Place) -> bool {
        let line = self.lines.get_mut(&place.url);
        let has_recovered = line.is_some_and(Line::recover);
        self.settle(place);
        has_recovered
    }

    /// A dispatch is dead, or not there any more.
    pub(super) fn given_up(&mut self, place: &Place) {
        self.settle(place);
    }

    /// The endpoint could not be told. Says whether it counts as failing from now on.
    pub(super) fn failed(&mut self, place: &Place, failure: Failure, now: Now) -> bool {
        let line = self.lines.get_mut(&place.url);
        line.is_some_and(|line| line.fail(place.lane, failure, now))
    }

    /// It was not tried, for a reason that is not the endpoint's.
    pub(super) fn put_off(&mut self, place: &Place, until: Duration) {
        if let Some(line) = self.lines.get_mut(&place.url) {
            line.put_off_untried(place.lane, until);
        }
    }

    /// These are not where they were kept any more.
    pub(super) fn removed(&mut self, ids: &[DispatchId]) {
        for id in ids {
            self.held.remove(id);
        }
    }

    /// Another life of the node begins, with nothing that waits.
    pub(super) fn clear(&mut self) {
        self.held.clear();
        self.bodies_bytes = 0;
        for line in self.lines.values_mut() {
            line.clear();
        }
        self.lines.retain(|_, line| !line.is_needless());
    }

    /// What is not removed from where it is kept.
    pub(super) fn held(&self) -> usize {
        self.held.len()
    }

    /// Since when the oldest one waits that is kept, in milliseconds since the Unix epoch.
    pub(super) fn oldest_ms(&self) -> Option<u64> {
        self.held.values().next().copied()
    }

    /// The endpoints, with what waits for them.
    pub(super) fn states(&self) -> impl Iterator<Item = State> {
        self.lines.iter().map(|(url, line)| State {
            url: Arc::clone(url),
            is_configured: line.terms.is_some(),
            pending: line.pending,
            in_flight: line.in_flight,
            trouble: line.trouble.clone(),
        })
    }

    fn settle(&mut self, place: &Place) {
        let Some(line) = self.lines.get_mut(&place.url) else {
            return;
        };
        if let Some(item) = line.settle(place.lane, place.id) {
            let bytes = item.dispatch.map_or(0, |dispatch| dispatch.body.len());
            self.bodies_bytes -= bytes;
        }
        if line.is_needless() {
            self.lines.remove(&place.url);
        }
    }
}

/// Lanes that share a hash wait for one another, which does no harm.
fn hash(lane: &str) -> u64 {
    use std::hash::{DefaultHasher, Hasher as _};
    let mut hasher = DefaultHasher::new();
    hasher.write(lane.as_bytes());
    hasher.finish()
}
