//! Telling what waits in lanes.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use tokio::time::{self, Instant};

use super::Reception;
use crate::{
    message::Message,
    office::{
        Done, EntryId, STEP, TURNS_MAX, Turn,
        entry::{Change, Entry},
    },
    topic::Topic,
};

/// Lanes that are told at the same time.
const TOGETHER: usize = 32;
/// How long an entry waits for room. Shorter than a turn.
const ROOM_TIMEOUT: Duration = Duration::from_secs(3);
/// How long an entry waits for its agent, of whom other nodes hear a moment later.
const AGENT_TIMEOUT: Duration = Duration::from_secs(1);
/// Between two looks whether the agent is to be found.
const AGENT_LOOK: Duration = Duration::from_millis(20);

impl Reception {
    /// Counts what was done, and tells what is to be told of it.
    pub(super) async fn tell(&self, done: Done) {
        self.count(&done);
        let assigned: u64 = done.assigned.iter().sum();
        if done.turns.len() == TURNS_MAX || STEP as u64 <= assigned {
            self.0.work.notify_one();
        }
        let telling = done.turns.into_iter().map(|turn| self.tell_lane(turn));
        let telling = stream::iter(telling).buffer_unordered(TOGETHER);
        telling.collect::<()>().await;
    }

    /// Tells what is in a lane until nothing is, or until it cannot be told: then somebody else will.
    async fn tell_lane(&self, turn: Turn) {
        let mut told = Vec::new();
        loop {
            let entries = match self.0.parts.office.next(turn.clone(), told).await {
                Ok(Some(entries)) => entries,
                Ok(None) => return,
                Err(error) => {
                    self.0.stats.errors.add(1);
                    tracing::debug!(%error, "something is told later");
                    return;
                }
            };
            if entries.is_empty() {
                return;
            }
            let count = entries.len();
            told = self.tell_entries(entries).await;
            self.0.stats.told.add(told.len() as u64);
            if told.len() < count {
                self.0.stats.waits.add(1);
                if !told.is_empty() {
                    // It is not told twice if this comes through.
                    let _ = self.0.parts.office.next(turn, told).await;
                }
                return;
            }
        }
    }

    /// Gives those that were told: all, or those before the first that was not.
    async fn tell_entries(&self, entries: Vec<(EntryId, Entry)>) -> Vec<EntryId> {
        let mut told = Vec::with_capacity(entries.len());
        for (id, entry) in entries {
            let is_found = self.find_agent(&entry).await;
            if let Entry::Message { waits, .. } = &entry
                && !is_found
            {
                if *waits {
                    return told;
                }
                self.0.stats.dropped.add(1);
            }
            for message in entry.messages() {
                if !self.publish(message).await {
                    return told;
                }
            }
            told.push(id);
        }
        told
    }

    /// Waits until the agent that an entry is for can be reached.
    async fn find_agent(&self, entry: &Entry) -> bool {
        let agent = match entry {
            Entry::Message { to, .. } => to,
            Entry::Change(Change {
                agent: Some(agent), ..
            }) => &agent.id,
            Entry::Agent { .. } | Entry::Change(_) => return true,
        };
        let (topic, until) = (Topic::user(agent), Instant::now() + AGENT_TIMEOUT);
        while !self.is_reached(&topic) {
            if until <= Instant::now() {
                return false;
            }
            time::sleep(AGENT_LOOK).await;
        }
        true
    }

    fn is_reached(&self, topic: &Topic) -> bool {
        let router = &self.0.parts.router;
        router.has_subscribers(topic)
            || router
                .presence()
                .is_some_and(|others| !others.members(topic).is_empty())
    }

    /// False: there was no room for too long.
    async fn publish(&self, message: Message) -> bool {
        let (router, clock) = (&self.0.parts.router, self.0.parts.clock);
        let publishing = router.publish_in_turn(message, clock);
        time::timeout(ROOM_TIMEOUT, publishing).await.is_ok()
    }
}
