//! Lives: which member the node is, and its way from one life to the next.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use tokio::time::{self, Instant};

use super::{Router, subscriber::Subscriber, transport::End};
use crate::{
    close::CloseReason,
    dialect::Now,
    id::{Member, NodeId},
    message::MessageId,
};

/// Time between two looks whether sessions have ended.
const STEP: Duration = Duration::from_millis(20);

/// Ends a session's connection at once; what waits is lost.
pub fn cut(subscriber: &Subscriber) {
    subscriber.forget();
    subscriber.end(End::Reset);
}

impl Router {
    /// The member that this router serves.
    pub fn member(&self) -> Member {
        (**self.member.load()).clone()
    }

    /// A name for a message that no other member gives to one of its own, now or ever. The numbers of
    /// [`Self::next_id`] are those of two members in any millisecond in which both publish.
    pub fn unique_id(&self, now: Now) -> MessageId {
        let (member, number) = (self.member(), self.next_id(now));
        MessageId::Text(format!("{member}.{number}").into())
    }

    /// Begins another life of the node, whose epoch is `epoch` or greater. There are no sessions.
    pub fn begin_new_epoch(&self, epoch: u64) {
        let before = self.member();
        let last = u64::from_str_radix(before.epoch(), 16).unwrap_or(0);
        if let Ok(node) = before.node().parse::<NodeId>() {
            let member = Member::new(&node, epoch.max(last + 1));
            self.recorder.begin_life(member.clone());
            self.member.store(Arc::new(member));
        }
        self.is_open.store(true, Relaxed);
    }

    /// Whether sessions may begin; not between two lives.
    pub fn is_open(&self) -> bool {
        self.is_open.load(Relaxed)
    }

    /// Ends every session, and waits until all are gone; those who stay longer than `limit` are cut.
    /// None may begin until [`Self::begin_new_epoch`].
    pub async fn end_all(&self, reason: CloseReason, limit: Duration) {
        self.is_open.store(false, Relaxed);
        let until = Instant::now() + limit;
        while 0 < self.sessions() {
            let is_late = until <= Instant::now();
            for subscriber in self.everyone() {
                subscriber.close(reason);
                if is_late {
                    cut(&subscriber);
                }
            }
            time::sleep(STEP).await;
        }
    }

    /// Every local session.
    pub fn everyone(&self) -> Vec<Arc<Subscriber>> {
        let shards = self.shards.iter();
        shards
            .flat_map(|shard| shard.roster.sample(usize::MAX))
            .collect()
    }
}
