//! Replicas: what is answered for is on so many of them.

use redis::{Cmd, Value, cmd};

use super::errors::{from_value, unavailable};
use crate::cluster::streams::StreamsError;

/// Longest wait for replicas, in milliseconds. Shorter than `CALL_TIMEOUT` of the cluster.
const TIMEOUT_MS: u64 = 1000;

/// What goes behind a command whose effect so many replicas must have, if any must.
pub(super) fn wait(replicas: u32) -> Option<Cmd> {
    let wait = || cmd("WAIT").arg(replicas).arg(TIMEOUT_MS).take();
    (0 < replicas).then(wait)
}

/// Whether enough of them have it, by the answer to [`wait`].
pub(super) fn check(answer: &Value, wanted: u32) -> Result<(), StreamsError> {
    let copies: u32 = from_value(answer.clone())?;
    if copies < wanted {
        let text = format!("{copies} replicas have it, expected {wanted}");
        return Err(unavailable(text));
    }
    Ok(())
}
