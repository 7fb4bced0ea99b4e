//! Scenario `live`: a room with phones and walls. Phones say something, each at its own time; the first wall approves
//! at once what it is shown, and all phones hear it.

mod figures;
mod room;

use std::time::Duration;

use super::ramp::{Ramp, Then};
use super::schedule::Schedule;
use super::traffic::{POLL, Traffic as _, run_for};
use super::{Path, Plan, RunError, judge, prepare};
use crate::cli::LiveArgs;
use crate::clock;
use crate::engine::Engine;
use crate::key::{ApiKey, LIVE_VARIABLE};
use crate::process::{Shares, Stopwatch};
use crate::report;
use crate::token::Passes;
use figures::{Figures, Measured};
use room::Room;

/// What has not come so long after the last word was said does not come.
const LAST_WAIT: Duration = Duration::from_secs(5);

/// Runs it.
///
/// # Errors
/// See [`RunError`].
pub fn run(arguments: &LiveArgs) -> Result<(), RunError> {
    let common = &arguments.common;
    let walls = arguments.walls;
    if common.connections <= walls {
        return Err(RunError::Usage(format!(
            "-n is not greater than {walls}: there is no phone"
        )));
    }
    let secret = arguments.secret.clone();
    let secret = secret.or_else(|| ApiKey::from_variable(LIVE_VARIABLE));
    let missing = || RunError::Usage(format!("a secret is missing: --secret, or {LIVE_VARIABLE}"));
    let passes = Passes::new(&secret.ok_or_else(missing)?, &arguments.code, walls);
    let pids = common.server_pid.iter().chain(&arguments.other_pid);
    let mut shares = Shares::new(pids).map_err(RunError::Usage)?;
    let (mut engine, servers) = prepare(common, common.connections)?;

    let plan = Plan::of(common, Path::Pass(&passes), common.connections);
    let ramp = Ramp::new(
        &plan,
        Then::Keep(None),
        0..common.connections,
        common.parallel,
    );
    ramp.run(&mut engine, common.patience, None)?;
    judge(engine.io.losses())?;
    let mut room = Room::new(common.connections, walls);
    let joins = fill(&mut engine, &mut room, common.patience)?;

    let mut schedule = Some(Schedule::new(arguments.rate));
    run_for(
        &mut engine,
        &mut room,
        &mut schedule,
        arguments.warmup,
        common.patience,
    )?;
    let before = room.record();
    let stopwatch = Stopwatch::start(&servers);
    shares.start();
    let length = common.secs.unwrap_or(Duration::from_secs(10));
    run_for(
        &mut engine,
        &mut room,
        &mut schedule,
        length,
        common.patience,
    )?;
    let measured = Measured {
        counts: room.counts().since(before),
        usage: stopwatch.read(&servers),
        processes: shares.read(),
        joins,
    };
    let end = clock::now() + LAST_WAIT;
    while 0 < room.under_way() && clock::now() < end {
        engine.poll(POLL, &mut room)?;
    }
    let figures = Figures::new(arguments, &room, measured, engine.io.losses().clone());
    report::publish(&figures.table(), common.json.as_deref(), &figures)?;
    judge(&figures.losses)
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
