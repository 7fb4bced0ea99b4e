//! Scenario `push`: applications push to users, over HTTP or through Redis.
//!
//! Pushers are threads with a connection each and one call under way. Without `--rate` the loop is closed: a call
//! follows the answer to the one before. With it the loop is open: every call has its time, and the latency of its
//! pushes runs from then on, even if it left later.

mod figures;
mod pushers;
mod receivers;
mod way;

use std::time::Duration;

use super::arrivals::Remainder;
use super::ramp::{Ramp, Then};
use super::traffic::{Course, POLL, Traffic, run_through};
use super::{Plan, Record, RunError, Scenario, judge};
use crate::cli::{Common, Part, PushArgs};
use crate::clock;
use crate::engine::Engine;
use crate::report::Table;
use crate::template::Template;
use figures::Figures;
use receivers::Receivers;
use way::{Pushed, Way};

/// Between two probes to a client that none has reached.
const PROBE_INTERVAL: Duration = Duration::from_millis(500);
/// What has not come so long after the last call does not come.
const LAST_WAIT: Duration = Duration::from_secs(5);

impl Scenario for PushArgs {
    const NAME: &'static str = "push";
    type Measured = Remainder;
    type Figures = Figures;

    fn common(&self) -> &Common {
        &self.common
    }

    fn share(&self, part: Part) -> Result<Self, String> {
        let (before, pushers) = part.of(self.pushers, 1);
        if pushers == 0 {
            return Err(format!("--pushers is less than --processes {}", part.count));
        }
        let share = pushers as f64 / self.pushers as f64;
        Ok(Self {
            common: self.common.share(part, 1)?,
            pushers,
            pushers_before: before,
            rate: self.rate.map(|rate| rate * share),
            under_way: self.under_way.div_ceil(part.count),
            ..self.clone()
        })
    }

    fn measure(&self, engine: &mut Engine) -> Result<Remainder, RunError> {
        let mut receivers = set_up(self, engine)?;
        // The pushers keep the rate.
        let course = Course {
            common: &self.common,
            rate: None,
            warmup: self.warmup,
            last_wait: LAST_WAIT,
        };
        run_through(engine, &mut receivers, &course)?;
        Ok(receivers.remainder())
    }

    fn figures(&self, remainder: Remainder, record: &Record) -> Figures {
        Figures::new(self, remainder, record)
    }

    fn rows(figures: &Figures, table: &mut Table) {
        figures.rows(table);
    }

    fn objection(figures: &Figures) -> Option<String> {
        figures.objection()
    }
}

/// The users of these options and who pushes to them, as a part of another scenario.
///
/// # Errors
/// Those of [`set_up`].
pub(super) fn part(
    arguments: &PushArgs,
    engine: &mut Engine,
) -> Result<Box<dyn Traffic>, RunError> {
    Ok(Box::new(set_up(arguments, engine)?))
}

/// Connects the users, and waits until a probe has reached each of them.
fn set_up(arguments: &PushArgs, engine: &mut Engine) -> Result<Receivers, RunError> {
    let common = &arguments.common;
    let ways = Way::of(arguments)?;
    if common.connections < ways.len() {
        return Err(RunError::Usage(
            "-n is less than --pushers: some have nobody to push to".to_owned(),
        ));
    }
    let kind = way::kind(arguments);
    let path = Template::new(&format!("/ws/?client_id={kind}_{{i}}&token={kind}_{{i}}"));
    let plan = Plan::new(common, &path, common.connections);
    let indexes = 0..common.connections;
    let ramp = Ramp::new(&plan, Then::Keep, indexes, common.parallel);
    ramp.run(engine, common.patience, None)?;
    judge(engine.io.losses())?;
    let prober = ways[0].clone();
    let mut receivers = Receivers::new(arguments, ways, engine.io.meter());
    reach(engine, &mut receivers, arguments, &prober)?;
    Ok(receivers)
}

/// Returns when a probe has reached every client.
fn reach(
    engine: &mut Engine,
    receivers: &mut Receivers,
    arguments: &PushArgs,
    way: &Way,
) -> Result<(), RunError> {
    let patience = arguments.common.patience;
    let end = clock::now() + patience;
    let mut pipe = way.open(patience)?;
    let mut next_probe = clock::now();
    while 0 < receivers.unreached().count() {
        let now = clock::now();
        if next_probe <= now {
            next_probe = now + PROBE_INTERVAL;
            let users: Vec<usize> = receivers.unreached().collect();
            for users in users.chunks(100) {
                let bytes = receivers::probe_bytes(arguments.bytes);
                if let Pushed::Refused(status) = pipe.push(users, bytes)? {
                    return Err(RunError::Failed(format!(
                        "a push is refused with status {status}"
                    )));
                }
            }
        }
        engine.poll(POLL, receivers)?;
        judge(engine.io.losses())?;
        if end < now {
            let unreached = receivers.unreached().count();
            return Err(RunError::Failed(format!(
                "{unreached} clients are not reached by what is pushed to them"
            )));
        }
    }
    Ok(())
}
