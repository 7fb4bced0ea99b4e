//! One call, as a controller sees it: who calls, with what, and what can be done.

use std::time::Duration;

use bytes::Bytes;
use serde_json::value::RawValue;
use tokio::time;

use super::{Halt, Parts};
use crate::{
    dialect::{
        json::{self, Json, Object},
        live::{LiveCall, Party},
    },
    message::{Message, Sender},
    services::Caller,
    stats::LiveStats,
    topic::Topic,
};

/// How long something that is said waits for room on its way.
const ROOM_TIMEOUT: Duration = Duration::from_secs(10);

/// One call.
#[derive(Debug)]
pub struct Scene<'a> {
    parts: &'a Parts,
    stats: &'a LiveStats,
    caller: &'a Caller,
    call: &'a LiveCall,
    request: Option<Object<'a>>,
}

// === impl Scene ===

impl<'a> Scene<'a> {
    pub(super) fn new(
        parts: &'a Parts,
        stats: &'a LiveStats,
        caller: &'a Caller,
        call: &'a LiveCall,
    ) -> Self {
        let text = std::str::from_utf8(&call.request).unwrap_or_default();
        let request = match json::parse(text) {
            Some(Json::Object(object)) => Some(object),
            _ => None,
        };
        Self {
            parts,
            stats,
            caller,
            call,
            request,
        }
    }

    /// What controllers work with.
    pub const fn parts(&self) -> &'a Parts {
        self.parts
    }

    /// Whose session it is.
    pub const fn caller(&self) -> &'a Caller {
        self.caller
    }

    /// Who calls.
    pub fn party(&self) -> &'a Party {
        &self.call.party
    }

    /// The same call, of another action: for [`crate::dialect::live::Effect::Then`].
    pub fn then(&self, action: &'static str) -> LiveCall {
        LiveCall {
            action: action.into(),
            ..self.call.clone()
        }
    }

    /// A field of the client's frame; its texts are escaped.
    pub fn field(&self, key: &str) -> Option<&'a RawValue> {
        self.request.as_ref()?.last(key)
    }

    /// A field that is a text or a number, as text; none if it is empty.
    pub fn text(&self, key: &str) -> Option<String> {
        let text = json::id(self.field(key)?)?;
        (!text.is_empty()).then(|| text.into_owned())
    }

    /// A field that is a whole number, or the text of one.
    pub fn number(&self, key: &str) -> Option<u64> {
        self.text(key)?.parse().ok()
    }

    /// Refuses whoever has no phone.
    ///
    /// # Errors
    ///
    /// The refusal.
    pub fn only_users(&self) -> Result<(), Halt> {
        let refusal = Halt::refused(403, "mustBeWechatUser", "仅允许微信用户连入");
        self.party().is_user().then_some(()).ok_or(refusal)
    }

    /// Refuses whoever is no big screen.
    ///
    /// # Errors
    ///
    /// The refusal.
    pub fn only_walls(&self) -> Result<(), Halt> {
        let refusal = Halt::refused(403, "mustBeWall", "仅允许大屏幕用户连入");
        self.party().is_wall().then_some(()).ok_or(refusal)
    }

    /// The code of the caller's room.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn code(&self) -> Result<&'a str, Halt> {
        let code = &*self.party().code;
        let refusal = Halt::refused(999, "codeIsEmpty", "code不能为空");
        (!code.is_empty()).then_some(code).ok_or(refusal)
    }

    /// The rooms of those with phones and of the walls with the caller's code.
    ///
    /// # Errors
    ///
    /// There is no code, or none that a room can have.
    pub fn rooms(&self) -> Result<Rooms, Halt> {
        self.code()?;
        Ok(Rooms {
            users: self.party().users_room()?,
            walls: self.party().walls_room()?,
        })
    }

    /// Says something to whoever is in a room now, in the caller's name.
    ///
    /// # Errors
    ///
    /// There was no room on the way for [`ROOM_TIMEOUT`]: nobody hears it.
    pub async fn tell(
        &self,
        room: &Topic,
        event: &'static str,
        data: impl Into<Bytes>,
    ) -> Result<(), Halt> {
        let message = self.message(room, event, data.into());
        let telling = self.parts.router.publish_in_turn(message, self.parts.clock);
        self.in_time(telling).await.map(|_| ())
    }

    /// The same, unless the session has ended: what it owes under the name of this duty is said behind it, and not
    /// at all if this is not. Says whether it was said.
    ///
    /// # Errors
    ///
    /// As [`Self::tell`].
    pub async fn tell_while_there(
        &self,
        duty: &str,
        room: &Topic,
        event: &'static str,
        data: impl Into<Bytes>,
    ) -> Result<bool, Halt> {
        let mut message = self.message(room, event, data.into());
        let Parts {
            router,
            witness,
            clock,
            ..
        } = self.parts;
        let telling = async {
            loop {
                let publish = || router.publish(message, clock.now());
                match witness.while_there(&self.caller.session, duty, publish) {
                    None => return false,
                    Some(Ok(_)) => return true,
                    Some(Err(busy)) => {
                        busy.room.wait().await;
                        message = *busy.message;
                    }
                }
            }
        };
        self.in_time(telling).await
    }

    fn message(&self, room: &Topic, event: &'static str, data: Bytes) -> Message {
        let mut message = Message::new(room.clone(), event, data);
        message.sender = Some(Sender {
            user: self.caller.user.clone(),
            session: self.caller.session.clone(),
        });
        message
    }

    async fn in_time<T>(&self, telling: impl Future<Output = T>) -> Result<T, Halt> {
        let told = time::timeout(ROOM_TIMEOUT, telling).await;
        told.map_err(|_| {
            self.stats.unrouted.add(1);
            Halt::failed("there is no room on the way")
        })
    }
}

/// The two rooms of a code.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rooms {
    /// That of those with phones.
    pub users: Topic,
    /// That of the big screens.
    pub walls: Topic,
}
