//! `POST /IM/token`: tokens of the `im` dialect, for applications that ask on behalf of their users,
//! and for users who show the application's own token.
//!
//! **Invariant:** nothing of the body is looked at before it is settled who asks.

mod rate;

use std::sync::Arc;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use self::rate::Rates;
use super::{
    Authenticator,
    api_key::ApiKeys,
    issue::IssueError,
    login,
    login::LoginHook,
    wstoken::{Holder, whole_seconds},
};
use crate::{
    config::Scope,
    dialect::{Answer, DialectId},
    endpoint::{Answering, Call, Endpoint, Reply},
    id::Person,
    stats::TokenOutcome,
};

const CHALLENGE: &str = "Bearer realm=\"tidegate\"";
const CHALLENGE_WRONG: &str = "Bearer realm=\"tidegate\", error=\"invalid_token\"";
const CHALLENGE_SCOPE: &str =
    "Bearer realm=\"tidegate\", error=\"insufficient_scope\", scope=\"token\"";

/// Gives out tokens of the `im` dialect. Cheap to clone.
#[derive(Clone, Debug)]
pub struct TokenEndpoint(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    authenticator: Arc<Authenticator>,
    keys: Arc<ApiKeys>,
    rates: Mutex<Rates>,
}

/// What is asked for.
#[derive(Deserialize)]
struct Request {
    id: Option<Holder>,
}

/// What is given out.
#[derive(Serialize)]
struct Issued {
    token: String,
    expires_in: u64,
}

/// Who asks.
enum Caller {
    /// An application, which may name any user.
    Application,
    /// A user.
    User(Person),
}

impl TokenEndpoint {
    /// Gives out tokens to whoever has one of `keys` with the scope `token`, or convinces the hook.
    pub fn new(authenticator: Arc<Authenticator>, keys: Arc<ApiKeys>) -> Self {
        Self(Arc::new(Inner {
            authenticator,
            keys,
            rates: Mutex::default(),
        }))
    }
}

impl Endpoint for TokenEndpoint {
    fn call(&self, call: Call) -> Answering {
        let inner = Arc::clone(&self.0);
        let runtime = inner.authenticator.client.runtime();
        // Not where sessions live: a signature takes a millisecond.
        let answering = runtime.spawn(async move {
            match inner.answer(call).await {
                Ok(reply) | Err(reply) => reply,
            }
        });
        let answering = AbortOnDropHandle::new(answering);
        Box::pin(async move {
            let failed = |_| Reply::later(503, "the token could not be made", 1);
            answering.await.unwrap_or_else(failed)
        })
    }

    fn answered(&self, status: u16) {
        let outcome = TokenOutcome::of_status(status);
        self.0.authenticator.stats.im_tokens[outcome as usize].add(1);
    }
}

impl Inner {
    async fn answer(&self, call: Call) -> Result<Reply, Reply> {
        let door = self.authenticator.doors.load().im.clone();
        let (per_second, now) = (door.tokens_per_second, Instant::now());
        let wait = self.rates.lock().take(call.remote, per_second, now);
        if let Err(seconds) = wait {
            let detail = "this address asks for too many tokens; it may come again later";
            return Err(Reply::later(429, detail, seconds));
        }
        let bearer = call
            .authorization
            .as_deref()
            .and_then(bearer)
            .ok_or_else(|| {
                let detail = "the header Authorization: Bearer <key> is missing";
                Reply::problem(401, detail).with("www-authenticate", CHALLENGE)
            })?;
        let caller = match (self.keys.find(bearer), &door.hook) {
            (Some(key), _) if key.allows(Scope::Token) => {
                key.take(now)
                    .map_err(|seconds| Reply::later(429, "the key is over its rate", seconds))?;
                Caller::Application
            }
            (Some(_), _) => {
                let detail = "the key lacks the scope \"token\"";
                return Err(Reply::problem(403, detail).with("www-authenticate", CHALLENGE_SCOPE));
            }
            (None, Some(hook)) => Caller::User(self.ask(hook, bearer).await?),
            (None, None) => return Err(wrong("the key is not valid")),
        };
        let person = wanted(&caller, &call.body)?;
        let token = self.authenticator.issue_im(person).await;
        let token = token.map_err(|error| not_issued(&error))?;
        Ok(Reply::json(&Issued {
            token,
            expires_in: whole_seconds(door.max_age),
        }))
    }

    /// Which user the hook says it is who has this token of the application's own.
    async fn ask(&self, hook: &LoginHook, token: &str) -> Result<Person, Reply> {
        let Authenticator { clock, stats, .. } = &*self.authenticator;
        let now = clock.now();
        let body = login::request(DialectId::Im, token, None, now);
        match hook.ask(body, now, stats).await {
            Answer::Granted(grant) => {
                let person = grant.user.and_then(|user| user.as_str().parse().ok());
                person.ok_or_else(|| {
                    let detail = "the service that knows the users names none whose id is a whole \
                                  number greater than 0";
                    Reply::later(503, detail, 1)
                })
            }
            Answer::Denied(_) => Err(wrong("the token is not valid")),
            Answer::Unavailable => {
                let detail = "the service that knows the users does not answer";
                Err(Reply::later(503, detail, 1))
            }
        }
    }
}

/// For whom a token is made.
fn wanted(caller: &Caller, body: &[u8]) -> Result<Person, Reply> {
    const NO_OBJECT: &str = "the body is no JSON object";
    const ID: &str = "id: is not usable, expected a whole number greater than 0";

    let request = match (caller, body.trim_ascii_start().first()) {
        (Caller::User(_), None) => Request { id: None },
        (_, None | Some(b'[')) => return Err(Reply::problem(422, NO_OBJECT)),
        _ => {
            let mut json = serde_json::Deserializer::from_slice(body);
            let request: Request =
                serde_path_to_error::deserialize(&mut json).map_err(|error| {
                    match error.path().to_string().as_str() {
                        "id" => Reply::wrong_field("id", ID),
                        _ => Reply::problem(422, NO_OBJECT),
                    }
                })?;
            json.end().map_err(|_| {
                Reply::problem(422, "the body has something behind its JSON object")
            })?;
            request
        }
    };
    let id = request.id.map(|Holder(person)| person);
    match (caller, id) {
        (Caller::Application, Some(id)) => Ok(id),
        (Caller::Application, None) => {
            let detail = "id: is missing, expected a whole number greater than 0";
            Err(Reply::wrong_field("id", detail))
        }
        (Caller::User(user), Some(id)) if *user != id => {
            Err(Reply::problem(403, "id: is another user than the token's"))
        }
        (Caller::User(user), _) => Ok(*user),
    }
}

fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, credential) = authorization.split_once(' ')?;
    let credential = credential.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !credential.is_empty()).then_some(credential)
}

fn wrong(detail: &str) -> Reply {
    Reply::problem(401, detail).with("www-authenticate", CHALLENGE_WRONG)
}

/// What went wrong is for the log: the client can do nothing about it.
fn not_issued(error: &IssueError) -> Reply {
    tracing::warn!(%error, "no token of the im dialect can be made");
    Reply::later(503, "no token can be made now", 1)
}

#[cfg(test)]
mod tests;
