//! Frames of `ride` clients: which of them count, and their mandatory fields.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::{
    close::CloseReason,
    dialect::{
        Incoming, Profile,
        json::{self, Json, Object},
    },
};

/// What kind of message it is.
pub(super) const FLAG: &str = "flag";
/// Whom it is for.
pub(super) const TARGET: &str = "target_token";
/// Whom it is from.
const TOKEN: &str = "token";
/// Of a login: the client's id, if it stands in the frame and not in the query.
const CLIENT_ID: &str = "client_id";

/// What a client's message is worth.
#[derive(Debug)]
pub(super) enum Reading<'a> {
    /// Nothing, and not worth a quarrel: the original overlooks what is not JSON, and `null`.
    Ignored,
    /// Nothing, and it ends the session.
    Broken,
    /// An object, its fields not yet checked.
    Frame(ClientFrame<'a>),
}

/// An object that a client has sent.
#[derive(Debug)]
pub(super) struct ClientFrame<'a> {
    /// The whole text, as it came.
    pub(super) text: &'a str,
    object: Object<'a>,
    profile: Profile,
}

/// Reads a message; a binary one that is UTF-8 like a text.
pub(super) fn read(message: Incoming<'_>, profile: Profile) -> Reading<'_> {
    let json = message
        .text()
        .and_then(|text| Some((text, json::parse(text)?)));
    match (json, profile) {
        (Some((text, Json::Object(object))), _) => Reading::Frame(ClientFrame {
            text,
            object,
            profile,
        }),
        (None | Some((_, Json::Null)), Profile::Observed) => Reading::Ignored,
        _ => Reading::Broken,
    }
}

// === impl ClientFrame ===

/// Each field is present when it is a string that is not empty.
impl<'a> ClientFrame<'a> {
    /// Mandatory in the documented profile. In the observed one nobody insists on it, so that of
    /// several the last counts, as in the original's parser.
    pub(super) fn flag(&self) -> Result<Option<Cow<'a, str>>, CloseReason> {
        match self.profile {
            Profile::Documented => self.field(FLAG),
            Profile::Observed => Ok(self.object.last(FLAG).and_then(non_empty)),
        }
    }

    pub(super) fn target(&self) -> Result<Option<Cow<'a, str>>, CloseReason> {
        self.field(TARGET)
    }

    pub(super) fn token(&self) -> Result<Option<Cow<'a, str>>, CloseReason> {
        self.field(TOKEN)
    }

    /// Mandatory nowhere, so that of several the last counts.
    pub(super) fn client_id(&self) -> Option<Cow<'a, str>> {
        self.object.last(CLIENT_ID).and_then(non_empty)
    }

    fn field(&self, key: &str) -> Result<Option<Cow<'a, str>>, CloseReason> {
        let value = self.object.find(key).map_err(|_| CloseReason::Violation)?;
        Ok(value.and_then(non_empty))
    }
}

/// A string with something in it.
pub(super) fn non_empty<'a>(value: &'a RawValue) -> Option<Cow<'a, str>> {
    json::string(value).filter(|text| !text.is_empty())
}
