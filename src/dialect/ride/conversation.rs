//! One client of the `ride` dialect, from upgrade to close.
//!
//! **Invariant:** only a [`Party`] relays, subscribes or claims; there is one as soon as the client
//! is authenticated, and it never changes.

use std::{mem, str::Utf8Error, sync::Arc, time::Duration};

use super::{
    address,
    frame::{self, ClientFrame, Reading},
    relay,
    settings::{self, Credentials, Settings, Tokens},
};
use crate::{
    close::CloseReason,
    dialect::{
        Actions, Answer, Claim, Conversation, Grant, Incoming, Now, Profile, Question, owned_text,
    },
    frame::Frame,
    id::UserId,
    topic::Topic,
};

/// Longest client id, in bytes: it is part of a claim, which every node reads. As generous as the
/// bound of addresses.
const CLIENT_ID_BYTES_MAX: usize = crate::id::USER_BYTES_MAX;
/// The answer to a ping, which idle clients ask for again and again.
static PONG: Frame = Frame::fixed(b"\x81\x04pong");
/// What makes a client a driver, anywhere in its client id.
const DRIVER_MARK: &str = "driver_";

/// One client's side.
#[derive(Debug)]
pub(super) struct Talk {
    settings: Arc<Settings>,
    state: State,
}

enum State {
    /// The upgrade is under way; these stood in the query.
    New {
        client_id: Option<Box<str>>,
        token: Option<Box<str>>,
    },
    /// The upgrade is under way; what stood in the query is no text.
    Unreadable,
    /// The login frame must come by then.
    Waiting {
        until: Duration,
        client_id: Option<Box<str>>,
    },
    /// A service decides whether the token is good.
    Asked(Login),
    /// It is, and a service decides whether its bearer comes in.
    Known(Box<Known>),
    Ready(Party),
    Ended,
}

/// What a client presents.
#[derive(Default)]
struct Login {
    client_id: Option<Box<str>>,
    token: Box<str>,
}

/// A client whose token is good.
struct Known {
    login: Login,
    address: UserId,
    role: Role,
    rooms: Vec<Topic>,
}

/// An authenticated client.
struct Party {
    address: UserId,
    role: Role,
    /// What it presented, unless that is its name: an idle session keeps no second copy of it.
    token: Option<Box<str>>,
}

/// The three kinds of client. A backend is one whatever else its client id contains.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Role {
    Backend,
    Driver,
    Passenger,
}

type Outcome = Result<(), CloseReason>;

// === impl Talk ===

impl Talk {
    pub(super) fn new(
        settings: Arc<Settings>,
        client_id: Result<Option<Box<str>>, Utf8Error>,
        token: Result<Option<Box<str>>, Utf8Error>,
    ) -> Self {
        let state = match (client_id, token) {
            (Ok(client_id), Ok(token)) => State::New { client_id, token },
            _ => State::Unreadable,
        };
        Self { settings, state }
    }

    /// The first frame must be the login. Its client id goes before the one of the query.
    fn first_frame(&mut self, frame: &ClientFrame<'_>, out: &mut Actions) -> Outcome {
        if frame.flag()?.as_deref() != Some("login") {
            return Err(CloseReason::Violation);
        }
        let token = frame.token()?.ok_or(CloseReason::Violation)?.into();
        let in_frame = frame.client_id().map(Box::from);
        let State::Waiting { client_id, .. } = &mut self.state else {
            return Ok(());
        };
        let client_id = in_frame.or(client_id.take());
        self.login(Login { client_id, token }, out)
    }

    /// A backend shows its secret as token, and nobody is asked about it: it is the application's own.
    fn login(&mut self, login: Login, out: &mut Actions) -> Outcome {
        let client_id = login.client_id.as_deref();
        if client_id.is_some_and(|id| CLIENT_ID_BYTES_MAX < id.len()) {
            return Err(CloseReason::AuthFailed);
        }
        match self.settings.check(client_id, &login.token) {
            Credentials::WrongSecret => return Err(CloseReason::AuthFailed),
            Credentials::Backend => {
                let address = client_id.and_then(address::of_backend);
                self.enter(
                    Known {
                        address: address.ok_or(CloseReason::AuthFailed)?,
                        login,
                        role: Role::Backend,
                        rooms: Vec::new(),
                    },
                    out,
                );
                return Ok(());
            }
            Credentials::Ordinary => {}
        }
        match self.settings.tokens {
            Tokens::Any => self.know(login, Grant::default(), out),
            Tokens::Ask => {
                out.ask(Question::Login {
                    token: login.token.clone(),
                    client_id: login.client_id.clone(),
                });
                self.state = State::Asked(login);
                Ok(())
            }
        }
    }

    /// The token is good. Of a grant, the user and the rooms count; devices and topics to publish to
    /// mean nothing here.
    fn know(&mut self, login: Login, grant: Grant, out: &mut Actions) -> Outcome {
        let name = grant.user.as_ref().map_or(&*login.token, UserId::as_str);
        let address = self.settings.address(name);
        let address = address.ok_or(CloseReason::AuthFailed)?;
        let role = match &login.client_id {
            Some(client_id) if client_id.contains(DRIVER_MARK) => Role::Driver,
            _ => Role::Passenger,
        };
        out.ask(Question::Connect {
            user: Some(address.clone()),
            client_id: login.client_id.clone(),
            is_proven: self.settings.tokens == Tokens::Ask,
        });
        self.state = State::Known(Box::new(Known {
            login,
            address,
            role,
            rooms: grant.rooms,
        }));
        Ok(())
    }

    /// Lets the client in as whom it was admitted: a token that nobody has vouched for may be somebody
    /// else's name.
    fn admit(&mut self, mut known: Known, admitted: Grant, out: &mut Actions) -> Outcome {
        if let Some(user) = admitted.user {
            if !self.settings.is_client(&user) {
                return Err(CloseReason::AuthFailed);
            }
            known.address = user;
        }
        known.rooms.extend(admitted.rooms);
        self.enter(known, out);
        Ok(())
    }

    /// Makes the client a party. Success is silent.
    fn enter(&mut self, known: Known, out: &mut Actions) {
        let Known {
            login,
            address,
            role,
            rooms,
        } = known;
        out.authenticate(address.clone());
        if let Some(client_id) = &login.client_id {
            out.claim(claim(client_id, &address));
        }
        out.subscribe(address::everybody());
        if role == Role::Driver {
            out.subscribe(address::drivers());
        }
        for room in rooms {
            out.subscribe(room);
        }
        let is_name = self.settings.name_in_realm(address.as_str()) == &*login.token;
        self.state = State::Ready(Party {
            address,
            role,
            token: (!is_name).then_some(login.token),
        });
    }

    /// A frame of an authenticated client.
    fn command(&self, party: &Party, frame: &ClientFrame<'_>, out: &mut Actions) -> Outcome {
        let flag = frame.flag()?;
        if flag.as_deref() == Some("ping") {
            out.reply_frame(PONG.clone());
            return Ok(());
        }
        match self.settings.profile {
            Profile::Documented => self.documented(party, frame, flag.as_deref(), out),
            Profile::Observed => self.observed(party, frame, flag.as_deref(), out),
        }
    }

    /// Every mandatory field is checked in every frame; a backend's `token` is not among them.
    fn documented(
        &self,
        party: &Party,
        frame: &ClientFrame<'_>,
        flag: Option<&str>,
        out: &mut Actions,
    ) -> Outcome {
        let flag = flag.ok_or(CloseReason::Violation)?;
        let token = frame.token()?;
        let is_own = match token.as_deref() {
            Some(token) => party.owns(token, &self.settings),
            None => false,
        };
        let is_excused = party.role == Role::Backend && (flag != "login" || token.is_none());
        if !is_own && !is_excused {
            return Err(CloseReason::Violation);
        }
        match flag {
            "login" => return Ok(()),
            "close" => return Err(CloseReason::LoggedOut),
            _ => {}
        }
        let target = frame.target()?.ok_or(CloseReason::Violation)?;
        if address::is_broadcast(&target) && party.role != Role::Backend {
            return Err(CloseReason::Violation);
        }
        self.relay(party, frame, Some(flag), &target, out);
        Ok(())
    }

    /// Only `target_token` counts. A repeated login, which documented clients send, has none.
    fn observed(
        &self,
        party: &Party,
        frame: &ClientFrame<'_>,
        flag: Option<&str>,
        out: &mut Actions,
    ) -> Outcome {
        if let Some(target) = frame.target()? {
            self.relay(party, frame, flag, &target, out);
            return Ok(());
        }
        let token = frame.token()?;
        let is_own = token.is_some_and(|token| party.owns(&token, &self.settings));
        match flag {
            Some("login") if is_own => Ok(()),
            _ => Err(CloseReason::Violation),
        }
    }

    fn relay(
        &self,
        party: &Party,
        frame: &ClientFrame<'_>,
        flag: Option<&str>,
        target: &str,
        out: &mut Actions,
    ) {
        let topic = self.settings.topic(target);
        let text = owned_text(frame.text);
        out.publish(relay::message(topic, flag, text, party.address.as_str()));
    }

    /// Ends the session where a step has failed.
    fn settle(&mut self, outcome: Outcome, out: &mut Actions) {
        if let Err(reason) = outcome {
            self.state = State::Ended;
            out.close(reason);
        }
    }
}

impl Conversation for Talk {
    fn open(&mut self, now: Now, out: &mut Actions) {
        let (client_id, token) = match &mut self.state {
            State::New { client_id, token } => (client_id, token),
            State::Unreadable => return self.settle(Err(CloseReason::AuthFailed), out),
            _ => return,
        };
        match (client_id.take(), token.take()) {
            (client_id @ Some(_), Some(token)) => {
                let outcome = self.login(Login { client_id, token }, out);
                self.settle(outcome, out);
            }
            (client_id, _) => {
                let until = now.uptime + self.settings.login_timeout;
                self.state = State::Waiting { until, client_id };
            }
        }
    }

    fn receive(&mut self, message: Incoming<'_>, _now: Now, out: &mut Actions) {
        if !matches!(self.state, State::Waiting { .. } | State::Ready(_)) {
            return;
        }
        let outcome = match frame::read(message, self.settings.profile) {
            Reading::Ignored => Ok(()),
            Reading::Broken => Err(CloseReason::Violation),
            Reading::Frame(frame) => match &self.state {
                State::Ready(party) => self.command(party, &frame, out),
                _ => self.first_frame(&frame, out),
            },
        };
        self.settle(outcome, out);
    }

    fn answered(&mut self, answer: Answer, _now: Now, out: &mut Actions) {
        let state = mem::replace(&mut self.state, State::Ended);
        let outcome = match (state, answer) {
            (State::Asked(login), Answer::Granted(grant)) => self.know(login, grant, out),
            (State::Known(known), Answer::Granted(grant)) => self.admit(*known, grant, out),
            (State::Asked(_) | State::Known(_), Answer::Denied(_)) => Err(CloseReason::AuthFailed),
            (State::Asked(_) | State::Known(_), Answer::Unavailable) => {
                Err(CloseReason::AuthUnavailable)
            }
            (state, _) => {
                self.state = state;
                return;
            }
        };
        self.settle(outcome, out);
    }

    fn deadline(&self) -> Option<Duration> {
        match self.state {
            State::Waiting { until, .. } => Some(until),
            _ => None,
        }
    }

    fn tick(&mut self, now: Now, out: &mut Actions) {
        if self.deadline().is_some_and(|until| until <= now.uptime) {
            self.settle(Err(CloseReason::AuthTimeout), out);
        }
    }
}

// === impl State ===

/// States hold credentials, so logs show none of it.
impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("State(..)")
    }
}

// === impl Party ===

impl Party {
    /// Whether `token` is this client's: what it logged in with, or its name.
    fn owns(&self, token: &str, settings: &Settings) -> bool {
        let name = settings.name_in_realm(self.address.as_str());
        let presented = self.token.as_deref().unwrap_or(name);
        // Both, so that the time tells neither: where nobody checks tokens the name is one.
        settings::equal(presented, token) | settings::equal(name, token)
    }
}

/// The claim of a client id under one address: the same id with another token is another person.
/// The length makes the border of the two texts certain.
fn claim(client_id: &str, address: &UserId) -> Claim {
    let length = client_id.len();
    Claim(format!("ride:{length}:{client_id}{}", address.as_str()).into())
}
