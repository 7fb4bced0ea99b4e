//! Deciding hooks: a question to a service, signed, and its answer within bounds.
//!
//! Nothing is asked twice: a service may do something before it answers, and whoever waits for the
//! decision can ask again.

use std::{error::Error, time::Duration};

use aws_lc_rs::hmac;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::{Request, StatusCode, Uri, header};
use tokio::{sync::Semaphore, time};
use tokio_util::task::AbortOnDropHandle;

use super::{HttpClient, hex};
use crate::config::{HttpUrl, Secret};

/// Carries the time and the signature of a request: `t=<unix seconds>,v1=<hex digits>`.
pub const SIGNATURE_HEADER: &str = "x-tidegate-signature";
/// Longest answer.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// A service that is asked to decide.
#[derive(Debug)]
pub struct Hook {
    client: HttpClient,
    url: Uri,
    timeout: Duration,
    key: Option<hmac::Key>,
    /// A permit for everyone who waits.
    waiting: Semaphore,
}

/// Why there is no answer.
#[allow(missing_docs)] // The messages say it.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    #[error("the service answered that it is not allowed")]
    Denied,
    #[error("too many wait for the service already")]
    Overloaded,
    #[error("the service answered with status {0}")]
    Status(StatusCode),
    #[error("the service did not answer in time")]
    Timeout,
    #[error("the answer of the service is too long")]
    TooLong,
    #[error("the service could not be spoken to")]
    Transport(#[source] Box<dyn Error + Send + Sync>),
}

impl Hook {
    /// A service at `url`, for which at most `waiting_max` wait at once.
    pub fn new(
        client: HttpClient,
        url: &HttpUrl,
        timeout: Duration,
        secret: Option<&Secret>,
        waiting_max: usize,
    ) -> Self {
        let key = |secret: &Secret| hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
        Self {
            client,
            url: url.uri().clone(),
            timeout,
            key: secret.map(key),
            waiting: Semaphore::new(waiting_max),
        }
    }

    /// Posts `body`, one JSON value, and gives the body of an answer with status 200. Cancel safe,
    /// in that a question may have been asked whose answer nobody hears.
    ///
    /// # Errors
    ///
    /// See [`HookError`].
    pub async fn ask(&self, body: Bytes, unix_seconds: u64) -> Result<Bytes, HookError> {
        // Whoever would have to wait for a permit would wait for a service that is in trouble.
        let _permit = self
            .waiting
            .try_acquire()
            .map_err(|_| HookError::Overloaded)?;
        let request = self.request(body, unix_seconds)?;
        let exchange = exchange(self.client.clone(), request);
        // Ends with whoever waits for it, and with its time.
        let exchange = AbortOnDropHandle::new(self.client.runtime().spawn(exchange));
        match time::timeout(self.timeout, exchange).await {
            Ok(Ok(result)) => result,
            Ok(Err(error)) => Err(HookError::Transport(error.into())),
            Err(_) => Err(HookError::Timeout),
        }
    }

    fn request(&self, body: Bytes, unix_seconds: u64) -> Result<Request<Full<Bytes>>, HookError> {
        let agent = concat!("tidegate/", env!("CARGO_PKG_VERSION"));
        let mut request = Request::post(self.url.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::USER_AGENT, agent);
        if let Some(key) = &self.key {
            request = request.header(SIGNATURE_HEADER, signature(key, unix_seconds, &body));
        }
        request
            .body(Full::new(body))
            .map_err(|error| HookError::Transport(error.into()))
    }
}

async fn exchange(client: HttpClient, request: Request<Full<Bytes>>) -> Result<Bytes, HookError> {
    let response = client
        .client
        .request(request)
        .await
        .map_err(|error| HookError::Transport(error.into()))?;
    match response.status() {
        StatusCode::OK => {}
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Err(HookError::Denied),
        status => return Err(HookError::Status(status)),
    }
    let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX);
    match body.collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(HookError::TooLong),
        Err(error) => Err(HookError::Transport(error)),
    }
}

fn signature(key: &hmac::Key, unix_seconds: u64, body: &[u8]) -> String {
    let mut signing = hmac::Context::with_key(key);
    signing.update(format!("{unix_seconds}.").as_bytes());
    signing.update(body);
    format!("t={unix_seconds},v1={}", hex(signing.sign().as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_the_one_that_any_library_computes() {
        // printf '1700000000.{"event":"login"}' | openssl dgst -sha256 -hmac secret
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"secret");
        let signature = signature(&key, 1_700_000_000, br#"{"event":"login"}"#);
        assert_eq!(
            signature,
            "t=1700000000,v1=b6bd76f62b36103b114904c54958607dd10fe9b65a8312091c62e6586cef681b"
        );
    }
}
