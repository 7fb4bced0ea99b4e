//! Reaping: putting an end to what is left of a dead member.

use super::{
    Cluster,
    life::estate_error,
    streams::{Streams, StreamsError},
};
use crate::id::Member;

/// That a member is being reaped here, once at a time: two who take over the same mix up its order.
struct Alone<'a> {
    cluster: &'a Cluster,
    dead: Member,
}

impl<'a> Alone<'a> {
    fn begin(cluster: &'a Cluster, dead: &Member) -> Option<Self> {
        let is_first = cluster.reaping.lock().insert(dead.clone());
        is_first.then(|| Self {
            cluster,
            dead: dead.clone(),
        })
    }
}

impl Drop for Alone<'_> {
    fn drop(&mut self) {
        self.cluster.reaping.lock().remove(&self.dead);
    }
}

impl Cluster {
    /// Has everybody know that `dead` is, takes over what it has left, empties its inbox, and removes it. One member does; should
    /// it die in the middle, its right expires and another one begins again.
    pub(super) async fn reap<S: Streams>(&self, streams: &S, dead: Member) {
        // It is found dead again at every beat until it is out of the list.
        let Some(_alone) = Alone::begin(self, &dead) else {
            return;
        };
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
        // It is in the list for as long as there is something that would be lost.
        for estate in &self.parts.estates {
            estate.inherit(dead).await.map_err(estate_error)?;
        }
        self.empty_inbox(streams, dead).await?;
        Ok(true)
    }
}
