//! Reaping: putting an end to what is left of a dead member.

use super::{
    Cluster,
    streams::{Streams, StreamsError},
};
use crate::id::Member;

impl Cluster {
    /// Has everybody know that `dead` is, empties its inbox, and removes it. One member does; should
    /// it die in the middle, its right expires and another one begins again.
    pub(super) async fn reap<S: Streams>(&self, streams: &S, dead: Member) {
        match self.try_reap(streams, &dead).await {
            Ok(true) => {
                self.stats.takeovers.add(1);
                tracing::warn!(%dead, "reaped a dead member");
            }
            Ok(false) => {}
            Err(error) => {
                self.stats.errors.add(1);
                tracing::warn!(%dead, %error, "a dead member is not reaped yet");
            }
        }
    }

    async fn try_reap<S: Streams>(&self, streams: &S, dead: &Member) -> Result<bool, StreamsError> {
        if !streams.begin_reaping(dead, &self.me()).await? {
            return Ok(false);
        }
        self.announce_death(dead.clone());
        self.bury(dead);
        self.empty_inbox(streams, dead).await?;
        Ok(true)
    }
}
