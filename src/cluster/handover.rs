//! The handover: what is retained, told to a member that is new.
//!
//! One of the members does it: the first by name of those who are there. Should it die meanwhile, the
//! new member does without until the next message of each key.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::{Cluster, life::Ended};
use crate::{envelope::Envelope, id::Member, message::DeliveryClass};

/// New members that wait for what is retained.
#[derive(Debug, Default)]
pub(super) struct Newcomers {
    waiting: Mutex<Vec<Member>>,
    came: Notify,
}

impl Cluster {
    /// A member has said that it is there.
    pub(super) fn welcome(&self, newcomer: &Member) {
        let me = self.me();
        let others = self.peers.members();
        let mut before = others.iter().filter(|member| *member != newcomer);
        if before.all(|member| me.as_str() < member.as_str()) {
            self.newcomers.waiting.lock().push(newcomer.clone());
            self.newcomers.came.notify_one();
        }
    }

    /// Hands over to newcomers, one after the other.
    pub(super) async fn hand_over(this: Arc<Self>) -> Ended {
        loop {
            this.newcomers.came.notified().await;
            let waiting = std::mem::take(&mut *this.newcomers.waiting.lock());
            for newcomer in waiting {
                this.hand_over_to(&newcomer).await;
            }
        }
    }

    async fn hand_over_to(&self, newcomer: &Member) {
        for retained in self.parts.router.retained(self.parts.clock.now()) {
            let message = retained.message.clone();
            let key = message.conflate;
            let envelope = Envelope::Retained(message);
            loop {
                let to = std::iter::once(newcomer.clone()).collect();
                let to = self.address(to, |version| envelope.encode(version));
                match self.uplink.send(&to, DeliveryClass::Latest, key) {
                    Ok(_) => break,
                    Err(full) => full.gate.wait().await,
                }
            }
        }
    }
}
