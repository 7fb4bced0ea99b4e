//! Questions to other members that wait for their answers.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::peer::Answer;

/// Questions under way.
#[derive(Debug, Default)]
pub(super) struct Asks {
    next: AtomicU64,
    waiting: Mutex<HashMap<u64, oneshot::Sender<Answer>>>,
}

impl Asks {
    /// A number for a question, and where its answer comes. Call [`Self::forget`] in the end.
    pub(super) fn begin(&self) -> (u64, oneshot::Receiver<Answer>) {
        let id = self.next.fetch_add(1, Relaxed);
        let (sender, receiver) = oneshot::channel();
        self.waiting.lock().insert(id, sender);
        (id, receiver)
    }

    /// An answer has come; one that nobody waits for any more is dropped.
    pub(super) fn answer(&self, id: u64, answer: Answer) {
        if let Some(sender) = self.waiting.lock().remove(&id) {
            let _ = sender.send(answer);
        }
    }

    /// Nobody waits any more.
    pub(super) fn forget(&self, id: u64) {
        self.waiting.lock().remove(&id);
    }
}
