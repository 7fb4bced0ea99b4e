//! Who calls, what they may do, and how often.
//!
//! Each handler names what it needs as its first argument, so that nothing of a request is looked
//! at before its caller is.

use std::{marker::PhantomData, sync::Arc};

use axum::{
    extract::{FromRequestParts, MatchedPath},
    http::{HeaderValue, StatusCode, header, request},
};

use tokio::time::Instant;

use super::{State, problem::Problem};
use crate::{auth::api_key::Key, config::Scope};

/// A caller whose key has the scope of `S`.
#[derive(Debug)]
pub(super) struct Caller<S> {
    key: Arc<Key>,
    scope: PhantomData<S>,
}

/// A caller with any key.
#[derive(Debug)]
pub(super) struct AnyCaller;

/// A caller whose key has the scope of `S`, or the command line.
#[derive(Debug)]
pub(super) struct Operator<S>(PhantomData<S>);

/// The command line, which knows the secret of this process.
#[derive(Debug)]
pub(super) struct Control;

/// What a key must allow.
pub(super) trait Needs {
    const SCOPE: Scope;
    const REFUSED: &'static str;
    const CHALLENGE: &'static str;
}

macro_rules! needs {
    ($($type:ident: $name:literal),+) => { $(
        #[derive(Debug)]
        pub(super) struct $type;

        impl Needs for $type {
            const SCOPE: Scope = Scope::$type;
            const REFUSED: &'static str = concat!("the key lacks the scope \"", $name, "\"");
            const CHALLENGE: &'static str = concat!(
                "Bearer realm=\"tidegate\", error=\"insufficient_scope\", scope=\"", $name, "\""
            );
        }
    )+ };
}

needs!(Admin: "admin", Publish: "publish", Read: "read");

impl<S> Caller<S> {
    /// Has its key pay for so many requests that came as one, which is paid for.
    pub(super) fn owe(&self, requests: usize) {
        self.key.owe(requests.saturating_sub(1));
    }
}

impl<S: Needs> FromRequestParts<Arc<State>> for Caller<S> {
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut request::Parts,
        state: &Arc<State>,
    ) -> Result<Self, Problem> {
        let key = find(parts, state)?;
        if !key.allows(S::SCOPE) {
            let challenge = HeaderValue::from_static(S::CHALLENGE);
            return Err(Problem::new(StatusCode::FORBIDDEN, S::REFUSED)
                .header(header::WWW_AUTHENTICATE, challenge));
        }
        Ok(Self {
            key,
            scope: PhantomData,
        })
    }
}

impl<S: Needs + Send> FromRequestParts<Arc<State>> for Operator<S> {
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut request::Parts,
        state: &Arc<State>,
    ) -> Result<Self, Problem> {
        if Control::from_request_parts(parts, state).await.is_err() {
            Caller::<S>::from_request_parts(parts, state).await?;
        }
        Ok(Self(PhantomData))
    }
}

impl FromRequestParts<Arc<State>> for AnyCaller {
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut request::Parts,
        state: &Arc<State>,
    ) -> Result<Self, Problem> {
        find(parts, state).map(|_| Self)
    }
}

/// The key of a request that is not over its rate.
fn find(parts: &request::Parts, state: &State) -> Result<Arc<Key>, Problem> {
    let key = state.parts.keys.find(bearer(parts)?).ok_or_else(wrong)?;
    let route = parts.extensions.get::<MatchedPath>();
    let route = route.map(MatchedPath::as_str);
    tracing::debug!(key = key.name(), method = %parts.method, route, "a call of the HTTP API");
    match key.take(Instant::now()) {
        Ok(()) => Ok(key),
        Err(seconds) => Err(Problem::limited(seconds)),
    }
}

impl FromRequestParts<Arc<State>> for Control {
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut request::Parts,
        state: &Arc<State>,
    ) -> Result<Self, Problem> {
        let secret = &state.parts.control;
        if secret.is_empty() || !secret.matches(bearer(parts)?) {
            return Err(wrong());
        }
        Ok(Self)
    }
}

fn bearer(parts: &request::Parts) -> Result<&str, Problem> {
    let value = parts.headers.get(header::AUTHORIZATION);
    let value = value.and_then(|value| value.to_str().ok());
    let (scheme, credential) = value
        .and_then(|value| value.split_once(' '))
        .ok_or_else(missing)?;
    if scheme.eq_ignore_ascii_case("bearer") {
        Ok(credential.trim())
    } else {
        Err(missing())
    }
}

fn missing() -> Problem {
    Problem::unauthorized(
        "Bearer realm=\"tidegate\"",
        "the header Authorization: Bearer <key> is missing",
    )
}

fn wrong() -> Problem {
    Problem::unauthorized(
        "Bearer realm=\"tidegate\", error=\"invalid_token\"",
        "the key is not valid",
    )
}
