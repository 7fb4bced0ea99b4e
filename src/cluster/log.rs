//! The log: what this member tells all others, and what it learns from them.
//!
//! One task writes, so that entries are numbered in the order in which they stand in the log, and a
//! snapshot is what has been announced up to there.

use std::{sync::Arc, time::Duration};

use tokio::time;

use super::{
    Cluster,
    directory::Applied,
    life::{DOUBT, Ended, pauses, read_on},
    streams::{Entry, Position, Reader, Streams, StreamsError},
};
use crate::{
    close::CloseReason,
    envelope::{Claimed, Delta, Version},
    id::Member,
    stats::LostReason,
};

/// Most topics of one entry.
const TOPICS_PER_ENTRY: usize = 8192;
/// Most claims of one entry.
const CLAIMS_PER_ENTRY: usize = 2048;

/// What has to be written into the log beside changes of topics.
#[derive(Debug, Default)]
pub(super) struct Owed {
    /// The number of the last entry of this member.
    sequence: u64,
    /// Entries whose fate is unknown, by their numbers; repeated before anything else is written, in a
    /// version that all read by then.
    under_way: Vec<(u64, Vec<Delta>)>,
    up: bool,
    snapshot: bool,
    snapshots: u64,
    /// Where the last snapshot begins.
    snapshot_at: Option<Position>,
    wanted: Vec<Member>,
    reaped: Vec<Member>,
}

impl Owed {
    /// Everything is to be told from the beginning.
    pub(super) fn introduce(&mut self) {
        self.under_way.clear();
        self.up = true;
        self.snapshot = true;
        self.snapshot_at = None;
        self.wanted.clear();
    }

    /// Forgets everything: the member begins a new life.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// Somebody who wrote this at `at` needs a snapshot; one that begins later will do.
    fn ask_for_snapshot(&mut self, at: Position) {
        if self.snapshot_at.is_none_or(|begin| begin < at) {
            self.snapshot = true;
        }
    }

    /// Another entry is under way.
    fn say(&mut self, deltas: Vec<Delta>) {
        self.sequence += 1;
        self.under_way.push((self.sequence, deltas));
    }
}

impl Cluster {
    /// Has everybody know that a member is dead.
    pub(super) fn announce_death(&self, dead: Member) {
        let mut owed = self.owed.lock();
        if !owed.reaped.contains(&dead) {
            owed.reaped.push(dead);
        }
        drop(owed);
        self.news.notify_one();
    }

    /// The last entry of this member.
    pub(super) fn parting_entry(&self, me: &Member) -> Entry {
        let mut owed = self.owed.lock();
        owed.sequence += 1;
        entry(me, owed.sequence, &[Delta::Down], self.version())
    }

    /// Writes what is new, as long as the log takes it.
    pub(super) async fn write_log<S: Streams>(this: Arc<Self>, streams: Arc<S>) -> Ended {
        let mut pauses = pauses();
        loop {
            let news = this.news.notified();
            // Woken up from a freeze, this member may not know who reads it by now: the next beat tells.
            while !this.leases.lock().holds(this.now()) {
                time::sleep(DOUBT).await;
            }
            let entries = this.collect();
            if entries.is_empty() {
                tokio::select! {
                    () = news => {}
                    () = this.next_leave() => {}
                }
                continue;
            }
            let count = entries.len();
            match streams.append(entries).await {
                Ok(positions) => {
                    pauses.reset();
                    this.stats.deltas_out.add(count as u64);
                    this.written(&positions);
                }
                Err(StreamsError::Lost) => return Ended::Lost,
                Err(error) => this.failed("append", &error, &mut pauses).await,
            }
        }
    }

    /// Reads what others write, and what comes back of the own.
    pub(super) async fn read_log<L: Reader>(this: Arc<Self>, mut log: L) -> Ended {
        let mut pauses = pauses();
        loop {
            let entries = match read_on(&this, &mut log, &mut pauses).await {
                Ok(entries) => entries,
                Err(ended) => return ended,
            };
            this.health.log_read(this.now());
            let me = this.me();
            for (position, entry) in entries {
                let (version, deltas) = match Delta::decode(entry.body.clone()) {
                    Ok(decoded) => decoded,
                    Err(error) => {
                        // The next one of its writer shows a gap, which is made good.
                        this.stats.log_unreadable.add(1);
                        tracing::warn!(from = %entry.from, %error, "an entry of the log cannot be read");
                        continue;
                    }
                };
                if entry.from == me {
                    this.confirm(position, &deltas);
                    continue;
                }
                if let Some(ended) = this.learn(position, &entry, version, deltas) {
                    return ended;
                }
            }
            this.peers.look(&this.directory);
        }
    }

    /// Changes of topics and claims, and entries of them, that are on their way to the other members.
    pub fn unannounced(&self) -> usize {
        // Held by whoever makes entries of changes, so that none is missed in between.
        let owed = self.owed.lock();
        let fresh = self.claims.lock().fresh();
        self.changed.lock().len() + owed.under_way.len() + fresh
    }

    /// What is to be written next; it is under way until [`Self::written`].
    fn collect(&self) -> Vec<Entry> {
        let me = self.me();
        let mut owed = self.owed.lock();
        if owed.under_way.is_empty() {
            self.say_what_is_new(&mut owed);
        }
        if owed.under_way.is_empty() {
            return Vec::new();
        }
        let mut spoken = self.spoken.lock();
        let version = spoken.version(self.peers.known().common());
        spoken.sending(version);
        let entries = owed.under_way.iter();
        let entries = entries.map(|(sequence, deltas)| entry(&me, *sequence, deltas, version));
        entries.collect()
    }

    /// Nothing is under way.
    fn say_what_is_new(&self, owed: &mut Owed) {
        let mut small = Vec::new();
        small.extend(std::mem::take(&mut owed.up).then_some(Delta::Up));
        let reaped = std::mem::take(&mut owed.reaped).into_iter();
        small.extend(reaped.map(|dead| Delta::Reaped(dead.as_str().into())));
        let wanted = std::mem::take(&mut owed.wanted).into_iter();
        small.extend(wanted.map(|member| Delta::Want(Some(member.as_str().into()))));
        if !small.is_empty() {
            owed.say(small);
        }
        let (joined, left) = self.changes();
        let is_snapshot = std::mem::take(&mut owed.snapshot);
        if is_snapshot {
            owed.snapshots += 1;
            let number = owed.snapshots;
            for delta in self.snapshot(number) {
                owed.say(vec![delta]);
            }
            self.stats.snapshots.add(1);
        } else {
            for delta in topics(&joined, &left) {
                owed.say(vec![delta]);
            }
        }
        let mut claims = self.claims.lock();
        let fresh = claims.take_fresh();
        let claims = if is_snapshot { claims.all() } else { fresh };
        for chunk in claims.chunks(CLAIMS_PER_ENTRY) {
            owed.say(vec![Delta::Claims(chunk.to_vec())]);
        }
    }

    /// What is under way stands in the log.
    fn written(&self, positions: &[Position]) {
        let mut owed = self.owed.lock();
        self.spoken.lock().sent();
        let under_way = std::mem::take(&mut owed.under_way);
        for ((_, deltas), position) in under_way.iter().zip(positions) {
            let begins = |delta: &Delta| matches!(delta, Delta::Snapshot { part: 0, .. });
            if deltas.iter().any(begins) {
                owed.snapshot_at = Some(*position);
            }
        }
    }

    /// The topics, by hash, that have come and gone since the last time.
    fn changes(&self) -> (Vec<u64>, Vec<u64>) {
        let Some(hasher) = self.hasher.load_full() else {
            return (Vec::new(), Vec::new());
        };
        let changed = std::mem::take(&mut *self.changed.lock());
        let now = self.now();
        let mut announcer = self.announcer.lock();
        let mut joined = Vec::new();
        for topic in changed {
            let has_subscribers = self.parts.router.has_subscribers(&topic);
            if announcer.look(&topic, has_subscribers, now) {
                joined.push(hasher.hash(&topic));
            }
        }
        let left = announcer.take_left(now);
        (
            joined,
            left.iter().map(|topic| hasher.hash(topic)).collect(),
        )
    }

    fn snapshot(&self, number: u64) -> Vec<Delta> {
        let hashes: Vec<u64> = match &*self.hasher.load() {
            Some(hasher) => {
                let announcer = self.announcer.lock();
                announcer.topics().map(|topic| hasher.hash(topic)).collect()
            }
            None => Vec::new(),
        };
        let parts = hashes.len().div_ceil(TOPICS_PER_ENTRY).max(1);
        let part = |part: usize| {
            let begin = part * TOPICS_PER_ENTRY;
            let end = hashes.len().min(begin + TOPICS_PER_ENTRY);
            Delta::Snapshot {
                number,
                part: part as u32,
                last: part + 1 == parts,
                topics: hashes[begin..end].to_vec(),
            }
        };
        (0..parts).map(part).collect()
    }

    /// Waits until a topic may have to be left.
    async fn next_leave(&self) {
        let due = self.announcer.lock().next_due();
        match due {
            Some(due) => {
                // A little more, so that it is due by then.
                let wait = due.saturating_sub(self.now()) + Duration::from_millis(1);
                time::sleep(wait).await;
            }
            None => std::future::pending().await,
        }
    }

    /// Own entries have come back.
    fn confirm(&self, position: Position, deltas: &[Delta]) {
        let mut claims = self.claims.lock();
        for delta in deltas {
            if let Delta::Claims(claimed) = delta {
                for claimed in claimed {
                    claims.confirm(claimed, position);
                }
            }
        }
    }

    /// Takes note of what another member tells.
    fn learn(
        &self,
        position: Position,
        entry: &Entry,
        version: Version,
        deltas: Vec<Delta>,
    ) -> Option<Ended> {
        let from = &entry.from;
        if self.directory.is_removed(from) {
            // It may not have heard of it. What it wrote before it did is told once more for nothing.
            self.announce_death(from.clone());
            return None;
        }
        self.stats.deltas_in.add(1);
        // Before anything goes to it, it is known what it reads.
        self.meet(from, version);
        match self.directory.apply(from, entry.sequence, &deltas) {
            Applied::First | Applied::Next => {}
            Applied::Gap { expected, got } => {
                self.stats.log_gaps.add(1);
                tracing::warn!(%from, expected, got, "entries of the log were missed");
                self.want(from);
            }
            Applied::Refused | Applied::Repeated => return None,
        }
        for delta in deltas {
            match delta {
                Delta::Up => {
                    self.owe_snapshot(position);
                    self.welcome(from);
                }
                Delta::Want(None) => self.owe_snapshot(position),
                Delta::Want(Some(member)) if *member == *self.me().as_str() => {
                    self.owe_snapshot(position);
                }
                Delta::Claims(claims) => self.lose_claims(&claims, position),
                Delta::Down => self.bury(from),
                Delta::Reaped(dead) if *dead == *self.me().as_str() => return Some(Ended::Fenced),
                Delta::Reaped(dead) => {
                    if let Ok(dead) = dead.parse() {
                        self.bury(&dead);
                    }
                }
                Delta::Snapshot { .. } | Delta::Topics { .. } | Delta::Want(Some(_)) => {}
            }
        }
        None
    }

    fn owe_snapshot(&self, position: Position) {
        self.owed.lock().ask_for_snapshot(position);
        self.news.notify_one();
    }

    pub(super) fn want(&self, member: &Member) {
        let mut owed = self.owed.lock();
        if !owed.wanted.contains(member) {
            owed.wanted.push(member.clone());
        }
        drop(owed);
        self.news.notify_one();
    }

    /// A member is gone: nothing goes to it, and nothing that it still sends counts.
    pub(super) fn bury(&self, gone: &Member) {
        tracing::info!(%gone, "a member is gone");
        self.directory.remove(gone);
        self.sequences.lock().forget(gone);
        self.peers.remove(gone, &self.directory);
        self.lose(LostReason::Gone, &self.uplink.forget(gone));
        // It may have answered for letters that it did not live to tell anybody of.
        self.parts.router.ring_everywhere();
    }

    fn lose_claims(&self, claims: &[Claimed], position: Position) {
        for claimed in claims {
            let loser = self.claims.lock().lose(claimed, position);
            if let Some(loser) = loser.and_then(|serial| self.parts.router.find(serial)) {
                loser.close(CloseReason::Superseded);
            }
        }
    }
}

fn entry(from: &Member, sequence: u64, deltas: &[Delta], version: Version) -> Entry {
    Entry {
        from: from.clone(),
        lane: 0,
        sequence,
        body: Delta::encode(deltas, version),
    }
}

/// The deltas that tell of topics that have come and gone.
fn topics(joined: &[u64], left: &[u64]) -> Vec<Delta> {
    let joins = joined.chunks(TOPICS_PER_ENTRY).map(|chunk| Delta::Topics {
        joined: chunk.to_vec(),
        left: Vec::new(),
    });
    let leaves = left.chunks(TOPICS_PER_ENTRY).map(|chunk| Delta::Topics {
        joined: Vec::new(),
        left: chunk.to_vec(),
    });
    joins.chain(leaves).collect()
}
