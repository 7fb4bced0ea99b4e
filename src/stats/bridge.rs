//! What a node counts about what applications publish to the channel of the bridge.

use super::Count;

/// What the bridge counts.
#[derive(Debug, Default)]
pub struct BridgeStats {
    /// Messages that reached sessions of this node.
    pub delivered: Count,
    /// Messages for nobody on this node.
    pub undeliverable: Count,
    /// What is no message.
    pub invalid: Count,
    /// Messages for which there was no room.
    pub dropped: Count,
    /// Times that the channel was subscribed to.
    pub connects: Count,
}
