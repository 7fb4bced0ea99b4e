//! Traffic that goes on for a while, in an open or a closed loop.

use std::time::{Duration, Instant};

use super::schedule::Schedule;
use super::{RunError, judge};
use crate::clock;
use crate::engine::{Engine, Handler, Io};

/// How often a loop looks at the clock when nothing happens.
pub(super) const POLL: Duration = Duration::from_millis(50);

/// What is sent, and what comes of it.
pub(super) trait Traffic: Handler {
    /// What to say when too little comes of it, behind the number of what is under way.
    const STALLED: &'static str;

    /// Sends what is due at this time.
    fn send_next(&mut self, io: &mut Io, due: Instant);

    /// Grows with everything that comes of it.
    fn progress(&self) -> u64;

    /// How much of it nothing has come of.
    fn under_way(&self) -> usize;
}

/// Goes on for `length`, sending what `schedule` says, if there is one.
///
/// # Errors
/// Connections were lost, or nothing comes of what is under way for longer than `patience`.
pub(super) fn run_for<T: Traffic>(
    engine: &mut Engine,
    traffic: &mut T,
    schedule: &mut Option<Schedule>,
    length: Duration,
    patience: Duration,
) -> Result<(), RunError> {
    let mut now = clock::now();
    let end = now + length;
    let mut last = (traffic.progress(), now);
    while now < end {
        let mut pause = end - now;
        if let Some(schedule) = schedule {
            schedule.send_due(now, |due| traffic.send_next(&mut engine.io, due));
            pause = pause.min(schedule.next().saturating_duration_since(clock::now()));
        }
        engine.poll(pause.min(POLL), traffic)?;
        judge(engine.io.losses())?;
        now = clock::now();
        let progress = traffic.progress();
        if last.0 != progress || traffic.under_way() == 0 {
            last = (progress, now);
        } else if patience < now - last.1 {
            let (under_way, stalled) = (traffic.under_way(), T::STALLED);
            return Err(RunError::Failed(format!("stalled: {under_way} {stalled}")));
        }
    }
    Ok(())
}
