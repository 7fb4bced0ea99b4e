//! What a node counts about customer service.

use super::{Count, Gauge};

/// What the reception of a node counts, and what it has seen of all nodes.
#[derive(Debug, Default)]
pub struct ReceptionStats {
    /// Customers who got an agent by a call of this node: since they came, out of the queue, since their
    /// agent was away, since somebody gave them to it.
    pub assigned: [Count; Self::REASONS.len()],
    /// Calls of clients and of the API that were refused, in the order of [`Self::REFUSALS`].
    pub refused: [Count; Self::REFUSALS.len()],
    /// Messages that were dropped with a customer who was released.
    pub dropped: Count,
    /// Entries that this node has told.
    pub told: Count,
    /// Times that something waits longer, for want of room, or since an agent was not to be found.
    pub waits: Count,
    /// Calls of the office that failed.
    pub errors: Count,
    /// Customers of all nodes who have an agent.
    pub customers_assigned: Gauge,
    /// Customers of all nodes who wait.
    pub customers_waiting: Gauge,
    /// Agents of all nodes who are there.
    pub agents: Gauge,
    /// Lanes of all nodes that have something to be told.
    pub lanes: Gauge,
}

impl ReceptionStats {
    /// Labels of [`Self::assigned`], in the order of [`crate::office::Reason::ALL`].
    pub const REASONS: [&'static str; 4] = ["new", "queue", "reassigned", "transferred"];
    /// Labels of [`Self::refused`], in the order of [`crate::office::Refusal::ALL`].
    pub const REFUSALS: [&'static str; 5] =
        ["gone", "no_agent", "no_customer", "not_yours", "too_many"];
}
