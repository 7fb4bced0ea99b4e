//! One client of the `im` dialect, from upgrade to close.
//!
//! **Invariant:** every packet of a client that is let in is answered once: at once, or when its call
//! returns.

use std::mem;

use super::{
    answer::{self, Fault, NO_ID},
    claim,
    packet::{self, Command},
    settings::{Sessions, Settings},
};
use crate::{
    close::CloseReason,
    dialect::{Actions, Answer, Call, Conversation, Grant, Incoming, Now, Outcome, Question},
    id::{Person, UserId},
};

/// One client's side.
#[derive(Debug)]
pub(super) struct Talk {
    settings: Settings,
    state: State,
}

enum State {
    /// The upgrade is under way; this stood in the path.
    New {
        token: Box<str>,
    },
    /// A service decides whether the token is good.
    Asked,
    /// It is, and a service decides whether its bearer comes in.
    Known(Person),
    Ready(Person),
    Ended,
}

// === impl Talk ===

impl Talk {
    pub(super) fn new(settings: Settings, token: &str) -> Self {
        Self {
            settings,
            state: State::New {
                token: token.into(),
            },
        }
    }

    /// The token is good.
    fn know(&mut self, user: Person, out: &mut Actions) {
        self.state = State::Known(user);
        out.ask(Question::Connect {
            user: Some(user.into()),
            client_id: None,
            is_proven: true,
        });
    }

    /// Lets the client in, and has it join what it was admitted to.
    fn enter(&mut self, user: Person, admitted: Grant, now: Now, out: &mut Actions) {
        self.state = State::Ready(user);
        out.authenticate(user.into());
        for room in admitted.rooms {
            out.subscribe(room);
        }
        if self.settings.sessions == Sessions::Single {
            out.claim(claim(user));
        }
        out.reply(&answer::welcome(self.settings.profile, now));
    }

    fn refuse(&mut self, fault: Fault, reason: CloseReason, out: &mut Actions) {
        self.state = State::Ended;
        out.reply(&answer::error(NO_ID, fault));
        out.close(reason);
    }
}

impl Conversation for Talk {
    fn open(&mut self, _now: Now, out: &mut Actions) {
        if let State::New { token } = mem::replace(&mut self.state, State::Asked) {
            out.ask(Question::Login {
                token,
                client_id: None,
            });
        }
    }

    fn receive(&mut self, message: Incoming<'_>, _now: Now, out: &mut Actions) {
        let State::Ready(me) = self.state else {
            return;
        };
        let packet = packet::read(message, me, self.settings);
        match packet.command {
            Ok(Command::Ping) => out.reply(&answer::pong(self.settings.profile, packet.id)),
            Ok(Command::Call(request)) => out.call(Call {
                reference: packet.id.into(),
                request,
            }),
            Err(fault) => out.reply(&answer::error(packet.id, fault)),
        }
    }

    /// A user who is no number is none of this dialect.
    fn answered(&mut self, answer: Answer, now: Now, out: &mut Actions) {
        match (&self.state, answer) {
            (State::Asked | State::Known(_), Answer::Unavailable) => {
                self.refuse(Fault::Failed, CloseReason::AuthUnavailable, out);
            }
            (State::Asked, Answer::Granted(grant)) => match grant.user.as_ref().and_then(person) {
                Some(user) => self.know(user, out),
                None => self.refuse(Fault::BadToken, CloseReason::AuthFailed, out),
            },
            (State::Known(user), Answer::Granted(grant)) => self.enter(*user, grant, now, out),
            (State::Asked | State::Known(_), Answer::Denied(_)) => {
                self.refuse(Fault::BadToken, CloseReason::AuthFailed, out);
            }
            _ => {}
        }
    }

    fn returned(&mut self, reference: &str, outcome: Outcome, now: Now, out: &mut Actions) {
        if matches!(self.state, State::Ready(_)) {
            let profile = self.settings.profile;
            out.reply(&answer::returned(profile, reference, outcome, now));
        }
    }
}

fn person(user: &UserId) -> Option<Person> {
    user.as_str().parse().ok()
}

/// Tokens are credentials, so logs show none of them.
impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::New { .. } => "New(..)",
            Self::Asked => "Asked",
            Self::Known(_) => "Known(..)",
            Self::Ready(_) => "Ready(..)",
            Self::Ended => "Ended",
        })
    }
}
