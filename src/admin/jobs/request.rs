//! What `POST /api/jobs` is asked for.

use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::{
    admin::{State, input::Text, problem::Problem},
    jobs::board::Order,
    topic::Topic,
};

/// A job, and for whom it is
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"kind": "ocr", "user": "42", "url": "https://img.example/17.png", "id": "picture-17"}))]
pub(in crate::admin) struct JobRequest<'a> {
    /// Who does it: the `kind` of one of `backend.jobs`.
    #[schema(value_type = String, min_length = 1, max_length = 64)]
    pub(super) kind: Text<64>,
    /// Who is told the answer.
    #[schema(value_type = String, min_length = 1, max_length = 95)]
    user: Text<95>,
    /// What it is about. Passed on as it stands here.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 8192)]
    url: Option<Text<8192>>,
    /// More about it: any JSON value. Passed on as it stands here.
    #[serde(borrow)]
    #[schema(value_type = Option<serde_json::Value>)]
    data: Option<&'a RawValue>,
    /// Names the job. The same id again is answered as the first time for as long as the job is known, and not
    /// done again; with another kind, user, url or data it is refused.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 64)]
    pub(in crate::admin) id: Option<Text<64>>,
}

// === impl JobRequest ===

impl JobRequest<'_> {
    /// Refuses what nobody can do, or whose answer nobody could be told.
    pub(in crate::admin) fn check(&self, state: &State) -> Result<(), Problem> {
        let Text(kind) = &self.kind;
        state
            .parts
            .board
            .check_kind(kind)
            .map_err(super::unknown_kind)?;
        let Text(user) = &self.user;
        for topic in [format!("user:{user}"), format!("room:user_{user}")] {
            topic
                .parse::<Topic>()
                .map_err(|error| Problem::unprocessable(format!("user: {error}")).field("user"))?;
        }
        state.check_data(self.data)
    }

    /// Who does it.
    pub(in crate::admin) fn kind(&self) -> Box<str> {
        let Text(kind) = &self.kind;
        kind.clone()
    }
}

impl<'a> JobRequest<'a> {
    /// What is to be done, as long as the text of the request is there.
    pub(in crate::admin) fn order(&self) -> Order<'a> {
        let Text(user) = &self.user;
        Order {
            user: user.clone(),
            url: self.url.as_ref().map(|Text(url)| url.clone()),
            data: self.data,
        }
    }
}
