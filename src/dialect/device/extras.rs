//! What the application adds to the dialect: methods that it answers, and rooms that it lets clients
//! join by their own word.

use super::frame::{self, Names, Request};
use crate::{
    dialect::{self, Actions, Answer, Call, MethodCall, MethodFailure, Now, Outcome, owned_text},
    topic::Topic,
};

const SUBSCRIBE: &str = "subscribe";
const UNSUBSCRIBE: &str = "unsubscribe";

/// The room that a client has asked to join last.
#[derive(Debug)]
pub(super) struct Joining {
    room: Topic,
    names: Names,
}

/// Whether a frame of this type is about joining a room.
pub(super) fn is_about_rooms(kind: &str) -> bool {
    kind == SUBSCRIBE || kind == UNSUBSCRIBE
}

/// Has an application answer a frame.
pub(super) fn call(request: &Request<'_>, now: Now, out: &mut Actions) {
    let names = match request.names() {
        Ok(names) => names,
        Err(message) => return out.reply(&frame::failure(400, message, &request.kind, now)),
    };
    out.call(Call {
        reference: names.reference(&request.kind),
        request: dialect::Request::Method(MethodCall {
            method: (&*request.kind).into(),
            body: owned_text(request.text),
        }),
    });
}

/// What a client is told when its call returns.
pub(super) fn returned(reference: &str, outcome: Outcome, now: Now) -> Vec<u8> {
    let (names, kind) = Names::of_reference(reference);
    let failure = match outcome {
        Outcome::Answered(data) => {
            let answer = frame::envelope(kind, &data, now.unix_seconds());
            return names.added_to(answer);
        }
        Outcome::NotAnswered(failure) => failure,
        _ => MethodFailure::Unavailable,
    };
    let (code, message) = said(failure);
    names.added_to(frame::failure(code, message, kind, now))
}

/// How a failure is told.
fn said(failure: MethodFailure) -> (u64, &'static str) {
    match failure {
        MethodFailure::Malformed => (502, "the application has not answered as agreed"),
        MethodFailure::Refused(status) => (status.into(), "the application has refused it"),
        MethodFailure::Timeout => (504, "the application has not answered in time"),
        MethodFailure::TooMany => (429, "too many calls are under way"),
        MethodFailure::Unavailable => (503, "the application is not available"),
        MethodFailure::Unknown => (404, "no application answers this type"),
    }
}

/// Asks for what a client wants to join, or leaves what it wants to leave. What has to be answered is
/// given back.
pub(super) fn move_to(
    request: &Request<'_>,
    room_chars_max: usize,
    now: Now,
    out: &mut Actions,
) -> Option<Joining> {
    let kind = &*request.kind;
    // What a token has opened, with whatever name, can be left.
    let is_short = |room: &str| kind == UNSUBSCRIBE || room.chars().count() <= room_chars_max;
    let room = request.field("room").filter(|room| is_short(room));
    let room = room.and_then(|room| Some((Topic::room(&room).ok()?, room)));
    let (names, (topic, room)) = match (request.names(), room) {
        (Ok(names), Some(room)) => (names, room),
        (Err(message), _) => {
            out.reply(&frame::failure(400, message, kind, now));
            return None;
        }
        (Ok(names), None) => {
            let failure = frame::failure(400, "data.room is no name of a room", kind, now);
            out.reply(&names.added_to(failure));
            return None;
        }
    };
    if kind == UNSUBSCRIBE {
        out.unsubscribe(topic);
        out.reply(&names.added_to(frame::membership(kind, &room, now)));
        return None;
    }
    out.ask(dialect::Question::Join {
        room: topic.clone(),
        user: None,
    });
    Some(Joining { room: topic, names })
}

// === impl Joining ===

impl Joining {
    /// Does what was decided.
    pub(super) fn decided(&self, answer: Answer, now: Now, out: &mut Actions) {
        let reply = match answer {
            Answer::Granted(_) => {
                out.subscribe(self.room.clone());
                frame::membership(SUBSCRIBE, self.room.id(), now)
            }
            Answer::Denied(reason) => frame::failure(403, &reason, SUBSCRIBE, now),
            Answer::Unavailable => {
                let message = "nobody is there to decide";
                frame::failure(503, message, SUBSCRIBE, now)
            }
        };
        out.reply(&self.names.added_to(reply));
    }

    /// It would be one more than the session may have.
    pub(super) fn overfull(&self, now: Now, out: &mut Actions) {
        let failure = frame::failure(429, "too many rooms", SUBSCRIBE, now);
        out.reply(&self.names.added_to(failure));
    }
}
