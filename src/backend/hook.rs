//! Deciding hooks: a question to a service, signed, and its answer within bounds.
//!
//! Nothing is asked twice: a service may do something before it answers, and whoever waits for the
//! decision can ask again.

use std::{error::Error, time::Duration};

use bytes::Bytes;
use hyper::{HeaderMap, StatusCode};
use tokio::sync::Semaphore;

use super::{
    HttpClient,
    exchange::{ExchangeError, Service},
};
use crate::config::{HttpUrl, Secret};

/// A service that is asked to decide.
#[derive(Debug)]
pub struct Hook {
    service: Service,
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
        Self {
            service: Service::new(client, url, timeout, secret),
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
        let asking = self.service.post(body, unix_seconds, HeaderMap::new());
        let reply = asking.await?;
        match reply.status {
            StatusCode::OK => Ok(reply.body?),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(HookError::Denied),
            status => Err(HookError::Status(status)),
        }
    }
}

impl From<ExchangeError> for HookError {
    fn from(error: ExchangeError) -> Self {
        match error {
            ExchangeError::Timeout => Self::Timeout,
            ExchangeError::TooLong => Self::TooLong,
            ExchangeError::Transport(source) => Self::Transport(source),
        }
    }
}
