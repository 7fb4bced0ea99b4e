//! Room: what publishers wait for when a message finds none.

use std::sync::Arc;

use super::{Reached, Router, shard::Shard};
use crate::{
    bus::Gate,
    clock::Clock,
    message::{Message, MessageId},
    recorder::What,
};

/// There is no room for the message now; nothing has happened.
#[derive(Debug, thiserror::Error)]
#[error("the node is busy")]
pub struct Busy {
    /// The message, to be published again.
    pub message: Box<Message>,
    /// Where to wait for room.
    pub room: Room,
}

/// Where room is missing.
#[derive(Clone, Debug)]
pub enum Room {
    /// On the way to the other members.
    Bus(Gate),
    /// On a shard.
    Shard(Arc<Shard>),
}

// === impl Room ===

impl Room {
    /// Waits until there may be room again. Cancel safe.
    pub async fn wait(&self) {
        match self {
            Self::Bus(gate) => gate.wait().await,
            Self::Shard(shard) => shard.room().await,
        }
    }
}

impl Router {
    /// Publishes a message as soon as there is room. Says whom it is on its way to.
    ///
    /// Cancel safe: then nothing has happened.
    pub async fn publish_in_turn(&self, mut message: Message, clock: Clock) -> Reached {
        loop {
            match self.publish(message, clock.now()) {
                Ok(reached) => return reached,
                Err(Busy {
                    message: back,
                    room,
                }) => {
                    room.wait().await;
                    message = *back;
                }
            }
        }
    }

    pub(super) fn busy(&self, message: Message, room: Room) -> Busy {
        self.stats.busy.add(1);
        if message.id != MessageId::Number(0) {
            self.recorder.note(&message, || What::Busy);
        }
        Busy {
            message: Box::new(message),
            room,
        }
    }
}
