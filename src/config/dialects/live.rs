//! `[dialect.live]`.

use std::time::Duration;

use super::{Mount, TokenKey};
use crate::{
    config::{
        setting::words,
        value::{Ping, Secret},
        visit::{Section, Visitor},
    },
    dialect::DialectId,
};

/// Settings of live rooms.
#[derive(Clone, Debug)]
pub struct Live {
    /// What every dialect has.
    pub mount: Mount,
    /// How a client proves who it is.
    pub auth: LiveAuth,
    /// The key of the original's cipher.
    pub key: Option<Secret>,
    /// Oldest credential that is accepted; 0: any. A week is what sibling applications allow.
    pub max_age: Duration,
    /// What tokens are checked with when they are JWTs.
    pub keys: Vec<TokenKey>,
    /// Whether each frame is answered with a receipt before it is worked on.
    pub receipts: bool,
}

/// How a client proves who it is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum LiveAuth {
    /// By a JWT.
    Jwt,
    /// By the original's cipher, which is a legacy one.
    #[default]
    TripleDes,
}

words!(LiveAuth, "3des" => LiveAuth::TripleDes, "jwt" => LiveAuth::Jwt);

impl Default for Live {
    fn default() -> Self {
        Self {
            mount: Mount::new(DialectId::Live, &["/live"], Ping::Off),
            auth: LiveAuth::default(),
            key: None,
            max_age: Duration::from_secs(7 * 24 * 60 * 60),
            keys: Vec::new(),
            receipts: true,
        }
    }
}

impl Section for Live {
    fn visit(&mut self, visitor: &mut dyn Visitor) {
        self.mount.visit(visitor);
        visitor.setting("auth", &mut self.auth);
        visitor.secret("key", &mut self.key);
        visitor.setting("max_age", &mut self.max_age);
        visitor.sections("keys", &mut self.keys);
        visitor.setting("receipts", &mut self.receipts);
    }
}
