//! `[dialect.live]`.

use std::time::Duration;

use super::{Mount, TokenKey};
use crate::config::{
    setting::words,
    value::{Ping, Secret},
    visit::{Section, Visitor},
};

/// Settings of live rooms.
#[derive(Clone, Debug)]
pub struct Live {
    /// What every dialect has.
    pub mount: Mount,
    /// What was said about `enabled`, and then what came of it. Nothing was said: clients are served
    /// where there is a key.
    pub(in crate::config) wanted: Option<bool>,
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
            mount: Mount::new(&["/live"], Ping::Off),
            wanted: None,
            auth: LiveAuth::default(),
            key: None,
            max_age: Duration::from_secs(7 * 24 * 60 * 60),
            keys: Vec::new(),
            receipts: true,
        }
    }
}

impl Live {
    /// Whether there is something that clients can prove themselves with.
    pub fn has_keys(&self) -> bool {
        match self.auth {
            LiveAuth::Jwt => !self.keys.is_empty(),
            LiveAuth::TripleDes => self.key.is_some(),
        }
    }
}

impl Section for Live {
    fn visit(&mut self, visitor: &mut dyn Visitor) {
        visitor.setting("enabled", &mut self.wanted);
        self.mount.visit_others(visitor);
        visitor.setting("auth", &mut self.auth);
        visitor.secret("key", &mut self.key);
        visitor.setting("max_age", &mut self.max_age);
        visitor.sections("keys", &mut self.keys);
        visitor.setting("receipts", &mut self.receipts);
    }
}
