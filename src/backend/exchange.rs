//! Exchanges: one request to a service of an application, signed, and its answer within bounds.
//!
//! Nothing is repeated here: a service may do something before it answers, and only whoever asks
//! knows whether that may be done twice.

use std::{error::Error, time::Duration};

use aws_lc_rs::hmac;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::{
    HeaderMap, Request, StatusCode, Uri,
    header::{self, HeaderValue},
};
use tokio::time;
use tokio_util::task::AbortOnDropHandle;

use super::HttpClient;
use crate::{
    config::{HttpUrl, Secret},
    digest::hex,
};

/// Carries the time and the signature of a request: `t=<unix seconds>,v1=<hex digits>`.
pub const SIGNATURE_HEADER: &str = "x-tidegate-signature";
/// Longest answer, if nothing else is said.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("tidegate/", env!("CARGO_PKG_VERSION")));

/// A service of an application, at one address.
#[derive(Clone, Debug)]
pub struct Service {
    client: HttpClient,
    url: Uri,
    timeout: Duration,
    key: Option<hmac::Key>,
    answer_bytes_max: usize,
}

/// What a service has answered, whatever its status.
#[derive(Debug)]
pub struct Reply {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body; why it has not come whole, if it has not.
    pub body: Result<Bytes, ExchangeError>,
}

/// Why there is no answer.
#[allow(missing_docs)] // The messages say it.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    #[error("the service did not answer in time")]
    Timeout,
    #[error("the answer of the service is too long")]
    TooLong,
    #[error("the service could not be spoken to")]
    Transport(#[source] Box<dyn Error + Send + Sync>),
}

// === impl Service ===

impl Service {
    /// A service that must have answered within `timeout`; with a secret, what it is sent is signed.
    pub fn new(
        client: HttpClient,
        url: &HttpUrl,
        timeout: Duration,
        secret: Option<&Secret>,
    ) -> Self {
        let key = |secret: &Secret| hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
        Self {
            client,
            url: url.uri().clone(),
            timeout,
            key: secret.map(key),
            answer_bytes_max: ANSWER_BYTES_MAX,
        }
    }

    /// The same, with another bound on its answers.
    pub fn with_answer_bytes_max(mut self, answer_bytes_max: usize) -> Self {
        self.answer_bytes_max = answer_bytes_max;
        self
    }

    /// Posts a body, JSON unless `headers` say otherwise, and gives the answer. Redirections are not
    /// followed: the signature is for this service. Cancel safe, in that a request may have been made
    /// whose answer nobody hears.
    ///
    /// # Errors
    ///
    /// See [`ExchangeError`].
    pub async fn post(
        &self,
        body: Bytes,
        unix_seconds: u64,
        headers: HeaderMap,
    ) -> Result<Reply, ExchangeError> {
        let request = self.request(body, unix_seconds, headers)?;
        let exchange = exchange(self.client.clone(), request, self.answer_bytes_max);
        // Ends with whoever waits for it, and with its time.
        let exchange = AbortOnDropHandle::new(self.client.runtime().spawn(exchange));
        match time::timeout(self.timeout, exchange).await {
            Ok(Ok(result)) => result,
            Ok(Err(error)) => Err(ExchangeError::Transport(error.into())),
            Err(_) => Err(ExchangeError::Timeout),
        }
    }

    fn request(
        &self,
        body: Bytes,
        unix_seconds: u64,
        headers: HeaderMap,
    ) -> Result<Request<Full<Bytes>>, ExchangeError> {
        let transport = |error: Box<dyn Error + Send + Sync>| ExchangeError::Transport(error);
        let signature = self.key.as_ref().map(|key| {
            let signature = signature(key, unix_seconds, &body);
            HeaderValue::try_from(signature).map_err(|error| transport(error.into()))
        });
        let signature = signature.transpose()?;
        let mut request = Request::post(self.url.clone())
            .body(Full::new(body))
            .map_err(|error| transport(error.into()))?;
        let all = request.headers_mut();
        *all = headers;
        all.entry(header::CONTENT_TYPE).or_insert(JSON);
        all.insert(header::USER_AGENT, AGENT);
        all.extend(
            signature
                .map(|signature| (header::HeaderName::from_static(SIGNATURE_HEADER), signature)),
        );
        Ok(request)
    }
}

async fn exchange(
    client: HttpClient,
    request: Request<Full<Bytes>>,
    answer_bytes_max: usize,
) -> Result<Reply, ExchangeError> {
    let response = client
        .client
        .request(request)
        .await
        .map_err(|error| ExchangeError::Transport(error.into()))?;
    let (head, body) = response.into_parts();
    let body = Limited::new(body, answer_bytes_max);
    let body = match body.collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(ExchangeError::TooLong),
        Err(error) => Err(ExchangeError::Transport(error)),
    };
    Ok(Reply {
        status: head.status,
        headers: head.headers,
        body,
    })
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
