//! Problem details: what an answer says that is no success. RFC 9457.

use std::collections::BTreeMap;

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::{
    IntoResponses, ToSchema,
    openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder, response},
};

use crate::{jobs::JobsError, schedules::SchedulesError, store::StoreError};

const CONTENT_TYPE: &str = "application/problem+json";

/// Why a request was not done.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    headers: HeaderMap,
    document: Box<ProblemDocument>,
}

/// Problem details of RFC 9457.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem, example = json!({
    "type": "about:blank", "title": "Unprocessable Entity", "status": 422,
    "detail": "to: is not a topic, expected user:<id>, room:<name>, session:<id> or all",
    "field": "to",
}))]
pub(super) struct ProblemDocument {
    /// Always `about:blank`: the status says what kind of problem it is.
    r#type: &'static str,
    /// The status in words.
    title: &'static str,
    /// The status of the answer.
    status: u16,
    /// What is wrong in this case.
    detail: String,
    /// The field or parameter that is meant, if one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    /// Every mistake, if there can be several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<String>,
}

// === impl Problem ===

impl Problem {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            status,
            headers: HeaderMap::new(),
            document: Box::new(ProblemDocument {
                r#type: "about:blank",
                title: status.canonical_reason().unwrap_or("Problem"),
                status: status.as_u16(),
                detail: detail.into(),
                field: None,
                errors: Vec::new(),
            }),
        }
    }

    pub(super) fn unauthorized(challenge: &'static str, detail: &'static str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, detail).header(
            header::WWW_AUTHENTICATE,
            HeaderValue::from_static(challenge),
        )
    }

    pub(super) fn not_found(detail: &'static str) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    pub(super) fn method_not_allowed() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "this path has other methods; the header Allow lists them",
        )
    }

    pub(super) fn unprocessable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
    }

    /// Come back in a second.
    pub(super) fn busy(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail).retried_after(1)
    }

    /// Come back when others have ended.
    pub(super) fn too_many(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, detail).retried_after(1)
    }

    /// The key is over its rate for so many seconds.
    pub(super) fn limited(seconds: u64) -> Self {
        Self::too_many("the key is over its rate; come back after Retry-After")
            .retried_after(seconds)
    }

    fn retried_after(self, seconds: u64) -> Self {
        self.header(header::RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// Whether the same request may be done later.
    pub(super) fn is_busy(&self) -> bool {
        self.status == StatusCode::SERVICE_UNAVAILABLE
    }

    /// What it says, for an answer that has it among others.
    pub(super) fn into_document(self) -> Box<ProblemDocument> {
        self.document
    }

    pub(super) fn detail(&self) -> &str {
        &self.document.detail
    }

    pub(super) fn field(mut self, field: impl Into<String>) -> Self {
        self.document.field = Some(field.into());
        self
    }

    /// Of a part of the request.
    pub(super) fn within(mut self, part: &str) -> Self {
        let ProblemDocument { detail, field, .. } = &mut *self.document;
        *detail = format!("{part}: {detail}");
        *field = Some(match field {
            Some(field) => format!("{part}.{field}"),
            None => part.to_owned(),
        });
        self
    }

    pub(super) fn errors(mut self, errors: Vec<String>) -> Self {
        self.document.errors = errors;
        self
    }

    pub(super) fn header(mut self, name: header::HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let content_type = [(header::CONTENT_TYPE, CONTENT_TYPE)];
        let body = serde_json::to_vec(&self.document).expect("texts and numbers are JSON");
        (self.status, self.headers, content_type, body).into_response()
    }
}

/// Answers that every call with a key has.
#[derive(Debug)]
pub(super) struct AccessProblems;

/// Answers that every call with a body has.
#[derive(Debug)]
pub(super) struct BodyProblems;

/// Answers of every call that needs the store.
#[derive(Debug)]
pub(super) struct StoreProblems;

/// Answers of every call about users.
#[derive(Debug)]
pub(super) struct PersonProblems;

/// Answers of every call about a customer.
#[derive(Debug)]
pub(super) struct CustomerProblems;

impl IntoResponses for AccessProblems {
    fn responses() -> BTreeMap<String, RefOr<response::Response>> {
        describe(&[
            (401, "The key is missing or wrong"),
            (403, "The key lacks the scope"),
            (405, "The path has other methods"),
            (429, "The key is over its rate: come back after Retry-After"),
        ])
    }
}

impl IntoResponses for BodyProblems {
    fn responses() -> BTreeMap<String, RefOr<response::Response>> {
        describe(&[
            (408, "The body did not arrive in time"),
            (413, "The body or the data in it is too long"),
            (422, "The body is not JSON, or a field of it is wrong"),
        ])
    }
}

impl IntoResponses for StoreProblems {
    fn responses() -> BTreeMap<String, RefOr<response::Response>> {
        let unavailable = "The store cannot be used now: come back after Retry-After";
        describe(&[(503, unavailable)])
    }
}

impl IntoResponses for PersonProblems {
    fn responses() -> BTreeMap<String, RefOr<response::Response>> {
        describe(&[(422, "It is not the id of a user")])
    }
}

impl IntoResponses for CustomerProblems {
    fn responses() -> BTreeMap<String, RefOr<response::Response>> {
        describe(&[(404, "It has no agent, and does not wait for one")])
    }
}

impl From<JobsError> for Problem {
    fn from(error: JobsError) -> Self {
        Self::busy(error.to_string())
    }
}

impl From<SchedulesError> for Problem {
    fn from(error: SchedulesError) -> Self {
        Self::busy(error.to_string())
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::busy(error.to_string())
    }
}

fn describe(problems: &[(u16, &str)]) -> BTreeMap<String, RefOr<response::Response>> {
    let schema = Ref::from_schema_name("Problem");
    let content = ContentBuilder::new().schema(Some(schema)).build();
    let problem = |(status, description): &(u16, &str)| {
        let response = ResponseBuilder::new()
            .description(*description)
            .content(CONTENT_TYPE, content.clone())
            .build();
        (status.to_string(), response.into())
    };
    problems.iter().map(problem).collect()
}
