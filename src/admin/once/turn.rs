//! Turns: of all who publish with one id, on this node and on others, one goes on with it at a time.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{
    sync::MutexGuard,
    time::{self, Instant},
};

use super::{Conflict, Digest, Progress, Sent};
use crate::{
    admin::{State, problem::Problem},
    ledger::{self, Begun, Ledger, Name},
};

/// Between two looks whether another node is done.
const LOOK: Duration = Duration::from_millis(50);

/// A publish that is known on this node.
#[derive(Debug)]
pub(in crate::admin) struct Claim {
    progress: Arc<Progress>,
    /// What it is known by on every node, if it is.
    shared: Option<Digest>,
}

/// The right to go on with a publish. Whoever drops it before [`Self::end`] has other nodes wait.
#[derive(Debug)]
pub(in crate::admin) struct Turn<'a> {
    /// What has been done.
    pub(in crate::admin) sent: MutexGuard<'a, Sent>,
    /// Where others look how far it is.
    account: Option<(&'a dyn Ledger, Name)>,
}

// === impl Claim ===

impl Claim {
    /// Of one that is known on this node alone.
    pub(in crate::admin) fn of_node(progress: Arc<Progress>) -> Self {
        let shared = None;
        Self { progress, shared }
    }

    /// Of one that is known by this digest of its id wherever it comes.
    pub(in crate::admin) fn of_all(progress: Arc<Progress>, id: Digest) -> Self {
        let shared = Some(id);
        Self { progress, shared }
    }

    /// Waits for its turn until then. Costs a round trip if other nodes are to be asked.
    ///
    /// # Errors
    ///
    /// A conflict if the id came with other content to another node; else it is busy.
    pub(in crate::admin) async fn turn<'a>(
        &'a self,
        state: &'a State,
        until: Instant,
    ) -> Result<Turn<'a>, Problem> {
        let waiting = time::timeout_at(until, self.progress.sent.lock());
        let busy = |_| Problem::busy("the node is busy with the same message");
        let mut turn = Turn {
            sent: waiting.await.map_err(busy)?,
            account: None,
        };
        let ledger = state.parts.ledger.as_deref();
        let (Some(ledger), Some(id), false) = (ledger, self.shared, turn.sent.is_done) else {
            return Ok(turn);
        };
        let name = Name {
            id: id.bytes(),
            content: self.progress.content.bytes(),
        };
        loop {
            let begun = ledger.begin(name).await.map_err(|error| {
                let detail = "it cannot be known whether the id has come to another node";
                Problem::busy(format!("{detail}: {}", error.0)).field("id")
            })?;
            match begun {
                Begun::Conflict => {
                    state.once.forget(id, &self.progress);
                    return Err(Conflict.into());
                }
                Begun::Done(what) => {
                    turn.sent.go_on_from(&what);
                    turn.sent.is_done = true;
                    return Ok(turn);
                }
                Begun::Here(before) => {
                    turn.sent.go_on_from(&before.unwrap_or_default());
                    turn.account = Some((ledger, name));
                    return Ok(turn);
                }
                Begun::Elsewhere if Instant::now() < until => time::sleep(LOOK).await,
                Begun::Elsewhere => {
                    let detail = "another node is busy with the same message";
                    return Err(Problem::busy(detail));
                }
            }
        }
    }
}

// === impl Turn ===

impl Turn<'_> {
    /// Says how far it has got: to whoever is next here, and to other nodes.
    pub(in crate::admin) async fn end(mut self, is_done: bool) {
        self.sent.is_done = is_done;
        let Some((ledger, name)) = self.account else {
            return;
        };
        let what = serde_json::to_vec(&*self.sent).expect("numbers and texts are JSON");
        let what = Bytes::from(what);
        if let Err(error) = ledger.end(name, ledger::Progress { is_done, what }).await {
            // What was published was. Others may repeat it when this node does not seem to live any more.
            tracing::warn!(%error, "other nodes do not know what came of a publish");
        }
    }
}

// === impl Sent ===

impl Sent {
    /// What another node has done counts, unless more was done here.
    fn go_on_from(&mut self, what: &[u8]) {
        // Of a newer version, or nothing: then nothing is known.
        let before: Self = serde_json::from_slice(what).unwrap_or_default();
        if self.topics < before.topics {
            *self = before;
        }
    }
}
