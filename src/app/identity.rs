//! The node as its peers see it: how it describes itself, and what it answers them.

use std::{
    net::SocketAddr,
    sync::{Arc, Weak},
};

use arc_swap::ArcSwap;
use tokio_util::sync::CancellationToken;

use crate::{
    admin::Phase,
    clock::Clock,
    cluster::Cluster,
    peer::{Answer, NodeInfo, Question},
    presence::{Answerer, Describe},
    router::Router,
};

/// What peers can know and ask.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) router: Arc<Router>,
    pub(super) clock: Clock,
    /// Where it serves clients.
    pub(super) address: SocketAddr,
    /// Whether it wants clients, apart from the cluster's state.
    pub(super) phase: Arc<ArcSwap<Phase>>,
    /// Begins the drain.
    pub(super) stop: CancellationToken,
}

/// Whether a node wants clients: its own phase, and whether the cluster works.
pub(super) fn phase(own: &ArcSwap<Phase>, cluster: Option<&Weak<Cluster>>) -> Phase {
    let own = (**own.load()).clone();
    if own != Phase::Ready {
        return own;
    }
    let cluster = cluster.and_then(Weak::upgrade);
    match cluster.and_then(|cluster| cluster.fault()) {
        Some(fault) => Phase::Starting(fault.into()),
        None => own,
    }
}

impl Describe for Identity {
    fn describe(&self) -> NodeInfo {
        NodeInfo {
            member: self.router.member(),
            address: self.address.to_string().into(),
            sessions: self.router.sessions() as u64,
            lag: 0,
            state: self.phase.load().label().into(),
        }
    }
}

impl Answerer for Identity {
    fn answer(&self, question: Question) -> Answer {
        match question {
            Question::Sessions { topic, max } => Answer::Sessions {
                count: self.router.count(&topic) as u64,
                sessions: self
                    .router
                    .describe_members(&topic, max as usize, self.clock.now()),
            },
            Question::Kick { topic, reason } => {
                let kicked = self.router.kick(&topic, reason.as_deref());
                Answer::Kicked(u32::try_from(kicked).unwrap_or(u32::MAX))
            }
            Question::Drain => {
                tracing::info!("drain asked for by another node");
                self.stop.cancel();
                Answer::Done
            }
        }
    }
}
