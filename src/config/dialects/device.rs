//! `[dialect.device]`.

use std::time::Duration;

use super::{Mount, TokenKey};
use crate::config::{
    backend::LoginHook,
    value::{Ping, Secret},
    visit::{Section, Visitor},
};

/// Settings of device status and task push.
#[derive(Clone, Debug)]
pub struct Device {
    /// What every dialect has.
    pub mount: Mount,
    /// What tokens are checked with.
    pub keys: Vec<TokenKey>,
    /// The key that `tidegate token` signs with when the first of `keys` is a public one, PEM.
    pub private_key: Option<Secret>,
    /// Who is asked about tokens that no key fits.
    pub hook: Option<LoginHook>,
    /// A client must show its token within this time.
    pub auth_timeout: Duration,
    /// A client that is silent for this long is sent the dialect's own ping.
    pub heartbeat: Duration,
    /// So many of those unanswered end the session; 0: none do, since the documented client
    /// does not answer them.
    pub ping_limit: u32,
}

impl Default for Device {
    fn default() -> Self {
        Self {
            // The documented client only listens; the browser's Pongs keep it alive.
            mount: Mount::new(&["/ws"], Ping::Every(Duration::from_secs(25))),
            keys: Vec::new(),
            private_key: None,
            hook: None,
            auth_timeout: Duration::from_secs(10),
            heartbeat: Duration::from_secs(30),
            ping_limit: 0,
        }
    }
}

impl Section for Device {
    fn visit(&mut self, visitor: &mut dyn Visitor) {
        self.mount.visit(visitor);
        visitor.sections("keys", &mut self.keys);
        visitor.secret("private_key", &mut self.private_key);
        visitor.sections("hook", &mut self.hook);
        visitor.setting("auth_timeout", &mut self.auth_timeout);
        visitor.setting("heartbeat", &mut self.heartbeat);
        visitor.setting("ping_limit", &mut self.ping_limit);
    }
}
