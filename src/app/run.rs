//! A node from its first client to its last.

use std::{net::TcpListener, sync::Arc, time::Duration};

use tokio::{runtime::Handle, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{App, ExitReport, Node, hooks::Telling, kept::Couriers, member::Running};
use crate::{
    admin::{self, Phase},
    drain::{self, Drained},
};

impl App {
    /// Serves until it is drained. `stop` begins the drain, `kill` cuts it short.
    pub async fn run(self, stop: CancellationToken, kill: CancellationToken) -> ExitReport {
        let Self {
            node,
            membership,
            moving,
            bridge,
            shards,
            public,
            admin,
        } = self;
        let membership =
            membership.map(|membership| membership.begin(node.identity.failed.clone()));
        node.authenticator.work_on(Handle::current());
        let accepting = CancellationToken::new();
        let serving = TaskTracker::new();
        let accepts = accept_on(&node, public, &accepting);
        let ended = CancellationToken::new();
        let closed = ended.child_token();
        serving.spawn(node.listening.close_with(accepting.clone(), &node));
        let state = node.admin_state();
        let couriers = Couriers::begin(&node, moving, bridge, &state);
        let telling = Telling::begin(&node.kept);
        match tokio::net::TcpListener::from_std(admin) {
            Ok(listener) => {
                serving.spawn(admin::serve(listener, Arc::clone(&state), closed.clone()));
            }
            Err(error) => tracing::error!(%error, "the admin listener has failed"),
        }
        node.identity.set_phase(Phase::Ready);
        until_the_end(&node, &stop, &kill).await;
        node.identity.set_phase(Phase::going_away());
        let mut settings = node.config.load().drain.clone();
        if node.listening.has_successor() {
            settings.delay = Duration::ZERO;
            closed.cancel();
            accepting.cancel();
            node.leave_sockets(&accepts).await;
        } else {
            node.ingress.drain();
        }
        couriers.stop_jobs();
        let until = Instant::now() + settings.grace;
        let drained = tokio::select! {
            drained = drain::run(&node.identity.router, &node.kept.witness, &settings, &accepting) => drained,
            () = kill.cancelled() => Drained { cut: drain::cut(&node.identity.router) },
        };
        accepting.cancel();
        tokio::select! {
            () = couriers.end(until) => {}
            () = kill.cancelled() => {}
        }
        tokio::select! {
            () = leave(telling, membership, until) => {}
            () = kill.cancelled() => {}
        }
        ended.cancel();
        for tasks in [accepts, serving] {
            tasks.close();
            tasks.wait().await;
        }
        for shard in shards {
            shard.stop().await;
        }
        ExitReport {
            sessions_cut: drained.cut,
            has_failed: node.identity.failed.is_cancelled(),
        }
    }
}

/// Accepts connections until `accepting` fires.
fn accept_on(node: &Node, public: Vec<TcpListener>, accepting: &CancellationToken) -> TaskTracker {
    let accepts = TaskTracker::new();
    let runtime = node.ingress.only_runtime().cloned();
    let runtime = runtime.unwrap_or_else(Handle::current);
    for listener in public {
        let accept = Arc::clone(&node.ingress).accept(listener, accepting.clone());
        let accept = async move {
            if let Err(error) = accept.await {
                tracing::error!(%error, "a public listener has failed");
            }
        };
        accepts.spawn_on(accept, &runtime);
    }
    accepts
}

/// Waits for whatever ends the node.
async fn until_the_end(node: &Node, stop: &CancellationToken, kill: &CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = node.identity.stop.cancelled() => {}
        () = kill.cancelled() => {}
        () = node.identity.failed.cancelled() => {
            tracing::error!("a part of the node has failed, it ends");
        }
    }
}

/// Tells endpoints what can be told, and takes leave of the other nodes.
async fn leave(telling: Telling, membership: Option<Running>, until: Instant) {
    let told = telling.end(until);
    match membership {
        Some(membership) => membership.end(until, told).await,
        None => told.await,
    }
}
