//! What a client calls for, and what comes of it.

use std::sync::Arc;

use bytes::Bytes;

use super::{Party, Reply};
use crate::topic::Topic;

/// A method of the gateway's own that a client calls. Those of one session are done in their order.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LiveCall {
    /// Which controller has it: `live.user`.
    pub controller: Box<str>,
    /// What it is to do: `join`. One with a dot no client can call.
    pub action: Box<str>,
    /// Who calls.
    pub party: Arc<Party>,
    /// The client's frame, its texts escaped: a JSON object.
    pub request: Bytes,
}

/// What becomes of the session that has called.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Effect {
    /// It is sent this.
    Reply(Reply),
    /// It is in this room from now on.
    Join(Topic),
    /// It is not in this room any more.
    Leave(Topic),
    /// It calls for this in turn, when what stands before is done.
    Then(LiveCall),
}

/// What a controller of the gateway's own can do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Builtin {
    /// Its name in small letters, module and controller: `live.user`.
    pub controller: &'static str,
    /// The methods that clients may call, in small letters.
    pub actions: &'static [&'static str],
}
