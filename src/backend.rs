//! The applications behind the gateway, and the one HTTP client that speaks to them.

pub mod breaker;
pub mod exchange;
pub mod hook;
pub mod hooks;
pub mod ingest;
pub mod jobs;
pub mod methods;
pub mod orders;
pub mod schedules;

use std::{
    fmt, io,
    sync::{Arc, OnceLock},
    time::Duration,
};

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use bytes::Bytes;
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use tokio::runtime::Handle;

use crate::digest::hex;

/// Shorter than common servers keep an idle connection (uvicorn and Node.js: 5 s), so that hardly
/// any request meets a connection that its server is about to close.
const IDLE_TIMEOUT: Duration = Duration::from_secs(4);
/// Idle connections kept to one service.
const IDLE_PER_HOST_MAX: usize = 64;
/// A service in the same network answers a SYN within milliseconds, or after a repeat at 1 s.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Speaks HTTP/1.1, with TLS where the address says so. Cheap to clone; clones share connections.
///
/// It can be given a runtime to work on, whoever asks: sessions live on runtimes of their own, which
/// have better things to do.
#[derive(Clone)]
pub struct HttpClient {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    /// Unset, it works on the runtime of whoever asks.
    runtime: Arc<OnceLock<Handle>>,
}

impl HttpClient {
    /// A client without connections.
    ///
    /// # Errors
    ///
    /// A TLS library that does not offer what it must.
    pub fn new() -> io::Result<Self> {
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let tls = HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(provider)
            .map_err(io::Error::other)?;
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        connector.set_nodelay(true);
        connector.enforce_http(false);
        let connector = tls.https_or_http().enable_http1().wrap_connector(connector);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(IDLE_PER_HOST_MAX)
            .build(connector);
        Ok(Self {
            client,
            runtime: Arc::default(),
        })
    }

    /// Works on `runtime` from now on. Only the first one counts.
    pub fn work_on(&self, runtime: Handle) {
        let _ = self.runtime.set(runtime);
    }

    /// Where it works.
    pub(crate) fn runtime(&self) -> Handle {
        self.runtime.get().cloned().unwrap_or_else(Handle::current)
    }
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HttpClient(..)")
    }
}

/// A name for an event that no other event has, so that who is told twice can notice.
pub(crate) fn event_id() -> String {
    let mut bytes = [0; 16];
    SystemRandom::new()
        .fill(&mut bytes)
        .expect("the system has randomness to give");
    hex(&bytes)
}
