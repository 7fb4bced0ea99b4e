//! Who answers the questions of sessions, and does what they call for.

use std::sync::Arc;

use crate::{
    auth::Authenticator,
    chat::Desk,
    dialect::{DialectId, Question, Request},
    services::{Asked, Caller, Outcomes, Services},
};

/// Hands over to whoever knows.
#[derive(Debug)]
pub(super) struct Front {
    pub(super) authenticator: Arc<Authenticator>,
    pub(super) desk: Desk,
}

impl Services for Front {
    fn ask(&self, dialect: DialectId, question: Question) -> Asked {
        self.authenticator.ask(dialect, question)
    }

    fn carry_out(&self, caller: Caller, requests: Vec<Request>) -> Outcomes {
        self.desk.carry_out(caller, requests)
    }
}
