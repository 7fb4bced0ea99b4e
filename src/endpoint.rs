//! Endpoints: HTTP requests on the public listeners that are no upgrade.
//!
//! The listener reads a request to its end, within its limits, and writes the answer; what the answer
//! is, is settled elsewhere.

use std::{fmt, future::Future, net::IpAddr, pin::Pin};

use bytes::Bytes;
use serde::Serialize;

/// Answers `POST` requests at one path.
pub trait Endpoint: fmt::Debug + Send + Sync + 'static {
    /// Answers a request. Dropping the future gives it up.
    fn call(&self, call: Call) -> Answering;

    /// Takes note of the status that a client was sent, whether it comes from here or from the
    /// listener.
    fn answered(&self, status: u16);
}

/// An answer, or the wait for it.
pub type Answering = Pin<Box<dyn Future<Output = Reply> + Send>>;

/// A request whose body is there.
pub struct Call {
    /// The client's address.
    pub remote: IpAddr,
    /// The header `Authorization`, if there is one that is a text.
    pub authorization: Option<Box<str>>,
    /// What was sent.
    pub body: Bytes,
}

/// The answer to a request.
#[derive(Clone, Eq, PartialEq)]
pub struct Reply {
    /// Its status.
    pub status: u16,
    /// The type of its body.
    pub content_type: &'static str,
    /// Further headers.
    pub headers: Vec<(&'static str, Box<str>)>,
    /// Its body.
    pub body: Bytes,
}

/// Problem details of RFC 9457.
#[derive(Serialize)]
struct Problem<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
}

// === impl Reply ===

impl Reply {
    /// Success, with a JSON value.
    pub fn json(value: &impl Serialize) -> Self {
        Self {
            status: 200,
            content_type: "application/json",
            headers: Vec::new(),
            body: json(value),
        }
    }

    /// No success, and why.
    pub fn problem(status: u16, detail: &str) -> Self {
        Self::problem_of(status, detail, None)
    }

    /// A field of the body is not as it should be.
    pub fn wrong_field(field: &str, detail: &str) -> Self {
        Self::problem_of(422, detail, Some(field))
    }

    /// Not now; the client may come again after so many seconds.
    pub fn later(status: u16, detail: &str, seconds: u64) -> Self {
        Self::problem(status, detail).with("retry-after", &seconds.to_string())
    }

    /// With one more header.
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn problem_of(status: u16, detail: &str, field: Option<&str>) -> Self {
        let body = json(&Problem {
            r#type: "about:blank",
            title: title(status),
            status,
            detail,
            field,
        });
        Self {
            status,
            content_type: "application/problem+json",
            headers: Vec::new(),
            body,
        }
    }
}

fn json(value: &impl Serialize) -> Bytes {
    let text = serde_json::to_vec(value).expect("texts and numbers are JSON");
    text.into()
}

fn title(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Payload Too Large",
        422 => "Unprocessable Entity",
        429 => "Too Many Requests",
        503 => "Service Unavailable",
        _ => "Problem",
    }
}

/// Both may hold credentials.
impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("remote", &self.remote)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply")
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_says_what_is_wrong_where() {
        let reply = Reply::wrong_field("id", "is 0").with("x", "y");
        assert_eq!((reply.status, reply.headers.len()), (422, 1));
        assert_eq!(
            reply.body,
            r#"{"type":"about:blank","title":"Unprocessable Entity","status":422,"detail":"is 0","field":"id"}"#
        );
    }

    #[test]
    fn a_call_does_not_show_its_credentials() {
        let call = Call {
            remote: [127, 0, 0, 1].into(),
            authorization: Some("Bearer secret".into()),
            body: "secret".into(),
        };
        assert!(!format!("{call:?}").contains("secret"));
    }
}
