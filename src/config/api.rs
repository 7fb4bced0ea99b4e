//! Who may use the HTTP API, and what is logged.

use std::path::PathBuf;

use super::{
    setting::{Scalar, words},
    value::Secret,
    visit::{Section, Visitor},
};

/// `[api]`: the HTTP API of the admin listener.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Api {
    /// Who may call it.
    pub keys: Vec<ApiKey>,
}

/// One of `[[api.keys]]`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ApiKey {
    /// What the caller shows as its bearer token.
    pub key: Secret,
    /// What the caller may do.
    pub scopes: Vec<Scope>,
    /// What the key is called in logs; absent: by its place in the list.
    pub name: Option<String>,
    /// Requests per second in the long run; 0 is no limit.
    pub requests_per_second: u32,
    /// Requests at once after a pause; absent: one second's worth.
    pub requests_burst: Option<u32>,
}

impl ApiKey {
    /// Requests at once after a pause.
    pub fn burst(&self) -> u32 {
        self.requests_burst.unwrap_or(self.requests_per_second)
    }
}

/// What the bearer of an API key may do.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Scope {
    /// Change things: kick, drain, membership.
    Admin,
    /// Publish messages.
    Publish,
    /// Ask who is where, and what was said.
    Read,
    /// Ask for tokens of the `im` dialect.
    Token,
}

/// `[log]`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Log {
    /// What is logged: a level, or targets with levels.
    pub level: LogLevel,
    /// How it is written.
    pub format: LogFormat,
    /// Where `start --daemon` writes it; absent: `tidegate.log` beside the pid file.
    pub file: Option<PathBuf>,
}

/// A level, or a list such as `info,tidegate::session=debug`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LogLevel(String);

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum LogFormat {
    /// One object per line, for machines.
    Json,
    /// For people.
    #[default]
    Text,
}

words!(Scope,
    "publish" => Scope::Publish,
    "read" => Scope::Read,
    "admin" => Scope::Admin,
    "token" => Scope::Token,
);

words!(LogFormat, "text" => LogFormat::Text, "json" => LogFormat::Json);

// === impl Scope ===

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 4] = [Self::Publish, Self::Read, Self::Admin, Self::Token];
}

// === impl LogLevel ===

impl LogLevel {
    /// In the form that the subscriber's filter reads.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for LogLevel {
    fn default() -> Self {
        Self("info".to_owned())
    }
}

impl Scalar for LogLevel {
    const EXPECTED: &'static str = "error, warn, info, debug, trace or off, or a list such as \"info,tidegate::session=debug\"";

    fn parse(text: &str) -> Option<Self> {
        let level = |word: &str| ["error", "warn", "info", "debug", "trace", "off"].contains(&word);
        // The filter takes a word that is no level for a target, and would log everything of it.
        let known = |part: &str| match part.split_once('=') {
            Some((target, word)) => !target.is_empty() && level(word),
            None => level(part),
        };
        text.split(',')
            .all(|part| known(part.trim()))
            .then(|| Self(text.to_owned()))
    }
}

impl Section for Api {
    fn visit(&mut self, visitor: &mut dyn Visitor) {
        visitor.sections("keys", &mut self.keys);
    }
}

impl Section for ApiKey {
    fn visit(&mut self, visitor: &mut dyn Visitor) {
        visitor.required_secret("key", &mut self.key);
        visitor.required("scopes", &mut self.scopes);
        visitor.setting("name", &mut self.name);
        visitor.setting("requests_per_second", &mut self.requests_per_second);
        visitor.setting("requests_burst", &mut self.requests_burst);
    }
}

impl Section for Log {
    fn visit(&mut self, visitor: &mut dyn Visitor) {
        visitor.setting("level", &mut self.level);
        visitor.setting("format", &mut self.format);
        visitor.setting("file", &mut self.file);
    }
}
