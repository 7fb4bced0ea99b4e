//! Traffic that goes on for a while, in an open or a closed loop.

use std::time::{Duration, Instant};

use super::arrivals::Remainder;
use super::schedule::Schedule;
use super::{RunError, judge};
use crate::cli::Common;
use crate::clock;
use crate::engine::{Engine, Handler, Io};
use crate::meter::Phase;

/// How often a loop looks at the clock when nothing happens.
pub(super) const POLL: Duration = Duration::from_millis(50);

/// What is sent, and what comes of it.
pub(super) trait Traffic: Handler {
    /// What to say when too little comes of it, behind the number of what is under way.
    fn stalled(&self) -> &'static str;

    /// Sends the first messages of a closed loop.
    ///
    /// # Errors
    /// It cannot begin.
    fn begin(&mut self, io: &mut Io) -> Result<(), RunError> {
        let _ = io;
        Ok(())
    }

    /// From now on it is measured.
    fn record(&mut self) {}

    /// What is sent from now on is not measured.
    fn stop_recording(&mut self) {}

    /// Sends nothing more.
    fn end(&mut self) {}

    /// All is over.
    ///
    /// # Errors
    /// Something went wrong that was not told of before.
    fn finish(&mut self) -> Result<(), RunError> {
        Ok(())
    }

    /// Sends what is due at this time, in an open loop.
    fn send_next(&mut self, io: &mut Io, due: Instant);

    /// Sends what is due by now, and says when there will be more.
    fn send_due(
        &mut self,
        io: &mut Io,
        schedule: Option<&mut Schedule>,
        now: Instant,
    ) -> Option<Instant> {
        let schedule = schedule?;
        schedule.send_due(now, |due| self.send_next(io, due));
        schedule.next()
    }

    /// Whether it can go on. It is asked after every look at the sockets, and may do what the time has come for.
    ///
    /// # Errors
    /// By default when all connections were lost. If some were, what was measured until then is worth telling, and the
    /// run is none that ended well.
    fn check(&mut self, io: &mut Io, now: Instant) -> Result<(), RunError> {
        let _ = now;
        match io.open_count() {
            0 => judge(io.losses()),
            _ => Ok(()),
        }
    }

    /// Grows with everything that comes of it.
    fn progress(&self) -> u64;

    /// How much of it nothing has come of.
    fn under_way(&self) -> usize;

    /// What is left of it in the end.
    fn remainder(&self) -> Remainder;

    /// Whether everything has come of it that is to come.
    fn is_complete(&self) -> bool {
        self.under_way() == 0
    }
}

/// How long traffic goes on, and how much of it there is.
#[derive(Debug)]
pub(super) struct Course<'a> {
    pub(super) common: &'a Common,
    /// Messages per second; none in a closed loop.
    pub(super) rate: Option<f64>,
    /// How long to run before measuring.
    pub(super) warmup: Duration,
    /// What has not come so long after the last message was sent does not come.
    pub(super) last_wait: Duration,
}

/// Runs through warm-up and measurement, and waits for what is under way then.
///
/// # Errors
/// Those of [`run_for`].
pub(super) fn run_through<T: Traffic>(
    engine: &mut Engine,
    traffic: &mut T,
    course: &Course<'_>,
) -> Result<(), RunError> {
    let patience = course.common.patience;
    engine.enter(Phase::Warmup, traffic)?;
    let (ramp, ramp_down) = (course.common.ramp, course.common.ramp_down);
    let mut schedule = course.rate.map(|rate| Schedule::rising(rate, ramp));
    let warmup = match schedule {
        Some(_) => ramp + course.warmup,
        None => course.warmup,
    };
    traffic.begin(&mut engine.io)?;
    run_for(engine, traffic, &mut schedule, warmup, patience)?;
    engine.go_on(Phase::Hold)?;
    engine.heed_interrupt();
    traffic.record();
    let length = course.common.length();
    run_for(engine, traffic, &mut schedule, length, patience)?;
    traffic.stop_recording();
    engine.go_on(Phase::RampDown)?;
    if let Some(falling) = &mut schedule {
        falling.fall(ramp_down);
        run_for(engine, traffic, &mut schedule, ramp_down, patience)?;
    }
    traffic.end();
    let end = clock::now() + course.last_wait;
    while !traffic.is_complete() && clock::now() < end {
        engine.poll(POLL, traffic)?;
    }
    traffic.finish()
}

/// Goes on for `length` or until an interrupt, sending what `schedule` says, if there is one.
///
/// # Errors
/// Those of [`Traffic::check`], or nothing comes of what is under way for longer than `patience`.
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
    while now < end && !engine.is_interrupted() {
        let mut pause = end - now;
        if let Some(next) = traffic.send_due(&mut engine.io, schedule.as_mut(), now) {
            pause = pause.min(next.saturating_duration_since(clock::now()));
        }
        engine.poll(pause.min(POLL), traffic)?;
        now = clock::now();
        traffic.check(&mut engine.io, now)?;
        let progress = traffic.progress();
        if last.0 != progress || traffic.under_way() == 0 {
            last = (progress, now);
        } else if patience < now - last.1 {
            let (under_way, stalled) = (traffic.under_way(), traffic.stalled());
            return Err(RunError::Failed(format!("stalled: {under_way} {stalled}")));
        }
    }
    Ok(())
}
