//! Messages for later.

use bytes::Bytes;
use tokio::time::Instant;

use super::{Published, ROOM_TIMEOUT, request::PublishRequest};
use crate::{
    admin::{
        State,
        input::{self, Text},
        once::{Claim, Digest},
        problem::Problem,
    },
    queue::Entry,
    recorder::What,
    schedules::with_id,
    trace::TraceId,
};

/// Keeps a request until its time has come.
pub(super) async fn put_off(
    state: &State,
    request: PublishRequest<'_>,
    text: &[u8],
    at_ms: u64,
) -> Result<Published, Problem> {
    let now = state.parts.clock.now();
    let at = at_ms.to_be_bytes();
    let id = request.id.as_ref().map(|Text(id)| id.to_string());
    let Some(id) = id else {
        let id = state.new_id();
        push(state, with_id(text, &id), at_ms).await?;
        note(state, &id, at_ms);
        return Ok(published(id.into()));
    };
    // Apart from the ids of messages that were published: this one will be, when its time has come.
    let name = Digest::of([&b"at"[..], id.as_bytes()]);
    let content = request.content().and(&at);
    let claim = Claim::of_all(state.once.claim(name, content, now.uptime)?, name);
    let mut turn = claim.turn(state, Instant::now() + ROOM_TIMEOUT).await?;
    if !turn.sent.is_done {
        let pushed = push(state, Bytes::copy_from_slice(text), at_ms).await;
        turn.sent.topics = usize::from(pushed.is_ok());
        turn.end(pushed.is_ok()).await;
        pushed?;
        note(state, &id, at_ms);
    }
    Ok(published(id))
}

/// Looks at a request that is to be published again and again, each time under an id of its own.
pub(in crate::admin) fn check(state: &State, text: &[u8]) -> Result<(), Problem> {
    let request: PublishRequest<'_> = input::read(text)?;
    request.check(state)?;
    let own = [
        ("id", request.id.is_some()),
        ("at", request.at_ms().is_some()),
    ];
    match own.into_iter().find(|(_, is_there)| *is_there) {
        None => Ok(()),
        Some((field, _)) => {
            let detail = format!("{field}: is given by the schedule, expected none");
            Err(Problem::unprocessable(detail).field(field))
        }
    }
}

async fn push(state: &State, body: Bytes, at_ms: u64) -> Result<(), Problem> {
    let entry = Entry {
        body,
        at_ms: Some(at_ms),
    };
    let pushed = state.parts.queue.push(vec![entry]).await;
    pushed.map_err(|error| {
        tracing::warn!(%error, "a message for later was refused");
        Problem::busy(format!("the message cannot be kept: {}", error.0))
    })
}

fn note(state: &State, id: &str, at_ms: u64) {
    let recorder = state.parts.router.recorder();
    recorder.note_remembered(TraceId::of_text(id), What::PutOff { at_ms });
}

fn published(id: String) -> Published {
    Published {
        id,
        delivered_nodes: 0,
    }
}
