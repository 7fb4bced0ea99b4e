//! A client who has been let in: what it says, and what comes of it.

use bytes::Bytes;

use super::{
    Mode, Settings, address,
    frame::{self, Chat, Envelope, Kind, Order, Said},
};
use crate::{
    close::CloseReason,
    dialect::{
        Actions, Call, Incoming, Outcome, Profile, Request, ServiceOutcome, ServiceRefusal,
        ServiceRequest, json::Object,
    },
    id::{SessionId, UserId},
    message::Message,
    topic::Topic,
};

/// Whom customers write to.
const SERVICE: &str = "service";
/// The call of an agent who comes; those about customers are called by what is wanted.
const SIT: &str = "sit";
/// The call of a customer who has said something.
const ASK: &str = "ask";

/// A client who has been let in.
#[derive(Debug)]
pub(super) struct Party {
    /// Absent for one who is nobody.
    pub(super) user: Option<UserId>,
    /// What people call it; absent: its id.
    pub(super) name: Option<Box<str>>,
    /// Takes customers.
    pub(super) is_agent: bool,
}

/// Where a client speaks.
#[derive(Debug)]
pub(super) struct Place<'a> {
    pub(super) settings: &'a Settings,
    pub(super) session: &'a SessionId,
    /// The rooms that the session is in.
    pub(super) rooms: &'a [Topic],
}

/// Why something was not done, as it is told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Fault(u64, &'static str);

const UNAVAILABLE: Fault = Fault(503, "customer service is not available");

// === impl Party ===

impl Party {
    /// An agent is there for customers from now on.
    pub(super) fn sit(&self, out: &mut Actions) {
        if let Some(user) = self.user.as_ref().filter(|_| self.is_agent) {
            call(
                out,
                SIT,
                ServiceRequest::Sit {
                    name: self.name_of(user),
                },
            );
        }
    }

    /// Does what the client says.
    ///
    /// # Errors
    ///
    /// Why its session ends.
    pub(super) fn hear(
        &self,
        message: Incoming<'_>,
        place: &Place<'_>,
        out: &mut Actions,
    ) -> Result<(), CloseReason> {
        let done = match frame::read(message, self.is_agent) {
            Said::Envelope(envelope) => self.send(&envelope, place, out),
            Said::Order(order) => {
                call(out, &order.reference(), order.into());
                Ok(())
            }
            Said::Malformed(message) => Err(Fault(400, message)),
            Said::Other(object) => {
                return match place.settings.mode {
                    Mode::Chat => place.chat(object, out),
                    Mode::Push => {
                        out.reply(place.settings.reply.as_bytes());
                        Ok(())
                    }
                };
            }
        };
        if let Err(Fault(code, message)) = done {
            out.reply(&frame::error(code, message));
        }
        Ok(())
    }

    /// Has an envelope delivered, and echoed to the sender's other sessions.
    fn send(
        &self,
        envelope: &Envelope<'_>,
        place: &Place<'_>,
        out: &mut Actions,
    ) -> Result<(), Fault> {
        let me = self.user.as_ref();
        let me = me.ok_or(Fault(401, "only who is known can write to somebody"))?;
        let data = Bytes::from(envelope.stamped(me));
        let event = envelope.kind.event();
        match envelope.kind {
            Kind::Single if envelope.to == SERVICE => {
                let name = self.name_of(me);
                let data = data.clone();
                call(out, ASK, ServiceRequest::Ask { name, data });
            }
            Kind::Single => {
                let to: UserId = envelope
                    .to
                    .parse()
                    .map_err(|_| Fault(400, "to is no user"))?;
                // What somebody writes to themselves is all echo.
                if to != *me {
                    out.publish(Message::new(Topic::user(&to), event, data.clone()));
                }
            }
            Kind::Group => {
                let room = Topic::room(&envelope.to).map_err(|_| Fault(400, "to is no room"))?;
                if !place.rooms.contains(&room) {
                    return Err(Fault(403, "to is no room that you are in"));
                }
                let mut message = Message::new(room, event, data.clone());
                // They are echoed to, whether they are in the room or not.
                message.spares_sender = true;
                out.publish(message);
            }
        }
        let mut echo = Message::new(Topic::user(me), event, data);
        echo.except = Some([place.session.clone()].into());
        out.publish(echo);
        Ok(())
    }

    /// Tells the client what became of a call.
    pub(super) fn returned(&self, reference: &str, outcome: &Outcome, out: &mut Actions) {
        let fault = match outcome {
            Outcome::Service(ServiceOutcome::Done) => None,
            Outcome::Service(ServiceOutcome::Refused(refusal)) => Some(fault_of(*refusal)),
            _ => Some(UNAVAILABLE),
        };
        match (reference.split_once(':'), fault) {
            (Some((order, customer)), None) => out.reply(&frame::done(order, customer)),
            (Some((order, customer)), Some(Fault(code, message))) => {
                out.reply(&frame::order_error(code, message, order, customer));
            }
            (None, None) => {}
            (None, Some(Fault(code, message))) => {
                out.reply(&frame::error(code, message));
                if reference == SIT {
                    // It would wait for customers who never come.
                    out.close(CloseReason::AuthUnavailable);
                }
            }
        }
    }

    fn name_of(&self, user: &UserId) -> Box<str> {
        let name = self.name.as_deref();
        name.unwrap_or(user.as_str()).into()
    }
}

// === impl Place ===

impl Place<'_> {
    /// Has something said to a room, whose members all hear it, the one who says it too.
    fn chat(&self, object: Option<Object<'_>>, out: &mut Actions) -> Result<(), CloseReason> {
        let chat = object.as_ref().and_then(Chat::read);
        let chat = chat.ok_or(CloseReason::Violation)?;
        let room = Topic::room(&chat.room).map_err(|_| CloseReason::Violation)?;
        if !self.rooms.contains(&room) {
            if !address::is_name(&chat.room) {
                return Err(CloseReason::Violation);
            }
            if !self.is_open_to_others(&room) {
                return Err(CloseReason::Forbidden);
            }
        }
        let data = Bytes::copy_from_slice(chat.message.get().as_bytes());
        out.publish(Message::new(room, "message", data));
        Ok(())
    }

    /// Whether somebody who is not in a room may say something there.
    fn is_open_to_others(&self, room: &Topic) -> bool {
        let Settings {
            profile, believes, ..
        } = *self.settings;
        profile == Profile::Observed && (believes || !address::is_reserved(room))
    }
}

// === impl Order ===

impl From<Order> for ServiceRequest {
    fn from(Order { to, customer }: Order) -> Self {
        match to {
            Some(to) => Self::Transfer { customer, to },
            None => Self::Release { customer },
        }
    }
}

fn call(out: &mut Actions, reference: &str, request: ServiceRequest) {
    out.call(Call {
        reference: reference.into(),
        request: Request::Service(request),
    });
}

fn fault_of(refusal: ServiceRefusal) -> Fault {
    match refusal {
        ServiceRefusal::NoAgent => Fault(404, "to is no agent who is there"),
        ServiceRefusal::NotYours => Fault(403, "it is no customer of yours"),
        ServiceRefusal::TooMany => Fault(429, "too many are waiting"),
    }
}
