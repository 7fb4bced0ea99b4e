//! Scenario `live`: a room with phones and walls. Phones say something, each at its own time; the first wall approves
//! at once what it is shown, and all phones hear it. Of several processes the first one has all walls, and writes down
//! for the others what is approved and when: so each of them knows what its phones hear, and since when it is on its way.

mod approvals;
mod figures;
mod room;

use std::time::Duration;

use super::ramp::{Ramp, Then};
use super::traffic::{Course, POLL, run_through};
use super::{Path, Plan, Record, RunError, Scenario, judge};
use crate::cli::{Common, LiveArgs, Part};
use crate::clock;
use crate::engine::Engine;
use crate::key::{ApiKey, LIVE_VARIABLE};
use crate::processes::Board;
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

    fn share(&self, part: Part) -> Result<Self, String> {
        let (connections, count) = (self.common.connections, part.count);
        let phones = connections.saturating_sub(self.walls);
        let (before, own) = part.of(phones, 1);
        if own == 0 {
            return Err(format!(
                "--processes {count}: {phones} phones are too few for so many"
            ));
        }
        let (first, own_and_walls) = match part.number {
            0 => (0, self.walls + own),
            _ => (self.walls + before, own),
        };
        Ok(Self {
            common: Common {
                first,
                connections: own_and_walls,
                ..self.common.apart(part, connections)?
            },
            rate: self.rate * own as f64 / phones as f64,
            ..self.clone()
        })
    }

    fn measure(&self, engine: &mut Engine) -> Result<Measured, RunError> {
        let common = &self.common;
        let walls = self.walls.saturating_sub(common.first);
        if common.connections <= walls {
            return Err(RunError::Usage(format!(
                "-n is not greater than {walls}: there is no phone"
            )));
        }
        let secret = self.secret.clone();
        let secret = secret.or_else(|| ApiKey::from_variable(LIVE_VARIABLE));
        let missing =
            || RunError::Usage(format!("a secret is missing: --secret, or {LIVE_VARIABLE}"));
        let passes = Passes::new(&secret.ok_or_else(missing)?, &self.code, self.walls);

        let plan = Plan::of(common, Path::Pass(&passes), common.connections);
        let indexes = 0..common.connections;
        let ramp = Ramp::new(&plan, Then::Keep, indexes, common.parallel);
        ramp.run(engine, common.patience, None)?;
        judge(engine.io.losses())?;
        let board = common.board.as_deref().map(Board::open).transpose()?;
        let process = common.part.map_or(0, |part| part.number);
        let clients = (common.connections, walls);
        let mut room = Room::new(process, clients, board, engine.io.meter());
        engine.meet(&mut room)?;
        let joins = fill(engine, &mut room, common.patience)?;
        let course = Course {
            common,
            rate: Some(self.rate),
            warmup: self.warmup,
            last_wait: LAST_WAIT,
        };
        run_through(engine, &mut room, &course)?;
        hear_out(engine, &mut room)?;
        Ok(Measured::new(&room, joins))
    }

    fn figures(&self, measured: Measured, record: &Record) -> Figures {
        Figures::new(self, measured, record)
    }

    fn rows(figures: &Figures, table: &mut Table) {
        figures.rows(table);
    }

    fn objection(figures: &Figures) -> Option<String> {
        figures.objection()
    }
}

/// Waits until nothing is approved any more, and then until the phones here have heard what was said elsewhere.
fn hear_out(engine: &mut Engine, room: &mut Room) -> Result<(), RunError> {
    engine.meet(room)?;
    let end = clock::now() + LAST_WAIT;
    while !room.has_heard_all()? && clock::now() < end {
        engine.poll(POLL, room)?;
    }
    Ok(())
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
