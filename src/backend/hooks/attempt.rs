//! One attempt to tell an endpoint.

use std::{
    error::Error,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use hyper::{
    HeaderMap, StatusCode,
    header::{HeaderName, HeaderValue, RETRY_AFTER},
};

use tokio::time;

use super::{
    super::exchange::{ExchangeError, Reply, Service},
    Inner,
    lanes::{Failure, Place, Step},
    run::PAUSE,
};
use crate::{
    dispatch::{Dispatch, Dispatches},
    pauses::chance,
};

/// Says how often this was tried, this time included.
const ATTEMPT_HEADER: HeaderName = HeaderName::from_static("x-tidegate-attempt");
/// What an endpoint says of a request that it will never take, however often it comes: it has read it,
/// or is gone for good. Everything else may be a mistake of a deployment, and heals.
const NEVER: [StatusCode; 5] = [
    StatusCode::BAD_REQUEST,
    StatusCode::GONE,
    StatusCode::PAYLOAD_TOO_LARGE,
    StatusCode::UNSUPPORTED_MEDIA_TYPE,
    StatusCode::UNPROCESSABLE_ENTITY,
];

/// What came of it.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) place: Place,
    pub(super) outcome: Outcome,
    /// Time of the exchange, if there was one.
    pub(super) took: Option<Duration>,
}

#[derive(Debug)]
pub(super) enum Outcome {
    /// It is with the dead.
    Buried,
    /// It could not be told this time.
    Failed(Failure),
    /// There is nothing to be told any more.
    Gone,
    /// The endpoint was told.
    Told,
    /// It was not tried, since what it is cannot be read now.
    Unread,
}

/// Tells an endpoint, or finds out that it is not to be told. Cancel safe, in that the endpoint may have
/// been told.
pub(super) async fn attempt(
    inner: Arc<Inner>,
    dispatches: Arc<dyn Dispatches>,
    step: Step,
) -> Attempt {
    let Step {
        place,
        attempt,
        dispatch,
        last_error,
    } = step;
    let read = match dispatch {
        Some(dispatch) => Ok(Some(dispatch)),
        None => dispatches
            .read(place.id)
            .await
            .map(|read| read.map(Arc::new)),
    };
    let dispatch = match read {
        Ok(Some(dispatch)) => dispatch,
        Ok(None) => return untried(place, Outcome::Gone),
        Err(error) => {
            inner.stats.errors.add(1);
            tracing::debug!(%error, "what an endpoint is to be told cannot be read");
            return untried(place, Outcome::Unread);
        }
    };
    if attempt == 0 {
        let error = last_error.as_deref();
        let error = error.unwrap_or("the configuration does not have the endpoint");
        let reason = format!("has waited for too long: {error}");
        bury(&inner, &*dispatches, &place, &dispatch, &reason).await;
        return untried(place, Outcome::Buried);
    }
    let endpoints = inner.endpoints.load_full();
    let Some(endpoint) = endpoints.get(&place.url) else {
        // The configuration has changed right now.
        return untried(place, Outcome::Unread);
    };
    let began = inner.clock.now();
    let replied = post(&endpoint.service, &dispatch, attempt, began.unix_seconds()).await;
    let now = inner.clock.now();
    let took = Some(now.uptime.saturating_sub(began.uptime));
    let outcome = match judge(&replied) {
        Verdict::Told => Outcome::Told,
        Verdict::Never(reason) => {
            bury(&inner, &*dispatches, &place, &dispatch, &reason).await;
            Outcome::Buried
        }
        Verdict::Again { error, retry_after } => {
            let waited = Duration::from_millis(now.unix_ms.saturating_sub(place.since_ms));
            if endpoint.terms.retry_for <= waited {
                let reason = format!("was tried {attempt} times: {error}");
                bury(&inner, &*dispatches, &place, &dispatch, &reason).await;
                Outcome::Buried
            } else {
                Outcome::Failed(Failure {
                    error: error.into(),
                    retry_after: retry_after.and_then(|text| delay(&text, now.unix_ms)),
                    chance: chance(),
                })
            }
        }
    };
    Attempt {
        place,
        outcome,
        took,
    }
}

fn untried(place: Place, outcome: Outcome) -> Attempt {
    Attempt {
        place,
        outcome,
        took: None,
    }
}

/// Moves what an endpoint cannot be told to the dead, for as long as it takes: what stands behind it in
/// its lane must not be told before.
async fn bury(
    inner: &Inner,
    dispatches: &dyn Dispatches,
    place: &Place,
    dispatch: &Dispatch,
    reason: &str,
) {
    let (id, event) = (&dispatch.id, &dispatch.event);
    tracing::warn!(%id, %event, reason, "an endpoint cannot be told, which is with the dead now");
    while let Err(error) = dispatches
        .bury(place.id, dispatch.clone(), reason.to_owned())
        .await
    {
        inner.stats.errors.add(1);
        tracing::debug!(%error, "what an endpoint cannot be told is not with the dead yet");
        time::sleep(PAUSE).await;
    }
}

/// Posts what an endpoint is to be told.
pub(super) async fn post(
    service: &Service,
    dispatch: &Dispatch,
    attempt: u32,
    unix_seconds: u64,
) -> Result<Reply, ExchangeError> {
    let mut headers = HeaderMap::new();
    headers.insert(ATTEMPT_HEADER, HeaderValue::from(attempt));
    let posting = service.post(dispatch.body.clone(), unix_seconds, headers);
    posting.await
}

enum Verdict {
    Told,
    Never(String),
    Again {
        error: String,
        retry_after: Option<String>,
    },
}

fn judge(replied: &Result<Reply, ExchangeError>) -> Verdict {
    let reply = match replied {
        Ok(reply) => reply,
        Err(error) => {
            return Verdict::Again {
                error: in_words(error),
                retry_after: None,
            };
        }
    };
    let status = reply.status;
    if status.is_success() {
        return Verdict::Told;
    }
    let error = format!("the endpoint answered with status {}", status.as_u16());
    if NEVER.contains(&status) {
        return Verdict::Never(error);
    }
    let retry_after = reply.headers.get(RETRY_AFTER);
    let retry_after = retry_after.and_then(|value| value.to_str().ok());
    Verdict::Again {
        error,
        retry_after: retry_after.map(str::to_owned),
    }
}

/// The error and what led to it. Nothing of it is secret: addresses have no passwords.
pub(super) fn in_words(error: &ExchangeError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text += &format!(": {cause}");
        source = cause.source();
    }
    text
}

/// Seconds, or a date, as HTTP has them.
fn delay(text: &str, now_ms: u64) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = httpdate::parse_http_date(text.trim()).ok()?;
    let now = UNIX_EPOCH + Duration::from_millis(now_ms);
    Some(at.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn reply(status: u16, retry_after: Option<&str>) -> Result<Reply, ExchangeError> {
        let mut headers = HeaderMap::new();
        if let Some(text) = retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from_str(text).unwrap());
        }
        Ok(Reply {
            status: StatusCode::from_u16(status).unwrap(),
            headers,
            body: Ok(Bytes::new()),
        })
    }

    #[test]
    fn what_an_endpoint_answers_is_judged_by_its_status() {
        for status in [200, 201, 202, 204, 299] {
            assert!(matches!(judge(&reply(status, None)), Verdict::Told));
        }
        for status in [400, 410, 413, 415, 422] {
            let verdict = judge(&reply(status, Some("7")));
            assert!(matches!(verdict, Verdict::Never(_)), "{status}");
        }
        for status in [
            301, 307, 401, 403, 404, 408, 409, 425, 429, 500, 502, 503, 504,
        ] {
            let verdict = judge(&reply(status, Some("7")));
            let Verdict::Again { error, retry_after } = verdict else {
                panic!("{status}");
            };
            let expect = format!("the endpoint answered with status {status}");
            assert_eq!((error, retry_after.as_deref()), (expect, Some("7")));
        }
        let verdict = judge(&Err(ExchangeError::Timeout));
        assert!(matches!(verdict, Verdict::Again { .. }));
        // It has taken what it was told, whatever it says beside that.
        let long = reply(200, None).map(|reply| Reply {
            body: Err(ExchangeError::TooLong),
            ..reply
        });
        assert!(matches!(judge(&long), Verdict::Told));
    }

    #[test]
    fn when_to_come_again_is_told_in_seconds_or_as_a_date() {
        let now_ms = 784_111_777_000;
        let delay = |text| super::delay(text, now_ms);
        assert_eq!(delay("30"), Some(Duration::from_secs(30)));
        let date = "Sun, 06 Nov 1994 08:50:37 GMT";
        assert_eq!(delay(date), Some(Duration::from_secs(60)));
        assert_eq!(delay("Sun, 06 Nov 1994 08:49:00 GMT"), Some(Duration::ZERO));
        for text in ["", "soon", "-1", "1.5"] {
            assert_eq!(delay(text), None, "{text}");
        }
    }
}
