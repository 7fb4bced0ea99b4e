//! The heartbeat: renews the lease, and looks at those of the others.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::{task::JoinSet, time};

use super::{
    Cluster,
    leases::{CONFIRM, Judgement},
    life::{Ended, pauses},
    streams::{Pulse, Streams, StreamsError},
};
use crate::{envelope::Envelope, id::Member, peer::NodeInfo};

/// Time between two beats.
const BEAT: Duration = Duration::from_secs(1);

/// A member whose topics are not known after so many beats is asked for them again.
const STALE_BEATS: u32 = 3;

/// A member that was in the list for none of so many beats is gone: whoever has removed it could not
/// tell. More than it takes every member to see that the server came back empty, and to enroll anew.
const UNLISTED_BEATS: u32 = 5;

/// What a lease says of its member.
#[derive(Deserialize, Serialize)]
struct Info {
    address: Box<str>,
    sessions: u64,
    lag: u64,
    state: Box<str>,
}

/// For how many beats in a row something was so of each member.
#[derive(Debug, Default)]
struct Streaks(HashMap<Member, u32>);

impl Cluster {
    /// Renews the lease until this member turns out to be dead, or the server to be another one.
    pub(super) async fn beat_on<S: Streams>(this: Arc<Self>, streams: Arc<S>) -> Ended {
        let mut reaping = JoinSet::new();
        let mut pauses = pauses();
        let mut canary = 0;
        let (mut stale, mut unlisted) = (Streaks::default(), Streaks::default());
        loop {
            canary += 1;
            this.send_canary(canary);
            match this.beat(&*streams).await {
                Ok((pulse, judgement)) => {
                    pauses.reset();
                    if judgement.is_new_generation {
                        return Ended::Lost;
                    }
                    if !pulse.lists(&this.me()) {
                        return Ended::Fenced;
                    }
                    this.ask_again(&mut stale);
                    this.bury_unlisted(&mut unlisted, &pulse);
                    for dead in judgement.dead {
                        let (this, streams) = (Arc::clone(&this), Arc::clone(&streams));
                        reaping.spawn(async move { this.reap(&*streams, dead).await });
                    }
                    while reaping.try_join_next().is_some() {}
                    time::sleep(if judgement.look_again { CONFIRM } else { BEAT }).await;
                }
                Err(error) => this.failed("beat", &error, &mut pauses).await,
            }
        }
    }

    /// One beat: the lease is renewed, and what it tells is taken note of.
    pub(super) async fn beat<S: Streams>(
        &self,
        streams: &S,
    ) -> Result<(Pulse, Judgement), StreamsError> {
        let sent = self.now();
        let pulse = streams.beat(&self.me(), self.info()).await?;
        let now = self.now();
        let judgement = self.leases.lock().beat(sent, now, &pulse);
        self.health.beaten(now);
        self.inbox_entries.store(pulse.inbox_entries, Relaxed);
        self.note_members(&pulse);
        Ok((pulse, judgement))
    }

    /// Counts the beats since which members are stale, and asks those again that stay it: the request
    /// for a snapshot, or a part of it, may have been lost.
    fn ask_again(&self, stale: &mut Streaks) {
        stale.count(self.directory.stale_members());
        for (member, beats) in &stale.0 {
            if beats.is_multiple_of(STALE_BEATS) {
                self.want(member);
            }
        }
    }

    /// Buries those that are known, and have not been in the list for some time.
    fn bury_unlisted(&self, unlisted: &mut Streaks, pulse: &Pulse) {
        let known = self.peers.members().into_iter();
        unlisted.count(known.filter(|member| !pulse.lists(member)));
        let long_gone = unlisted
            .0
            .iter()
            .filter(|(_, beats)| UNLISTED_BEATS <= **beats);
        for (member, _) in long_gone {
            self.bury(member);
        }
    }

    /// This node, as it describes itself to others.
    pub(super) fn describe(&self) -> NodeInfo {
        NodeInfo {
            lag: self.inbox_entries.load(Relaxed),
            ..self.parts.describe.describe()
        }
    }

    fn info(&self) -> Bytes {
        let NodeInfo {
            address,
            sessions,
            lag,
            state,
            ..
        } = self.describe();
        let info = Info {
            address,
            sessions,
            lag,
            state,
        };
        serde_json::to_vec(&info).unwrap_or_default().into()
    }

    /// Those without a lease, or not in the list, keep their places until they are found dead.
    fn note_members(&self, pulse: &Pulse) {
        let me = self.me();
        let others = pulse.members.iter().filter(|(member, _)| *member != me);
        let nodes = others.filter_map(|(member, lease)| Some(node_info(member, lease.as_ref()?)));
        self.peers.note(nodes.collect(), &self.directory);
    }

    /// Takes note of a member that says that it is there. Its lease tells more of it with a beat.
    pub(super) fn meet(&self, newcomer: &Member) {
        if !self.peers.has(newcomer) {
            let node = node_info(newcomer, &Bytes::new());
            self.peers.note(vec![node], &self.directory);
        }
    }

    fn send_canary(&self, number: u64) {
        self.health.send_canary(number, self.now());
        self.uplink
            .send_control(&self.me(), &Envelope::Canary(number).encode());
    }
}

// === impl Streaks ===

impl Streaks {
    /// These are so at this beat, and nobody else is.
    fn count(&mut self, members: impl IntoIterator<Item = Member>) {
        let before = std::mem::take(&mut self.0);
        let counted = members.into_iter().map(|member| {
            let beats = before.get(&member).map_or(1, |beats| beats + 1);
            (member, beats)
        });
        self.0 = counted.collect();
    }
}

fn node_info(member: &Member, info: &Bytes) -> NodeInfo {
    let info = serde_json::from_slice(info).unwrap_or(Info {
        address: "".into(),
        sessions: 0,
        lag: 0,
        state: "unknown".into(),
    });
    NodeInfo {
        member: member.clone(),
        address: info.address,
        sessions: info.sessions,
        lag: info.lag,
        state: info.state,
    }
}
