//! The admin listener: health, metrics and the HTTP API.
//!
//! **Invariant:** nothing under `/api` is done or told without a key that allows it, and every answer
//! that is no success is a problem document of RFC 9457.

mod access;
mod contacts;
mod health;
mod history;
mod hooks;
mod input;
mod inquiry;
mod jobs;
mod nodes;
mod on_close;
mod once;
mod openapi;
mod paging;
mod parameters;
mod problem;
mod process;
mod publish;
mod rooms;
mod say;
mod schedules;
mod schema;
mod serve;
mod service;
mod sessions;
mod topics;
mod traces;

#[cfg(test)]
mod tests;

use std::{borrow::Cow, fmt, future::Future, io, net::SocketAddr, path::Path, pin::Pin, sync::Arc};

use arc_swap::ArcSwap;
use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Request},
    http::StatusCode,
    middleware::{self, Next},
    response::Response,
};
use serde_json::value::RawValue;
pub use serve::serve;

use self::{input::Body, once::Once, problem::Problem};
use crate::{
    auth::{
        api_key::ApiKeys,
        issue::{IssueError, TokenRequest},
    },
    backend::{hooks::Hooks, ingest::NotPublished},
    chat::Desk,
    clock::Clock,
    config::Secret,
    jobs::board::Board,
    ledger::Ledger,
    mail::post::Post,
    queue::{self, Queue},
    reception::Reception,
    router,
    schedules::Schedules,
    stats::{ApiOutcome, ApiStats},
    telemetry::Telemetry,
    witness::Witness,
};

/// Longest body of a request: a thousand topics and the longest message, with room to spare.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// What the admin listener serves from.
#[derive(Debug)]
pub struct Parts {
    /// Topics and sessions.
    pub router: Arc<router::Router>,
    /// The node's clock.
    pub clock: Clock,
    /// Who may call the API.
    pub keys: Arc<ApiKeys>,
    /// Authorises the command line; nobody is authorised by an empty one.
    pub control: Secret,
    /// What the API counts.
    pub stats: Arc<ApiStats>,
    /// The metrics.
    pub telemetry: Arc<Telemetry>,
    /// Durable messages.
    pub post: Post,
    /// What was kept, and who may write to whom.
    pub desk: Desk,
    /// Customer service.
    pub reception: Reception,
    /// What sessions owe.
    pub witness: Arc<Witness>,
    /// Messages for later.
    pub queue: Arc<dyn Queue>,
    /// Where jobs are handed in.
    pub board: Board,
    /// What is done at a time.
    pub schedules: Arc<dyn Schedules>,
    /// What came of the ids of publishes, on any node; absent if there is no other.
    pub ledger: Option<Arc<dyn Ledger>>,
    /// Webhooks.
    pub hooks: Hooks,
    /// The node as a process.
    pub process: Arc<dyn Process>,
    /// Where the public listeners are bound.
    pub public: Vec<SocketAddr>,
    /// Where the admin listener is bound.
    pub admin: SocketAddr,
    /// What may change while it serves.
    pub limits: Limits,
}

/// How much of something there may be.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Longest data of a message.
    pub message_bytes_max: usize,
    /// Most messages of one page of a history.
    pub history_page_max: usize,
}

/// What the admin listener serves from, and what it remembers.
#[derive(Debug)]
pub struct State {
    parts: Parts,
    limits: ArcSwap<Limits>,
    once: Once,
}

/// The node as a process: what can be asked of it as a whole. Nothing here waits for sessions.
pub trait Process: fmt::Debug + Send + Sync + 'static {
    /// Whether it wants clients.
    fn phase(&self) -> Phase;

    /// Begins to drain, and ends the process when that is done. Again: changes nothing.
    fn drain(&self);

    /// Reads the configuration again. May block for as long as reading files does.
    fn reload(&self) -> Reloaded;

    /// Gives the listening sockets to the exchange at this path; see [`crate::sockets`]. Blocks, for a few
    /// seconds at most.
    ///
    /// # Errors
    ///
    /// Nobody is there.
    fn give_sockets(&self, path: &Path) -> io::Result<()>;

    /// Where a method is called: at this address, if the configuration has it, or where methods of its
    /// name are.
    fn callee(&self, url: Option<&str>, method: &str) -> Option<Box<str>>;

    /// Makes a credential from the configuration, or with keys that the nodes share. Errors are those
    /// of [`crate::auth::issue::issue`].
    fn issue_token(&self, request: TokenRequest) -> Issuing<'_>;
}

/// A credential by and by.
pub type Issuing<'a> = Pin<Box<dyn Future<Output = Result<String, IssueError>> + Send + 'a>>;

/// Whether a node wants clients, and why not.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Phase {
    /// It is going away.
    Draining(Cow<'static, str>),
    /// It does.
    Ready,
    /// It is not ready yet, or not for the moment.
    Starting(Cow<'static, str>),
}

/// What came of reading the configuration again. With errors, nothing was changed.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Reloaded {
    /// Keys whose new values are in use.
    pub applied: Vec<String>,
    /// Keys whose new values wait for a restart.
    pub needs_restart: Vec<String>,
    /// Mistakes, each naming its key.
    pub errors: Vec<String>,
}

/// Everything the admin listener answers.
pub fn router(state: Arc<State>) -> Router {
    let (router, _) = openapi::endpoints().split_for_parts();
    router
        .fallback(async || Problem::not_found("there is nothing at this path"))
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(Arc::clone(&state), count))
        .with_state(state)
}

async fn count(
    axum::extract::State(state): axum::extract::State<Arc<State>>,
    request: Request,
    next: Next,
) -> Response {
    let is_api = request.uri().path().starts_with("/api/");
    let response = next.run(request).await;
    if is_api {
        let outcome = ApiOutcome::of_status(response.status().as_u16());
        state.parts.stats.requests[outcome as usize].add(1);
    }
    response
}

// === impl State ===

impl State {
    /// Serves from these parts.
    pub fn new(parts: Parts) -> Arc<Self> {
        Arc::new(Self {
            limits: ArcSwap::from_pointee(parts.limits),
            once: Once::new(Arc::clone(&parts.stats)),
            parts,
        })
    }

    /// Publishes what came out of a queue as its entry `id`; a request without an id gets one by it.
    ///
    /// # Errors
    ///
    /// [`NotPublished`], as `POST /api/publish` would say.
    ///
    /// Not cancel safe: it may be published to some of its topics.
    pub async fn publish(&self, id: &str, text: &[u8]) -> Result<(), NotPublished> {
        let body = Body::new(Bytes::copy_from_slice(text));
        let publishing = async {
            if text.is_empty() {
                return Err(Problem::unprocessable(
                    "there is nothing in the field message",
                ));
            }
            if BODY_BYTES_MAX < text.len() {
                return Err(Problem::unprocessable("is longer than 1 MiB"));
            }
            let request = body.read()?;
            let pushed = publish::Pushed {
                // Apart from what publishers choose.
                name: format!("push:{id}"),
                since_ms: queue::added_ms(id),
            };
            publish::accept(self, request, text, Some(&pushed)).await
        };
        publishing.await.map(drop).map_err(not_done)
    }

    /// Adds the job that came out of a queue as its entry `id`, by which one without an id is known. What cannot
    /// be a job is with the dead ones then.
    ///
    /// # Errors
    ///
    /// [`NotPublished::Busy`].
    ///
    /// Not cancel safe: it may be added or not.
    pub async fn file(&self, id: &str, text: &[u8]) -> Result<(), NotPublished> {
        jobs::file(self, id, text).await.map_err(not_done)
    }

    /// Refuses data that is longer than that of a message may be.
    fn check_data(&self, data: Option<&RawValue>) -> Result<(), Problem> {
        let max = self.limits.load().message_bytes_max;
        let length = data.map_or(0, |data| data.get().len());
        if max < length {
            let detail = format!("data: has {length} bytes, expected at most {max}");
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail).field("data"));
        }
        Ok(())
    }

    /// A name for something that comes without one.
    fn new_id(&self) -> Box<str> {
        let id = self.parts.router.unique_id(self.parts.clock.now());
        id.to_string().into()
    }

    /// Changes how much of something there may be.
    pub fn set_limits(&self, limits: Limits) {
        self.limits.store(Arc::new(limits));
    }
}

fn not_done(problem: Problem) -> NotPublished {
    let detail = problem.detail().to_owned();
    match problem.is_busy() {
        true => NotPublished::Busy(detail),
        false => NotPublished::Invalid(detail),
    }
}

// === impl Phase ===

impl Phase {
    /// It drains.
    pub fn going_away() -> Self {
        Self::Draining("it is going away".into())
    }

    /// Name in answers.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Draining(_) => "draining",
            Self::Ready => "ready",
            Self::Starting(_) => "starting",
        }
    }

    /// Why it does not want clients, if it does not.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Draining(reason) | Self::Starting(reason) => Some(reason),
            Self::Ready => None,
        }
    }
}
