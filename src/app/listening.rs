//! The listening sockets once more, for a process that takes the place of this one.

use std::{
    future::Future,
    io,
    net::TcpListener,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::Node;
use crate::sockets;

/// The sockets on which a node listens, and whether somebody else does as well.
#[derive(Debug)]
pub(super) struct Listening {
    sockets: Mutex<Vec<TcpListener>>,
    has_successor: AtomicBool,
}

impl Listening {
    pub(super) fn new(sockets: Vec<TcpListener>) -> Self {
        Self {
            sockets: Mutex::new(sockets),
            has_successor: AtomicBool::new(false),
        }
    }

    /// Whether another process has the sockets by now.
    pub(super) fn has_successor(&self) -> bool {
        self.has_successor.load(Relaxed)
    }

    pub(super) fn have_successor(&self) {
        self.has_successor.store(true, Relaxed);
    }

    /// Gives them to the exchange at this path. Blocks, for a few seconds at most.
    pub(super) fn give(&self, path: &Path) -> io::Result<()> {
        sockets::give(path, &self.sockets.lock())
    }

    /// Closes them when nothing is accepted any more: what comes then is refused, and does not wait for nobody.
    pub(super) fn close_with(
        &self,
        accepting: CancellationToken,
        node: &Arc<Node>,
    ) -> impl Future<Output = ()> + Send + 'static {
        let node = Arc::clone(node);
        async move {
            accepting.cancelled().await;
            node.listening.sockets.lock().clear();
        }
    }
}
