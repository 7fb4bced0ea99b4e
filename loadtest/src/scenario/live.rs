//! Scenario `live`: a room with phones and walls. Phones say something, each at its own time; the first wall approves
//! at once what it is shown, and all phones hear it.

mod figures;
mod room;

use std::time::Duration;

use super::ramp::{Ramp, Then};
use super::traffic::{Course, POLL, run_through};
use super::{Path, Plan, Record, RunError, Scenario, judge};
use crate::cli::{Common, LiveArgs};
use crate::clock;
use crate::engine::Engine;
use crate::key::{ApiKey, LIVE_VARIABLE};
use crate::report::Table;
use crate::token::Passes;
use figures::{Figures, Measured};
use room::Room;

/// What has not come so long after the last word was said does not come.
const LAST_WAIT: Duration = Duration::from_secs(5);

impl Scenario for LiveArgs {
    const NAME: &'static str = "live";
    type Measured = Measured;
    type Figures = Figures;

    fn common(&self) -> &Common {
        &self.common
    }

    fn measure(&self, engine: &mut Engine) -> Result<Measured, RunError> {
        let (common, walls) = (&self.common, self.walls);
        if common.connections <= walls {
            return Err(RunError::Usage(format!(
                "-n is not greater than {walls}: there is no phone"
            )));
        }
        let secret = self.secret.clone();
        let secret = secret.or_else(|| ApiKey::from_variable(LIVE_VARIABLE));
        let missing =
            || RunError::Usage(format!("a secret is missing: --secret, or {LIVE_VARIABLE}"));
        let passes = Passes::new(&secret.ok_or_else(missing)?, &self.code, walls);

        let plan = Plan::of(common, Path::Pass(&passes), common.connections);
        let indexes = 0..common.connections;
        let ramp = Ramp::new(&plan, Then::Keep, indexes, common.parallel);
        ramp.run(engine, common.patience, None)?;
        judge(engine.io.losses())?;
        let mut room = Room::new(common.connections, walls, engine.io.meter());
        let joins = fill(engine, &mut room, common.patience)?;
        let course = Course {
            common,
            rate: Some(self.rate),
            warmup: self.warmup,
            last_wait: LAST_WAIT,
        };
        run_through(engine, &mut room, &course)?;
        Ok(Measured::new(room, joins))
    }

    fn figures(&self, measured: Measured, record: &Record) -> Figures {
        Figures::new(self, measured, record)
    }

    fn rows(figures: &Figures, table: &mut Table) {
        figures.rows(table);
    }
}

/// Has everybody join, walls first; gives how long that took.
fn fill(engine: &mut Engine, room: &mut Room, patience: Duration) -> Result<Duration, RunError> {
    let began = clock::now();
    let mut last = (0, began);
    room.join(&mut engine.io);
    while 0 < room.missing() {
        engine.poll(POLL, room)?;
        judge(engine.io.losses())?;
        let (missing, now) = (room.missing(), clock::now());
        if missing != last.0 {
            last = (missing, now);
        } else if patience < now - last.1 {
            return Err(RunError::Failed(format!(
                "{missing} clients could not join"
            )));
        }
    }
    Ok(clock::now() - began)
}
