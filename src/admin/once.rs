//! Publishing once: what came of the ids of publishes in the last ten minutes.
//!
//! In a cluster the ledger knows it of all nodes, and what is known here saves asking it.

mod turn;

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use axum::http::StatusCode;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

pub(super) use self::turn::Claim;
use super::problem::Problem;
use crate::{digest, stats::ApiStats};

/// How long an id is remembered, from its first publish on.
const KEPT: Duration = Duration::from_secs(10 * 60);
/// Most ids that are remembered: 800 a second for ten minutes, at about 200 bytes each. Beyond, the
/// oldest one is forgotten early, which is counted.
const IDS_MAX: usize = 500_000;

/// The publishes of the last ten minutes that have ids, of this node.
#[derive(Debug)]
pub(super) struct Once {
    ids: Mutex<Ids>,
    stats: Arc<ApiStats>,
}

#[derive(Debug, Default)]
struct Ids {
    publishes: HashMap<Digest, Arc<Progress>>,
    /// In the order of their first publish, with the time on which they are forgotten.
    order: VecDeque<(Digest, Duration)>,
}

/// How far a publish has got. Whoever holds the lock goes on with it, so that of two that come at
/// once, and of one that was broken off and its repetition, each topic gets the message once.
#[derive(Debug)]
pub(super) struct Progress {
    content: Digest,
    pub(super) sent: tokio::sync::Mutex<Sent>,
}

/// What has been done of a publish.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(super) struct Sent {
    /// Whether nothing is left to be done.
    #[serde(skip)]
    pub(super) is_done: bool,
    /// How many of its topics have the message.
    pub(super) topics: usize,
    /// The nodes that have sessions that it is on its way to.
    pub(super) nodes: BTreeSet<String>,
}

/// The id has come with other content.
#[derive(Debug)]
pub(super) struct Conflict;

/// 128 bits of a digest: no two texts meet by chance or on purpose.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct Digest([u8; 16]);

// === impl Once ===

impl Once {
    pub(super) fn new(stats: Arc<ApiStats>) -> Self {
        Self {
            ids: Mutex::default(),
            stats,
        }
    }

    /// The publish of this id.
    pub(super) fn claim(
        &self,
        id: Digest,
        content: Digest,
        uptime: Duration,
    ) -> Result<Arc<Progress>, Conflict> {
        let mut ids = self.ids.lock();
        let is_over = |(_, until): &(Digest, Duration)| *until <= uptime;
        while ids.order.front().is_some_and(is_over) {
            ids.forget_oldest();
        }
        if let Some(progress) = ids.publishes.get(&id) {
            let same = progress.content == content;
            return same.then(|| Arc::clone(progress)).ok_or(Conflict);
        }
        if ids.order.len() == IDS_MAX {
            ids.forget_oldest();
            self.stats.ids_forgotten.add(1);
        }
        let progress = Arc::new(Progress::new(content));
        ids.publishes.insert(id, Arc::clone(&progress));
        ids.order.push_back((id, uptime + KEPT));
        Ok(progress)
    }

    /// Forgets a publish that was none, since its id belongs to another.
    fn forget(&self, id: Digest, progress: &Arc<Progress>) {
        let publishes = &mut self.ids.lock().publishes;
        let is_it = |known: &Arc<Progress>| Arc::ptr_eq(known, progress);
        if publishes.get(&id).is_some_and(is_it) {
            // Its place in the order stays; should the id come again, it is forgotten early.
            publishes.remove(&id);
        }
    }
}

impl Ids {
    fn forget_oldest(&mut self) {
        if let Some((id, _)) = self.order.pop_front() {
            self.publishes.remove(&id);
        }
    }
}

impl From<Conflict> for Problem {
    fn from(_: Conflict) -> Self {
        let detail = "the id has come with other content in the last ten minutes";
        Self::new(StatusCode::CONFLICT, detail).field("id")
    }
}

impl Progress {
    pub(super) fn new(content: Digest) -> Self {
        Self {
            content,
            sent: tokio::sync::Mutex::default(),
        }
    }
}

// === impl Digest ===

impl Digest {
    /// Of nothing that is ever compared.
    pub(super) const NONE: Self = Self([0; 16]);

    fn bytes(self) -> [u8; 16] {
        self.0
    }

    /// Of this one and more.
    pub(super) fn and(self, more: &[u8]) -> Self {
        Self::of([&self.0[..], more])
    }

    /// Of these parts; their order and their borders count.
    pub(super) fn of<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        Self(digest::of_parts(parts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn content(text: &str) -> Digest {
        Digest::of([text.as_bytes()])
    }

    #[test]
    fn an_id_belongs_to_its_content_for_ten_minutes() {
        let once = Once::new(Arc::default());
        let first = once.claim(content("a"), content("x"), MINUTE).unwrap();
        let again = once.claim(content("a"), content("x"), 10 * MINUTE).unwrap();
        assert!(Arc::ptr_eq(&first, &again));
        assert!(once.claim(content("a"), content("y"), 10 * MINUTE).is_err());
        assert!(once.claim(content("b"), content("y"), 10 * MINUTE).is_ok());
        let later = once.claim(content("a"), content("y"), 11 * MINUTE).unwrap();
        assert!(!Arc::ptr_eq(&first, &later));
    }

    #[test]
    fn what_is_remembered_is_bounded_and_what_is_forgotten_counted() {
        let stats = Arc::<ApiStats>::default();
        let once = Once::new(Arc::clone(&stats));
        let all = content("");
        for number in 0..=IDS_MAX {
            once.claim(content(&number.to_string()), all, MINUTE)
                .unwrap();
        }
        assert_eq!(stats.ids_forgotten.load(), 1);
        assert_eq!(once.ids.lock().publishes.len(), IDS_MAX);
        // Those that have expired are not counted.
        once.claim(content("late"), all, 20 * MINUTE).unwrap();
        assert_eq!(stats.ids_forgotten.load(), 1);
        assert_eq!(once.ids.lock().publishes.len(), 1);
    }

    #[test]
    fn a_digest_depends_on_each_part_and_on_their_borders() {
        let digest = |parts: &[&str]| Digest::of(parts.iter().map(|part| part.as_bytes()));
        assert_eq!(digest(&["a", "bc"]), digest(&["a", "bc"]));
        assert_ne!(digest(&["a", "bc"]), digest(&["ab", "c"]));
        assert_ne!(digest(&["a", "bc"]), digest(&["a", "bc", ""]));
    }
}
