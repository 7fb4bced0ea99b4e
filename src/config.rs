//! Typed settings of a node: a file and the environment, parsed and checked before anything starts.
//!
//! **Invariant:** a [`Config`] that exists is consistent. Whoever uses it parses nothing and checks
//! nothing again; every mistake is found here, names its key, and never shows a secret.

mod api;
mod backend;
mod check;
mod cluster;
mod development;
mod dialects;
mod diff;
mod limits;
mod listen;
mod read;
pub mod rsa;
mod setting;
mod source;
mod trace;
mod tree;
mod value;
mod visit;

#[cfg(test)]
mod tests;

use std::{fmt, path::PathBuf};

pub use api::{Api, ApiKey, Log, LogFormat, LogLevel, Scope};
pub use backend::{Backend, DecidingHook, EventHook, Job, JobBody, LoginHook, Method, WhenDown};
pub use cluster::{Cluster, Drain, Mail, Presence, Runtime, Store};
pub(crate) use development::random_hex;
pub use development::{Generated, RIDE_BACKEND, ThrowAway};
pub use dialects::{
    AgentStrategy, Algorithm, Device, Dialects, Im, Live, LiveAuth, Mount, Orders, Ride,
    RideTokens, Room, TokenKey,
};
pub use diff::Changes;
pub use limits::Limits;
pub use listen::{ClientAddress, Listen, Tls};
pub use source::{File, Readable, ReloadSource, Source};
pub(crate) use source::{is_ours, read_text};
pub use trace::{Share, Trace};
pub use value::{Cidr, HttpUrl, ParseValueError, Ping, Secret, parse_duration};
use visit::{Section, Visitor};

/// Everything the node can be told. Holds parsed values only.
#[derive(Clone, Debug)]
pub struct Config {
    /// Whether missing credentials are made at start, and the demo page is served. Off, unless
    /// nothing at all is configured.
    pub development: bool,
    /// Where a running node leaves its number and its admin address.
    pub pid_file: PathBuf,
    /// `[listen]`.
    pub listen: Listen,
    /// `[cluster]`.
    pub cluster: Cluster,
    /// `[store]`.
    pub store: Store,
    /// `[mail]`.
    pub mail: Mail,
    /// `[api]`.
    pub api: Api,
    /// `[limits]`.
    pub limits: Limits,
    /// `[drain]`.
    pub drain: Drain,
    /// `[presence]`.
    pub presence: Presence,
    /// `[dialect]`.
    pub dialect: Dialects,
    /// `[backend]`.
    pub backend: Backend,
    /// `[runtime]`.
    pub runtime: Runtime,
    /// `[log]`.
    pub log: Log,
    /// `[trace]`.
    pub trace: Trace,
    /// Which of the credentials above were made at start, in development mode.
    pub throw_away: ThrowAway,
    /// What `tidegate stop` and its like show to the admin listener. Made at start, never
    /// configured: whoever may read the pid file may control the process.
    pub control: Secret,
}

/// Why there is no configuration: at least one mistake.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConfigError(Vec<Mistake>);

/// A key, and what is wrong with it. Displayed as one line, without secrets.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mistake {
    key: String,
    problem: String,
}

// === impl Config ===

impl Config {
    /// Reads a configuration. What is missing and has to be made up is taken from `generated`.
    ///
    /// # Errors
    ///
    /// Every mistake, not only the first.
    pub fn from_source(source: &Source, generated: &Generated) -> Result<Self, ConfigError> {
        let mut mistakes = Vec::new();
        let mut config = Self::read(source, &mut mistakes)?;
        config.fill(generated);
        config.dialect.im.read_files(&mut mistakes);
        check::check(&config, &mut mistakes);
        if mistakes.is_empty() {
            Ok(config)
        } else {
            Err(ConfigError(mistakes))
        }
    }

    /// Reads what is readable; what is not has its default.
    fn read(source: &Source, mistakes: &mut Vec<Mistake>) -> Result<Self, Mistake> {
        let mut config = Self {
            development: source.is_empty(),
            ..Self::default()
        };
        let table = tree::read(source, mistakes)?;
        read::read(table, String::new(), &mut config, mistakes);
        Ok(config)
    }

    /// What may become a problem, one line each.
    pub fn warnings(&self) -> Vec<String> {
        check::warnings(self)
    }

    /// The name of the node.
    pub fn node(&self) -> &crate::id::NodeId {
        let node = self.cluster.node.as_ref();
        node.expect("a configuration that was read has a node name")
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            development: false,
            pid_file: PathBuf::from("tidegate.pid"),
            listen: Listen::default(),
            cluster: Cluster::default(),
            store: Store::default(),
            mail: Mail::default(),
            api: Api::default(),
            limits: Limits::default(),
            drain: Drain::default(),
            presence: Presence::default(),
            dialect: Dialects::default(),
            backend: Backend::default(),
            runtime: Runtime::default(),
            log: Log::default(),
            trace: Trace::default(),
            throw_away: ThrowAway::default(),
            control: Secret::default(),
        }
    }
}

impl Section for Config {
    fn visit(&mut self, visitor: &mut dyn Visitor) {
        visitor.setting("development", &mut self.development);
        visitor.setting("pid_file", &mut self.pid_file);
        visitor.section("listen", &mut self.listen);
        visitor.section("cluster", &mut self.cluster);
        visitor.section("store", &mut self.store);
        visitor.section("mail", &mut self.mail);
        visitor.section("api", &mut self.api);
        visitor.section("limits", &mut self.limits);
        visitor.section("drain", &mut self.drain);
        visitor.section("presence", &mut self.presence);
        visitor.section("dialect", &mut self.dialect);
        visitor.section("backend", &mut self.backend);
        visitor.section("runtime", &mut self.runtime);
        visitor.section("log", &mut self.log);
        visitor.section("trace", &mut self.trace);
    }
}

// === impl ConfigError ===

impl ConfigError {
    /// The mistakes, at least one.
    pub fn mistakes(&self) -> &[Mistake] {
        &self.0
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.0.iter().enumerate() {
            if 0 < index {
                f.write_str("\n")?;
            }
            write!(f, "{mistake}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

impl From<Mistake> for ConfigError {
    fn from(mistake: Mistake) -> Self {
        Self(vec![mistake])
    }
}

// === impl Mistake ===

impl Mistake {
    pub(crate) fn new(key: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            problem: problem.into(),
        }
    }

    /// The key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Whether it is about `key`, or about what stands below it.
    pub(crate) fn is_about(&self, key: &str) -> bool {
        self.key
            .strip_prefix(key)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values and keys can hold line ends, and a mistake is one line.
        let line = format!("{}: {}", self.key, self.problem);
        f.write_str(&line.replace(['\n', '\r'], " "))
    }
}
