//! What a service is asked to do, and its answer.

use std::sync::Arc;

use bytes::Bytes;
use form_urlencoded::Serializer;
use hyper::{
    HeaderMap,
    header::{CONTENT_TYPE, HeaderValue},
};
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::time::Instant;

use crate::{
    backend::{HttpClient, exchange::Service},
    config::{Job as Kind, JobBody},
    jobs::{Taken, board::Order},
    stats::JobStats,
};

/// What comes of a job is told as this.
const EVENT: &str = "send_result";

/// The client of the service that does jobs of one kind.
#[derive(Debug)]
pub(super) struct Client {
    kind: Box<str>,
    body: JobBody,
    is_durable: bool,
    service: Service,
    stats: Arc<JobStats>,
}

/// What it is told.
#[derive(Serialize)]
struct Request<'a> {
    id: &'a str,
    kind: &'a str,
    user: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a RawValue>,
    attempt: u64,
}

/// What is published.
#[derive(Serialize)]
struct Publication<'a> {
    to: [String; 2],
    event: &'static str,
    data: &'a RawValue,
    id: String,
    durable: bool,
}

// === impl Client ===

impl Client {
    pub(super) fn new(client: HttpClient, kind: &Kind, stats: Arc<JobStats>) -> Self {
        Self {
            kind: kind.kind.as_str().into(),
            body: kind.body,
            is_durable: kind.durable,
            service: Service::new(client, &kind.url, kind.timeout, kind.secret.as_ref()),
            stats,
        }
    }

    /// Has a job done. Gives the answer as JSON; what is none is a text of it.
    ///
    /// # Errors
    ///
    /// Why there is none, in words.
    ///
    /// Cancel safe, in that it may be done although nobody hears of it.
    pub(super) async fn call(&self, job: &Taken, unix_seconds: u64) -> Result<Bytes, String> {
        let order = read(job)?;
        let request = Request {
            id: &job.turn.id,
            kind: &self.kind,
            user: &order.user,
            url: order.url.as_deref(),
            data: order.data,
            attempt: job.turn.number,
        };
        let (content_type, body) = match self.body {
            JobBody::Json => ("application/json", request.json()),
            JobBody::Form => ("application/x-www-form-urlencoded", request.form()),
        };
        let begin = Instant::now();
        let headers =
            HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))]);
        let posted = self.service.post(body, unix_seconds, headers).await;
        self.stats.calls.record(begin.elapsed());
        let reply = posted.map_err(|error| error.to_string())?;
        if !reply.status.is_success() {
            return Err(format!("the service answered with status {}", reply.status));
        }
        let answer = reply.body.map_err(|error| error.to_string())?;
        as_json(answer)
    }

    /// The request of `POST /api/publish` that tells an answer. Of one job it has the same id whoever makes it.
    ///
    /// # Errors
    ///
    /// What is wrong with the job.
    pub(super) fn publication(&self, job: &Taken, answer: &[u8]) -> Result<Vec<u8>, String> {
        let order = read(job)?;
        let data = serde_json::from_slice(answer).map_err(|error| error.to_string())?;
        let publication = Publication {
            to: topics(&order.user),
            event: EVENT,
            data,
            id: format!("job:{}:{}", job.turn.id, job.created_ms),
            durable: self.is_durable,
        };
        Ok(serde_json::to_vec(&publication).expect("texts and JSON are JSON"))
    }
}

// === impl Request ===

impl Request<'_> {
    fn json(&self) -> Bytes {
        let body = serde_json::to_vec(self).expect("texts and JSON are JSON");
        body.into()
    }

    fn form(&self) -> Bytes {
        let mut form = Serializer::new(String::new());
        form.append_pair("id", self.id);
        form.append_pair("kind", self.kind);
        form.append_pair("user", self.user);
        if let Some(url) = self.url {
            form.append_pair("url", url);
        }
        if let Some(data) = self.data {
            form.append_pair("data", data.get());
        }
        form.append_pair("attempt", &self.attempt.to_string());
        form.finish().into()
    }
}

/// Who hears of the answer.
fn topics(user: &str) -> [String; 2] {
    [format!("user:{user}"), format!("room:user_{user}")]
}

fn read(job: &Taken) -> Result<Order<'_>, String> {
    serde_json::from_slice(&job.body)
        .map_err(|error| format!("it is not of the form of a job: {error}"))
}

fn as_json(answer: Bytes) -> Result<Bytes, String> {
    if answer.trim_ascii().is_empty() {
        return Ok(Bytes::from_static(b"null"));
    }
    if serde_json::from_slice::<&RawValue>(&answer).is_ok() {
        return Ok(answer);
    }
    match std::str::from_utf8(&answer) {
        Ok(text) => {
            let text = serde_json::to_vec(text).expect("texts are JSON");
            Ok(text.into())
        }
        Err(_) => Err("the answer is neither JSON nor text".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::Turn;

    fn job(body: &'static str) -> Taken {
        Taken {
            turn: Turn {
                id: "a b".into(),
                kind: "ocr".into(),
                number: 2,
            },
            body: Bytes::from_static(body.as_bytes()),
            answer: None,
            failures: 1,
            created_ms: 7,
        }
    }

    fn client() -> Client {
        let kind = Kind {
            kind: "ocr".to_owned(),
            ..Kind::default()
        };
        Client::new(HttpClient::new().unwrap(), &kind, Arc::default())
    }

    #[test]
    fn a_form_is_encoded() {
        let request = Request {
            id: "a b",
            kind: "ocr",
            user: "ride/1",
            url: Some("http://x/?a=1&b=ü"),
            data: Some(serde_json::from_str(r#"{"n":[1]}"#).unwrap()),
            attempt: 1,
        };
        assert_eq!(
            request.form(),
            "id=a+b&kind=ocr&user=ride%2F1&url=http%3A%2F%2Fx%2F%3Fa%3D1%26b%3D%C3%BC\
             &data=%7B%22n%22%3A%5B1%5D%7D&attempt=1"
        );
    }

    #[test]
    fn an_answer_is_published_to_the_user_and_its_room() {
        let answer = br#"{"words_result":[{"words":"x"}]}"#;
        let publication = client().publication(&job(r#"{"user":"1"}"#), answer);
        assert_eq!(
            String::from_utf8(publication.unwrap()).unwrap(),
            r#"{"to":["user:1","room:user_1"],"event":"send_result","data":{"words_result":[{"words":"x"}]},"id":"job:a b:7","durable":true}"#
        );
        assert!(client().publication(&job("{}"), answer).is_err());
    }

    #[test]
    fn an_answer_that_is_no_json_is_a_text() {
        let json = |answer: &'static [u8]| as_json(Bytes::from_static(answer));
        assert_eq!(json(b"").unwrap(), "null");
        assert_eq!(json(b" [1]\n").unwrap(), " [1]\n");
        assert_eq!(json(b"fine \"x\"").unwrap(), r#""fine \"x\"""#);
        assert!(json(b"\xff").is_err());
    }
}
