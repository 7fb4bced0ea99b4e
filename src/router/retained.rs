//! Retained messages: the newest of its key, kept for those who subscribe to its topic later.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use parking_lot::Mutex;

use crate::{message::ConflationKey, router::fanout::Outgoing, topic::Topic};

/// Most bytes of data that all retained messages of a node take; the oldest give way.
const BYTES_MAX: usize = 64 * 1024 * 1024;
/// Charged for each message beside its data.
const OVERHEAD_BYTES: usize = 256;

/// The retained messages of a node, bounded in bytes.
#[derive(Debug, Default)]
pub struct Retained(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    topics: HashMap<Topic, HashMap<ConflationKey, Kept>>,
    /// In the order of arrival; entries whose message was replaced since are stale.
    order: VecDeque<(Topic, ConflationKey, u64)>,
    bytes: usize,
    arrivals: u64,
}

#[derive(Debug)]
struct Kept {
    outgoing: Arc<Outgoing>,
    arrival: u64,
    expires_ms: u64,
}

// === impl Retained ===

impl Retained {
    /// Keeps a message, if it asks for it, in the place of the older one of its key; one that is newer
    /// stays. Says how many others had to give way.
    pub fn keep(&self, outgoing: &Arc<Outgoing>, now_ms: u64) -> usize {
        let message = &outgoing.message;
        let (Some(key), Some(retain)) = (message.conflate, message.retain) else {
            return 0;
        };
        let mut state = self.0.lock();
        let kept = state
            .topics
            .get(&message.topic)
            .and_then(|keys| keys.get(&key));
        if kept.is_some_and(|kept| message.time_ms < kept.outgoing.message.time_ms) {
            return 0;
        }
        state.arrivals += 1;
        let expires_ms = now_ms.saturating_add(retain.as_millis() as u64);
        let kept = Kept {
            outgoing: Arc::clone(outgoing),
            arrival: state.arrivals,
            expires_ms: expires_ms.min(message.expires_ms.unwrap_or(u64::MAX)),
        };
        let arrival = kept.arrival;
        state.bytes += cost(&kept);
        let keys = state.topics.entry(message.topic.clone()).or_default();
        if let Some(before) = keys.insert(key, kept) {
            state.bytes -= cost(&before);
        }
        state.order.push_back((message.topic.clone(), key, arrival));
        state.trim(now_ms)
    }

    /// What is kept for those who subscribe to `topic` now.
    pub fn of(&self, topic: &Topic, now_ms: u64) -> Vec<Arc<Outgoing>> {
        let state = self.0.lock();
        let Some(keys) = state.topics.get(topic) else {
            return Vec::new();
        };
        let mut kept: Vec<&Kept> = keys
            .values()
            .filter(|kept| now_ms < kept.expires_ms)
            .collect();
        kept.sort_unstable_by_key(|kept| kept.arrival);
        kept.into_iter()
            .map(|kept| Arc::clone(&kept.outgoing))
            .collect()
    }

    /// Everything that is kept.
    pub fn all(&self, now_ms: u64) -> Vec<Arc<Outgoing>> {
        let state = self.0.lock();
        let kept = state.topics.values().flat_map(HashMap::values);
        kept.filter(|kept| now_ms < kept.expires_ms)
            .map(|kept| Arc::clone(&kept.outgoing))
            .collect()
    }

    /// Bytes charged for what is kept.
    pub fn bytes(&self) -> usize {
        self.0.lock().bytes
    }
}

// === impl State ===

impl State {
    /// Lets go what has expired at the front, what is stale, and what is over the bound. Says how
    /// many that still lived had to go.
    fn trim(&mut self, now_ms: u64) -> usize {
        let mut evicted = 0;
        while let Some((topic, key, arrival)) = self.order.front() {
            let kept = self.topics.get(topic).and_then(|keys| keys.get(key));
            let kept = kept.filter(|kept| kept.arrival == *arrival);
            let is_live = kept.is_some_and(|kept| now_ms < kept.expires_ms);
            if is_live && self.bytes <= BYTES_MAX {
                break;
            }
            evicted += usize::from(is_live);
            let is_current = kept.is_some();
            let Some((topic, key, _)) = self.order.pop_front() else {
                break;
            };
            if is_current {
                self.remove(&topic, key);
            }
        }
        // Replacing one key over and over leaves stale entries behind a live front.
        if 4 * self.live() + 1024 < self.order.len() {
            let topics = &self.topics;
            self.order.retain(|(topic, key, arrival)| {
                let kept = topics.get(topic).and_then(|keys| keys.get(key));
                kept.is_some_and(|kept| kept.arrival == *arrival)
            });
        }
        evicted
    }

    fn live(&self) -> usize {
        self.bytes / OVERHEAD_BYTES
    }

    fn remove(&mut self, topic: &Topic, key: ConflationKey) {
        let Some(keys) = self.topics.get_mut(topic) else {
            return;
        };
        if let Some(kept) = keys.remove(&key) {
            self.bytes -= cost(&kept);
        }
        if keys.is_empty() {
            self.topics.remove(topic);
        }
    }
}

fn cost(kept: &Kept) -> usize {
    OVERHEAD_BYTES + kept.outgoing.message.data.len()
}
