//! Durable messages to a swarm while its nodes come and go.

use std::{collections::BTreeSet, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{task::JoinHandle, time};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    lab::Lab,
    node,
    swarm::{Swarm, user},
    until,
};

/// Between two letters.
const PERIOD: Duration = Duration::from_millis(10);
/// Nodes that there may be.
const NODES: u8 = 4;

/// Somebody who pushes to one client after the other, by whichever node takes it.
pub(crate) struct Letters {
    stop: CancellationToken,
    task: JoinHandle<Vec<BTreeSet<u64>>>,
}

impl Letters {
    pub(crate) fn start(lab: &Lab, clients: usize) -> Self {
        let admins: Vec<SocketAddr> = (1..=NODES).map(|number| lab.admin(number)).collect();
        let stop = CancellationToken::new();
        let task = TaskTracker::new().spawn(push_all(admins, clients, stop.clone()));
        Self { stop, task }
    }

    /// Pushes no more, and waits until every letter that a node has answered for has come. Says how many these
    /// are.
    pub(crate) async fn arrive(self, swarm: &Swarm) -> usize {
        self.stop.cancel();
        let kept = self.task.await.unwrap();
        let heard = Arc::clone(&swarm.letters);
        until("every letter has come", || async {
            let mut both = kept.iter().zip(heard.iter());
            both.all(|(kept, heard)| kept.is_subset(&heard.lock().unwrap()))
        })
        .await;
        kept.iter().map(BTreeSet::len).sum()
    }
}

/// Gives which letters of each client are kept.
async fn push_all(
    admins: Vec<SocketAddr>,
    clients: usize,
    stop: CancellationToken,
) -> Vec<BTreeSet<u64>> {
    let mut kept = vec![BTreeSet::new(); clients];
    let mut number = 0;
    while !stop.is_cancelled() {
        let client = number as usize % clients;
        for step in 0..admins.len() {
            let admin = admins[(number as usize + step) % admins.len()];
            if node::push(admin, &user(client), number).await {
                kept[client].insert(number);
                break;
            }
        }
        number += 1;
        time::sleep(PERIOD).await;
    }
    kept
}
