//! The stage: the controllers of live rooms, which do what clients call for.
//!
//! A controller is a module with one type that implements [`Controller`], and a line in
//! [`controllers`]. It looks to clients like a method that an application answers.
//!
//! **Invariant:** a controller that refuses has changed nothing, and nothing after its refusal is done.

mod error;
mod index;
mod scene;
mod user;
mod wall;

use std::{fmt, future::Future, pin::Pin, sync::Arc};

use tokio_util::task::TaskTracker;

pub use self::{error::Halt, scene::Scene};
use crate::{
    clock::Clock,
    dialect::{
        Outcome,
        live::{Builtin, Effect, LiveCall},
    },
    router::Router,
    sayings::{Drafts, Sayings},
    services::Caller,
    stats::{LiveOutcome, LiveStats},
    witness::Witness,
};

/// What becomes of the session that has called, or why nothing does.
pub type Acting<'a> = Pin<Box<dyn Future<Output = Result<Vec<Effect>, Halt>> + Send + 'a>>;

/// Answers the methods of one name: `live.user` those that begin with `live.user.`.
pub trait Controller: fmt::Debug + Send + Sync + 'static {
    /// Its name, and what clients may call of it.
    fn builtin(&self) -> Builtin;

    /// Does an action, one of [`Builtin::actions`] or one that a controller calls for itself by
    /// [`Effect::Then`]. Must not wait without a limit. Dropped half-way it may be done or not.
    fn act<'a>(&'a self, scene: &'a Scene<'a>, action: &'a str) -> Acting<'a>;
}

/// Every controller there is.
fn controllers() -> Vec<Box<dyn Controller>> {
    vec![
        Box::new(index::Index),
        Box::new(user::User),
        Box::new(wall::Wall),
    ]
}

/// What controllers work with.
#[derive(Clone, Debug)]
pub struct Parts {
    /// Who is there.
    pub router: Arc<Router>,
    /// Knows what sessions owe.
    pub witness: Arc<Witness>,
    /// What waits for a wall's word.
    pub drafts: Arc<dyn Drafts>,
    /// What is published.
    pub sayings: Arc<dyn Sayings>,
    /// The time.
    pub clock: Clock,
}

/// Has controllers do what clients call for.
#[derive(Clone, Debug)]
pub struct Stage(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    parts: Parts,
    controllers: Vec<Box<dyn Controller>>,
    stats: Arc<LiveStats>,
    /// A token for each call; closed with the stage.
    under_way: TaskTracker,
}

// === impl Stage ===

impl Stage {
    /// The stage of a node.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(Inner {
            parts,
            controllers: controllers(),
            stats: Arc::default(),
            under_way: TaskTracker::new(),
        }))
    }

    /// What clients may call.
    pub fn builtins() -> Vec<Builtin> {
        let controllers = controllers();
        controllers.iter().map(|one| one.builtin()).collect()
    }

    /// What it counts.
    pub fn stats(&self) -> &Arc<LiveStats> {
        &self.0.stats
    }

    /// Does this for a client. A call that has failed is answered like one that was refused.
    pub async fn carry_out(&self, caller: &Caller, call: LiveCall) -> Outcome {
        let Inner {
            parts,
            controllers,
            stats,
            under_way,
        } = &*self.0;
        let _under_way = under_way.token();
        let scene = Scene::new(parts, stats, caller, &call);
        let mut controllers = controllers.iter();
        let controller = controllers.find(|one| one.builtin().controller == &*call.controller);
        let acted = match controller {
            _ if under_way.is_closed() => Err(Halt::failed("the node is going away")),
            Some(controller) => controller.act(&scene, &call.action).await,
            None => Err(Halt::Missing),
        };
        let (outcome, effects) = match acted {
            Ok(effects) => (LiveOutcome::Done, effects),
            Err(halt) => {
                if let Halt::Failed { reason, .. } = &halt {
                    stats.warn(parts.clock.uptime().as_secs(), || {
                        let controller = &call.controller;
                        tracing::warn!(%controller, %reason, "a method of a live room has failed");
                    });
                }
                (halt.outcome(), vec![Effect::Reply(halt.into_reply())])
            }
        };
        stats.calls[outcome as usize].add(1);
        Outcome::Live(effects)
    }

    /// Begins nothing more, and waits for what is under way.
    pub async fn close(&self) {
        self.0.under_way.close();
        self.0.under_way.wait().await;
    }
}
