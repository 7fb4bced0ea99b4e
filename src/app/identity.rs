//! The node as its peers see it: how it describes itself, and what it answers them.

use std::{net::SocketAddr, sync::Arc};

use arc_swap::ArcSwap;
use tokio_util::sync::CancellationToken;

use crate::{
    admin::Phase,
    clock::Clock,
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
    phase: ArcSwap<Phase>,
    /// Begins the drain.
    pub(super) stop: CancellationToken,
}

impl Identity {
    /// A node that starts.
    pub(super) fn new(router: Arc<Router>, clock: Clock, address: SocketAddr) -> Arc<Self> {
        Arc::new(Self {
            router,
            clock,
            address,
            phase: ArcSwap::from_pointee(Phase::Starting("it is starting".into())),
            stop: CancellationToken::new(),
        })
    }

    pub(super) fn set_phase(&self, phase: Phase) {
        tracing::info!(?phase, "the node has changed its phase");
        self.phase.store(Arc::new(phase));
    }

    /// Whether it wants clients, apart from the cluster's state.
    pub(super) fn phase(&self) -> Phase {
        // Whoever has asked for the drain is told so, though nobody has woken up to it yet.
        if self.stop.is_cancelled() {
            Phase::going_away()
        } else {
            (**self.phase.load()).clone()
        }
    }
}

impl Describe for Identity {
    fn describe(&self) -> NodeInfo {
        self.router
            .describe_node(self.address, self.phase().label())
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
            Question::Join { topic, room } => {
                Answer::Joined(self.router.join_members(&topic, &room))
            }
            Question::Quit { topic, room } => {
                let quit = self.router.quit_members(&topic, &room);
                Answer::Quit(u32::try_from(quit).unwrap_or(u32::MAX))
            }
            Question::Rooms { after, max } => {
                Answer::Rooms(self.router.rooms(after.as_ref(), max as usize))
            }
            Question::Page(query) => {
                Answer::Page(self.router.describe_page(&query, self.clock.now()))
            }
            Question::Data { session, change } => {
                Answer::Data(self.router.change_data(&session, &change))
            }
            Question::Drain => {
                tracing::info!("drain asked for by another node");
                self.stop.cancel();
                Answer::Done
            }
        }
    }
}
