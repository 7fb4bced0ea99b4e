//! The applications behind the gateway.

mod deciding;
mod method;

use std::time::Duration;

pub use self::{
    deciding::{DecidingHook, WhenDown},
    method::Method,
};

use super::{
    setting::words,
    value::{HttpUrl, Secret},
    visit::{Section, Visitor},
};
use crate::{dialect::DialectId, happening::Kind};

/// An application that answers within a phone's patience answers within this.
const CALL_TIMEOUT: Duration = Duration::from_secs(2);
/// Webhooks have nobody waiting for them.
const HOOK_TIMEOUT: Duration = Duration::from_secs(10);
/// Requests of one node to one webhook at once: what a small application bears.
const HOOK_CONCURRENCY_MAX: u32 = 8;
/// An application that is repaired within a working day, or over night, misses nothing.
const HOOK_RETRY_FOR: Duration = Duration::from_secs(24 * 60 * 60);
/// With a kilobyte each these are 100 MB in Redis or on the disk, and 10 MB in memory.
const HOOKS_BACKLOG_MAX: usize = 100_000;
/// Jobs do real work: the recognition of a picture takes seconds.
const JOB_TIMEOUT: Duration = Duration::from_secs(60);
/// Long enough for a service to get over a moment's trouble.
const RETRY_MIN: Duration = Duration::from_secs(1);
/// A service that is being replaced is back within that.
const RETRY_MAX: Duration = Duration::from_secs(5 * 60);
/// Whoever asks what came of a job does so on the same day.
const JOBS_KEEP: Duration = Duration::from_secs(24 * 60 * 60);

/// `[backend]`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Backend {
    /// Pub/sub channel that existing applications of the `ride` dialect publish to; absent: off.
    pub pubsub_channel: Option<String>,
    /// Who decides about clients who have logged in.
    pub connect: Option<DecidingHook>,
    /// Who decides about rooms that clients want to join; absent: they cannot by their own word.
    pub subscribe: Option<DecidingHook>,
    /// Who answers methods that clients call.
    pub methods: Vec<Method>,
    /// Who is told of events.
    pub hooks: Vec<EventHook>,
    /// Most that waits for these, of one node.
    pub hooks_backlog_max: usize,
    /// Who does jobs.
    pub jobs: Vec<Job>,
    /// How long jobs that are done are known.
    pub jobs_keep: Duration,
}

/// One of `[[backend.hooks]]`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EventHook {
    /// The events it is told of.
    pub events: Vec<Kind>,
    /// Of sessions of which dialects; empty: of all.
    pub dialects: Vec<DialectId>,
    /// Of which messages, by flag, method or type; a trailing `*` stands for any ending.
    pub messages: Vec<String>,
    /// Where it is.
    pub url: HttpUrl,
    /// Signs what it is told; absent: unsigned.
    pub secret: Option<Secret>,
    /// It must have answered by then, or is told again.
    pub timeout: Duration,
    /// Most requests at once from one node.
    pub concurrency_max: u32,
    /// How long it is told again what it did not take.
    pub retry_for: Duration,
}

/// One of `[[backend.jobs]]`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Job {
    /// Kind of the jobs it does.
    pub kind: String,
    /// Where it is.
    pub url: HttpUrl,
    /// How it is told what to do.
    pub body: JobBody,
    /// It must have answered by then, or is asked again.
    pub timeout: Duration,
    /// Most jobs at once from this node.
    pub concurrency_max: u32,
    /// Most attempts before a job is put aside.
    pub attempts_max: u32,
    /// Pause after the first attempt that has failed; it doubles with each.
    pub retry_min: Duration,
    /// Longest pause between two attempts.
    pub retry_max: Duration,
    /// Signs what it is told; absent: unsigned.
    pub secret: Option<Secret>,
    /// Whether answers are kept for users who are away.
    pub durable: bool,
    /// List in Redis that older programs write jobs of this kind into.
    pub legacy_list: Option<String>,
}

/// The form of a job's request.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum JobBody {
    /// Form-encoded.
    Form,
    /// JSON.
    #[default]
    Json,
}

/// A service that decides about a login.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LoginHook {
    /// Where it is.
    pub url: HttpUrl,
    /// It must have answered by then.
    pub timeout: Duration,
    /// Signs what it is asked; absent: unsigned.
    pub secret: Option<Secret>,
}

words!(Kind,
    "message.received" => Kind::MessageReceived,
    "room.occupied" => Kind::RoomOccupied,
    "room.vacated" => Kind::RoomVacated,
    "session.closed" => Kind::SessionClosed,
    "session.opened" => Kind::SessionOpened,
    "undeliverable" => Kind::Undeliverable,
);
words!(JobBody, "form" => JobBody::Form, "json" => JobBody::Json);

impl Default for Backend {
    fn default() -> Self {
        Self {
            pubsub_channel: None,
            connect: None,
            subscribe: None,
            methods: Vec::new(),
            hooks: Vec::new(),
            hooks_backlog_max: HOOKS_BACKLOG_MAX,
            jobs: Vec::new(),
            jobs_keep: JOBS_KEEP,
        }
    }
}

impl Default for EventHook {
    fn default() -> Self {
        Self {
            events: Vec::new(),
            dialects: Vec::new(),
            messages: Vec::new(),
            url: HttpUrl::default(),
            secret: None,
            timeout: HOOK_TIMEOUT,
            concurrency_max: HOOK_CONCURRENCY_MAX,
            retry_for: HOOK_RETRY_FOR,
        }
    }
}

impl Default for Job {
    fn default() -> Self {
        Self {
            kind: String::new(),
            url: HttpUrl::default(),
            body: JobBody::default(),
            timeout: JOB_TIMEOUT,
            // What a small service beside the node bears.
            concurrency_max: 4,
            attempts_max: 5,
            retry_min: RETRY_MIN,
            retry_max: RETRY_MAX,
            secret: None,
            durable: true,
            legacy_list: None,
        }
    }
}

impl Default for LoginHook {
    fn default() -> Self {
        Self {
            url: HttpUrl::default(),
            timeout: CALL_TIMEOUT,
            secret: None,
        }
    }
}

impl Section for Backend {
    fn visit(&mut self, visitor: &mut dyn Visitor) {
        visitor.setting("pubsub_channel", &mut self.pubsub_channel);
        visitor.sections("connect", &mut self.connect);
        visitor.sections("subscribe", &mut self.subscribe);
        visitor.sections("methods", &mut self.methods);
        visitor.sections("hooks", &mut self.hooks);
        visitor.setting("hooks_backlog_max", &mut self.hooks_backlog_max);
        visitor.sections("jobs", &mut self.jobs);
        visitor.setting("jobs_keep", &mut self.jobs_keep);
    }
}

impl Section for EventHook {
    fn visit(&mut self, visitor: &mut dyn Visitor) {
        visitor.required("events", &mut self.events);
        visitor.setting("dialects", &mut self.dialects);
        visitor.setting("messages", &mut self.messages);
        visitor.required("url", &mut self.url);
        visitor.secret("secret", &mut self.secret);
        visitor.setting("timeout", &mut self.timeout);
        visitor.setting("concurrency_max", &mut self.concurrency_max);
        visitor.setting("retry_for", &mut self.retry_for);
    }
}

impl Section for Job {
    fn visit(&mut self, visitor: &mut dyn Visitor) {
        visitor.required("kind", &mut self.kind);
        visitor.required("url", &mut self.url);
        visitor.setting("body", &mut self.body);
        visitor.setting("timeout", &mut self.timeout);
        visitor.setting("concurrency_max", &mut self.concurrency_max);
        visitor.setting("attempts_max", &mut self.attempts_max);
        visitor.setting("retry_min", &mut self.retry_min);
        visitor.setting("retry_max", &mut self.retry_max);
        visitor.secret("secret", &mut self.secret);
        visitor.setting("durable", &mut self.durable);
        visitor.setting("legacy_list", &mut self.legacy_list);
    }
}

impl Section for LoginHook {
    fn visit(&mut self, visitor: &mut dyn Visitor) {
        visitor.required("url", &mut self.url);
        visitor.setting("timeout", &mut self.timeout);
        visitor.secret("secret", &mut self.secret);
    }
}
