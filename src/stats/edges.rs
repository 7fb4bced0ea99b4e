//! What is counted beside the way of messages: logins, their hooks, and the HTTP API.

use super::{Count, Durations};
use crate::dialect::DialectId;

/// What the services that decide about logins count.
#[derive(Debug, Default)]
pub struct AuthStats {
    /// Answers by dialect and by [`LoginOutcome`], in the orders of their lists.
    pub logins: [[Count; LoginOutcome::ALL.len()]; DialectId::ALL.len()],
    /// Calls of deciding hooks, by [`HookOutcome`] in the order of [`HookOutcome::ALL`].
    pub hooks: [Count; HookOutcome::ALL.len()],
    /// Time of a call, without those that were never made.
    pub hook: Durations,
    /// Requests for tokens of `im`, by [`TokenOutcome`] in the order of [`TokenOutcome::ALL`].
    pub im_tokens: [Count; TokenOutcome::ALL.len()],
}

/// What the services count that decide what clients may do.
#[derive(Debug, Default)]
pub struct DecidingStats {
    /// About clients who have logged in.
    pub connect: HookStats,
    /// About rooms.
    pub subscribe: HookStats,
}

/// What one deciding service counts.
#[derive(Debug, Default)]
pub struct HookStats {
    /// Calls by [`HookOutcome`] in the order of [`HookOutcome::ALL`].
    pub calls: [Count; HookOutcome::ALL.len()],
    /// Time of a call, without those that were never made.
    pub call: Durations,
}

/// What the HTTP API counts.
#[derive(Debug, Default)]
pub struct ApiStats {
    /// Requests by [`ApiOutcome`] in the order of [`ApiOutcome::ALL`].
    pub requests: [Count; ApiOutcome::ALL.len()],
    /// Publishes that had expired when it was their turn.
    pub expired: Count,
    /// Ids of publishes that had to be forgotten before their time.
    pub ids_forgotten: Count,
}

/// What a login was answered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LoginOutcome {
    /// The credential was refused.
    Denied,
    /// The credential is good.
    Granted,
    /// Nobody was there to decide.
    Unavailable,
}

/// What became of a call of a deciding hook.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HookOutcome {
    /// It said yes.
    Allowed,
    /// It said no.
    Denied,
    /// It could not be reached, or broke off, or answered with another status.
    Failed,
    /// Its answer is not the one that was agreed.
    Malformed,
    /// Too many calls were waiting, so it was not called.
    Overloaded,
    /// It took too long.
    Timeout,
}

/// What a request for a token of `im` was answered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TokenOutcome {
    /// Whoever asked may not do so, or not for that user.
    Forbidden,
    /// The request was wrong in another way.
    Invalid,
    /// A token was given out.
    Issued,
    /// The address had asked too often.
    Limited,
    /// Nobody knows who asked.
    Unauthorized,
    /// There was no key to sign with, nobody to decide, or the node is going away.
    Unavailable,
}

/// What a request to the HTTP API was answered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ApiOutcome {
    /// The node could not do it.
    Failed,
    /// The key lacks the scope.
    Forbidden,
    /// The request was wrong in another way.
    Invalid,
    /// The key was over its rate.
    Limited,
    /// It was done.
    Ok,
    /// The key is missing or wrong.
    Unauthorized,
}

// === impl LoginOutcome ===

impl LoginOutcome {
    /// Every outcome, in the order of the variants.
    pub const ALL: [Self; 3] = [Self::Denied, Self::Granted, Self::Unavailable];

    /// Metric label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::Granted => "granted",
            Self::Unavailable => "unavailable",
        }
    }
}

// === impl HookOutcome ===

impl HookOutcome {
    /// Every outcome, in the order of the variants.
    pub const ALL: [Self; 6] = [
        Self::Allowed,
        Self::Denied,
        Self::Failed,
        Self::Malformed,
        Self::Overloaded,
        Self::Timeout,
    ];

    /// Metric label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
            Self::Failed => "failed",
            Self::Malformed => "malformed",
            Self::Overloaded => "overloaded",
            Self::Timeout => "timeout",
        }
    }
}

// === impl TokenOutcome ===

impl TokenOutcome {
    /// Every outcome, in the order of the variants.
    pub const ALL: [Self; 6] = [
        Self::Forbidden,
        Self::Invalid,
        Self::Issued,
        Self::Limited,
        Self::Unauthorized,
        Self::Unavailable,
    ];

    /// What an answer with this HTTP status means.
    pub const fn of_status(status: u16) -> Self {
        match status {
            200 => Self::Issued,
            401 => Self::Unauthorized,
            403 => Self::Forbidden,
            429 => Self::Limited,
            500.. => Self::Unavailable,
            _ => Self::Invalid,
        }
    }

    /// Metric label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Forbidden => "forbidden",
            Self::Invalid => "invalid",
            Self::Issued => "issued",
            Self::Limited => "limited",
            Self::Unauthorized => "unauthorized",
            Self::Unavailable => "unavailable",
        }
    }
}

// === impl ApiOutcome ===

impl ApiOutcome {
    /// Every outcome, in the order of the variants.
    pub const ALL: [Self; 6] = [
        Self::Failed,
        Self::Forbidden,
        Self::Invalid,
        Self::Limited,
        Self::Ok,
        Self::Unauthorized,
    ];

    /// What an answer with this HTTP status means.
    pub const fn of_status(status: u16) -> Self {
        match status {
            401 => Self::Unauthorized,
            403 => Self::Forbidden,
            429 => Self::Limited,
            400..500 => Self::Invalid,
            500.. => Self::Failed,
            _ => Self::Ok,
        }
    }

    /// Metric label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Forbidden => "forbidden",
            Self::Invalid => "invalid",
            Self::Limited => "limited",
            Self::Ok => "ok",
            Self::Unauthorized => "unauthorized",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_stand_at_their_own_position() {
        for (index, outcome) in LoginOutcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, index);
        }
        for (index, outcome) in HookOutcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, index);
        }
        for (index, outcome) in TokenOutcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, index);
        }
        for (index, outcome) in ApiOutcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, index);
        }
    }

    #[test]
    fn an_outcome_is_told_by_the_status() {
        for (status, expect) in [
            (200, ApiOutcome::Ok),
            (202, ApiOutcome::Ok),
            (401, ApiOutcome::Unauthorized),
            (403, ApiOutcome::Forbidden),
            (422, ApiOutcome::Invalid),
            (429, ApiOutcome::Limited),
            (503, ApiOutcome::Failed),
        ] {
            assert_eq!(ApiOutcome::of_status(status), expect, "{status}");
        }
    }
}
