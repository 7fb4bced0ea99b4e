//! Scenario `push`: applications push to users, over HTTP or through Redis.
//!
//! Pushers are threads with a connection each and one call under way. Without `--rate` the loop is closed: a call
//! follows the answer to the one before. With it the loop is open: every call has its time, and the latency of its
//! pushes runs from then on, even if it left later.

mod figures;
mod pushers;
mod receivers;
mod way;

use std::sync::Arc;
use std::time::Duration;

use super::ramp::{Ramp, Then};
use super::traffic::{POLL, Traffic as _, run_for};
use super::{Plan, RunError, judge, prepare};
use crate::cli::PushArgs;
use crate::clock;
use crate::engine::Engine;
use crate::process::{Servers, Shares, Stopwatch};
use crate::report;
use crate::template::Template;
use figures::{Figures, Measured};
use pushers::Pushers;
use receivers::{Ledger, Receivers};
use way::{Pushed, Way};

/// Between two probes to a client that none has reached.
const PROBE_INTERVAL: Duration = Duration::from_millis(500);
/// What has not come so long after the last call does not come.
const LAST_WAIT: Duration = Duration::from_secs(5);
/// Where client {i} connects to: it is the user `push_{i}`.
const PATH: &str = "/ws/?client_id=push_{i}&token=push_{i}";

/// Runs it.
///
/// # Errors
/// See [`RunError`].
pub fn run(arguments: &PushArgs) -> Result<(), RunError> {
    let common = &arguments.common;
    let ways = Way::of(arguments)?;
    if common.connections < ways.len() {
        return Err(RunError::Usage(
            "-n is less than --pushers: some have nobody to push to".to_owned(),
        ));
    }
    let pids = common.server_pid.iter().chain(&arguments.other_pid);
    let mut shares = Shares::new(pids).map_err(RunError::Usage)?;
    let (mut engine, servers) = prepare(common, common.connections)?;
    let path = Template::new(PATH);
    let plan = Plan::new(common, &path, common.connections);
    let indexes = 0..common.connections;
    let ramp = Ramp::new(&plan, Then::Keep(None), indexes, common.parallel);
    ramp.run(&mut engine, common.patience, None)?;
    judge(engine.io.losses())?;

    let ledger = Arc::new(Ledger::new(common.connections));
    let mut receivers = Receivers::new(Arc::clone(&ledger));
    reach(&mut engine, &mut receivers, arguments, &ways[0])?;
    let measured = measure(
        &mut engine,
        &mut receivers,
        arguments,
        ways,
        (&servers, &mut shares),
    )?;
    let figures = Figures::new(arguments, &receivers, measured, engine.io.losses().clone());
    report::publish(&figures.table(), common.json.as_deref(), &figures)?;
    judge(&figures.losses)
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

/// Runs through warm-up and measurement, and waits for what is under way then.
fn measure(
    engine: &mut Engine,
    receivers: &mut Receivers,
    arguments: &PushArgs,
    ways: Vec<Way>,
    (servers, shares): (&Servers, &mut Shares),
) -> Result<Measured, RunError> {
    let patience = arguments.common.patience;
    let pushers = Pushers::start(arguments, ways, &receivers.ledger)?;
    run_for(engine, receivers, &mut None, arguments.warmup, patience)?;
    let before = receivers.record();
    let stopwatch = Stopwatch::start(servers);
    shares.start();
    let length = arguments.common.secs.unwrap_or(Duration::from_secs(10));
    run_for(engine, receivers, &mut None, length, patience)?;
    let measured = Measured {
        pushes: receivers.progress() - before,
        usage: stopwatch.read(servers),
        processes: shares.read(),
    };
    pushers.stop();
    let end = clock::now() + LAST_WAIT;
    while !(pushers.have_ended() && receivers.under_way() == 0) && clock::now() < end {
        engine.poll(POLL, receivers)?;
    }
    pushers.finish()?;
    Ok(measured)
}
