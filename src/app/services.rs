//! Who answers the questions of sessions, and does what they call for.

use std::sync::Arc;

use super::kept::Kept;
use crate::{
    auth::{Authenticator, admission::Admission},
    backend::{HttpClient, methods::Methods},
    chat::Desk,
    clock::Clock,
    config::{Backend, DecidingHook},
    dialect::{DialectId, MethodCall, Offers, Outcome, Question, Request},
    live::Stage,
    reception::Reception,
    services::{Asked, Caller, Outcomes, Services},
};

/// What applications do for clients: it can change while the node runs.
#[derive(Clone, Debug)]
pub(super) struct Applications {
    pub(super) admission: Arc<Admission>,
    pub(super) methods: Arc<Methods>,
    /// What the clients of each dialect find.
    offers: Arc<[Arc<Offers>; DialectId::ALL.len()]>,
}

/// Hands over to whoever knows.
#[derive(Debug)]
pub(super) struct Front {
    authenticator: Arc<Authenticator>,
    applications: Applications,
    desk: Desk,
    reception: Reception,
    stage: Stage,
}

// === impl Applications ===

impl Applications {
    /// Those of a node.
    pub(super) fn new(settings: &Backend, client: &HttpClient, clock: Clock) -> Self {
        let applications = Self {
            admission: Arc::new(Admission::new(settings, client.clone(), clock)),
            methods: Arc::new(Methods::new(&settings.methods, client.clone(), clock)),
            offers: Arc::default(),
        };
        applications.offer(settings);
        applications
    }

    /// They are these from now on, for sessions that live too.
    pub(super) fn reload(&self, settings: &Backend) {
        self.admission.reload(settings);
        self.methods.reload(&settings.methods);
        self.offer(settings);
    }

    /// What clients of a dialect find; it changes with a reload.
    pub(super) fn offers(&self, dialect: DialectId) -> Arc<Offers> {
        Arc::clone(&self.offers[dialect.index()])
    }

    fn offer(&self, settings: &Backend) {
        for dialect in DialectId::ALL {
            let offers = &self.offers[dialect.index()];
            let methods = settings.methods.iter();
            let methods = methods.filter(|method| method.serves(dialect));
            let prefixes = methods.map(|method| method.prefix.as_str().into());
            offers.set_methods(prefixes.collect());
            let decides = |hook: &Option<DecidingHook>| {
                let hook = hook.as_ref();
                hook.is_some_and(|hook| hook.concerns(dialect))
            };
            offers.set_decides_logins(decides(&settings.connect));
            offers.set_decides_joins(decides(&settings.subscribe));
        }
    }
}

impl Services for Front {
    fn ask(&self, caller: &Caller, question: Question) -> Asked {
        match question {
            Question::Login { .. } => self.authenticator.ask(caller.dialect, question),
            Question::Connect { .. } | Question::Join { .. } => {
                self.applications.admission.ask(caller, question)
            }
        }
    }

    /// Methods come one by one; what comes together is of one kind, since it is of one dialect.
    fn carry_out(&self, caller: Caller, mut requests: Vec<Request>) -> Outcomes {
        match requests.pop() {
            Some(Request::Method(call)) if requests.is_empty() => self.method(caller, call),
            Some(last @ Request::Live(_)) => {
                requests.push(last);
                self.live(caller, requests)
            }
            Some(last @ Request::Service(_)) => {
                requests.push(last);
                self.reception.carry_out(caller, requests)
            }
            last => {
                requests.extend(last);
                self.desk.carry_out(caller, requests)
            }
        }
    }
}

impl Front {
    /// All that a node has.
    pub(super) fn new(
        authenticator: &Arc<Authenticator>,
        applications: &Applications,
        kept: &Kept,
    ) -> Self {
        Self {
            authenticator: Arc::clone(authenticator),
            applications: applications.clone(),
            desk: kept.desk.clone(),
            reception: kept.reception.clone(),
            stage: kept.stage.clone(),
        }
    }

    /// One after the other.
    fn live(&self, caller: Caller, requests: Vec<Request>) -> Outcomes {
        let stage = self.stage.clone();
        Box::pin(async move {
            let mut outcomes = Vec::with_capacity(requests.len());
            for request in requests {
                outcomes.push(match request {
                    Request::Live(call) => stage.carry_out(&caller, call).await,
                    _ => Outcome::Unavailable,
                });
            }
            outcomes
        })
    }

    fn method(&self, caller: Caller, call: MethodCall) -> Outcomes {
        let methods = Arc::clone(&self.applications.methods);
        Box::pin(async move {
            vec![match methods.call(&caller, call).await {
                Ok(answer) => Outcome::Answered(answer),
                Err(failure) => Outcome::NotAnswered(failure),
            }]
        })
    }
}
