//! Calls of a session: what services do for it while its frames go on being read.
//!
//! Messages that are to be kept are done in their order, and while some are under way, all others for
//! the next turn collect. Everything else is done at once, and beside them.

use std::{mem, sync::Arc};

use tokio::sync::Notify;

use super::{Core, Pause};
use crate::{
    dialect::{Actions, Call, MethodFailure, Outcome, Request},
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

/// Why a call was not begun.
pub(super) enum NotBegun {
    /// It has failed already.
    Failed(Box<str>, Outcome),
    /// It has to wait for others to return.
    Wait(Call, Pause),
}

impl Core {
    /// Begins a call.
    pub(super) fn call(&mut self, session: &Arc<Session>, call: Call) -> Result<(), NotBegun> {
        let is_method = matches!(call.request, Request::Method(_));
        let user = session.subscriber.user();
        if call.request.is_personal() && user.and_then(UserId::person).is_none() {
            debug_assert!(false, "only a person calls");
            return Ok(());
        }
        let calls_max = match is_method {
            true => session.context.settings.load().method_calls_max,
            false => CALLS_MAX,
        };
        let mut caller = session.caller();
        match session.subscriber.begin_call(calls_max) {
            Begun::Call => {}
            Begun::ForNobody => return Ok(()),
            // Whoever waits for methods of an application that hangs would not hear of anything else.
            Begun::TooMany if is_method => {
                session.stats().calls_refused.add(1);
                let outcome = Outcome::NotAnswered(MethodFailure::TooMany);
                return Err(NotBegun::Failed(call.reference, outcome));
            }
            Begun::TooMany => {
                let calls = self.calls.get_or_insert_default();
                let pause = Pause::Call(Arc::clone(&calls.returned));
                return Err(NotBegun::Wait(call, pause));
            }
        }
        if is_method {
            caller.rooms = self.rooms();
        }
        let calls = self.calls.get_or_insert_default();
        let session = Arc::clone(session);
        let tracker = session.context.tracker.clone();
        if !call.request.is_ordered() {
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
        let is_gone = self.ended || session.subscriber.closed().is_some();
        if is_gone && matches!(outcome, Outcome::Answered(_) | Outcome::NotAnswered(_)) {
            session.stats().answers_dropped.add(1);
        }
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
