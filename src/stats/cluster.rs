//! What a member of a cluster counts on the ways to the others.

use super::{Count, Durations};

/// What the cluster counts on this member.
#[derive(Debug, Default)]
pub struct ClusterStats {
    /// Entries written into inboxes.
    pub entries_out: Count,
    /// Entries read from the own inbox.
    pub entries_in: Count,
    /// Envelopes in the entries that were written.
    pub envelopes_out: Count,
    /// Envelopes in the entries that were read, without those that had been here before.
    pub envelopes_in: Count,
    /// Envelopes that had been here before.
    pub repeated: Count,
    /// Messages that took the place of an older one in the uplink.
    pub conflated: Count,
    /// Publishes refused since the uplink was full.
    pub busy: Count,
    /// Messages that are lost, by [`LostReason`] in the order of [`LostReason::ALL`].
    pub lost: [Count; LostReason::ALL.len()],
    /// Time from a publish to the write on another member.
    pub delivery: Durations,
    /// Time of a canary from this member through the server to its own inbox and back.
    pub round_trip: Durations,
    /// Entries written into the log.
    pub deltas_out: Count,
    /// Entries of others read from the log.
    pub deltas_in: Count,
    /// Entries of others in the log that could not be read.
    pub log_unreadable: Count,
    /// Gaps found in the log.
    pub log_gaps: Count,
    /// Snapshots written.
    pub snapshots: Count,
    /// Members that this one has reaped.
    pub takeovers: Count,
    /// Times this member was found dead by others while it lived.
    pub fenced: Count,
    /// Calls of the server that failed, repeated or not.
    pub errors: Count,
    /// Times everything was opened anew, since the server had lost its data.
    pub reopened: Count,
}

/// Why a message between nodes is lost.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LostReason {
    /// It stood in the inbox of a member that is dead.
    DeadMember,
    /// Its envelope cannot be read by this version.
    Form,
    /// It never arrived; the receiver has found a gap in the sender's numbers.
    Gap,
    /// The inbox that it was for does not exist any more.
    Gone,
    /// The inbox that it was for had reached its bound.
    InboxFull,
    /// It was sent by a member that had been declared dead before.
    Reaped,
    /// It is of a version that its reader does not know, or there is none that its reader and this
    /// member both know.
    Version,
}

// === impl LostReason ===

impl LostReason {
    /// Every reason, in the order of the variants.
    pub const ALL: [Self; 7] = [
        Self::DeadMember,
        Self::Form,
        Self::Gap,
        Self::Gone,
        Self::InboxFull,
        Self::Reaped,
        Self::Version,
    ];

    /// Metric label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::DeadMember => "dead_member",
            Self::Form => "form",
            Self::Gap => "gap",
            Self::Gone => "gone",
            Self::InboxFull => "inbox_full",
            Self::Reaped => "reaped",
            Self::Version => "version",
        }
    }
}

// === impl ClusterStats ===

impl ClusterStats {
    /// Takes note of messages that are lost.
    pub fn lose(&self, reason: LostReason, count: u64) {
        self.lost[reason as usize].add(count);
    }
}
