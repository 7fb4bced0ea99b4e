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
    dialect::DialectId,
};

/// Settings of rooms and customer service.
#[derive(Clone, Debug)]
pub struct Room {
    /// What every dialect has.
    pub mount: Mount,
    /// What a client's frame does.
    pub mode: RoomMode,
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

/// What a client's frame does.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum RoomMode {
    /// It is said to a room.
    Chat,
    /// It gets a fixed answer; only applications publish.
    #[default]
    Push,
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

words!(RoomMode, "push" => RoomMode::Push, "chat" => RoomMode::Chat);
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
                DialectId::Room,
                &["/room/{group}/", "/room/{group}"],
                Ping::Every(Duration::from_secs(25)),
            ),
            mode: RoomMode::default(),
            reply: "不要回复不要回复！！！".to_owned(),
            strategy: AgentStrategy::default(),
            open: None,
            keys: Vec::new(),
            hook: None,
            reassign_after: Duration::from_secs(10),
            service_idle: Duration::from_secs(24 * 60 * 60),
        }
    }
}

impl Section for Room {
    fn visit(&mut self, visitor: &mut dyn Visitor) {
        self.mount.visit(visitor);
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
