//! `GET /api/history/{topic}`: what was kept, newest first.

use std::sync::Arc;

use axum::{Json, extract};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::{
    State,
    access::{Caller, Read},
    input::Segment,
    paging,
    parameters::Parameters,
    problem::{AccessProblems, Problem, ProblemDocument, StoreProblems},
    schema::TopicName,
};
use crate::{
    id::Person,
    iso8601,
    store::{Chat, Content, Of, Push, Query, Record, RecordId},
};

/// A page of messages
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"messages": [{
    "id": 1_784_000_000_000_000_u64, "packet_id": "1700000000000-17", "from": 7, "to": 42, "type": "t",
    "msg": "I am at the door", "timestamp": "2023-11-14T22:13:20.000Z",
}], "next": "1784000000000000"}))]
pub(super) struct History {
    /// Newest first.
    messages: Vec<Message>,
    /// What to give as cursor for the next page; null: there is none.
    next: Option<String>,
}

/// A message that was kept
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Message {
    /// Grows in the order in which messages were accepted.
    id: u64,
    /// The id that its sender has given it: of chat the packet's, of a push the message's. Null for rows
    /// that are older than Tidegate.
    #[schema(value_type = Option<serde_json::Value>)]
    packet_id: Option<Box<RawValue>>,
    /// Who has sent it: a number or a text; 0 for a push of an application.
    #[schema(value_type = serde_json::Value)]
    from: User,
    /// Whom it is for: the user of a chat message or a push, a number or a text, or another topic.
    #[schema(value_type = serde_json::Value)]
    to: User,
    /// `t` for a text, `i` for a picture, `s` for a push.
    r#type: char,
    /// What it says: a text in chat, any value in a push.
    #[schema(value_type = serde_json::Value)]
    msg: Box<RawValue>,
    /// What happened, of a push.
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<Box<str>>,
    /// When it was accepted.
    timestamp: String,
}

/// A user in the way in which chat clients name one.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum User {
    Number(u64),
    Text(Box<str>),
}

/// What was kept of a topic
///
/// Of a user: chat to and from it, and what was pushed to it durably. Of a room, and of `all`: what was
/// pushed to it durably.
#[utoipa::path(
    get,
    path = "/api/history/{topic}",
    tag = "messages",
    security(("key" = [])),
    params(
        ("topic" = inline(TopicName), Path, description = "The topic, percent-encoded"),
        ("limit" = Option<u64>, Query, minimum = 1,
            description = "Most messages; the most that limits.history_page_max allows (100 by default) if it is missing"),
        ("cursor" = Option<u64>, Query, minimum = 0, description = "next of the page before"),
    ),
    responses(
        (status = 200, description = "A page", body = History),
        (status = 422, description = "It is not a topic, or a parameter is wrong",
            body = ProblemDocument, content_type = "application/problem+json"),
        StoreProblems,
        AccessProblems,
    ),
)]
pub(super) async fn history(
    _: Caller<Read>,
    extract::State(state): extract::State<Arc<State>>,
    Segment(topic): Segment,
    Parameters(query): Parameters,
) -> Result<Json<History>, Problem> {
    let topic = paging::topic(&topic)?;
    let max = state.limits.load().history_page_max;
    let limit = paging::limit(&query, max, max)?;
    let query = Query {
        of: Of::Topic(topic),
        after: RecordId::default(),
        before: cursor(&query)?,
        since_ms: 0,
        from: None,
        // One more shows whether there is a next page.
        max: limit + 1,
    };
    let mut records = state.parts.desk.history(query).await?;
    let last = paging::cut(&mut records, limit);
    Ok(Json(History {
        next: last.map(|record| record.id.0.to_string()),
        messages: records.into_iter().map(Message::new).collect(),
    }))
}

fn cursor(query: &str) -> Result<Option<RecordId>, Problem> {
    let Some(value) = paging::value(query, "cursor") else {
        return Ok(None);
    };
    let id = value.parse::<i64>().ok();
    let id = id.and_then(|id| u64::try_from(id).ok());
    id.map(|id| Some(RecordId(id)))
        .ok_or_else(paging::wrong_cursor)
}

// === impl Message ===

impl Message {
    fn new(record: Record) -> Self {
        let (id, timestamp) = (record.id.0, iso8601::format(record.time_ms));
        match record.content {
            Content::Chat(chat) => Self::of_chat(id, timestamp, chat),
            Content::Push(push) => Self::of_push(id, timestamp, push),
        }
    }

    fn of_chat(id: u64, timestamp: String, chat: Chat) -> Self {
        Self {
            id,
            packet_id: chat.packet_id.map(|packet| json(packet.into())),
            from: chat.from.into(),
            to: chat.to.into(),
            r#type: chat.kind,
            msg: serde_json::value::to_raw_value(&chat.msg).expect("a text is JSON"),
            event: None,
            timestamp,
        }
    }

    fn of_push(id: u64, timestamp: String, push: Push) -> Self {
        let to = match (push.topic.person(), push.topic.kind()) {
            (Some(person), _) => person.into(),
            (None, crate::topic::TopicKind::User) => User::Text(push.topic.id().into()),
            (None, _) => User::Text(push.topic.as_str().into()),
        };
        let from = push.sender.map_or(User::Number(0), |sender| {
            let text = || User::Text(sender.as_str().into());
            sender.person().map_or_else(text, User::from)
        });
        let data = String::from_utf8_lossy(&push.data).into_owned();
        Self {
            id,
            packet_id: Some(json(push.name.into())),
            from,
            to,
            r#type: 's',
            msg: json(data),
            event: Some(push.event),
            timestamp,
        }
    }
}

impl From<Person> for User {
    fn from(person: Person) -> Self {
        Self::Number(person.number())
    }
}

/// A text that is JSON; one that is not, as a JSON text.
fn json(text: String) -> Box<RawValue> {
    let raw = RawValue::from_string(text.clone());
    raw.unwrap_or_else(|_| serde_json::value::to_raw_value(&text).expect("a text is JSON"))
}
