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
    accord::others,
    leases::{CONFIRM, Judgement},
    life::{Ended, pauses},
    streams::{Pulse, Streams, StreamsError},
};
use crate::{
    envelope::{Envelope, Speech, Version, Versions},
    id::Member,
    peer::NodeInfo,
};

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
    /// Absent in leases of members that are older than versions.
    bus: Option<Bus>,
}

/// What a lease says of versions.
#[derive(Deserialize, Serialize)]
struct Bus {
    min: u8,
    max: u8,
    speaks: u8,
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
                    // A member that knows less waits until the others announce no more than that.
                    let is_soon = judgement.look_again || this.announces_too_much();
                    time::sleep(if is_soon { CONFIRM } else { BEAT }).await;
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
        let announced = self.spoken.lock().to_announce(self.peers.known().common());
        let pulse = streams.beat(&self.me(), self.info(announced)).await?;
        let now = self.now();
        let judgement = self.leases.lock().beat(sent, now, &pulse);
        self.health.beaten(now);
        self.inbox_entries.store(pulse.inbox_entries, Relaxed);
        self.note_members(&pulse);
        self.spoken.lock().beaten(announced);
        Ok((pulse, judgement))
    }

    /// Whether the last beat has announced a version that somebody does not know.
    fn announces_too_much(&self) -> bool {
        let common = self.peers.known().common();
        self.spoken.lock().announces_too_much(common)
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
            speech: Speech {
                speaks: self.version().number(),
                ..Speech::OWN
            },
            ..self.parts.describe.describe()
        }
    }

    /// What the lease says, with the version that may be written to all.
    pub(super) fn info(&self, announced: Version) -> Bytes {
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
            bus: Some(Bus {
                min: Versions::OWN.min,
                max: Versions::OWN.max,
                speaks: announced.number(),
            }),
        };
        serde_json::to_vec(&info).unwrap_or_default().into()
    }

    /// Those without a lease, or not in the list, keep their places until they are found dead.
    fn note_members(&self, pulse: &Pulse) {
        self.peers.note(others(pulse, &self.me()), &self.directory);
    }

    /// Takes note of a member that writes in this version, which it knows therefore. Its lease tells
    /// more of it with a beat.
    pub(super) fn meet(&self, newcomer: &Member, version: Version) {
        if !self.peers.has(newcomer) {
            let speaks = version.number();
            let (min, max) = (speaks, speaks);
            let node = NodeInfo {
                speech: Speech {
                    versions: Versions { min, max },
                    speaks,
                },
                ..node_info(newcomer, &Bytes::new())
            };
            self.peers.note(vec![node], &self.directory);
        }
    }

    fn send_canary(&self, number: u64) {
        self.health.send_canary(number, self.now());
        self.uplink
            .send_control(&self.me(), &Envelope::Canary(number).encode(Version::MAX));
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

/// What the lease of a member says of it.
pub(super) fn node_info(member: &Member, info: &Bytes) -> NodeInfo {
    let info = serde_json::from_slice(info).unwrap_or(Info {
        address: "".into(),
        sessions: 0,
        lag: 0,
        state: "unknown".into(),
        bus: None,
    });
    let bus = info.bus.filter(|bus| bus.min <= bus.max);
    NodeInfo {
        member: member.clone(),
        address: info.address,
        sessions: info.sessions,
        lag: info.lag,
        state: info.state,
        speech: bus.map_or(Speech::UNANNOUNCED, |Bus { min, max, speaks }| Speech {
            versions: Versions { min, max },
            speaks,
        }),
    }
}
