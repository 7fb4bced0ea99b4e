//! Scenario `chat`: users of the `im` dialect write to each other, and wait until they are told that it is stored.
//!
//! With `--outstanding` the loop is closed: each sender has so many messages under way. With `--rate` it is open:
//! every message has its time, and its latency runs from then on, even if it left later.

mod figures;
mod talk;

use std::time::Duration;

use super::ramp::{Ramp, Then};
use super::schedule::Schedule;
use super::traffic::{POLL, Traffic as _, run_for};
use super::{Path, Plan, RunError, judge, prepare};
use crate::cli::ChatArgs;
use crate::clock;
use crate::engine::Engine;
use crate::http;
use crate::key::{ApiKey, VARIABLE};
use crate::process::{Servers, Shares, Stopwatch, Usage};
use crate::report;
use crate::token::Signer;
use figures::{Figures, Measured};
use talk::{Counts, Talk};

/// What has not come so long after the last message was sent does not come.
const LAST_WAIT: Duration = Duration::from_secs(5);
/// Time-out of each step of a request for friends.
const FRIENDS_TIMEOUT: Duration = Duration::from_secs(10);

/// Runs it.
///
/// # Errors
/// See [`RunError`].
pub fn run(arguments: &ChatArgs) -> Result<(), RunError> {
    let common = &arguments.common;
    if !common.connections.is_multiple_of(2) {
        return Err(RunError::Usage("-n is odd: one has no partner".to_owned()));
    }
    let signer = Signer::new(&arguments.im_key, arguments.first_user).map_err(RunError::Usage)?;
    let pids = common.server_pid.iter().chain(&arguments.other_pid);
    let mut shares = Shares::new(pids).map_err(RunError::Usage)?;
    let (mut engine, servers) = prepare(common, common.connections)?;
    befriend(arguments, &signer)?;

    let mut talk = Talk::new(arguments, &signer);
    let plan = Plan::of(common, Path::Token(&signer), common.connections);
    let stopwatch = Stopwatch::start(&servers);
    let indexes = 0..common.connections;
    let ramp = Ramp::new(&plan, Then::Keep(None), indexes, common.parallel);
    ramp.run(&mut engine, common.patience, None)?;
    judge(engine.io.losses())?;
    reach(&mut engine, &mut talk, common.patience)?;
    let logins = stopwatch.read(&servers);

    let mut measured = measure(&mut engine, &mut talk, arguments, &servers, &mut shares)?;
    measured.logins = Some(logins);
    let figures = Figures::new(arguments, &talk, measured, engine.io.losses().clone());
    report::publish(&figures.table(), common.json.as_deref(), &figures)?;
    judge(&figures.losses)
}

/// Makes the pairs friends, if somebody is named who can.
fn befriend(arguments: &ChatArgs, signer: &Signer) -> Result<(), RunError> {
    let Some(admin) = arguments.admin else {
        return Ok(());
    };
    let key = arguments.key.clone().or_else(ApiKey::from_environment);
    let missing = || RunError::Usage(format!("--admin needs a key: --key, or {VARIABLE}"));
    let key = key.ok_or_else(missing)?;
    for client in (0..arguments.common.connections).step_by(2) {
        let (from, to) = (signer.user(client), signer.user(client + 1));
        let path = format!("/api/im/friends/{from}/{to}");
        let answer = http::put(admin, &path, key.text(), FRIENDS_TIMEOUT);
        let answer = answer.map_err(|error| RunError::Failed(format!("{path}: {error}")))?;
        if answer.status != 204 {
            let status = answer.status;
            return Err(RunError::Failed(format!("{path}: status {status}")));
        }
    }
    Ok(())
}

/// Returns when every client has had an answer, and so is logged in.
fn reach(engine: &mut Engine, talk: &mut Talk, patience: Duration) -> Result<(), RunError> {
    let end = clock::now() + patience;
    talk.ping(&mut engine.io);
    while 0 < talk.unreached() {
        engine.poll(POLL, talk)?;
        judge(engine.io.losses())?;
        if end < clock::now() {
            let unreached = talk.unreached();
            return Err(RunError::Failed(format!(
                "{unreached} clients are not answered"
            )));
        }
    }
    Ok(())
}

/// Runs through warm-up and measurement, and waits for what is under way then.
fn measure(
    engine: &mut Engine,
    talk: &mut Talk,
    arguments: &ChatArgs,
    servers: &Servers,
    shares: &mut Shares,
) -> Result<Measured, RunError> {
    let patience = arguments.common.patience;
    let mut schedule = arguments.rate.map(Schedule::new);
    if let Some(outstanding) = arguments.outstanding {
        talk.begin_answering(&mut engine.io, outstanding);
    }
    run_for(engine, talk, &mut schedule, arguments.warmup, patience)?;
    let before = talk.record();
    let stopwatch = Stopwatch::start(servers);
    shares.start();
    let length = arguments.common.secs.unwrap_or(Duration::from_secs(10));
    run_for(engine, talk, &mut schedule, length, patience)?;
    let usage: Usage = stopwatch.read(servers);
    let counts = talk.counts().since(&before);
    let processes = shares.read();
    talk.stop_answering();
    let end = clock::now() + LAST_WAIT;
    while is_incomplete(talk) && clock::now() < end {
        engine.poll(POLL, talk)?;
    }
    Ok(Measured {
        counts,
        usage,
        processes,
        logins: None,
    })
}

fn is_incomplete(talk: &Talk) -> bool {
    let Counts {
        acknowledged,
        deliveries,
        ..
    } = *talk.counts();
    0 < talk.under_way() || (talk.has_messages() && deliveries < acknowledged)
}
