//! The reception: does what customers and agents call for, and tells what comes of it.
//!
//! **Invariant:** what a customer says is kept before it is passed on, and forgotten only after that; and a
//! seat is owed before it is taken, so that it is given back whatever ends the session.

mod tell;

#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::{sync::Notify, time};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    clock::Clock,
    dialect::{Outcome, Request, ServiceOutcome, ServiceRefusal, ServiceRequest},
    dues::{self, DuesError},
    duty::{Change, Changed, Deed, Duty},
    id::{SessionId, UserId},
    office::{
        Customer, Decided, Done, End, Figures, Office, OfficeError, Party, Refusal, Rules, View,
    },
    router::Router,
    services::{Caller, Outcomes},
    stats::ReceptionStats,
};

/// Names what a session with a seat owes.
pub const SEAT: &str = "tidegate:seat";
/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);
/// Longest pause between looks that fail.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Looks after customers and agents.
#[derive(Clone, Debug)]
pub struct Reception(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    parts: Parts,
    rules: ArcSwap<Rules>,
    stats: Arc<ReceptionStats>,
    /// The seats of this node's sessions.
    seats: Mutex<HashMap<SessionId, Party>>,
    /// How often the office may have lost them, as far as they were taken again.
    doubts: AtomicU64,
    /// There may be more to be done than one call does.
    work: Notify,
    /// A token for each call; closed with the reception.
    under_way: TaskTracker,
}

/// What a reception works with.
#[derive(Clone, Debug)]
pub struct Parts {
    /// Who decides.
    pub office: Arc<dyn Office>,
    /// Who is there.
    pub router: Arc<Router>,
    /// The time.
    pub clock: Clock,
}

/// Why something is not done.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ServiceError {
    /// The office has refused it.
    #[error("it is refused: {}", .0.label())]
    Refused(Refusal),
    /// It is not known to be done.
    #[error(transparent)]
    Unavailable(#[from] OfficeError),
}

// === impl Reception ===

impl Reception {
    /// The reception of a node.
    pub fn new(parts: Parts, rules: Rules) -> Self {
        Self(Arc::new(Inner {
            parts,
            rules: ArcSwap::from_pointee(rules),
            stats: Arc::default(),
            seats: Mutex::default(),
            doubts: AtomicU64::new(0),
            work: Notify::new(),
            under_way: TaskTracker::new(),
        }))
    }

    /// What it counts.
    pub fn stats(&self) -> &Arc<ReceptionStats> {
        &self.0.stats
    }

    /// Goes by these rules from now on.
    pub fn set_rules(&self, rules: Rules) {
        self.0.rules.store(Arc::new(rules));
    }

    /// Does this for a client, one after the other. Ends within time limits of its own.
    pub fn carry_out(&self, caller: Caller, requests: Vec<Request>) -> Outcomes {
        let reception = self.clone();
        let token = self.0.under_way.token();
        Box::pin(async move {
            let _under_way = token;
            let mut outcomes = Vec::with_capacity(requests.len());
            for request in requests {
                let outcome = match request {
                    Request::Service(request) => reception.serve(&caller, request).await,
                    _ => ServiceOutcome::Unavailable,
                };
                outcomes.push(Outcome::Service(outcome));
            }
            outcomes
        })
    }

    /// A session is nobody's seat any more.
    ///
    /// # Errors
    ///
    /// [`DuesError::Unavailable`]: it is to be tried again.
    ///
    /// Not cancel safe: what is to be told of it is told by the next look.
    pub async fn rise(&self, session: &SessionId) -> Result<dues::Done, DuesError> {
        let Parts { office, router, .. } = &self.0.parts;
        // Who settles what another member has owed does so since that has died.
        let end = match session.member == router.member() {
            true => End::Left,
            false => End::Died,
        };
        let unavailable = |error: OfficeError| DuesError::Unavailable(error.to_string().into());
        self.0.seats.lock().remove(session);
        let done = office
            .rise(session.clone(), end)
            .await
            .map_err(unavailable)?;
        self.tell(done).await;
        Ok(dues::Done::Now)
    }

    /// Gives a customer to another agent, whoever has it.
    ///
    /// # Errors
    ///
    /// [`ServiceError`].
    pub async fn transfer(&self, customer: UserId, to: UserId) -> Result<(), ServiceError> {
        self.settle(self.0.parts.office.transfer(None, customer, to).await)
            .await
    }

    /// A customer needs no agent any more, whoever has it.
    ///
    /// # Errors
    ///
    /// [`ServiceError`].
    pub async fn release(&self, customer: UserId) -> Result<(), ServiceError> {
        self.settle(self.0.parts.office.release(None, customer).await)
            .await
    }

    /// Who serves whom: see [`Office::view`].
    ///
    /// # Errors
    ///
    /// [`OfficeError`].
    pub async fn view(&self, after: u64, max: usize) -> Result<View, OfficeError> {
        self.0.parts.office.view(after, max).await
    }

    /// A customer.
    ///
    /// # Errors
    ///
    /// [`OfficeError`].
    pub async fn find(&self, customer: UserId) -> Result<Option<Customer>, OfficeError> {
        self.0.parts.office.find(customer).await
    }

    /// Does what time brings, and tells what nobody has told, until `stop` fires.
    pub async fn run(self, stop: CancellationToken) {
        let mut pause = LOOK;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.0.work.notified() => {}
                () = time::sleep(pause) => {}
            }
            pause = match self.look().await {
                Ok(true) => Duration::ZERO,
                Ok(false) => LOOK,
                Err(error) => {
                    self.0.stats.errors.add(1);
                    tracing::debug!(%error, "customer service waits");
                    (pause * 2).clamp(LOOK, PAUSE_MAX)
                }
            };
        }
    }

    /// Accepts nothing more, and waits for what is under way.
    pub async fn close(&self) {
        self.0.under_way.close();
        self.0.under_way.wait().await;
    }

    /// Says whether there is more to be done at once.
    async fn look(&self) -> Result<bool, OfficeError> {
        let rules = **self.0.rules.load();
        self.sit_again(rules).await?;
        let look = self.0.parts.office.look(rules).await?;
        let Figures {
            assigned,
            waiting,
            agents,
            lanes,
        } = look.figures;
        let stats = &self.0.stats;
        stats.customers_assigned.set(assigned);
        stats.customers_waiting.set(waiting);
        stats.agents.set(agents);
        stats.lanes.set(lanes);
        self.tell(look.done).await;
        Ok(look.has_more)
    }

    /// Has the agents of this node take their seats again, if the office may have lost them.
    async fn sit_again(&self, rules: Rules) -> Result<(), OfficeError> {
        let Parts { office, router, .. } = &self.0.parts;
        let doubts = router.witness().map_or(0, |witness| witness.doubts());
        if doubts == self.0.doubts.load(Relaxed) {
            return Ok(());
        }
        let is_there = |session: &SessionId| {
            session.member == router.member() && router.find(session.serial).is_some()
        };
        self.0.seats.lock().retain(|session, _| is_there(session));
        let seats = self.0.seats.lock().clone();
        for (session, agent) in seats {
            // One that is refused is ending.
            if let Ok(done) = office.sit(agent, session, rules).await? {
                self.tell(done).await;
            }
        }
        self.0.doubts.store(doubts, Relaxed);
        Ok(())
    }

    async fn serve(&self, caller: &Caller, request: ServiceRequest) -> ServiceOutcome {
        let Some(user) = caller.user.clone() else {
            debug_assert!(false, "only users have customers or agents");
            return ServiceOutcome::Unavailable;
        };
        if self.0.under_way.is_closed() {
            return ServiceOutcome::Unavailable;
        }
        let office = &self.0.parts.office;
        let rules = **self.0.rules.load();
        let decided = match request {
            ServiceRequest::Ask { name, data } => {
                office.ask(Party { id: user, name }, data, rules).await
            }
            ServiceRequest::Release { customer } => office.release(Some(user), customer).await,
            ServiceRequest::Sit { name } => {
                if let Some(refused) = self.owe_seat(&caller.session).await {
                    return refused;
                }
                let agent = Party { id: user, name };
                let sat = office
                    .sit(agent.clone(), caller.session.clone(), rules)
                    .await;
                if let Ok(Ok(_)) = &sat {
                    self.0.seats.lock().insert(caller.session.clone(), agent);
                }
                sat
            }
            ServiceRequest::Transfer { customer, to } => {
                office.transfer(Some(user), customer, to).await
            }
        };
        match self.settle(decided).await {
            Ok(()) => ServiceOutcome::Done,
            Err(ServiceError::Refused(refusal)) => refused(refusal),
            Err(ServiceError::Unavailable(error)) => {
                self.0.stats.errors.add(1);
                tracing::warn!(%error, "a client's call came to nothing");
                ServiceOutcome::Unavailable
            }
        }
    }

    /// Has it kept that the seat is to be given back. Gives what the client is told if it is not.
    async fn owe_seat(&self, session: &SessionId) -> Option<ServiceOutcome> {
        let seat = Duty {
            id: SEAT.into(),
            deed: Deed::Rise,
        };
        let witness = self.0.parts.router.witness()?;
        match witness.change(session, Change::Add(seat)).await {
            Changed::Kept(_) => None,
            Changed::TooMany => {
                self.0.stats.refused[Refusal::TooMany as usize].add(1);
                Some(ServiceOutcome::Refused(ServiceRefusal::TooMany))
            }
            Changed::Gone | Changed::Missing | Changed::Taken | Changed::Unknown => {
                Some(ServiceOutcome::Unavailable)
            }
        }
    }

    /// Counts and tells what came of a call.
    async fn settle(&self, decided: Result<Decided, OfficeError>) -> Result<(), ServiceError> {
        match decided? {
            Ok(done) => {
                self.tell(done).await;
                Ok(())
            }
            Err(refusal) => {
                self.0.stats.refused[refusal as usize].add(1);
                Err(ServiceError::Refused(refusal))
            }
        }
    }

    fn count(&self, done: &Done) {
        let stats = &self.0.stats;
        for (count, more) in stats.assigned.iter().zip(done.assigned) {
            count.add(more);
        }
        stats.dropped.add(done.dropped);
    }
}

fn refused(refusal: Refusal) -> ServiceOutcome {
    ServiceOutcome::Refused(match refusal {
        // The session is ending: nobody will read it.
        Refusal::Gone => return ServiceOutcome::Unavailable,
        Refusal::NoAgent => ServiceRefusal::NoAgent,
        Refusal::NoCustomer | Refusal::NotYours => ServiceRefusal::NotYours,
        Refusal::TooMany => ServiceRefusal::TooMany,
    })
}
