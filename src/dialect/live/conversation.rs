//! One client of the `live` dialect, from upgrade to close.
//!
//! **Invariant:** what a client calls of the gateway's own is done in its order; what applications
//! answer may come before or behind it.

use std::sync::Arc;

use super::{
    Effect, LiveCall, Party, Reply, Settings,
    answer::{self, CONTROLLER_ERROR, METHOD_NOT_FOUND},
    frame::{self, Frame, Request},
    route::{self, Path},
};
use crate::{
    close::CloseReason,
    dialect::{
        self, Actions, Answer, Call, Conversation, DialectId, Grant, Incoming, MethodCall, Now,
        Outcome, Profile, Question,
    },
    id::SessionId,
};

/// One client's side.
#[derive(Debug)]
pub(super) struct Talk {
    settings: Arc<Settings>,
    session: SessionId,
    party: Arc<Party>,
    state: State,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    /// The upgrade is under way.
    New,
    /// A service decides whether the client comes in.
    Asked,
    Ready,
    Ended,
}

// === impl Talk ===

impl Talk {
    pub(super) fn new(settings: Arc<Settings>, session: SessionId, party: Arc<Party>) -> Self {
        Self {
            settings,
            session,
            party,
            state: State::New,
        }
    }

    fn enter(&mut self, admitted: Grant, out: &mut Actions) {
        self.state = State::Ready;
        out.authenticate(self.party.user.clone());
        for room in admitted.rooms {
            out.subscribe(room);
        }
    }

    fn end(&mut self, reason: CloseReason, out: &mut Actions) {
        self.state = State::Ended;
        out.close(reason);
    }

    fn reply(&self, reply: &Reply, out: &mut Actions) {
        out.reply(&reply.encode(self.settings.profile));
    }

    /// Has a method done by whoever has it: the gateway first, then applications.
    fn request(&self, request: Request, out: &mut Actions) {
        let path = route::path(&request.method);
        let named = route::trimmed(&request.method);
        let is_offered =
            || !named.is_empty() && self.settings.offers.answers(DialectId::Live, named);
        if !path.is_fallback && self.has(&path) {
            self.call(path, request, out);
        } else if is_offered() {
            out.call(Call {
                reference: "".into(),
                request: dialect::Request::Method(MethodCall {
                    method: named.into(),
                    body: request.body,
                }),
            });
        } else if path.is_fallback {
            self.call(path, request, out);
        } else {
            self.reply(&self.missing(&path), out);
        }
    }

    fn has(&self, path: &Path) -> bool {
        let builtins = &self.settings.builtins;
        builtins.iter().any(|builtin| {
            builtin.controller == path.controller && builtin.actions.contains(&&*path.action)
        })
    }

    /// What is said of a method that nobody has.
    fn missing(&self, path: &Path) -> Reply {
        let builtins = &self.settings.builtins;
        let has_controller = || {
            builtins
                .iter()
                .any(|builtin| builtin.controller == path.controller)
        };
        match self.settings.profile {
            Profile::Observed if !has_controller() => CONTROLLER_ERROR,
            Profile::Observed | Profile::Documented => METHOD_NOT_FOUND,
        }
    }

    fn call(&self, path: Path, request: Request, out: &mut Actions) {
        let Path {
            controller, action, ..
        } = path;
        begin(
            LiveCall {
                controller: controller.into(),
                action: action.into(),
                party: Arc::clone(&self.party),
                request: request.body,
            },
            out,
        );
    }

    fn apply(&self, effects: Vec<Effect>, out: &mut Actions) {
        for effect in effects {
            match effect {
                Effect::Reply(reply) => self.reply(&reply, out),
                Effect::Join(room) => out.subscribe(room),
                Effect::Leave(room) => out.unsubscribe(room),
                Effect::Then(call) => begin(call, out),
            }
        }
    }
}

fn begin(call: LiveCall, out: &mut Actions) {
    out.call(Call {
        reference: "".into(),
        request: dialect::Request::Live(call),
    });
}

impl Conversation for Talk {
    fn open(&mut self, _now: Now, out: &mut Actions) {
        if self.state != State::New {
            return;
        }
        self.state = State::Asked;
        out.ask(Question::Connect {
            user: Some(self.party.user.clone()),
            client_id: None,
            is_proven: true,
        });
    }

    fn receive(&mut self, message: Incoming<'_>, _now: Now, out: &mut Actions) {
        if self.state != State::Ready {
            return;
        }
        let profile = self.settings.profile;
        match frame::read(message, profile, &self.session, &self.party) {
            None => self.end(CloseReason::Violation, out),
            Some(Frame::Heartbeat) => out.reply(answer::HEARTBEAT),
            Some(Frame::Request(request)) => {
                if self.settings.receipts {
                    out.reply(answer::RECEIPT.as_bytes());
                }
                self.request(request, out);
            }
        }
    }

    fn answered(&mut self, answer: Answer, _now: Now, out: &mut Actions) {
        if self.state != State::Asked {
            return;
        }
        match answer {
            Answer::Granted(admitted) => self.enter(admitted, out),
            Answer::Denied(_) => self.end(CloseReason::AuthFailed, out),
            Answer::Unavailable => self.end(CloseReason::AuthUnavailable, out),
        }
    }

    fn returned(&mut self, _reference: &str, outcome: Outcome, _now: Now, out: &mut Actions) {
        if self.state != State::Ready {
            return;
        }
        match outcome {
            Outcome::Live(effects) => self.apply(effects, out),
            // As it is: the application speaks the dialect itself.
            Outcome::Answered(answer) => out.reply(&answer),
            Outcome::NotAnswered(failure) => self.reply(&answer::failed(failure), out),
            _ => self.reply(&CONTROLLER_ERROR, out),
        }
    }
}
