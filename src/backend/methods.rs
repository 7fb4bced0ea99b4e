//! Methods: what clients call, applications answer, and the gateway passes on.
//!
//! **Invariant:** a call ends within the time limit of its service, whatever that does. No call waits
//! for another one: one too many fails at once.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use bytes::Bytes;
use hyper::{HeaderMap, StatusCode, header::HeaderValue};
use parking_lot::Mutex;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::{
    HttpClient,
    breaker::{self, Breaker, Pass, Verdict},
    event_id,
    exchange::{self, ExchangeError, Reply},
};
use crate::{
    clock::Clock,
    config::Method,
    dialect::{MethodCall, MethodFailure},
    services::Caller,
    stats::{MethodOutcome, MethodStats, ServiceStats},
    topic::Topic,
};

/// Most rooms that a service is told of.
const ROOMS_MAX: usize = 16;
/// What is not written as it is in a header: the rest of ASCII, and the comma between rooms.
const ENCODED: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'%').add(b',');

/// The services that answer methods.
#[derive(Debug)]
pub struct Methods {
    client: HttpClient,
    clock: Clock,
    /// The longest prefix first.
    services: ArcSwap<Vec<Arc<Service>>>,
    stats: Arc<MethodStats>,
}

/// One service, as it is configured now.
#[derive(Debug)]
struct Service {
    settings: Method,
    exchange: exchange::Service,
    line: Arc<Line>,
}

/// What is known of a service from reload to reload.
#[derive(Debug)]
struct Line {
    stats: Arc<ServiceStats>,
    breaker: Mutex<Breaker>,
}

/// A call under way. Dropping it gives its place back.
struct Place {
    line: Arc<Line>,
    pass: Option<Pass>,
    clock: Clock,
}

/// Why a service has not answered.
#[derive(Debug)]
enum Failure {
    Exchange(ExchangeError),
    NoJson,
    Open,
    Overloaded,
    Status(StatusCode),
}

// === impl Methods ===

impl Methods {
    /// The services as these settings have them.
    pub fn new(settings: &[Method], client: HttpClient, clock: Clock) -> Self {
        let methods = Self {
            client,
            clock,
            services: ArcSwap::default(),
            stats: Arc::default(),
        };
        methods.reload(settings);
        methods
    }

    /// The services are these from now on. Calls under way end as they began.
    pub fn reload(&self, settings: &[Method]) {
        let before = self.services.load();
        let stats = self
            .stats
            .set(settings.iter().map(|method| &*method.prefix));
        let services = settings.iter().zip(stats).map(|(method, stats)| {
            let of_same = |service: &&Arc<Service>| service.settings.prefix == method.prefix;
            let line = match before.iter().find(of_same) {
                Some(known) => Arc::clone(&known.line),
                None => Line::new(stats, method),
            };
            // Another address is another service: what was learnt of the old one says nothing of it.
            let is_same = before.iter().any(|known| {
                known.settings.prefix == method.prefix && known.settings.url == method.url
            });
            line.reload(method, is_same);
            Arc::new(Service {
                settings: method.clone(),
                exchange: self.exchange(method),
                line,
            })
        });
        let mut services: Vec<_> = services.collect();
        services.sort_by_key(|service| std::cmp::Reverse(service.settings.prefix.len()));
        self.services.store(Arc::new(services));
    }

    fn exchange(&self, method: &Method) -> exchange::Service {
        let secret = method.secret.as_ref();
        exchange::Service::new(self.client.clone(), &method.url, method.timeout, secret)
            .with_answer_bytes_max(method.answer_bytes_max)
    }

    /// What they count.
    pub fn stats(&self) -> &Arc<MethodStats> {
        &self.stats
    }

    /// Has the service with the longest prefix that fits answer a method: one JSON value. Cancel safe,
    /// in that a service may have been called whose answer nobody hears.
    ///
    /// # Errors
    ///
    /// See [`MethodFailure`].
    pub async fn call(&self, caller: &Caller, call: MethodCall) -> Result<Bytes, MethodFailure> {
        let fits = |service: &&Arc<Service>| {
            let settings = &service.settings;
            settings.serves(caller.dialect)
                && caller.dialect.begins_with(&call.method, &settings.prefix)
        };
        let service = self.services.load().iter().find(fits).cloned();
        let Some(service) = service else {
            self.stats.unknown.add(1);
            return Err(MethodFailure::Unknown);
        };
        let begin = Instant::now();
        let result = self.ask(&service, caller, call.body).await;
        let outcome = match &result {
            Ok(_) => MethodOutcome::Answered,
            Err(failure) => failure.outcome(),
        };
        service.line.stats.calls[outcome as usize].add(1);
        if !matches!(outcome, MethodOutcome::Open | MethodOutcome::Overloaded) {
            self.stats.call.record(begin.elapsed());
        }
        result.map_err(|failure| failure.for_client())
    }

    async fn ask(&self, service: &Service, caller: &Caller, body: Bytes) -> Result<Bytes, Failure> {
        let Service {
            settings,
            exchange,
            line,
        } = service;
        let place = Place::take(line, settings.concurrency_max, self.clock)?;
        let unix_seconds = self.clock.now().unix_seconds();
        let reply = exchange.post(body, unix_seconds, introduction(caller));
        let result = reply.await.map_err(Failure::from).and_then(read);
        place.leave(match &result {
            Err(failure) if failure.is_illness() => Verdict::Failed,
            _ => Verdict::Well,
        });
        result
    }
}

fn read(reply: Reply) -> Result<Bytes, Failure> {
    if !reply.status.is_success() {
        return Err(Failure::Status(reply.status));
    }
    let body = reply.body?;
    if body.trim_ascii().is_empty() {
        return Ok(Bytes::from_static(b"null"));
    }
    match serde_json::from_slice::<&RawValue>(&body) {
        Ok(value) => Ok(body.slice_ref(value.get().as_bytes())),
        Err(_) => Err(Failure::NoJson),
    }
}

/// The headers that say whose call it is.
fn introduction(caller: &Caller) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut add = |name: &'static str, value: &str| {
        // Encoded, every text is one that a header may have.
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    add("x-tidegate-session", &caller.session.to_string());
    if let Some(user) = &caller.user {
        add("x-tidegate-user", &encoded(user.as_str()));
    }
    if !caller.rooms.is_empty() {
        let rooms = caller.rooms.iter().take(ROOMS_MAX).map(Topic::id);
        let rooms: Vec<_> = rooms.map(encoded).collect();
        add("x-tidegate-room", &rooms.join(","));
        add("x-tidegate-room-count", &caller.rooms.len().to_string());
    }
    add("x-tidegate-dialect", caller.dialect.label());
    add("x-tidegate-request-id", &event_id());
    headers
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

// === impl Line ===

impl Line {
    fn new(stats: Arc<ServiceStats>, settings: &Method) -> Arc<Self> {
        Arc::new(Self {
            stats,
            breaker: Mutex::new(Breaker::new(of_breaker(settings))),
        })
    }

    fn reload(&self, settings: &Method, is_same: bool) {
        let mut breaker = self.breaker.lock();
        let settings = of_breaker(settings);
        if is_same {
            breaker.set(settings);
        } else {
            breaker.renew(settings);
        }
        self.stats.set_breaker(breaker.phase());
    }

    fn admit(&self, now: Duration) -> Option<Pass> {
        let mut breaker = self.breaker.lock();
        let pass = breaker.admit(now);
        self.stats.set_breaker(breaker.phase());
        pass
    }

    fn tell(&self, pass: Pass, verdict: Verdict, now: Duration) {
        let mut breaker = self.breaker.lock();
        let before = breaker.phase();
        breaker.tell(pass, verdict, now);
        let phase = breaker.phase();
        self.stats.set_breaker(phase);
        if phase != before {
            let (prefix, phase) = (self.stats.prefix(), phase.label());
            tracing::warn!(prefix, phase, "the breaker of a service has changed");
        }
    }
}

fn of_breaker(settings: &Method) -> breaker::Settings {
    breaker::Settings {
        failures_max: settings.failures_max,
        pause: settings.pause,
    }
}

// === impl Place ===

impl Place {
    fn take(line: &Arc<Line>, max: u32, clock: Clock) -> Result<Self, Failure> {
        let pass = line.admit(clock.uptime()).ok_or(Failure::Open)?;
        if !line.stats.begin(max) {
            line.tell(pass, Verdict::Abandoned, clock.uptime());
            return Err(Failure::Overloaded);
        }
        Ok(Self {
            line: Arc::clone(line),
            pass: Some(pass),
            clock,
        })
    }

    fn leave(mut self, verdict: Verdict) {
        self.tell(verdict);
    }

    fn tell(&mut self, verdict: Verdict) {
        if let Some(pass) = self.pass.take() {
            self.line.tell(pass, verdict, self.clock.uptime());
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.tell(Verdict::Abandoned);
        self.line.stats.end();
    }
}

// === impl Failure ===

impl From<ExchangeError> for Failure {
    fn from(error: ExchangeError) -> Self {
        Self::Exchange(error)
    }
}

impl Failure {
    /// Whether it tells that the service is not well.
    fn is_illness(&self) -> bool {
        matches!(
            self.outcome(),
            MethodOutcome::Failed | MethodOutcome::Timeout
        )
    }

    fn outcome(&self) -> MethodOutcome {
        match self {
            Self::Exchange(ExchangeError::Timeout) => MethodOutcome::Timeout,
            Self::Exchange(ExchangeError::Transport(_)) => MethodOutcome::Failed,
            Self::Exchange(ExchangeError::TooLong) | Self::NoJson => MethodOutcome::Malformed,
            Self::Open => MethodOutcome::Open,
            Self::Overloaded => MethodOutcome::Overloaded,
            Self::Status(status) if status.is_client_error() => MethodOutcome::Refused,
            Self::Status(status) if status.is_server_error() => MethodOutcome::Failed,
            Self::Status(_) => MethodOutcome::Malformed,
        }
    }

    fn for_client(&self) -> MethodFailure {
        match (self.outcome(), self) {
            (MethodOutcome::Refused, Self::Status(status)) => {
                MethodFailure::Refused(status.as_u16())
            }
            (MethodOutcome::Malformed, _) => MethodFailure::Malformed,
            (MethodOutcome::Overloaded, _) => MethodFailure::TooMany,
            (MethodOutcome::Timeout, _) => MethodFailure::Timeout,
            _ => MethodFailure::Unavailable,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_header_may_have_is_encoded() {
        for (text, expect) in [
            ("anna", "anna"),
            ("ride/42", "ride/42"),
            ("a b,c%\"", "a%20b%2Cc%25%22"),
            ("\u{5f20}", "%E5%BC%A0"),
            ("\u{7f}", "%7F"),
        ] {
            assert_eq!(encoded(text), expect);
            assert!(HeaderValue::from_str(&encoded(text)).is_ok());
        }
    }

    #[track_caller]
    fn check(failure: Failure, outcome: MethodOutcome, for_client: MethodFailure) {
        assert_eq!(
            (failure.outcome(), failure.for_client()),
            (outcome, for_client)
        );
    }

    #[test]
    fn what_a_failure_means() {
        use {MethodFailure as F, MethodOutcome as O};
        let status = |number| Failure::Status(StatusCode::from_u16(number).unwrap());
        check(status(302), O::Malformed, F::Malformed);
        check(status(404), O::Refused, F::Refused(404));
        check(status(429), O::Refused, F::Refused(429));
        check(status(500), O::Failed, F::Unavailable);
        check(Failure::NoJson, O::Malformed, F::Malformed);
        check(Failure::Open, O::Open, F::Unavailable);
        check(Failure::Overloaded, O::Overloaded, F::TooMany);
        let timeout = || Failure::Exchange(ExchangeError::Timeout);
        check(timeout(), O::Timeout, F::Timeout);
        assert!(timeout().is_illness() && !status(404).is_illness());
    }
}
