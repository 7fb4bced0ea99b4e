//! One client of the `device` dialect, from upgrade to close.
//!
//! **Invariant:** before the grant there is nothing but the error frame; after it, each subscription
//! of the grant stands before the client is told so.

use std::{borrow::Cow, mem, sync::Arc, time::Duration};

use aws_lc_rs::digest;
use subtle::ConstantTimeEq as _;

use super::{
    Settings,
    class::{classified, device_room},
    extras::{self, Joining},
    frame::{self, Command, Request},
};
use crate::{
    close::CloseReason,
    dialect::{
        Actions, Answer, Conversation, DialectId, Grant, Incoming, Now, Outcome, Profile, Question,
        owned_text,
    },
    id::SessionId,
    message::Message,
    topic::Topic,
};

/// One client's side.
#[derive(Debug)]
pub(super) struct Talk {
    settings: Arc<Settings>,
    session: SessionId,
    state: State,
}

#[derive(Debug)]
enum State {
    /// The upgrade is under way.
    New,
    /// The `auth` frame must come by then.
    Waiting {
        until: Duration,
    },
    /// A service decides whether the token is good.
    Asked {
        token: TokenDigest,
    },
    /// It is, and a service decides whether its bearer comes in.
    Known {
        token: TokenDigest,
        grant: Grant,
    },
    Ready(Party),
    Ended,
}

/// An authenticated client.
#[derive(Debug)]
struct Party {
    token: TokenDigest,
    /// What it may publish to; the rest of the grant has been used up.
    grant: Grant,
    /// When it was last heard of, or sent a ping.
    quiet_since: Duration,
    /// Pings since it was last heard of.
    pings: u32,
    /// What it has asked to join last, if it ever has.
    joining: Option<Box<Joining>>,
}

/// A token's SHA-256, to know the token again. The token itself is a few hundred bytes, too many to
/// keep for every idle session.
#[derive(Clone, Copy, Debug)]
struct TokenDigest([u8; digest::SHA256_OUTPUT_LEN]);

/// Why a session ends: the error frame that says so, and the reason.
struct End {
    code: u64,
    message: Cow<'static, str>,
    reason: CloseReason,
}

// === impl Talk ===

impl Talk {
    pub(super) fn new(settings: Arc<Settings>, session: SessionId) -> Self {
        Self {
            settings,
            session,
            state: State::New,
        }
    }

    /// Nothing but `auth` comes first, not even a ping.
    fn first_frame(&mut self, command: Command<'_>, out: &mut Actions) -> Result<(), End> {
        let Command::Auth { token } = command else {
            return Err(End::unauthorized("authenticate first"));
        };
        let token = token.ok_or(End::unauthorized("data.token is missing"))?;
        self.state = State::Asked {
            token: TokenDigest::of(&token),
        };
        out.ask(Question::Login {
            token: token.into(),
            client_id: None,
        });
        Ok(())
    }

    /// The token is good. A grant that names no user is none: there is no other word for who it is.
    fn know(&mut self, mut grant: Grant, out: &mut Actions) -> Result<(), End> {
        let State::Asked { token } = self.state else {
            return Ok(());
        };
        let user = grant.user.clone();
        let user = user.ok_or(End::unauthorized("the token names no user"))?;
        // Refused as a whole, and not in part: a watcher must not wait for what never comes.
        let devices = grant.devices.iter().map(|device| device_room(device));
        let devices: Option<Vec<_>> = devices.collect();
        let devices = devices.ok_or(End::unauthorized("the token names an impossible device"))?;
        grant.rooms.extend(devices);
        grant.devices.clear();
        self.state = State::Known { token, grant };
        out.ask(Question::Connect {
            user: Some(user),
            client_id: None,
            is_proven: true,
        });
        Ok(())
    }

    /// Lets the client in, and has it join what it was admitted to besides.
    fn enter(&mut self, admitted: Grant, now: Now, out: &mut Actions) {
        let State::Known { token, grant } = &mut self.state else {
            return;
        };
        let (token, mut grant) = (*token, mem::take(grant));
        if let Some(user) = grant.user.take() {
            out.authenticate(user);
        }
        for topic in mem::take(&mut grant.rooms)
            .into_iter()
            .chain(admitted.rooms)
        {
            out.subscribe(topic);
        }
        out.reply(&frame::welcome(&self.session, now));
        self.state = State::Ready(Party {
            token,
            grant,
            quiet_since: now.uptime,
            pings: 0,
            joining: None,
        });
    }

    /// Says what went wrong, but for a malformed frame in the observed profile, and ends it.
    fn settle(&mut self, outcome: Result<(), End>, now: Now, out: &mut Actions) {
        let Err(End {
            code,
            message,
            reason,
        }) = outcome
        else {
            return;
        };
        self.state = State::Ended;
        if self.settings.profile == Profile::Documented || reason != CloseReason::Violation {
            out.reply(&frame::error(code, &message, now));
        }
        out.close(reason);
    }
}

impl Conversation for Talk {
    fn open(&mut self, now: Now, _out: &mut Actions) {
        self.state = State::Waiting {
            until: now.uptime + self.settings.auth_timeout,
        };
    }

    fn receive(&mut self, message: Incoming<'_>, now: Now, out: &mut Actions) {
        if !matches!(self.state, State::Waiting { .. } | State::Ready(_)) {
            return;
        }
        let outcome = match (frame::read(message), &mut self.state) {
            (Err(message), _) => Err(End::malformed(message)),
            (Ok(command), State::Ready(party)) => {
                party.command(command, &self.session, &self.settings, now, out)
            }
            (Ok(command), _) => self.first_frame(command, out),
        };
        self.settle(outcome, now, out);
    }

    fn answered(&mut self, answer: Answer, now: Now, out: &mut Actions) {
        let outcome = match (&self.state, answer) {
            (State::Asked { .. }, Answer::Granted(grant)) => self.know(grant, out),
            (State::Known { .. }, Answer::Granted(admitted)) => {
                self.enter(admitted, now, out);
                Ok(())
            }
            (State::Asked { .. } | State::Known { .. }, Answer::Denied(message)) => {
                Err(End::unauthorized(message))
            }
            (State::Asked { .. } | State::Known { .. }, Answer::Unavailable) => {
                Err(End::unavailable())
            }
            (State::Ready(party), answer) => {
                if let Some(joining) = &party.joining {
                    joining.decided(answer, now, out);
                }
                Ok(())
            }
            _ => return,
        };
        self.settle(outcome, now, out);
    }

    fn returned(&mut self, reference: &str, outcome: Outcome, now: Now, out: &mut Actions) {
        if matches!(self.state, State::Ready(_)) {
            out.reply(&extras::returned(reference, outcome, now));
        }
    }

    fn overfull(&mut self, now: Now, out: &mut Actions) {
        match &self.state {
            // Its login has found room: this is what it has asked for since.
            State::Ready(Party {
                joining: Some(joining),
                ..
            }) => joining.overfull(now, out),
            _ => self.settle(Err(End::too_much()), now, out),
        }
    }

    fn deadline(&self) -> Option<Duration> {
        match &self.state {
            State::Waiting { until } => Some(*until),
            State::Ready(party) if !self.settings.heartbeat.is_zero() => {
                Some(party.quiet_since + self.settings.heartbeat)
            }
            _ => None,
        }
    }

    fn tick(&mut self, now: Now, out: &mut Actions) {
        if self.deadline().is_none_or(|deadline| now.uptime < deadline) {
            return;
        }
        match &mut self.state {
            State::Ready(party) => {
                let limit = self.settings.ping_limit;
                if limit != 0 && limit <= party.pings {
                    self.state = State::Ended;
                    return out.close(CloseReason::HeartbeatLost);
                }
                party.pings = party.pings.saturating_add(1);
                party.quiet_since = now.uptime;
                out.reply(frame::HEARTBEAT);
            }
            _ => self.settle(Err(End::too_late()), now, out),
        }
    }
}

// === impl Party ===

impl Party {
    /// Any well-formed frame is a sign of life, as good as a pong.
    fn command(
        &mut self,
        command: Command<'_>,
        session: &SessionId,
        settings: &Settings,
        now: Now,
        out: &mut Actions,
    ) -> Result<(), End> {
        self.quiet_since = now.uptime;
        self.pings = 0;
        match command {
            Command::Ping => out.reply(&frame::pong(now)),
            Command::Pong => {}
            Command::Auth { token } => {
                // The same token again is a client that did not see the answer. Another one would
                // be another client, which takes a session of its own.
                if token.is_none_or(|token| !self.token.is_of(&token)) {
                    return Err(End::unauthorized("the session has another token"));
                }
                out.reply(&frame::welcome(session, now));
            }
            Command::Other(request) => self.request(&request, settings, now, out),
        }
        Ok(())
    }

    /// A frame whose type says what is to become of it: an application answers it, or it is about a
    /// room, or it is published.
    fn request(&mut self, request: &Request<'_>, settings: &Settings, now: Now, out: &mut Actions) {
        let offers = &settings.offers;
        if offers.decides_joins() && extras::is_about_rooms(&request.kind) {
            if let Some(joining) = extras::move_to(request, settings.room_chars_max, now, out) {
                self.joining = Some(Box::new(joining));
            }
            return;
        }
        if offers.answers(DialectId::Device, &request.kind) {
            return extras::call(request, now, out);
        }
        let to = request.field("to");
        match to.and_then(|to| self.permitted(&to)) {
            Some(topic) => {
                let data = owned_text(request.data.get());
                out.publish(classified(Message::new(topic, &*request.kind, data)));
            }
            None => out.reply(&frame::error(403, "data.to is not permitted", now)),
        }
    }

    /// The topic, if the grant lists it.
    fn permitted(&self, to: &str) -> Option<Topic> {
        let topic: Topic = to.parse().ok()?;
        self.grant.may_publish(topic.as_str()).then_some(topic)
    }
}

// === impl TokenDigest ===

impl TokenDigest {
    fn of(token: &str) -> Self {
        let digest = digest::digest(&digest::SHA256, token.as_bytes());
        Self(digest.as_ref().try_into().expect("SHA-256 has one length"))
    }

    fn is_of(&self, token: &str) -> bool {
        Self::of(token).0.ct_eq(&self.0).into()
    }
}

// === impl End ===

impl End {
    fn malformed(message: &'static str) -> Self {
        Self {
            code: 400,
            message: message.into(),
            reason: CloseReason::Violation,
        }
    }

    fn unauthorized(message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code: 401,
            message: message.into(),
            reason: CloseReason::AuthFailed,
        }
    }

    fn too_late() -> Self {
        Self {
            code: 401,
            message: "no authentication in time".into(),
            reason: CloseReason::AuthTimeout,
        }
    }

    fn too_much() -> Self {
        Self {
            code: 401,
            message: "the token names too many rooms and devices".into(),
            reason: CloseReason::TooManyTopics,
        }
    }

    fn unavailable() -> Self {
        Self {
            code: 503,
            message: "authentication is not available".into(),
            reason: CloseReason::AuthUnavailable,
        }
    }
}
