//! Calls of a session: what services do for it while its frames go on being read.
//!
//! Messages that are to be kept are done in their order, and while some are under way, all others for
//! the next turn collect. Everything else is done at once, and beside them.

use std::{mem, sync::Arc};

use tokio::sync::Notify;

use super::{Core, Pause};
use crate::{
    dialect::{Actions, Call, Outcome, Request},
    id::UserId,
    router::subscriber::Begun,
    services::Caller,
    session::Session,
};

/// Most calls of a session under way; with more it is not read. A phone has one or two; what this many
/// messages of the longest text take is 100 KiB.
const CALLS_MAX: u16 = 32;

/// The calls of one session.
#[derive(Debug, Default)]
pub(super) struct Calls {
    /// For the next turn.
    waiting: Vec<Call>,
    /// A turn is under way.
    has_turn: bool,
    returned: Arc<Notify>,
}

impl Core {
    /// Begins a call, or gives it back if it has to wait for others to return.
    pub(super) fn call(&mut self, session: &Arc<Session>, call: Call) -> Result<(), (Call, Pause)> {
        let user = session.subscriber.user().and_then(UserId::person);
        let Some(user) = user else {
            debug_assert!(false, "only a person calls");
            return Ok(());
        };
        let caller = Caller {
            user,
            session: session.context.router.session_id(session.subscriber.serial),
        };
        let calls = self.calls.get_or_insert_default();
        match session.subscriber.begin_call(CALLS_MAX) {
            Begun::Call => {}
            Begun::ForNobody => return Ok(()),
            Begun::TooMany => return Err((call, Pause::Call(Arc::clone(&calls.returned)))),
        }
        let session = Arc::clone(session);
        let tracker = session.context.tracker.clone();
        if !is_ordered(&call) {
            tracker.spawn(async move { carry_out(&session, caller, vec![call]).await });
            return Ok(());
        }
        calls.waiting.push(call);
        if !mem::replace(&mut calls.has_turn, true) {
            tracker.spawn(take_turns(session, caller));
        }
        Ok(())
    }

    fn next_turn(&mut self) -> Option<Vec<Call>> {
        let calls = self.calls.as_deref_mut()?;
        calls.has_turn = !calls.waiting.is_empty();
        calls.has_turn.then(|| mem::take(&mut calls.waiting))
    }

    fn returned(&mut self, session: &Arc<Session>, reference: &str, outcome: Outcome) {
        if !self.ended {
            self.answer(session, reference, outcome);
        }
        session.subscriber.end_call();
        if let Some(calls) = self.calls.as_deref() {
            calls.returned.notify_one();
        }
    }

    fn answer(&mut self, session: &Arc<Session>, reference: &str, outcome: Outcome) {
        let now = session.context.clock.now();
        let mut actions = Actions::default();
        self.conversation
            .returned(reference, outcome, now, &mut actions);
        // What finds no room stands before what waits already; the next read tries again.
        let _ = self.execute(session, actions, now);
    }
}

/// Does what is to be done in order, until nothing is left. Also when the session has ended: its client
/// has sent it before.
async fn take_turns(session: Arc<Session>, caller: Caller) {
    while let Some(calls) = { session.core.lock().next_turn() } {
        carry_out(&session, caller.clone(), calls).await;
    }
}

async fn carry_out(session: &Arc<Session>, caller: Caller, calls: Vec<Call>) {
    let (references, requests): (Vec<_>, Vec<_>) = calls
        .into_iter()
        .map(|Call { reference, request }| (reference, request))
        .unzip();
    let outcomes = session.context.services.carry_out(caller, requests).await;
    let mut core = session.core.lock();
    for (reference, outcome) in references.iter().zip(outcomes) {
        core.returned(session, reference, outcome);
    }
}

fn is_ordered(call: &Call) -> bool {
    matches!(call.request, Request::Chat(_))
}
