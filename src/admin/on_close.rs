//! What has to be done when a session ends.

use std::sync::Arc;

use axum::{Json, extract, http::StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::{
    State,
    access::{Admin, Caller, Read},
    input::{Body, Segment, Text},
    inquiry, paging,
    parameters::Parameters,
    problem::{AccessProblems, BodyProblems, Problem, ProblemDocument},
    sessions::{self, session_id},
};
use crate::{
    digest,
    duty::{
        Change, Changed, DUTIES_MAX, Deed, Duty, ID_BYTES_MAX, KEY_BYTES_MAX, METHOD_BYTES_MAX,
        OWN, PARAMS_BYTES_MAX,
    },
    id::SessionId,
};

/// Something to be done at the end of a session
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "id": "seat", "do": {"redis_srem": {"key": "online:{shop-7}", "member": "42"}},
}))]
pub(super) struct OnCloseRequest<'a> {
    /// Names it among those of the session; chosen by the node if it is missing. The same request again
    /// changes nothing.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 64)]
    id: Option<Text<ID_BYTES_MAX>>,
    /// What is to be done.
    #[serde(borrow)]
    #[schema(value_type = OnCloseDeed)]
    r#do: Do<'a>,
}

/// What is to be done; one of these
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Do<'a> {
    #[serde(borrow)]
    call: Option<Call<'a>>,
    redis_del: Option<Del>,
    redis_srem: Option<Srem>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Call<'a> {
    url: Option<Text<1024>>,
    method: Text<METHOD_BYTES_MAX>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Del {
    key: Text<KEY_BYTES_MAX>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Srem {
    key: Text<KEY_BYTES_MAX>,
    member: Option<Text<KEY_BYTES_MAX>>,
}

/// What is to be done at the end of a session
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[allow(dead_code)] // Only the schema is used: what is kept has the same form already.
enum OnCloseDeed {
    /// Call a method of an application: at least once, under an id that is the same each time.
    #[schema(title = "call")]
    Call {
        /// Where it is: the address of one of the backend's hooks or methods. Without it the method is
        /// that of whose prefix it has, the longest.
        #[schema(min_length = 1, max_length = 1024)]
        url: Option<String>,
        /// What is called.
        #[schema(min_length = 1, max_length = 256)]
        method: String,
        /// Any JSON value of at most 4096 bytes; null if it is missing.
        params: Option<serde_json::Value>,
    },
    /// Delete a key in the Redis of the cluster: exactly once.
    #[schema(title = "redis_del")]
    RedisDel {
        /// The key, without any prefix of the gateway's.
        #[schema(min_length = 1, max_length = 1024)]
        key: String,
    },
    /// Take a member out of a set in the Redis of the cluster: exactly once.
    #[schema(title = "redis_srem")]
    RedisSrem {
        /// The key, without any prefix of the gateway's.
        #[schema(min_length = 1, max_length = 1024)]
        key: String,
        /// The member; the id of the session if it is missing.
        #[schema(min_length = 1, max_length = 1024)]
        member: Option<String>,
    },
}

/// One of those that are attached
#[derive(Debug, Serialize, ToSchema)]
#[allow(dead_code)] // Only the schema is used, as above.
struct OnCloseDuty {
    /// Names it among those of the session.
    id: String,
    /// What it is.
    r#do: OnCloseDeed,
}

/// What is attached to a session
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"duties": [
    {"id": "seat", "do": {"redis_srem": {"key": "online:{shop-7}", "member": "42"}}},
]}))]
pub(super) struct OnClose {
    /// Names what was attached by this call; absent in other answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<Box<str>>,
    /// What is done when the session ends, in this order.
    #[schema(value_type = Vec<OnCloseDuty>)]
    duties: Vec<Box<RawValue>>,
}

/// What is done when a session ends
#[utoipa::path(
    get,
    path = "/api/sessions/{id}/on-close",
    tag = "sessions",
    security(("key" = [])),
    params(("id" = String, Path, description = "The session's id")),
    responses(
        (status = 200, description = "What is attached", body = OnClose),
        (status = 404, description = "There is no such session", body = ProblemDocument,
            content_type = "application/problem+json"),
        (status = 503, description = "Its node has not answered in time", body = ProblemDocument,
            content_type = "application/problem+json"),
        AccessProblems,
    ),
)]
pub(super) async fn attached(
    _: Caller<Read>,
    extract::State(state): extract::State<Arc<State>>,
    Segment(id): Segment,
) -> Result<Json<OnClose>, Problem> {
    let changed = inquiry::owe(&state, &session_id(&id)?, None).await;
    answer(changed, None).map(Json)
}

/// Have something done when a session ends
#[utoipa::path(
    post,
    path = "/api/sessions/{id}/on-close",
    tag = "sessions",
    security(("key" = [])),
    params(("id" = String, Path, description = "The session's id")),
    request_body = OnCloseRequest,
    responses(
        (status = 200, description = "It will be done, also if the node dies", body = OnClose),
        (status = 404, description = "There is no such session, or it is ending: nothing is done",
            body = ProblemDocument, content_type = "application/problem+json"),
        (status = 409, description = "Another one has this id, or there are 16 already",
            body = ProblemDocument, content_type = "application/problem+json"),
        (status = 503, description = "It is not known whether it will be done: ask again",
            body = ProblemDocument, content_type = "application/problem+json"),
        AccessProblems,
        BodyProblems,
    ),
)]
pub(super) async fn attach(
    _: Caller<Admin>,
    extract::State(state): extract::State<Arc<State>>,
    Segment(id): Segment,
    body: Body,
) -> Result<Json<OnClose>, Problem> {
    let request: OnCloseRequest<'_> = body.read()?;
    let session = session_id(&id)?;
    let deed = request.r#do.deed(&state, &session)?;
    match state.parts.witness.check(&deed).await {
        Ok(Ok(())) => {}
        Ok(Err(unfit)) => return Err(Problem::unprocessable(unfit.to_string()).field("do")),
        Err(error) => return Err(Problem::busy(error.to_string())),
    }
    let id = request
        .id
        .map_or_else(|| state.new_duty_id(), |Text(id)| id);
    let duty = Duty {
        id: id.clone(),
        deed,
    };
    if duty.is_own() {
        let detail = format!("ids that begin with {OWN} are the gateway's own");
        return Err(Problem::unprocessable(detail).field("id"));
    }
    let changed = inquiry::owe(&state, &session, Some(Change::Add(duty))).await;
    answer(changed, Some(id)).map(Json)
}

/// Take back what was to be done when a session ends
#[utoipa::path(
    delete,
    path = "/api/sessions/{id}/on-close",
    tag = "sessions",
    security(("key" = [])),
    params(
        ("id" = String, Path, description = "The session's id"),
        ("duty" = Option<String>, Query, description = "Which one; without it, all"),
    ),
    responses(
        (status = 200, description = "What is left", body = OnClose),
        (status = 404, description = "There is no such session, it is ending, or nothing of this id \
            is attached", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 503, description = "It is not known whether it is taken back: ask again",
            body = ProblemDocument, content_type = "application/problem+json"),
        (status = 422, description = "A parameter is unknown", body = ProblemDocument,
            content_type = "application/problem+json"),
        AccessProblems,
    ),
)]
pub(super) async fn detach(
    _: Caller<Admin>,
    extract::State(state): extract::State<Arc<State>>,
    Segment(id): Segment,
    Parameters(query): Parameters,
) -> Result<Json<OnClose>, Problem> {
    let duty = paging::value(&query, "duty");
    if duty.as_deref().is_some_and(|id| id.starts_with(OWN)) {
        return Err(missing());
    }
    let change = Change::Remove(duty.map(Into::into));
    let changed = inquiry::owe(&state, &session_id(&id)?, Some(change)).await;
    answer(changed, None).map(Json)
}

fn missing() -> Problem {
    Problem::not_found("nothing of this id is attached")
}

fn answer(changed: Option<Changed>, id: Option<Box<str>>) -> Result<OnClose, Problem> {
    let conflict = |detail: String| Problem::new(StatusCode::CONFLICT, detail);
    match changed {
        Some(Changed::Kept(duties)) => {
            let texts = duties.iter().map(Duty::encode);
            let duties = texts.filter_map(|text| serde_json::from_slice(&text).ok());
            Ok(OnClose {
                id,
                duties: duties.collect(),
            })
        }
        Some(Changed::Gone) => Err(sessions::gone()),
        Some(Changed::Missing) => Err(missing()),
        Some(Changed::Taken) => Err(conflict("another one has this id".into()).field("id")),
        Some(Changed::TooMany) => Err(conflict(format!("{DUTIES_MAX} are attached already"))),
        Some(Changed::Unknown) | None => Err(Problem::busy(
            "it is not known whether it is done: ask again, with the same id",
        )),
    }
}

impl State {
    /// Chosen for a duty that has no id: nobody else's, and as good as random.
    fn new_duty_id(&self) -> Box<str> {
        let digest = digest::of_parts([self.new_id().as_bytes()]);
        digest::hex(&digest).into()
    }
}

// === impl Do ===

impl Do<'_> {
    fn deed(self, state: &State, session: &SessionId) -> Result<Deed, Problem> {
        match self {
            Self {
                call: Some(call),
                redis_del: None,
                redis_srem: None,
            } => call.deed(state),
            Self {
                call: None,
                redis_del: Some(Del { key: Text(key) }),
                redis_srem: None,
            } => Ok(Deed::RedisDel { key }),
            Self {
                call: None,
                redis_del: None,
                redis_srem: Some(srem),
            } => Ok(srem.deed(session)),
            _ => {
                let detail = "do: expected one of call, redis_del and redis_srem";
                Err(Problem::unprocessable(detail).field("do"))
            }
        }
    }
}

// === impl Srem ===

impl Srem {
    fn deed(self, session: &SessionId) -> Deed {
        let Self {
            key: Text(key),
            member,
        } = self;
        Deed::RedisSrem {
            key,
            member: member.map_or_else(|| session.to_string().into(), |Text(member)| member),
        }
    }
}

// === impl Call ===

impl Call<'_> {
    /// Only where the configuration has it go: nobody makes the node call what it should not reach.
    fn deed(self, state: &State) -> Result<Deed, Problem> {
        let Self {
            url,
            method: Text(method),
            params,
        } = self;
        let params = params.map_or("null", RawValue::get);
        if PARAMS_BYTES_MAX < params.len() {
            let detail = format!("params: expected at most {PARAMS_BYTES_MAX} bytes");
            return Err(Problem::unprocessable(detail).field("do"));
        }
        let url = url.as_ref().map(|Text(url)| &**url);
        let url = state.parts.process.callee(url, &method).ok_or_else(|| {
            let detail = "url: expected the address of one of backend.hooks or backend.methods, \
                          or none and a method with the prefix of one";
            Problem::unprocessable(detail).field("do")
        })?;
        Ok(Deed::Call {
            url,
            method,
            params: bytes::Bytes::copy_from_slice(params.as_bytes()),
        })
    }
}
