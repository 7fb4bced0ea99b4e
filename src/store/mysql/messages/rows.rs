//! Records as rows.

use std::borrow::Borrow;

use sqlx::{AssertSqlSafe, MySqlConnection, Row as _, mysql::MySqlRow};

use crate::{
    id::Person,
    store::{
        Chat, Content, Push, Record, RecordId,
        mysql::errors::Failure,
        parts::{Part, Range},
    },
};

const CHAT: &str =
    "INSERT INTO message (id, `from`, `to`, type, msg, send, `timestamp`, packet_id) VALUES ";
const CHAT_ROW: &str = "(?, ?, ?, ?, ?, ?, FROM_UNIXTIME(? * 0.001), ?)";
const PUSH: &str =
    "INSERT INTO topic_message (id, topic, name, event, data, sender, `timestamp`) VALUES ";
const PUSH_ROW: &str = "(?, ?, ?, ?, ?, ?, FROM_UNIXTIME(? * 0.001))";
/// Passes over what is there, and over nothing else: `INSERT IGNORE` would pass over errors too.
const UNLESS_THERE: &str = " ON DUPLICATE KEY UPDATE id = id";
const CHAT_COLUMNS: &str = "SELECT id, CAST(UNIX_TIMESTAMP(`timestamp`) * 1000 AS UNSIGNED), \
    `from`, `to`, type, msg, CAST(send AS UNSIGNED), packet_id FROM message FORCE INDEX";
const PUSH_COLUMNS: &str = "SELECT id, CAST(UNIX_TIMESTAMP(`timestamp`) * 1000 AS UNSIGNED), \
    topic, name, event, data, sender FROM topic_message FORCE INDEX";

/// Inserts records of one kind, by one statement.
pub(super) async fn insert<R: Borrow<Record> + Sync>(
    connection: &mut MySqlConnection,
    records: &[R],
) -> Result<(), Failure> {
    let Some(first) = records.first() else {
        return Ok(());
    };
    let (beginning, row) = match first.borrow().content {
        Content::Chat(_) => (CHAT, CHAT_ROW),
        Content::Push(_) => (PUSH, PUSH_ROW),
    };
    let rows = vec![row; records.len()].join(", ");
    let statement = format!("{beginning}{rows}{UNLESS_THERE}");
    let mut query = sqlx::query(AssertSqlSafe(statement));
    for record in records {
        let record = record.borrow();
        query = query.bind(record.id.0);
        query = match &record.content {
            Content::Chat(chat) => query
                .bind(chat.from.number())
                .bind(chat.to.number())
                .bind(chat.kind.to_string())
                .bind(&*chat.msg)
                .bind(u8::from(chat.is_online))
                .bind(record.time_ms)
                .bind(chat.packet_id.as_deref().map(str::as_bytes)),
            Content::Push(push) => query
                .bind(push.topic.as_str().as_bytes())
                .bind(push.name.as_bytes())
                .bind(&*push.event)
                .bind(&push.data[..])
                .bind(
                    push.sender
                        .as_ref()
                        .map(|sender| sender.as_str().as_bytes()),
                )
                .bind(record.time_ms),
        };
    }
    query.execute(connection).await?;
    Ok(())
}

/// The newest records of a part.
pub(super) async fn read(
    connection: &mut MySqlConnection,
    part: &Part,
    range: Range,
    max: usize,
) -> Result<Vec<Record>, Failure> {
    let statement = match part {
        Part::From(_) => format!("{CHAT_COLUMNS} (message_from) WHERE `from` = ?"),
        Part::To(_) => format!("{CHAT_COLUMNS} (message_to) WHERE `to` = ? AND `from` <> ?"),
        Part::Between { .. } => {
            format!("{CHAT_COLUMNS} (message_between) WHERE `from` = ? AND `to` = ?")
        }
        Part::Pushed(_) => format!("{PUSH_COLUMNS} (topic_message_topic) WHERE topic = ?"),
    };
    let since = match range.since_ms {
        0 => "",
        _ => " AND FROM_UNIXTIME(? * 0.001) <= `timestamp`",
    };
    let statement = format!("{statement} AND ? < id AND id < ?{since} ORDER BY id DESC LIMIT ?");
    let mut query = sqlx::query(AssertSqlSafe(statement));
    query = match part {
        Part::From(from) => query.bind(from.number()),
        Part::To(to) => query.bind(to.number()).bind(to.number()),
        Part::Between { from, to } => query.bind(from.number()).bind(to.number()),
        Part::Pushed(topic) => query.bind(topic.as_str().as_bytes()),
    };
    query = query.bind(range.after).bind(range.before);
    if 0 < range.since_ms {
        query = query.bind(range.since_ms);
    }
    let rows = query.bind(max as u64).fetch_all(connection).await?;
    let is_push = matches!(part, Part::Pushed(_));
    let mut records = Vec::with_capacity(rows.len());
    for row in &rows {
        let content = match is_push {
            true => push(row)?.map(Content::Push),
            false => chat(row)?.map(Content::Chat),
        };
        // Rows of others may have what cannot be.
        records.extend(content.map(|content| (row, content)));
    }
    let records = records.into_iter().map(|(row, content)| {
        Ok(Record {
            id: RecordId(row.try_get_unchecked(0)?),
            time_ms: row.try_get_unchecked(1)?,
            content,
        })
    });
    records.collect()
}

fn chat(row: &MySqlRow) -> Result<Option<Chat>, sqlx::Error> {
    let (from, to) = (
        Person::new(row.try_get_unchecked(2)?),
        Person::new(row.try_get_unchecked(3)?),
    );
    let kind: String = row.try_get_unchecked(4)?;
    let (Some(from), Some(to), Some(kind)) = (from, to, kind.chars().next()) else {
        return Ok(None);
    };
    let msg: String = row.try_get_unchecked(5)?;
    let is_online: u64 = row.try_get_unchecked(6)?;
    let packet_id: Option<Vec<u8>> = row.try_get_unchecked(7)?;
    Ok(Some(Chat {
        from,
        to,
        kind,
        msg: msg.into(),
        packet_id: packet_id.and_then(text),
        is_online: is_online != 0,
    }))
}

fn push(row: &MySqlRow) -> Result<Option<Push>, sqlx::Error> {
    let topic = text(row.try_get_unchecked(2)?).and_then(|topic| topic.parse().ok());
    let name = text(row.try_get_unchecked(3)?);
    let (Some(topic), Some(name)) = (topic, name) else {
        return Ok(None);
    };
    let event: String = row.try_get_unchecked(4)?;
    let data: Vec<u8> = row.try_get_unchecked(5)?;
    let sender: Option<Vec<u8>> = row.try_get_unchecked(6)?;
    let sender = sender.and_then(text).and_then(|sender| sender.parse().ok());
    Ok(Some(Push {
        topic,
        name,
        event: event.into(),
        data: data.into(),
        sender,
    }))
}

fn text(bytes: Vec<u8>) -> Option<Box<str>> {
    String::from_utf8(bytes).ok().map(String::into_boxed_str)
}
