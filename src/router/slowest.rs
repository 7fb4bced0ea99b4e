//! The slowest consumers: for whom most waits, and for whom something has waited longest.

use std::{cmp::Reverse, sync::Arc};

use super::{Router, subscriber::Subscriber};
use crate::{
    dialect::{DialectId, Now},
    id::Serial,
};

/// Sessions looked at while the list of a shard is locked, which its flusher needs too.
const PIECE: usize = 1024;

/// A session for which something waits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Consumer {
    /// Which one.
    pub serial: Serial,
    /// What it speaks.
    pub dialect: DialectId,
    /// Bytes that wait, with what keeping them costs.
    pub bytes: usize,
    /// How long the oldest of it has waited, in milliseconds: to a tenth of a second.
    pub age_ms: u64,
}

impl Router {
    /// The sessions for which most bytes wait, and those for which something has waited longest, up to `max`
    /// of each; the most bytes first. Stops no shard: who comes or goes meanwhile may be missed.
    pub fn slowest(&self, max: usize, now: Now) -> Vec<Consumer> {
        let (mut biggest, mut oldest) = (Vec::new(), Vec::new());
        for shard in &self.shards {
            let mut position = 0;
            while 0 < shard.outbox_bytes() {
                let piece = shard.roster.piece(position, PIECE);
                let consumers = piece.iter().filter_map(|one| Consumer::of(one, now));
                for consumer in consumers {
                    biggest.push(consumer);
                    oldest.push(consumer);
                }
                keep(&mut biggest, max, |consumer| consumer.bytes as u64);
                keep(&mut oldest, max, |consumer| consumer.age_ms);
                if piece.len() < PIECE {
                    break;
                }
                position += PIECE;
            }
        }
        let is_small = |consumer: &&Consumer| {
            let mut others = biggest.iter();
            !others.any(|other| other.serial == consumer.serial)
        };
        let oldest: Vec<Consumer> = oldest.iter().filter(is_small).copied().collect();
        biggest.extend(oldest);
        keep(&mut biggest, usize::MAX, |consumer| consumer.bytes as u64);
        biggest
    }
}

impl Consumer {
    fn of(subscriber: &Arc<Subscriber>, now: Now) -> Option<Self> {
        let waiting = subscriber.waiting()?;
        let deciseconds = (now.uptime.as_millis() / 100) as u64;
        Some(Self {
            serial: subscriber.serial,
            dialect: subscriber.dialect_id(),
            bytes: waiting.bytes,
            age_ms: deciseconds.saturating_sub(waiting.since.into()) * 100,
        })
    }
}

/// The `max` greatest, in order.
fn keep(consumers: &mut Vec<Consumer>, max: usize, key: fn(&Consumer) -> u64) {
    consumers.sort_by_key(|consumer| Reverse(key(consumer)));
    consumers.truncate(max);
}
