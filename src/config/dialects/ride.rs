//! `[dialect.ride]`.

use std::{collections::BTreeMap, time::Duration};

use super::{Mount, TokenKey};
use crate::config::{
    backend::LoginHook,
    setting::words,
    value::{Ping, Secret},
    visit::{Section, Visitor},
};

/// Settings of the ride-hailing relay.
#[derive(Clone, Debug)]
pub struct Ride {
    /// What every dialect has.
    pub mount: Mount,
    /// How a client's token is checked. Absent in the file: anything goes in development mode; else
    /// it has to be said, so that nobody gets an open relay by leaving a line out. Present in
    /// every configuration whose `ride` is enabled.
    pub tokens: Option<RideTokens>,
    /// Keeps identities that are only claimed apart from those that are proven.
    pub realm: Option<String>,
    /// The backends' client ids with their secrets.
    pub backends: BTreeMap<String, Secret>,
    /// Whether any path will do when the query has `client_id`.
    pub any_path: bool,
    /// A client without credentials in its query must log in within this time.
    pub login_timeout: Duration,
    /// What tokens are checked with when they are JWTs.
    pub keys: Vec<TokenKey>,
    /// Who is asked about tokens.
    pub hook: Option<LoginHook>,
}

/// How a client's token is checked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RideTokens {
    /// Not at all: the token is the client's address.
    Any,
    /// A service is asked.
    Hook,
    /// It is a JWT.
    Jwt,
}

words!(RideTokens, "any" => RideTokens::Any, "jwt" => RideTokens::Jwt, "hook" => RideTokens::Hook);

impl Default for Ride {
    fn default() -> Self {
        Self {
            mount: Mount::new(&["/ws/", "/websocket"], Ping::Off),
            tokens: None,
            realm: None,
            backends: BTreeMap::new(),
            any_path: false,
            login_timeout: Duration::from_secs(2),
            keys: Vec::new(),
            hook: None,
        }
    }
}

impl Section for Ride {
    fn visit(&mut self, visitor: &mut dyn Visitor) {
        self.mount.visit(visitor);
        visitor.setting("tokens", &mut self.tokens);
        visitor.setting("realm", &mut self.realm);
        visitor.secret("backends", &mut self.backends);
        visitor.setting("any_path", &mut self.any_path);
        visitor.setting("login_timeout", &mut self.login_timeout);
        visitor.sections("keys", &mut self.keys);
        visitor.sections("hook", &mut self.hook);
    }
}
