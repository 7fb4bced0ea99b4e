//! One client of the `room` dialect, from upgrade to close.
//!
//! **Invariant:** there is a [`Party`] when the client is let into its room, and it never changes.

use std::{fmt, mem, sync::Arc};

use super::{
    Settings, address, is_display_name,
    party::{Party, Place},
};
use crate::{
    close::CloseReason,
    dialect::{Actions, Answer, Conversation, Grant, Incoming, Now, Outcome, Question, query_text},
    id::SessionId,
    topic::Topic,
};

/// The role of those who take customers.
const AGENT: &str = "agent";

/// One client's side.
#[derive(Debug)]
pub(super) struct Talk {
    settings: Arc<Settings>,
    session: SessionId,
    /// The room that it has come to.
    room: Topic,
    /// The rooms that the session is in.
    rooms: Vec<Topic>,
    state: State,
}

/// What is only needed until the client is in is boxed: idle sessions would have room for it.
enum State {
    /// The upgrade is under way.
    New(Option<Presented>),
    /// A service decides whether the token is good; if it leaves the client its own word for who it is,
    /// that is this.
    Asked(Box<Grant>),
    /// It is, or there is none, and a service decides whether the client comes in.
    Known(Box<Grant>),
    /// It does, and a service decides whether it joins the room.
    Joining(Box<Grant>),
    Ready(Party),
    Ended,
}

/// What a client presents in its query.
pub(super) struct Presented {
    token: Option<Box<str>>,
    /// Who it says it is, if it is believed.
    claimed: Box<Grant>,
}

// === impl Talk ===

impl Talk {
    /// A client that has come to `room`. Without anything presented, what stood there is unreadable.
    pub(super) fn new(
        settings: Arc<Settings>,
        session: SessionId,
        room: Topic,
        presented: Option<Presented>,
    ) -> Self {
        Self {
            settings,
            session,
            room,
            rooms: Vec::new(),
            state: State::New(presented),
        }
    }

    /// As far as that can be known, it is known who the client is.
    fn know(&mut self, grant: Box<Grant>, is_proven: bool, out: &mut Actions) {
        out.ask(Question::Connect {
            user: grant.user.clone(),
            client_id: None,
            is_proven,
        });
        self.state = State::Known(grant);
    }

    /// The client may come in: into its room as well?
    fn choose(&mut self, grant: Box<Grant>, out: &mut Actions) {
        if self.may_join(&grant) {
            self.enter(grant, out);
        } else if self.settings.offers.decides_joins() {
            out.ask(Question::Join {
                room: self.room.clone(),
                user: grant.user.clone(),
            });
            self.state = State::Joining(grant);
        } else {
            out.close(CloseReason::AuthFailed);
        }
    }

    /// Whether the client joins without anybody being asked.
    fn may_join(&self, grant: &Grant) -> bool {
        let Settings { open, believes, .. } = *self.settings;
        let user = grant.user.as_ref();
        (open && (believes || !address::is_reserved(&self.room)))
            || grant.rooms.contains(&self.room)
            || user.is_some_and(|user| address::is_of_user(&self.room, user))
            || self.is_agent(grant)
    }

    /// Whether the client comes to take customers, and may.
    fn is_agent(&self, grant: &Grant) -> bool {
        let has_role = grant.role.as_deref() == Some(AGENT);
        has_role && grant.user.is_some() && address::is_of_agents(&self.room)
    }

    /// Lets the client in. Success is silent.
    fn enter(&mut self, grant: Box<Grant>, out: &mut Actions) {
        let is_agent = self.is_agent(&grant);
        let Grant {
            user, name, rooms, ..
        } = *grant;
        match &user {
            Some(user) => out.authenticate(user.clone()),
            None => out.enter(),
        }
        out.subscribe(self.room.clone());
        for room in rooms {
            if room != self.room {
                out.subscribe(room);
            }
        }
        let party = Party {
            user,
            name: name.filter(|name| is_display_name(name)),
            is_agent,
        };
        party.sit(out);
        self.state = State::Ready(party);
    }
}

impl Conversation for Talk {
    fn open(&mut self, _now: Now, out: &mut Actions) {
        match mem::replace(&mut self.state, State::Ended) {
            State::New(Some(Presented {
                token: Some(token),
                claimed,
            })) => {
                out.ask(Question::Login {
                    token,
                    client_id: None,
                });
                self.state = State::Asked(claimed);
            }
            State::New(Some(Presented {
                token: None,
                claimed,
            })) => self.know(claimed, false, out),
            State::New(None) => out.close(CloseReason::AuthFailed),
            other => self.state = other,
        }
    }

    fn receive(&mut self, message: Incoming<'_>, _now: Now, out: &mut Actions) {
        let State::Ready(party) = &self.state else {
            return;
        };
        let place = Place {
            settings: &self.settings,
            session: &self.session,
            rooms: &self.rooms,
        };
        if let Err(reason) = party.hear(message, &place, out) {
            self.state = State::Ended;
            out.close(reason);
        }
    }

    fn answered(&mut self, answer: Answer, _now: Now, out: &mut Actions) {
        match (mem::replace(&mut self.state, State::Ended), answer) {
            (State::Asked(_), Answer::Granted(grant)) if grant.user.is_some() => {
                self.know(Box::new(grant), true, out);
            }
            (State::Asked(claimed), Answer::Granted(grant)) => {
                self.know(merged(claimed, grant), false, out);
            }
            (State::Known(grant), Answer::Granted(admitted)) => {
                self.choose(merged(grant, admitted), out);
            }
            (State::Joining(grant), Answer::Granted(_)) => self.enter(grant, out),
            (State::Asked(_) | State::Known(_) | State::Joining(_), Answer::Denied(_)) => {
                out.close(CloseReason::AuthFailed);
            }
            (State::Asked(_) | State::Known(_) | State::Joining(_), Answer::Unavailable) => {
                out.close(CloseReason::AuthUnavailable);
            }
            (other, _) => self.state = other,
        }
    }

    fn returned(&mut self, reference: &str, outcome: Outcome, _now: Now, out: &mut Actions) {
        if let State::Ready(party) = &self.state {
            party.returned(reference, &outcome, out);
        }
    }

    fn moved(&mut self, room: &Topic, is_in: bool) {
        self.rooms.retain(|joined| joined != room);
        if is_in {
            self.rooms.push(room.clone());
        }
    }
}

// === impl Presented ===

impl Presented {
    /// `None`: something there is no text, or can be nobody's name.
    pub(super) fn read(query: &str, settings: &Settings) -> Option<Self> {
        let value = |key| query_text(query, key).ok();
        let token = value("token")?;
        let mut claimed = Box::<Grant>::default();
        if settings.believes {
            let (user, agent) = (value("user")?, value("agent")?);
            claimed.name = value("name")?;
            claimed.role = agent.is_some().then(|| AGENT.into());
            if let Some(user) = agent.or(user) {
                claimed.user = Some(user.parse().ok()?);
            }
        }
        Some(Self { token, claimed })
    }
}

/// What is known of a client when `more` is, which goes before what was known.
fn merged(mut grant: Box<Grant>, more: Grant) -> Box<Grant> {
    grant.user = more.user.or(grant.user);
    grant.role = more.role.or(grant.role);
    grant.name = more.name.or(grant.name);
    grant.rooms.extend(more.rooms);
    grant
}

/// Tokens are credentials, so logs show none of them.
impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::New(_) => "New(..)",
            Self::Asked(_) => "Asked(..)",
            Self::Known(_) => "Known(..)",
            Self::Joining(_) => "Joining(..)",
            Self::Ready(_) => "Ready(..)",
            Self::Ended => "Ended",
        })
    }
}
