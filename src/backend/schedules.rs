//! The clockwork: fires schedules whose time has come. All nodes look; of each occurrence one of them wins.

use std::{sync::Arc, time::Duration};

use tokio::time;
use tokio_util::sync::CancellationToken;

use crate::{
    jobs::{Added, JobsError, NewJob, board::Board},
    pauses::Pauses,
    schedules::{Entry, Firing, Schedule, Schedules, SchedulesError, Verdict, What, with_id},
    stats::ScheduleStats,
};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(500);
/// Most schedules of one look.
const BATCH_MAX: usize = 100;
/// How long nodes whose configuration knows the kind of a job have time to come.
const KIND_PATIENCE_MS: u64 = 30_000;
/// Longest pause between looks that fail.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// What the clockwork works with.
#[derive(Clone, Debug)]
pub struct Parts {
    /// The schedules.
    pub schedules: Arc<dyn Schedules>,
    /// Where their jobs are handed in.
    pub board: Board,
    /// What is counted.
    pub stats: Arc<ScheduleStats>,
}

/// Why an occurrence waits.
#[derive(Debug, thiserror::Error)]
enum Wait {
    #[error(transparent)]
    Schedules(#[from] SchedulesError),
    #[error(transparent)]
    Jobs(#[from] JobsError),
    #[error("there are too many open jobs")]
    Full,
    #[error("nobody here does jobs of its kind")]
    Kind,
    #[error("it was written by a newer version")]
    Form,
}

/// Fires what is due until `stop` fires.
pub async fn run(parts: Parts, stop: CancellationToken) {
    let mut pauses = Pauses::new(2 * LOOK, PAUSE_MAX);
    while !stop.is_cancelled() {
        let pause = match turn(&parts).await {
            Ok(count) => {
                pauses.reset();
                match count {
                    // There may be more.
                    BATCH_MAX.. => Duration::ZERO,
                    _ => LOOK,
                }
            }
            Err(error) => {
                parts.stats.errors.add(1);
                tracing::debug!(%error, "schedules wait");
                pauses.take()
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = time::sleep(pause) => {}
        }
    }
}

/// Says how many it has dealt with.
async fn turn(parts: &Parts) -> Result<usize, Wait> {
    let due = parts.schedules.due(BATCH_MAX).await?;
    let (mut count, mut first) = (0, None);
    for entry in due.entries {
        match fire(parts, entry, due.now_ms).await {
            Ok(()) => count += 1,
            Err(error @ Wait::Schedules(_)) => return Err(error),
            // It is in no other one's way.
            Err(error) => first = first.or(Some(error)),
        }
    }
    first.map_or(Ok(count), Err)
}

async fn fire(parts: &Parts, entry: Entry, now_ms: u64) -> Result<(), Wait> {
    let body = entry.body.clone();
    let schedule: Schedule<'_> = serde_json::from_slice(&body).map_err(|_| Wait::Form)?;
    let at_ms = entry.next_ms;
    let Verdict {
        is_fired,
        is_late,
        next_ms,
    } = schedule.judge(at_ms, now_ms);
    let name = format!("schedule:{}:{at_ms}", entry.id);
    let id = entry.id.clone();
    let push = match &schedule.what {
        _ if !is_fired => None,
        What::Publish(request) => Some(with_id(request.get().as_bytes(), &name)),
        What::Job { kind, order } => {
            let job = NewJob {
                id: name.into(),
                kind: kind.clone(),
                body: order.to_body(),
                origin: None,
            };
            hand_in(parts, job, now_ms.saturating_sub(at_ms)).await?;
            None
        }
    };
    let firing = Firing {
        entry,
        next_ms,
        push,
    };
    if parts.schedules.fire(firing).await? {
        let stats = &parts.stats;
        let count = match (is_fired, is_late) {
            (false, _) => &stats.skipped,
            (true, true) => &stats.late,
            (true, false) => &stats.fired,
        };
        count.add(1);
        tracing::debug!(schedule = %id, at_ms, is_fired, "an occurrence was dealt with");
    }
    Ok(())
}

/// Adds the job of an occurrence before that is over: whoever adds it again finds it known.
async fn hand_in(parts: &Parts, job: NewJob, late_ms: u64) -> Result<(), Wait> {
    let Parts { board, stats, .. } = parts;
    if let Err(error) = board.check_kind(&job.kind) {
        // A node with another configuration may know it.
        if late_ms < KIND_PATIENCE_MS {
            return Err(Wait::Kind);
        }
        stats.refused.add(1);
        board.add_dead(job, format!("kind: {error}")).await?;
        return Ok(());
    }
    match board.add(job).await? {
        Added::Full => Err(Wait::Full),
        Added::New | Added::Known | Added::Conflict => Ok(()),
    }
}
