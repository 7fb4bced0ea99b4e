//! Dialects: the wire protocols that clients speak, as pure state machines.
//!
//! A [`Dialect`] is one protocol with its settings; a [`Conversation`] is one client's side of it.
//! Both take bytes, values and [`Now`], and give back [`Actions`]. The session executes these in
//! order and feeds answers of services back in.
//!
//! **Invariant:** a dialect never sees a socket, a clock, a store or another session.

mod actions;
mod call;
mod claim;
pub mod device;
pub mod im;
pub mod json;
pub mod live;
mod offers;
pub mod ride;
pub mod room;
#[cfg(test)]
mod testing;

use std::{borrow::Cow, fmt, net::IpAddr, str::Utf8Error, time::Duration};

use bytes::Bytes;
use percent_encoding::percent_decode_str;

pub use self::{
    actions::{Action, Actions},
    call::{
        Call, ChatDraft, MethodCall, MethodFailure, Outcome, Request, ServiceOutcome,
        ServiceRefusal, ServiceRequest,
    },
    claim::{Claim, ClaimKey},
    offers::Offers,
};
use crate::{
    close::{CloseForm, CloseReason},
    frame::Frame,
    id::{SessionId, UserId},
    message::Message,
    topic::Topic,
};

/// Which of the five wire protocols.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum DialectId {
    /// Ride-hailing relay between passengers, drivers and a backend.
    Ride,
    /// Chat between customers and couriers, acknowledged and stored.
    Im,
    /// Rooms, customer service and jobs.
    Room,
    /// Live rooms with phones and big screens.
    Live,
    /// Device status and task push.
    Device,
}

/// Whether a dialect does what its document says or what clients of the running original expect.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// What the document says.
    #[default]
    Documented,
    /// What the original program did.
    Observed,
}

/// One protocol with its settings: makes conversations and encodes neutral messages.
pub trait Dialect: fmt::Debug + Send + Sync + 'static {
    /// Which protocol it is.
    fn id(&self) -> DialectId;

    /// Begins the conversation with a client that asks to be upgraded, or refuses the upgrade.
    ///
    /// Nothing can be sent yet; [`Conversation::open`] follows as soon as the upgrade is through.
    fn accept(&self, hello: &Hello<'_>) -> Result<Box<dyn Conversation>, Refusal>;

    /// How a message looks on this wire. Called once per message, whatever the number of
    /// subscribers.
    fn encode(&self, message: &Message) -> Frame;

    /// Which kind of message this text of a client is: its flag, its type or its method, if it has one.
    /// Only asked for where somebody wants to know.
    fn kind_of<'a>(&self, text: &'a str) -> Option<Cow<'a, str>> {
        let _ = text;
        None
    }

    /// What a client is sent before the session is closed for this reason, if anything is.
    fn farewell(&self, reason: CloseReason) -> Option<Frame> {
        let _ = reason;
        None
    }

    /// What a client sees of a close.
    fn close_form(&self, reason: CloseReason) -> CloseForm {
        reason.form()
    }
}

/// One client's side of a dialect, from upgrade to close.
///
/// Frames arrive in order. After an [`Action::Close`] nothing is fed in any more; after an
/// [`Action::Ask`] no frame is, until [`Self::answered`] was called.
pub trait Conversation: Send {
    /// The upgrade is through: frames can be sent.
    fn open(&mut self, now: Now, out: &mut Actions);

    /// A message of the client.
    fn receive(&mut self, message: Incoming<'_>, now: Now, out: &mut Actions);

    /// The answer to the question that was asked last.
    fn answered(&mut self, answer: Answer, now: Now, out: &mut Actions) {
        let _ = (answer, now, out);
    }

    /// What became of a call: `reference` is the one that was given with it. Also comes while another
    /// question is asked; not after the end.
    fn returned(&mut self, reference: &str, outcome: Outcome, now: Now, out: &mut Actions) {
        let _ = (reference, outcome, now, out);
    }

    /// The session has come to a room, or has left it, whoever wanted that.
    fn moved(&mut self, room: &Topic, is_in: bool) {
        let _ = (room, is_in);
    }

    /// A subscription would be one more than the session may have. It was not made, and of the
    /// actions that it stood among none that follow are carried out. Has to end the session, unless
    /// nothing was lost by that.
    fn overfull(&mut self, now: Now, out: &mut Actions) {
        let _ = now;
        out.close(CloseReason::TooManyTopics);
    }

    /// When [`Self::tick`] wants to be called, on the clock of [`Now::uptime`]. Asked again after
    /// each call of this trait.
    fn deadline(&self) -> Option<Duration> {
        None
    }

    /// The deadline has passed. May also be called early; looks at `now` itself.
    fn tick(&mut self, now: Now, out: &mut Actions) {
        let _ = (now, out);
    }
}

/// The two clocks a dialect may need, read by the caller.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Now {
    /// Time since the node started; never goes back.
    pub uptime: Duration,
    /// Milliseconds since the Unix epoch.
    pub unix_ms: u64,
}

/// What is known about a client before the upgrade.
#[derive(Clone, Copy, Debug)]
pub struct Hello<'a> {
    /// The id the session will have.
    pub session: &'a SessionId,
    /// The path of the request, not decoded.
    pub path: &'a str,
    /// The query of the request, not decoded, without `?`.
    pub query: &'a str,
    /// The client's address; behind trusted proxies the one they name.
    pub remote: IpAddr,
    /// When the request came.
    pub now: Now,
}

/// A message of a client, joined from its fragments.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Incoming<'a> {
    /// Of text frames: valid UTF-8.
    Text(&'a str),
    /// Of binary frames.
    Binary(&'a [u8]),
}

/// Why an upgrade is refused, and how it is said.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// Status of the HTTP answer.
    pub status: u16,
    /// A header of the HTTP answer that the dialect's clients look for.
    pub header: Option<(&'static str, &'static str)>,
}

/// A question to a service.
#[derive(Clone, Eq, PartialEq)]
pub enum Question {
    /// Who is the bearer of this credential, and what may it do?
    Login {
        /// The credential.
        token: Box<str>,
        /// The client's id in its dialect, if it names one.
        client_id: Option<Box<str>>,
    },
    /// May a client come in who is this user? Granted: of the grant, the rooms are to be joined, and the
    /// user is the client's from then on, if there is one.
    Connect {
        /// Who it is; absent for a client that is nobody's.
        user: Option<UserId>,
        /// The client's id in its dialect, if it names one.
        client_id: Option<Box<str>>,
        /// Whether somebody has vouched for the user: then it is no other one.
        is_proven: bool,
    },
    /// May a client join this room?
    Join {
        /// The room.
        room: Topic,
        /// Who it is, if the session is not the user's yet.
        user: Option<UserId>,
    },
}

/// What a service answers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Answer {
    /// The credential is good, or what was asked for is allowed.
    Granted(Grant),
    /// What was asked for is refused, for a reason that the client may read.
    Denied(Cow<'static, str>),
    /// The service did not answer in time, or not as agreed.
    Unavailable,
}

/// Who somebody is and what they may do.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Grant {
    /// The user; absent when the service leaves the client its own word for it.
    pub user: Option<UserId>,
    /// Rooms to join at once.
    pub rooms: Vec<Topic>,
    /// Devices to watch: ids, each the room `device/<id>`.
    pub devices: Vec<Box<str>>,
    /// Topics it may publish to; a trailing `*` stands for any ending.
    pub publish: Vec<Box<str>>,
    /// What it is to others, for example an agent.
    pub role: Option<Box<str>>,
    /// What people call it.
    pub name: Option<Box<str>>,
}

// === impl DialectId ===

impl DialectId {
    /// Every dialect, in the order of [`Self::index`].
    pub const ALL: [Self; 5] = [Self::Ride, Self::Im, Self::Room, Self::Live, Self::Device];

    /// Position in a table of dialects.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Whether `method` begins with `prefix` in this protocol: of that of live rooms small letters are as
    /// good as capitals.
    pub fn begins_with(self, method: &str, prefix: &str) -> bool {
        match self {
            Self::Live => method
                .as_bytes()
                .get(..prefix.len())
                .is_some_and(|begin| begin.eq_ignore_ascii_case(prefix.as_bytes())),
            _ => method.starts_with(prefix),
        }
    }

    /// Name in paths, configuration and metric labels.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Ride => "ride",
            Self::Im => "im",
            Self::Room => "room",
            Self::Live => "live",
            Self::Device => "device",
        }
    }
}

// === impl Now ===

impl Now {
    /// Whole seconds since the Unix epoch.
    pub const fn unix_seconds(self) -> u64 {
        self.unix_ms / 1000
    }
}

// === impl Incoming ===

impl<'a> Incoming<'a> {
    /// The text; a binary message with valid UTF-8 is read like text.
    pub fn text(self) -> Option<&'a str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Binary(bytes) => std::str::from_utf8(bytes).ok(),
        }
    }
}

// === impl Question ===

/// Questions contain credentials, so logs show none of them.
impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Login { .. } => f.write_str("Login(..)"),
            Self::Connect { .. } => f.write_str("Connect(..)"),
            Self::Join { .. } => f.write_str("Join(..)"),
        }
    }
}

// === impl Answer ===

impl Answer {
    /// A refusal.
    pub const fn denied(reason: &'static str) -> Self {
        Self::Denied(Cow::Borrowed(reason))
    }
}

// === impl Grant ===

impl Grant {
    /// Whether it may publish to `topic`.
    pub fn may_publish(&self, topic: &str) -> bool {
        self.publish
            .iter()
            .any(|allowed| match allowed.strip_suffix('*') {
                Some(beginning) => topic.starts_with(beginning),
                None => topic == &**allowed,
            })
    }
}

/// The values of a form-encoded query, decoded, in order.
pub fn query_pairs(query: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    form_urlencoded::parse(query.as_bytes())
}

/// The first value of `key` in a form-encoded query, decoded, if it is not empty.
///
/// # Errors
///
/// Its bytes are no UTF-8. What stands in their place in [`query_pairs`] is the same for all of them,
/// so that nobody may be known by it.
pub fn query_text(query: &str, key: &str) -> Result<Option<Box<str>>, Utf8Error> {
    for pair in query.split('&') {
        let Some((_, value)) = query_pairs(pair).next().filter(|(name, _)| name == key) else {
            continue;
        };
        let raw = pair.split_once('=').map_or("", |(_, raw)| raw);
        percent_decode_str(raw).decode_utf8()?;
        return Ok((!value.is_empty()).then(|| value.into()));
    }
    Ok(None)
}

/// The bytes of a client's text, to be relayed.
pub fn owned_text(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}
