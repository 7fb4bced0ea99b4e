//! Scenario `chat`: users of the `im` dialect write to each other, and wait until they are told that it is stored.
//!
//! With `--outstanding` the loop is closed: each sender has so many messages under way. With `--rate` it is open:
//! every message has its time, and its latency runs from then on, even if it left later.

mod figures;
mod talk;

use std::time::Duration;

use super::ramp::{Ramp, Then};
use super::traffic::{Course, POLL, Traffic, run_through};
use super::{Path, Plan, Record, RunError, Scenario, judge};
use crate::cli::{ChatArgs, Common, Part, share_of_rate};
use crate::clock;
use crate::engine::Engine;
use crate::http;
use crate::key::{ApiKey, VARIABLE};
use crate::report::Table;
use crate::token::Signer;
use figures::{Figures, Measured};
use talk::Talk;

/// What has not come so long after the last message was sent does not come.
const LAST_WAIT: Duration = Duration::from_secs(5);
/// Time-out of each step of a request for friends.
const FRIENDS_TIMEOUT: Duration = Duration::from_secs(10);

impl Scenario for ChatArgs {
    const NAME: &'static str = "chat";
    type Measured = Measured;
    type Figures = Figures;

    fn common(&self) -> &Common {
        &self.common
    }

    fn share(&self, part: Part) -> Result<Self, String> {
        let common = self.common.share(part, 2)?;
        Ok(Self {
            first_user: self.first_user + common.first,
            common: Common { first: 0, ..common },
            rate: share_of_rate(self.rate, part),
            ..self.clone()
        })
    }

    fn measure(&self, engine: &mut Engine) -> Result<Measured, RunError> {
        let mut talk = set_up(self, engine)?;
        let course = Course {
            common: &self.common,
            rate: self.rate,
            warmup: self.warmup,
            last_wait: LAST_WAIT,
        };
        run_through(engine, &mut talk, &course)?;
        Ok(Measured::new(&talk))
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

/// The users of these options, as a part of another scenario.
///
/// # Errors
/// Those of [`set_up`].
pub(super) fn part(
    arguments: &ChatArgs,
    engine: &mut Engine,
) -> Result<Box<dyn Traffic>, RunError> {
    Ok(Box::new(set_up(arguments, engine)?))
}

/// Makes the pairs friends, and logs them in.
fn set_up(arguments: &ChatArgs, engine: &mut Engine) -> Result<Talk, RunError> {
    let common = &arguments.common;
    if !common.connections.is_multiple_of(2) {
        return Err(RunError::Usage("-n is odd: one has no partner".to_owned()));
    }
    let signer = Signer::new(&arguments.im_key, arguments.first_user).map_err(RunError::Usage)?;
    befriend(arguments, &signer)?;
    let mut talk = Talk::new(arguments, &signer, engine.io.meter());
    let plan = Plan::of(common, Path::Token(&signer), common.connections);
    let indexes = 0..common.connections;
    let ramp = Ramp::new(&plan, Then::Keep, indexes, common.parallel);
    ramp.run(engine, common.patience, None)?;
    judge(engine.io.losses())?;
    reach(engine, &mut talk, common.patience)?;
    Ok(talk)
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
