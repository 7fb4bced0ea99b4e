//! Who answers the questions of sessions, and does what they call for.

use std::sync::{Arc, OnceLock};

use crate::{
    auth::Authenticator,
    chat::Desk,
    dialect::{DialectId, Outcome, Question, Request},
    services::{Asked, Caller, Outcomes, Services},
};

/// Hands over to whoever knows.
#[derive(Debug)]
pub(super) struct Front {
    pub(super) authenticator: Arc<Authenticator>,
    /// Set before there are sessions.
    pub(super) desk: OnceLock<Desk>,
}

impl Services for Front {
    fn ask(&self, dialect: DialectId, question: Question) -> Asked {
        self.authenticator.ask(dialect, question)
    }

    fn carry_out(&self, caller: Caller, requests: Vec<Request>) -> Outcomes {
        match self.desk.get() {
            Some(desk) => desk.carry_out(caller, requests),
            None => {
                let outcomes = vec![Outcome::Unavailable; requests.len()];
                Box::pin(std::future::ready(outcomes))
            }
        }
    }
}
