//! Messages of older chat servers, which stand in a list: each is written into the journal as if it had
//! been accepted there, with its own time.

use std::{sync::Arc, time::Duration};

use serde::Deserialize;
use tokio::time;
use tokio_util::sync::CancellationToken;

use crate::{
    cluster::{
        life::pauses,
        redis::{Drawn, RedisLegacy},
        streams::StreamsError,
    },
    id::Person,
    iso8601,
    stats::ArchiveStats,
    store::{Chat, Content, TEXT_UNITS_MAX},
};

/// Most messages that are moved at once.
const BATCH_MAX: usize = 100;
/// Between two looks into a list that was empty.
const LOOK: Duration = Duration::from_millis(500);

/// Moves what older chat servers write into their list to the journal, until `stop` fires. Whatever is
/// dropped in the middle is done again by another node.
pub async fn drain(legacy: RedisLegacy, stats: Arc<ArchiveStats>, stop: CancellationToken) {
    let mut pauses = pauses();
    while !stop.is_cancelled() {
        let drained = drain_once(&legacy, &stats).await;
        let pause = async {
            match drained {
                Ok(0) => {
                    pauses.reset();
                    time::sleep(LOOK).await;
                }
                Ok(_) => pauses.reset(),
                Err(error) => {
                    stats.errors.add(1);
                    tracing::debug!(%error, "messages of older servers wait");
                    pauses.wait().await;
                }
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = pause => {}
        }
    }
}

/// Says how many messages were there.
async fn drain_once(legacy: &RedisLegacy, stats: &ArchiveStats) -> Result<usize, StreamsError> {
    let drawn = legacy.draw(BATCH_MAX).await?;
    let mut messages = Vec::with_capacity(drawn.len());
    for message in &drawn {
        match read(&message.text) {
            Ok((chat, time_ms)) => messages.push((message, Content::Chat(chat), time_ms)),
            Err(reason) => bury(legacy, stats, message, reason).await?,
        }
    }
    let kept = legacy.keep(messages).await?;
    stats.drained.add(kept as u64);
    Ok(drawn.len())
}

async fn bury(
    legacy: &RedisLegacy,
    stats: &ArchiveStats,
    message: &Drawn,
    reason: &str,
) -> Result<(), StreamsError> {
    legacy.bury(message, reason).await?;
    stats.dead.add(1);
    tracing::warn!(%reason, "a message of an older server is with the dead ones");
    Ok(())
}

/// A message as older servers write it.
#[derive(Deserialize)]
struct Wire {
    from: Number,
    to: Number,
    #[serde(rename = "type")]
    kind: char,
    msg: Box<str>,
    #[serde(default, rename = "send")]
    is_online: Flag,
    timestamp: Time,
}

/// Some write a flag as they write it into the database.
#[derive(Deserialize)]
#[serde(untagged)]
enum Flag {
    Word(bool),
    Number(u8),
}

/// In milliseconds since the Unix epoch, or as a text of ISO 8601, or of SQL, which is UTC too.
#[derive(Deserialize)]
#[serde(untagged)]
enum Time {
    Number(u64),
    Text(Box<str>),
}

/// Their clients write users as numbers or as digits.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Number(u64),
    Digits(Box<str>),
}

/// The message that a text is, and when it was accepted, in milliseconds since the Unix epoch.
fn read(text: &[u8]) -> Result<(Chat, u64), &'static str> {
    let wire: Wire =
        serde_json::from_slice(text).map_err(|_| "it is not of the form of a message")?;
    let time_ms = wire.timestamp.unix_ms().ok_or("its timestamp is none")?;
    if TEXT_UNITS_MAX < wire.msg.encode_utf16().count() {
        return Err("its text is too long");
    }
    let chat = Chat {
        from: wire.from.person().ok_or("its sender is none")?,
        to: wire.to.person().ok_or("its receiver is none")?,
        kind: wire.kind,
        msg: wire.msg,
        packet_id: None,
        is_online: matches!(wire.is_online, Flag::Word(true) | Flag::Number(1..)),
    };
    Ok((chat, time_ms))
}

impl Default for Flag {
    fn default() -> Self {
        Self::Word(false)
    }
}

impl Time {
    fn unix_ms(&self) -> Option<u64> {
        match self {
            Self::Number(time_ms) => Some(*time_ms),
            Self::Text(text) => {
                let text = text.replacen(' ', "T", 1);
                iso8601::parse(&text).and_then(|time_ms| time_ms.try_into().ok())
            }
        }
    }
}

// === impl Number ===

impl Number {
    fn person(&self) -> Option<Person> {
        match self {
            Self::Number(number) => Person::new(*number),
            Self::Digits(digits) => digits.parse().ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_an_older_server_is_read() {
        let text = br#"{"from":7,"to":"42","type":"i","msg":"h\u00e9","send":true,"timestamp":"2022-06-01T12:30:45.678Z"}"#;
        let (chat, time_ms) = read(text).unwrap();
        assert_eq!(time_ms, 1_654_086_645_678);
        assert_eq!((chat.from.number(), chat.to.number()), (7, 42));
        assert_eq!((chat.kind, &*chat.msg), ('i', "h\u{e9}"));
        assert_eq!((chat.packet_id, chat.is_online), (None, true));
    }

    #[test]
    fn flags_and_times_have_several_forms() {
        for (send, time, is_online) in [
            ("true", "1654086645678", true),
            ("1", "\"2022-06-01 12:30:45.678\"", true),
            ("0", "\"2022-06-01T12:30:45.678+00:00\"", false),
        ] {
            let text = format!(
                r#"{{"id":"x","from":1,"to":2,"type":"t","msg":"","send":{send},"timestamp":{time}}}"#
            );
            let (chat, time_ms) = read(text.as_bytes()).unwrap();
            assert_eq!((chat.is_online, time_ms), (is_online, 1_654_086_645_678));
        }
    }

    #[test]
    fn what_is_no_message_says_why() {
        let with = |from: &str, msg: &str, timestamp: &str| {
            let text = format!(
                r#"{{"from":{from},"to":2,"type":"t","msg":"{msg}","send":false,"timestamp":"{timestamp}"}}"#
            );
            read(text.as_bytes()).err()
        };
        let time = "2022-06-01T12:30:45.678Z";
        let longest = "x".repeat(TEXT_UNITS_MAX);
        assert_eq!(with("1", &longest, time), None);
        let long = format!("{longest}x");
        assert_eq!(with("1", &long, time), Some("its text is too long"));
        assert_eq!(with("0", "x", time), Some("its sender is none"));
        for time in ["soon", "1969-12-31T23:59:59.999Z"] {
            assert_eq!(with("1", "x", time), Some("its timestamp is none"));
        }
        let form = Some("it is not of the form of a message");
        assert_eq!(with("-1", "x", time), form);
        assert_eq!(read(b"\xff").err(), form);
    }
}
