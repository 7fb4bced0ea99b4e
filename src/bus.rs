//! The bus: carries messages to the other members of the cluster.
//!
//! Contract, for every implementation:
//!
//! - **Delivery**: to every other living member that has subscribers of the topic, as far as this
//!   member knows; at least once on the way, once at the receiver's router.
//! - **Order**: what one member sends arrives at each other member in that order, except messages of
//!   class `latest`, which may be replaced where they wait. Nothing is promised between two senders.
//! - **No echo**: a member never receives its own messages; its router has delivered them already.
//! - **Loss**: what is lost on the way is counted, with its range in the log; a message of class
//!   `durable` is never given up while the sender lives.
//! - **Blocking**: never. What has no room is refused as a whole: [`Full`] means that nothing
//!   happened.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};

use tokio::sync::Notify;

use crate::{message::Message, topic::Topic};

/// Carries messages to the other members. See the module's documentation for the contract.
pub trait Bus: fmt::Debug + Send + Sync + 'static {
    /// Queues a message for the other members that it concerns, and says how many these are.
    ///
    /// # Errors
    ///
    /// [`Full`] if there is no room for it.
    fn send(&self, message: &Message) -> Result<usize, Full>;

    /// Tells the other members that have sessions of this user that there may be mail for it, and says
    /// how many these are. What is lost of that on the way leads to a look at all mail there.
    ///
    /// # Errors
    ///
    /// [`Full`] if there is no room for it.
    fn ring(&self, user: &Topic) -> Result<usize, Full>;
}

/// There is no room for the message; nothing has happened.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the way to the other nodes is full")]
pub struct Full {
    /// Where to wait for room.
    pub gate: Gate,
}

/// Where publishers wait for room; open or closed. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<GateState>);

#[derive(Debug, Default)]
struct GateState {
    closed: AtomicBool,
    opened: Notify,
}

// === impl Gate ===

impl Gate {
    /// Lets publishers go on.
    pub fn open(&self) {
        self.0.closed.store(false, SeqCst);
        self.0.opened.notify_waiters();
    }

    /// Has publishers wait.
    pub fn close(&self) {
        self.0.closed.store(true, SeqCst);
    }

    /// Waits until publishers may go on. A hint: those who waited all may. Cancel safe.
    pub async fn wait(&self) {
        loop {
            let opened = self.0.opened.notified();
            if !self.0.closed.load(SeqCst) {
                return;
            }
            opened.await;
        }
    }
}
