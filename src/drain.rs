//! The drain: the orderly end of a node.
//!
//! Guarantees: from its beginning on the node is not ready and takes no new session; every session is
//! told with its dialect's close, at a pace that lets clients come back elsewhere without a storm;
//! what a client has called for is answered, and what waits for it written, before its close; and all
//! of it ends within the grace period, after which the rest is cut and counted.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::time::{self, Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    close::CloseReason,
    config::Drain,
    router::{Router, lives, subscriber::Subscriber},
    witness::Witness,
};

/// Sessions are told in steps of this length, or longer where one of them would be more than one step's.
const STEP: Duration = Duration::from_millis(20);
/// Kept free at the end of the grace period for the last sessions to leave.
const LEAVING: Duration = Duration::from_secs(3);

/// Share of the grace period in which those hear of ends who are told of them.
const WORDS_SHARE: f64 = 0.75;

/// How a drain ended.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Drained {
    /// Sessions that were cut, since they had not left in time.
    pub cut: usize,
}

/// Sends every session away, those first whose ends others are told of: who is to hear that is still there. New connections are accepted (and refused by the ingress, in words)
/// until the delay is over, so that balancers that have not noticed yet get an answer; then
/// `accepting` is cancelled.
pub async fn run(
    router: &Router,
    witness: &Witness,
    settings: &Drain,
    accepting: &CancellationToken,
) -> Drained {
    let until = Instant::now() + settings.grace;
    if 0 < router.sessions() {
        time::sleep(settings.delay.min(settings.grace)).await;
    }
    accepting.cancel();
    let words_until = Instant::now() + settings.grace.mul_f64(WORDS_SHARE);
    while 0 < router.sessions() && Instant::now() < until {
        let left = until.saturating_duration_since(Instant::now());
        let sessions = match Instant::now() < words_until && witness.has_words(None) {
            true => speakers(router, witness),
            false => everyone(router),
        };
        if sessions.is_empty() {
            time::sleep(STEP).await;
        }
        let (per_step, step) = pace(sessions.len(), settings.rate, left);
        for together in sessions.chunks(per_step) {
            for session in together.iter().filter_map(Weak::upgrade) {
                session.leave(CloseReason::Draining);
            }
            if until <= Instant::now() {
                break;
            }
            time::sleep_until(until.min(Instant::now() + step)).await;
        }
    }
    Drained { cut: cut(router) }
}

/// Ends every session that is left, at once. Says how many.
pub fn cut(router: &Router) -> usize {
    let left = everyone(router);
    for session in left.iter().filter_map(Weak::upgrade) {
        session.close(CloseReason::Draining);
        lives::cut(&session);
    }
    left.len()
}

/// Those at whose ends something is said.
fn speakers(router: &Router, witness: &Witness) -> Vec<Weak<Subscriber>> {
    let sessions = router.everyone();
    let speakers = sessions
        .iter()
        .filter(|session| witness.has_words(Some(session.serial)));
    speakers.map(Arc::downgrade).collect()
}

fn everyone(router: &Router) -> Vec<Weak<Subscriber>> {
    router.everyone().iter().map(Arc::downgrade).collect()
}

/// Sessions per step, and its length: the configured rate, or more if the time needs it.
fn pace(sessions: usize, rate: u32, left: Duration) -> (usize, Duration) {
    let left = left.saturating_sub(LEAVING.min(left / 2)).max(STEP);
    let needed = sessions as f64 / left.as_secs_f64();
    let per_second = needed.max(f64::from(rate));
    let per_step = (per_second * STEP.as_secs_f64()).ceil().max(1.0);
    let step = Duration::try_from_secs_f64(per_step / per_second);
    (per_step as usize, step.unwrap_or(STEP))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_is_the_configured_one_while_there_is_time() {
        let (left, ms) = (Duration::from_secs(23), Duration::from_millis);
        assert_eq!(pace(1_000, 500, left), (10, STEP));
        assert_eq!(pace(10, 20, left), (1, ms(50)));
        assert_eq!(pace(10, 1, left), (1, ms(1000)));
        assert_eq!(
            pace(1_000, 60, left),
            (2, Duration::from_secs_f64(2.0 / 60.0))
        );
    }

    #[test]
    fn the_pace_is_as_fast_as_the_time_needs() {
        // 20 s of closing in 1,000 steps.
        assert_eq!(pace(100_000, 500, Duration::from_secs(23)), (100, STEP));
        assert_eq!(pace(100_000, 500, Duration::ZERO), (100_000, STEP));
    }
}
