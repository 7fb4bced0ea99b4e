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
};

/// Sessions are told in steps of this length.
const STEP: Duration = Duration::from_millis(20);
/// Kept free at the end of the grace period for the last sessions to leave.
const LEAVING: Duration = Duration::from_secs(3);

/// How a drain ended.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Drained {
    /// Sessions that were cut, since they had not left in time.
    pub cut: usize,
}

/// Sends every session away. New connections are accepted (and refused by the ingress, in words)
/// until the delay is over, so that balancers that have not noticed yet get an answer; then
/// `accepting` is cancelled.
pub async fn run(router: &Router, settings: &Drain, accepting: &CancellationToken) -> Drained {
    let until = Instant::now() + settings.grace;
    if 0 < router.sessions() {
        time::sleep(settings.delay.min(settings.grace)).await;
    }
    accepting.cancel();
    while 0 < router.sessions() && Instant::now() < until {
        let left = until.saturating_duration_since(Instant::now());
        let sessions = everyone(router);
        let per_step = pace(sessions.len(), settings.rate, left);
        for step in sessions.chunks(per_step) {
            for session in step.iter().filter_map(Weak::upgrade) {
                session.leave(CloseReason::Draining);
            }
            if until <= Instant::now() {
                break;
            }
            time::sleep(STEP).await;
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

fn everyone(router: &Router) -> Vec<Weak<Subscriber>> {
    router.everyone().iter().map(Arc::downgrade).collect()
}

/// Sessions per step: the configured rate, or more if the time needs it.
fn pace(sessions: usize, rate: u32, left: Duration) -> usize {
    let left = left.saturating_sub(LEAVING.min(left / 2));
    let steps = (left.as_secs_f64() / STEP.as_secs_f64()).max(1.0);
    let needed = sessions as f64 / steps;
    let configured = f64::from(rate) * STEP.as_secs_f64();
    needed.max(configured).ceil().max(1.0) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_is_the_configured_one_while_there_is_time() {
        assert_eq!(pace(1_000, 500, Duration::from_secs(23)), 10);
    }

    #[test]
    fn the_pace_is_as_fast_as_the_time_needs() {
        // 20 s of closing in 1,000 steps.
        assert_eq!(pace(100_000, 500, Duration::from_secs(23)), 100);
        assert_eq!(pace(100_000, 500, Duration::ZERO), 100_000);
    }
}
