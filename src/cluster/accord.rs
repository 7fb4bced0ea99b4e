//! The accord: that a member and those who live can read one another, before it reads or writes
//! anything.

use std::time::Duration;

use tokio::time::{self, Instant};

use super::{
    Cluster,
    heartbeat::node_info,
    streams::{Pulse, Streams, StreamsError},
};
use crate::{
    envelope::{Version, Versions},
    id::Member,
    peer::NodeInfo,
};

/// Between two looks at what others announce.
const LOOK: Duration = Duration::from_millis(200);
/// A member that waits for longer says for whom.
const PATIENCE: Duration = Duration::from_secs(5);

/// There is no version of the bus that this node and the living ones all know.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "this node knows version {} of the bus between nodes, and {}: go by way of a release that knows a version of both",
    Versions::OWN,
    list(.others)
)]
pub struct Disagreement {
    others: Vec<(Member, Versions)>,
}

/// Why a member does not get as far as the log.
#[derive(Debug)]
pub(super) enum Apart {
    Disagreement(Disagreement),
    Streams(StreamsError),
}

impl From<StreamsError> for Apart {
    fn from(error: StreamsError) -> Self {
        Self::Streams(error)
    }
}

// === impl Disagreement ===

impl Disagreement {
    /// Looks at what the living others announce.
    pub(super) fn look(others: &[NodeInfo]) -> Result<(), Self> {
        let apart = others
            .iter()
            .filter(|node| node.speech.versions.agreed().is_none());
        let others: Vec<_> = apart
            .map(|node| (node.member.clone(), node.speech.versions))
            .collect();
        match others.is_empty() {
            true => Ok(()),
            false => Err(Self { others }),
        }
    }
}

fn list(others: &[(Member, Versions)]) -> String {
    let others = others.iter();
    let others = others.map(|(member, versions)| format!("{member} knows {versions}"));
    others.collect::<Vec<_>>().join(", ")
}

impl Cluster {
    /// Looks whether this node could be a member, without becoming one.
    ///
    /// # Errors
    ///
    /// [`Disagreement`] if it could not. A server that does not answer is no obstacle.
    pub async fn check<S: Streams>(&self, streams: &S) -> Result<(), Disagreement> {
        let me = self.me();
        match streams.beat(&me, self.info(Version::MIN)).await {
            Ok(pulse) => Disagreement::look(&others(&pulse, &me)),
            Err(error) => {
                tracing::debug!(%error, "it is not known who lives");
                Ok(())
            }
        }
    }

    /// Waits until no other member writes to all in a version that this one does not know. They learn of
    /// it by their next beat, and announce by the one after it that they have.
    pub(super) async fn agree<S: Streams>(
        &self,
        streams: &S,
        generation: &str,
    ) -> Result<(), Apart> {
        let patience = Instant::now() + PATIENCE;
        let mut is_told = false;
        loop {
            let (pulse, _) = self.beat(streams).await?;
            if *pulse.generation != *generation {
                return Err(StreamsError::Lost.into());
            }
            let others = others(&pulse, &self.me());
            Disagreement::look(&others).map_err(Apart::Disagreement)?;
            let newer = |node: &&NodeInfo| Versions::OWN.max < node.speech.speaks;
            let Some(newer) = others.iter().find(newer) else {
                return Ok(());
            };
            if patience < Instant::now() && !std::mem::replace(&mut is_told, true) {
                let NodeInfo { member, speech, .. } = newer;
                tracing::warn!(%member, speaks = speech.speaks, "waits for a node to write what this one reads");
            }
            time::sleep(LOOK).await;
        }
    }
}

/// What those say who live, but for this one.
pub(super) fn others(pulse: &Pulse, me: &Member) -> Vec<NodeInfo> {
    let others = pulse.members.iter().filter(|(member, _)| member != me);
    let others = others.filter_map(|(member, lease)| Some(node_info(member, lease.as_ref()?)));
    others.collect()
}
