//! What requests bring along: bodies, segments of paths, and texts in them.

use std::{fmt, str, time::Duration};

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path, Request},
    http::{StatusCode, request},
};
use serde::{
    Deserialize, Deserializer,
    de::{self, IgnoredAny, Visitor},
};
use tokio::time;

use super::problem::Problem;

/// A body must be there this long after its head. A megabyte over the slowest link to a data centre
/// takes a second.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// The whole body of a request: one JSON object, whatever its content type says, since the command
/// lines and libraries of this world send JSON under other names.
#[derive(Debug)]
pub(super) struct Body(Bytes);

/// The segment of the path that varies, decoded.
#[derive(Debug)]
pub(super) struct Segment(pub(super) String);

/// Two segments of the path that vary, decoded.
#[derive(Debug)]
pub(super) struct Segments(pub(super) (String, String));

/// A text of 1 to `MAX` bytes.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Text<const MAX: usize>(pub(super) Box<str>);

// === impl Body ===

impl Body {
    /// What came from elsewhere than an HTTP request.
    pub(super) fn new(text: Bytes) -> Self {
        Self(text)
    }

    /// As it came.
    pub(super) fn text(&self) -> &[u8] {
        &self.0
    }

    /// The value.
    pub(super) fn read<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Problem> {
        read(&self.0)
    }

    /// The value, if there is any.
    pub(super) fn read_any<'a, T: Deserialize<'a>>(&'a self) -> Result<Option<T>, Problem> {
        if [&b""[..], b"null"].contains(&self.0.trim_ascii()) {
            Ok(None)
        } else {
            self.read().map(Some)
        }
    }
}

/// The value in a body, or in what could be one: a JSON object.
pub(super) fn read<'a, T: Deserialize<'a>>(text: &'a [u8]) -> Result<T, Problem> {
    check_object(text)?;
    let mut json = serde_json::Deserializer::from_slice(text);
    let value = serde_path_to_error::deserialize(&mut json).map_err(problem)?;
    match json.end() {
        Ok(()) => Ok(value),
        Err(error) => Err(Problem::unprocessable(format!(
            "the body is not one JSON value: {error}"
        ))),
    }
}

/// Only an object has names for its fields; from a list they would be taken by their positions.
fn check_object(text: &[u8]) -> Result<(), Problem> {
    let is = match text.trim_ascii_start().first() {
        Some(b'[') => "a list",
        Some(b'"') => "a text",
        Some(b'0'..=b'9' | b'-') => "a number",
        Some(b't' | b'f' | b'n') => "a word",
        _ => return Ok(()),
    };
    match serde_json::from_slice::<IgnoredAny>(text) {
        Ok(_) => Err(Problem::unprocessable(format!(
            "the body is {is}, expected an object: {{\"<field>\": <value>, ...}}"
        ))),
        // That is what is to be said about it.
        Err(_) => Ok(()),
    }
}

fn problem(error: serde_path_to_error::Error<serde_json::Error>) -> Problem {
    let path = error.path().to_string();
    let field = match error.path().iter().next() {
        Some(serde_path_to_error::Segment::Map { key }) => Some(key.clone()),
        _ => None,
    };
    let error = error.into_inner();
    if !error.is_data() {
        return Problem::unprocessable(format!("the body is not JSON: {error}"));
    }
    let text = error.to_string();
    match (field, named(&text)) {
        (Some(field), _) => Problem::unprocessable(format!("{path}: {text}")).field(field),
        (None, Some(field)) => Problem::unprocessable(&*text).field(field),
        (None, None) => Problem::unprocessable(format!("the body is not as expected: {text}")),
    }
}

/// The field that is missing or stands twice: it has no path, and only the text has its name.
fn named(text: &str) -> Option<&str> {
    let rest = ["missing field `", "duplicate field `"]
        .iter()
        .find_map(|beginning| text.strip_prefix(beginning))?;
    rest.split_once('`').map(|(field, _)| field)
}

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match time::timeout(BODY_TIMEOUT, Bytes::from_request(request, state)).await {
            Ok(Ok(bytes)) => Ok(Self(bytes)),
            Ok(Err(rejection)) => {
                let detail = match rejection.status() {
                    StatusCode::PAYLOAD_TOO_LARGE => "the body is longer than 1 MiB",
                    _ => "the body cannot be read",
                };
                Err(Problem::new(rejection.status(), detail))
            }
            Err(_) => Err(Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                "the body did not arrive in time",
            )),
        }
    }
}

// === impl Segment ===

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut request::Parts, state: &S) -> Result<Self, Problem> {
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(segment)) => Ok(Self(segment)),
            Err(_) => Err(Problem::unprocessable("the path is not UTF-8")),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Segments {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut request::Parts, state: &S) -> Result<Self, Problem> {
        match Path::<(String, String)>::from_request_parts(parts, state).await {
            Ok(Path(segments)) => Ok(Self(segments)),
            Err(_) => Err(Problem::unprocessable("the path is not UTF-8")),
        }
    }
}

// === impl Text ===

impl<'de, const MAX: usize> Deserialize<'de> for Text<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Words<const MAX: usize>;

        impl<const MAX: usize> Visitor<'_> for Words<MAX> {
            type Value = Text<MAX>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a text of 1 to {MAX} bytes")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Text<MAX>, E> {
                if (1..=MAX).contains(&text.len()) {
                    return Ok(Text(text.into()));
                }
                let length = text.len();
                let problem = format!("has {length} bytes, expected a text of 1 to {MAX} bytes");
                Err(E::custom(problem))
            }
        }

        deserializer.deserialize_str(Words)
    }
}
