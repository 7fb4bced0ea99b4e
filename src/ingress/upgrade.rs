//! The answer to an HTTP request on a public listener: an upgrade, or a status that says why not.

use std::{
    convert::Infallible,
    future::{Future, Ready, ready},
    io,
    net::{IpAddr, TcpStream},
    pin::Pin,
    sync::Arc,
};

use bytes::Bytes;
use fastwebsockets::upgrade as websocket;
use futures_util::{FutureExt as _, future::Either};
use http_body_util::Full;
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode, Version,
    body::Incoming,
    header::{self, HeaderName, HeaderValue},
};
use tokio::time::Instant;

use super::{
    Ingress, Settings, address,
    endpoint::{AllowedOrigin, Visit},
};
use crate::{
    dialect::{Conversation, Dialect, Hello},
    endpoint::Endpoint,
    id::Serial,
    session::slots::Slot,
    stats::RejectReason,
};

/// What is sent to a connection that is refused before its request is read.
const BUSY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\n\
    content-length: 0\r\nconnection: close\r\n\r\n";

/// The body of every answer here: short and known.
pub(super) type Body = Full<Bytes>;

/// A request that was upgraded, and what becomes a session.
pub(super) struct Admitted {
    pub(super) serial: Serial,
    pub(super) dialect: Arc<dyn Dialect>,
    pub(super) conversation: Box<dyn Conversation>,
    pub(super) remote: IpAddr,
    pub(super) slot: Slot,
}

/// What an answer needs to know of its connection.
#[derive(Debug)]
pub(super) struct Connection<'a> {
    pub(super) ingress: &'a Ingress,
    pub(super) shard: usize,
    pub(super) settings: &'a Settings,
    pub(super) peer: IpAddr,
    /// Until when its request must be answered.
    pub(super) until: Instant,
}

/// Why a request is not upgraded.
struct Refused {
    reason: RejectReason,
    status: StatusCode,
    header: Option<(&'static str, &'static str)>,
}

/// Writes a refusal without having read anything; whether it arrives does not matter.
pub(super) fn refuse_raw(stream: &TcpStream) {
    // Non-blocking by then or not: an empty send buffer takes these few bytes at once.
    let _ = io::Write::write(&mut &*stream, BUSY);
}

impl Connection<'_> {
    /// Answers a request. An upgrade leaves what becomes the session in `admitted`.
    pub(super) fn answer(
        &self,
        mut request: Request<Incoming>,
        admitted: &mut Option<Admitted>,
    ) -> Answering {
        let response = match self.upgrade(&mut request) {
            Ok(Answer::Page(body)) => last(page(body)),
            Ok(Answer::Endpoint(endpoint)) => {
                let visit = self.visit(endpoint, request.headers());
                let answering = visit.answer(request).map(|response| Ok(last(response)));
                return Answering::Right(Box::pin(answering));
            }
            Ok(Answer::Upgrade(response, next)) => {
                *admitted = Some(*next);
                response
            }
            Err(refused) => {
                self.ingress.reject(refused.reason);
                last(refused.response())
            }
        };
        Answering::Left(ready(Ok(response)))
    }

    fn visit(&self, endpoint: Arc<dyn Endpoint>, headers: &HeaderMap) -> Visit {
        Visit {
            endpoint,
            remote: self.remote(headers),
            origin: self.allowed_origin(headers),
            is_draining: self.ingress.is_draining(),
            until: self.until,
        }
    }

    /// The client's address.
    fn remote(&self, headers: &HeaderMap) -> IpAddr {
        let trusted = &self.settings.trusted_proxies;
        address::client(headers, self.peer, trusted, self.settings.client_address)
    }

    fn upgrade(&self, request: &mut Request<Incoming>) -> Result<Answer, Refused> {
        check_host(request)?;
        let path = request.uri().path();
        let query = request.uri().query().unwrap_or("");
        let mut endpoints = self.settings.endpoints.iter();
        if let Some((_, endpoint)) = endpoints.find(|(at, _)| *at == path) {
            return Ok(Answer::Endpoint(Arc::clone(endpoint)));
        }
        let Some(dialect) = self.settings.mounts.find(path, query) else {
            return match &self.settings.page {
                Some(page) if path == "/" && !websocket::is_upgrade_request(request) => {
                    Ok(Answer::Page(page.render(self.ingress.now())))
                }
                _ => Err(refused(RejectReason::UnknownPath, StatusCode::NOT_FOUND)),
            };
        };
        check_upgrade(request)?;
        if self.allowed_origin(request.headers()) == AllowedOrigin::None {
            return Err(refused(RejectReason::Origin, StatusCode::FORBIDDEN));
        }
        let router = &self.ingress.shards[self.shard].context.router;
        if self.ingress.is_draining() || !router.is_open() {
            return Err(unavailable(RejectReason::Draining));
        }
        let remote = self.remote(request.headers());
        let slot = self
            .ingress
            .slot(remote, self.settings)
            .map_err(|reason| match reason {
                RejectReason::AddressLimit => refused(reason, StatusCode::TOO_MANY_REQUESTS),
                reason => unavailable(reason),
            })?;
        let context = &self.ingress.shards[self.shard].context;
        let serial = context.shard.next_serial();
        let hello = Hello {
            session: &context.router.session_id(serial),
            path,
            query,
            remote,
            now: context.clock.now(),
        };
        let conversation = dialect.accept(&hello).map_err(|refusal| Refused {
            reason: RejectReason::Dialect,
            status: StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::FORBIDDEN),
            header: refusal.header,
        })?;
        let dialect = Arc::clone(dialect);
        let response = switch(request)?;
        let admitted = Admitted {
            serial,
            dialect,
            conversation,
            remote,
            slot,
        };
        Ok(Answer::Upgrade(response, Box::new(admitted)))
    }

    /// Browsers say where a page comes from; who says nothing is no browser.
    fn allowed_origin(&self, headers: &HeaderMap) -> AllowedOrigin {
        let origins = &self.settings.origins;
        if origins.is_empty() {
            return AllowedOrigin::Any;
        }
        let is_allowed = |origin: &HeaderValue| {
            let is_it =
                |allowed: &String| origin.as_bytes().eq_ignore_ascii_case(allowed.as_bytes());
            origins.iter().any(is_it)
        };
        let given = headers.get_all(header::ORIGIN);
        match given.iter().next() {
            _ if !given.iter().all(is_allowed) => AllowedOrigin::None,
            Some(origin) => AllowedOrigin::This(origin.clone()),
            None => AllowedOrigin::Unnamed,
        }
    }
}

/// The answer to a request, or the wait for it.
pub(super) type Answering = Either<
    Ready<Result<Response<Body>, Infallible>>,
    Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>,
>;

enum Answer {
    Endpoint(Arc<dyn Endpoint>),
    Page(Bytes),
    Upgrade(Response<Body>, Box<Admitted>),
}

/// RFC 9112, section 3.2: a request that does not say for whom it is, or says it twice, may mean one
/// thing to a proxy and another one to us.
fn check_host(request: &Request<Incoming>) -> Result<(), Refused> {
    let hosts = request.headers().get_all(header::HOST).iter().count();
    if hosts == 1 || request.version() != Version::HTTP_11 {
        return Ok(());
    }
    Err(refused(RejectReason::BadRequest, StatusCode::BAD_REQUEST))
}

/// RFC 6455, section 4.2.1: what a client must send.
fn check_upgrade(request: &Request<Incoming>) -> Result<(), Refused> {
    let headers = request.headers();
    let version = headers.get(header::SEC_WEBSOCKET_VERSION);
    let is_version = version.is_some_and(|version| version.as_bytes() == b"13");
    let is_upgrade = request.method() == Method::GET
        && request.version() == Version::HTTP_11
        && websocket::is_upgrade_request(request);
    if !is_upgrade || !is_version {
        let status = StatusCode::UPGRADE_REQUIRED;
        return Err(refused(RejectReason::UpgradeRequired, status));
    }
    let mut keys = headers.get_all(header::SEC_WEBSOCKET_KEY).into_iter();
    let is_key = keys.next().is_some_and(|key| is_key(key.as_bytes())) && keys.next().is_none();
    // What came behind would be read as frames by us and as a body by a proxy.
    let has_body = headers.contains_key(header::TRANSFER_ENCODING)
        || headers
            .get(header::CONTENT_LENGTH)
            .is_some_and(|length| length != "0");
    if !is_key || has_body {
        return Err(refused(RejectReason::BadRequest, StatusCode::BAD_REQUEST));
    }
    Ok(())
}

/// Whether it is 16 bytes in base64.
fn is_key(key: &[u8]) -> bool {
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'+' || *byte == b'/';
    key.len() == 24 && key.ends_with(b"==") && key[..22].iter().all(is_digit)
}

/// The sub-protocol that is chosen: the first one offered, as the servers that clients know do it. A
/// browser that offers some fails if none is. What is no token is no offer.
fn sub_protocol(headers: &HeaderMap) -> Option<HeaderValue> {
    let offers = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).into_iter();
    let mut words = offers
        .filter_map(|offer| offer.to_str().ok())
        .flat_map(|offer| offer.split(','))
        .map(|word| word.trim_matches([' ', '\t']));
    let chosen = words.find(|word| is_token(word))?;
    HeaderValue::from_str(chosen).ok()
}

/// RFC 9110, section 5.6.2.
fn is_token(word: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !word.is_empty() && word.bytes().all(allowed)
}

/// The 101.
fn switch(request: &mut Request<Incoming>) -> Result<Response<Body>, Refused> {
    let protocol = sub_protocol(request.headers());
    let (response, _) = websocket::upgrade(request)
        .map_err(|_| refused(RejectReason::BadRequest, StatusCode::BAD_REQUEST))?;
    let mut response = response.map(|_| Full::default());
    if let Some(protocol) = protocol {
        let headers = response.headers_mut();
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, protocol);
    }
    Ok(response)
}

/// One request is all there is to a connection. Said in the answers that are no upgrade only: clients
/// look for `connection: upgrade` with nothing beside it.
fn last(mut response: Response<Body>) -> Response<Body> {
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(header::CONNECTION, close);
    response
}

fn page(body: Bytes) -> Response<Body> {
    let mut response = Response::new(Full::new(body));
    let headers = response.headers_mut();
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    headers.insert(header::CONTENT_TYPE, html);
    // It contains throw-away credentials.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn refused(reason: RejectReason, status: StatusCode) -> Refused {
    Refused {
        reason,
        status,
        header: None,
    }
}

fn unavailable(reason: RejectReason) -> Refused {
    Refused {
        reason,
        status: StatusCode::SERVICE_UNAVAILABLE,
        header: Some(("retry-after", "1")),
    }
}

impl Refused {
    fn response(self) -> Response<Body> {
        let mut response = Response::new(Full::default());
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        if self.status == StatusCode::UPGRADE_REQUIRED {
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(
                header::SEC_WEBSOCKET_VERSION,
                HeaderValue::from_static("13"),
            );
        }
        if let Some((name, value)) = self.header {
            headers.insert(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        response
    }
}
