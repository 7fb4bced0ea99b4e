//! A channel that applications publish to, heard over a connection of its own.
//!
//! It has no prefix: it is the application's. In a Cluster every server hears what is published to any
//! other, so that one of them is enough.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use redis::aio::{PubSubSink, PubSubStream};
use tokio::time;

use super::{
    errors::{meaning, unavailable},
    servers::Servers,
};
use crate::cluster::streams::StreamsError;

/// After so long a silence the server is asked whether it is still there.
const SILENCE: Duration = Duration::from_secs(2);

/// A channel, not heard yet.
#[derive(Debug)]
pub struct RedisChannel {
    servers: Servers,
    name: Box<str>,
}

/// A channel that is heard. Dropping it ends that.
pub struct Subscription {
    sink: PubSubSink,
    stream: PubSubStream,
    channel: Box<str>,
    servers: Servers,
}

// === impl RedisChannel ===

impl RedisChannel {
    pub(super) fn new(servers: Servers, name: &str) -> Self {
        Self {
            servers,
            name: name.into(),
        }
    }

    /// Hears it from now on: what is published after this has returned.
    ///
    /// # Errors
    ///
    /// [`StreamsError::Refused`] if the user may not hear it; [`StreamsError::Unavailable`] if there
    /// is no answer in time.
    pub async fn subscribe(&self) -> Result<Subscription, StreamsError> {
        let subscribed = self.servers.in_time(self.try_subscribe()).await;
        if subscribed.is_err() {
            self.servers.forget();
        }
        subscribed
    }

    async fn try_subscribe(&self) -> Result<Subscription, StreamsError> {
        // Boxed: much room for what is seldom done.
        let connection = Box::pin(self.servers.to_subscribe(&self.name)).await?;
        let (sink, stream) = connection.split();
        let mut subscription = Subscription {
            sink,
            stream,
            channel: self.name.clone(),
            servers: self.servers.clone(),
        };
        subscription.ask().await?;
        Ok(subscription)
    }
}

// === impl Subscription ===

impl Subscription {
    /// The next message. Cancel safe.
    ///
    /// # Errors
    ///
    /// [`StreamsError::Unavailable`] if the connection has ended, or the server does not answer. It is
    /// of no use any more then.
    pub async fn next(&mut self) -> Result<Bytes, StreamsError> {
        loop {
            match time::timeout(SILENCE, self.stream.next()).await {
                Ok(Some(message)) => {
                    return Ok(Bytes::copy_from_slice(message.get_payload_bytes()));
                }
                Ok(None) => {
                    self.servers.forget();
                    return Err(unavailable("the connection has ended"));
                }
                Err(_) => {
                    let servers = self.servers.clone();
                    servers.in_time(self.ask()).await?;
                }
            }
        }
    }

    /// Subscribes, once more if it has done so already: that changes nothing, is answered, and needs no
    /// other permission.
    async fn ask(&mut self) -> Result<(), StreamsError> {
        let asked = self.sink.subscribe(&*self.channel).await;
        asked.map_err(|error| meaning(&error))
    }
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subscription")
            .field("channel", &self.channel)
            .finish_non_exhaustive()
    }
}
