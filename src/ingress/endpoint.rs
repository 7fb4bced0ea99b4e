//! A request to an endpoint: methods, origins (CORS), a small body, and an answer in time.

use std::{net::IpAddr, sync::Arc, time::Duration};

use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::{Body as _, Incoming},
    header::{self, HeaderName, HeaderValue},
};
use tokio::time::{self, Instant};

use super::upgrade::Body;
use crate::endpoint::{Call, Endpoint, Reply};

/// Longest body of a request.
const BODY_BYTES_MAX: usize = 4 * 1024;
/// What of the handshake's time is left for writing the answer, if so much of it is left.
const WRITE_TIME: Duration = Duration::from_millis(250);
/// How long a browser may remember what it was allowed, in seconds.
const PREFLIGHT_SECONDS: &str = "600";
const METHODS: &str = "POST, OPTIONS";

/// Where a request may come from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum AllowedOrigin {
    /// Anywhere.
    Any,
    /// Not from where it does.
    None,
    /// From where it does.
    This(HeaderValue),
    /// It does not say, so it is no browser's.
    Unnamed,
}

/// A request to an endpoint.
pub(super) struct Visit {
    pub(super) endpoint: Arc<dyn Endpoint>,
    /// The client's address.
    pub(super) remote: IpAddr,
    pub(super) origin: AllowedOrigin,
    pub(super) is_draining: bool,
    /// When the connection's time is over.
    pub(super) until: Instant,
}

impl Visit {
    /// Answers a request, whatever it is.
    pub(super) async fn answer(self, request: Request<Incoming>) -> Response<Body> {
        let is_preflight = request.method() == Method::OPTIONS;
        let mut response = if is_preflight && self.origin != AllowedOrigin::None {
            preflight()
        } else {
            let reply = self.reply(request).await;
            // A browser that asks whether it may is no client yet.
            if !is_preflight {
                self.endpoint.answered(reply.status);
            }
            respond(reply)
        };
        self.share(response.headers_mut());
        response
    }

    async fn reply(&self, request: Request<Incoming>) -> Reply {
        let left = self.until.saturating_duration_since(Instant::now());
        let until = self.until - WRITE_TIME.min(left / 4);
        let (parts, body) = request.into_parts();
        if self.origin == AllowedOrigin::None {
            return Reply::problem(403, "pages of this origin may not ask");
        }
        if parts.method != Method::POST {
            let detail = "this path has other methods; the header Allow lists them";
            return Reply::problem(405, detail).with("allow", METHODS);
        }
        if self.is_draining {
            return Reply::later(503, "the node is going away", 1);
        }
        let body = match time::timeout_at(until, read(body)).await {
            Ok(Ok(body)) => body,
            Ok(Err(problem)) => return problem,
            Err(_) => return Reply::problem(408, "the body did not arrive in time"),
        };
        let authorization = parts.headers.get(header::AUTHORIZATION);
        let authorization = authorization.and_then(|value| value.to_str().ok());
        let calling = self.endpoint.call(Call {
            remote: self.remote,
            authorization: authorization.map(Into::into),
            body,
        });
        let late = |_| Reply::later(503, "the answer is not there in time", 1);
        time::timeout_at(until, calling).await.unwrap_or_else(late)
    }

    /// Says who may read the answer, and that it is not to be kept.
    fn share(&self, headers: &mut HeaderMap) {
        let origin = match &self.origin {
            AllowedOrigin::Any => Some(HeaderValue::from_static("*")),
            AllowedOrigin::This(origin) => Some(origin.clone()),
            AllowedOrigin::None | AllowedOrigin::Unnamed => None,
        };
        if let Some(origin) = origin {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            let exposed = HeaderValue::from_static("retry-after");
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
        }
        headers.insert(header::VARY, HeaderValue::from_static("origin"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

async fn read(body: Incoming) -> Result<bytes::Bytes, Reply> {
    let too_long = || Reply::problem(413, "the body is longer than 4096 bytes");
    if (BODY_BYTES_MAX as u64) < body.size_hint().lower() {
        return Err(too_long());
    }
    match Limited::new(body, BODY_BYTES_MAX).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_long()),
        Err(_) => Err(Reply::problem(400, "the body has no end")),
    }
}

fn preflight() -> Response<Body> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "POST"),
        (
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            "authorization, content-type",
        ),
        (header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_SECONDS),
        (header::ALLOW, METHODS),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

fn respond(reply: Reply) -> Response<Body> {
    let Reply {
        status,
        content_type,
        headers: others,
        body,
    } = reply;
    let mut response = Response::new(Full::new(body));
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    for (name, value) in others {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    response
}
