//! Why a controller has done nothing.

use crate::{
    dialect::live::Reply, dues::DuesError, stats::LiveOutcome, store::StoreError,
    topic::ParseTopicError,
};

/// Why a controller has done nothing. Ends the processing of the call.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Halt {
    /// Something that it needs is away.
    Failed {
        /// Why, for logs.
        reason: Box<str>,
        /// What the client is told.
        reply: Reply,
    },
    /// It has no such action.
    Missing,
    /// The client may not do this, or not so.
    Refused(Reply),
}

/// What a client is told whose call has failed.
const CONTROLLER_ERROR: Reply = Reply::plain(500, "controllerError", "程序错误");
const METHOD_NOT_FOUND: Reply = Reply::plain(405, "methodNotFound", "您请求的method方法不存在");

// === impl Halt ===

impl Halt {
    /// Something that it needs is away, for this reason.
    pub fn failed(reason: impl ToString) -> Self {
        Self::Failed {
            reason: reason.to_string().into(),
            reply: CONTROLLER_ERROR,
        }
    }

    /// The client may not do this: status, event and the same for people.
    pub const fn refused(status: u16, event: &'static str, info: &'static str) -> Self {
        Self::Refused(Reply::plain(status, event, info))
    }

    /// The same, but that the client is told this.
    pub fn saying(self, status: u16, event: &'static str, info: &'static str) -> Self {
        let told = Reply::plain(status, event, info);
        match self {
            Self::Failed { reason, .. } => Self::Failed {
                reason,
                reply: told,
            },
            other => other,
        }
    }

    pub(super) const fn outcome(&self) -> LiveOutcome {
        match self {
            Self::Failed { .. } => LiveOutcome::Failed,
            Self::Missing => LiveOutcome::Missing,
            Self::Refused(_) => LiveOutcome::Refused,
        }
    }

    pub(super) fn into_reply(self) -> Reply {
        match self {
            Self::Failed { reply, .. } | Self::Refused(reply) => reply,
            Self::Missing => METHOD_NOT_FOUND,
        }
    }
}

impl From<StoreError> for Halt {
    fn from(error: StoreError) -> Self {
        Self::failed(error)
    }
}

impl From<DuesError> for Halt {
    fn from(error: DuesError) -> Self {
        Self::failed(error)
    }
}

/// Of a room whose code is none.
impl From<ParseTopicError> for Halt {
    fn from(_: ParseTopicError) -> Self {
        Self::refused(999, "codeIsInvalid", "code不正确")
    }
}
