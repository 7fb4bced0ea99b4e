//! `[dialect.room]`.

use std::time::Duration;

use super::{Mount, TokenKey};
use crate::{
    config::{
        backend::LoginHook,
        setting::words,
        value::Ping,
        visit::{Section, Visitor},
    },
    dialect::room::{Mode, REPLY},
};

/// Settings of rooms and customer service.
#[derive(Clone, Debug)]
pub struct Room {
    /// What every dialect has.
    pub mount: Mount,
    /// What was said about `enabled`, and then what came of it. Nothing was said: clients are served
    /// where something lets them in.
    pub(in crate::config) wanted: Option<bool>,
    /// What a client's frame does.
    pub mode: Mode,
    /// What a client's frame is answered with in push mode; the default is the tutorial's text.
    pub reply: String,
    /// How a customer gets an agent.
    pub strategy: AgentStrategy,
    /// Whether anyone may join a room; absent: in development mode only.
    pub open: Option<bool>,
    /// What tokens are checked with.
    pub keys: Vec<TokenKey>,
    /// Who is asked about tokens.
    pub hook: Option<LoginHook>,
    /// An agent that is away for longer loses its customers to others.
    pub reassign_after: Duration,
    /// A customer with an agent who says nothing for so long is released.
    pub service_idle: Duration,
}

/// How a customer gets an agent.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum AgentStrategy {
    /// By a stable hash of the customer's id.
    Hash,
    /// The one with the fewest customers.
    LeastLoaded,
    /// By the number in the customer's id.
    #[default]
    RoundRobin,
}

words!(Mode, "push" => Mode::Push, "chat" => Mode::Chat);
words!(AgentStrategy,
    "round_robin" => AgentStrategy::RoundRobin,
    "hash" => AgentStrategy::Hash,
    "least_loaded" => AgentStrategy::LeastLoaded,
);

impl Default for Room {
    fn default() -> Self {
        Self {
            // The documented client never speaks; the browser's Pongs keep it alive.
            mount: Mount::new(
                &["/room/{group}/", "/room/{group}"],
                Ping::Every(Duration::from_secs(25)),
            ),
            wanted: None,
            mode: Mode::default(),
            reply: REPLY.to_owned(),
            strategy: AgentStrategy::default(),
            open: None,
            keys: Vec::new(),
            hook: None,
            reassign_after: Duration::from_secs(10),
            service_idle: Duration::from_secs(24 * 60 * 60),
        }
    }
}

impl Room {
    /// Whether something of its own lets clients in.
    pub fn has_way_in(&self) -> bool {
        !self.keys.is_empty() || self.hook.is_some() || self.open == Some(true)
    }
}

impl Section for Room {
    fn visit(&mut self, visitor: &mut dyn Visitor) {
        visitor.setting("enabled", &mut self.wanted);
        self.mount.visit_others(visitor);
        visitor.setting("mode", &mut self.mode);
        visitor.setting("reply", &mut self.reply);
        visitor.setting("strategy", &mut self.strategy);
        visitor.setting("open", &mut self.open);
        visitor.sections("keys", &mut self.keys);
        visitor.sections("hook", &mut self.hook);
        visitor.setting("reassign_after", &mut self.reassign_after);
        visitor.setting("service_idle", &mut self.service_idle);
    }
}
