//! `[backend.connect]` and `[backend.subscribe]`.

use std::time::Duration;

use super::CALL_TIMEOUT;
use crate::{
    config::{
        setting::words,
        value::{HttpUrl, Secret},
        visit::{Section, Visitor},
    },
    dialect::DialectId,
};

/// A service that decides what clients may do.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DecidingHook {
    /// Where it is.
    pub url: HttpUrl,
    /// It must have answered by then.
    pub timeout: Duration,
    /// Signs what it is asked; absent: unsigned.
    pub secret: Option<Secret>,
    /// What counts when it does not answer, or not as agreed.
    pub when_down: WhenDown,
    /// About whose clients it is asked; empty: those of every dialect.
    pub dialects: Vec<DialectId>,
    /// Most clients who wait for it; for more it counts as down. At two seconds each these are a hundred
    /// per second of a service that hangs.
    pub waiting_max: usize,
}

/// What counts in place of a decision.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum WhenDown {
    /// It is allowed.
    Allow,
    /// It is not.
    #[default]
    Deny,
}

words!(WhenDown, "deny" => WhenDown::Deny, "allow" => WhenDown::Allow);

impl DecidingHook {
    /// The dialects whose clients can join rooms by their own word.
    pub const JOINING: &[DialectId] = &[DialectId::Room, DialectId::Device];

    /// Whether it is asked about clients of `dialect`.
    pub fn concerns(&self, dialect: DialectId) -> bool {
        self.dialects.is_empty() || self.dialects.contains(&dialect)
    }
}

impl Default for DecidingHook {
    fn default() -> Self {
        Self {
            url: HttpUrl::default(),
            timeout: CALL_TIMEOUT,
            secret: None,
            when_down: WhenDown::default(),
            dialects: Vec::new(),
            waiting_max: 256,
        }
    }
}

impl Section for DecidingHook {
    fn visit(&mut self, visitor: &mut dyn Visitor) {
        visitor.required("url", &mut self.url);
        visitor.setting("timeout", &mut self.timeout);
        visitor.secret("secret", &mut self.secret);
        visitor.setting("when_down", &mut self.when_down);
        visitor.setting("dialects", &mut self.dialects);
        visitor.setting("waiting_max", &mut self.waiting_max);
    }
}
