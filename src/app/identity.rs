//! The node as its peers see it: how it describes itself, and what it answers them.

use std::{net::SocketAddr, sync::Arc};

use arc_swap::ArcSwap;
use tokio_util::sync::CancellationToken;

use crate::{
    admin::Phase,
    clock::Clock,
    duty::Changed,
    estate::{Estate, EstateError, Pending},
    id::Member,
    peer::{Answer, NodeInfo, Question},
    presence::{Answerer, Answering, Describe},
    router::Router,
    witness::Witness,
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
    /// A part of the node has failed for good.
    pub(super) failed: CancellationToken,
}

/// What the sessions of a node owe, which is its estate.
#[derive(Debug)]
pub(super) struct Affairs(pub(super) Arc<Identity>);

impl Identity {
    /// A node that starts.
    pub(super) fn new(router: Arc<Router>, clock: Clock, address: SocketAddr) -> Arc<Self> {
        Arc::new(Self {
            router,
            clock,
            address,
            phase: ArcSwap::from_pointee(Phase::Starting("it is starting".into())),
            stop: CancellationToken::new(),
            failed: CancellationToken::new(),
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
    fn answer(&self, question: Question) -> Answering {
        let answer = match question {
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
            Question::Explain(trace) => Answer::Explained(self.router.recorder().explain(trace)),
            Question::Tail(query) => Answer::Tailed(self.router.tail(&query)),
            Question::Drain => {
                tracing::info!("drain asked for by another node");
                self.stop.cancel();
                Answer::Done
            }
            Question::Unknown => Answer::Unknown,
            Question::Owed(session) => Answer::Owed(match self.router.witness() {
                Some(witness) => witness.owed(&session),
                None => Changed::Gone,
            }),
            Question::Owe { session, change } => match self.router.witness().cloned() {
                Some(witness) => {
                    let changing =
                        async move { Answer::Owed(witness.change(&session, change).await) };
                    return Answering::Later(Box::pin(changing));
                }
                None => Answer::Owed(Changed::Gone),
            },
        };
        Answering::Now(answer)
    }
}

impl Affairs {
    /// There is one before the node is a member.
    fn witness(&self) -> Result<&Arc<Witness>, EstateError> {
        let witness = self.0.router.witness();
        witness.ok_or_else(|| EstateError("the node is not put together yet".into()))
    }
}

impl Estate for Affairs {
    fn open(&self, me: &Member) -> Pending<'_, ()> {
        let me = me.clone();
        Box::pin(async move { self.witness()?.open(&me).await })
    }

    fn inherit(&self, dead: &Member) -> Pending<'_, ()> {
        let dead = dead.clone();
        Box::pin(async move { self.witness()?.inherit(&dead).await })
    }

    fn is_settled(&self, me: &Member) -> Pending<'_, bool> {
        let me = me.clone();
        Box::pin(async move { self.witness()?.is_settled(&me).await })
    }
}
