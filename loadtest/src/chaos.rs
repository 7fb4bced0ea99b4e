//! `chaos`: a cluster of its own that is broken and repaired again and again, while the clients of `check` watch.

mod driver;
mod faults;
mod processes;
mod redis;
mod whole;

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::check::fleet::{Settings, client};
use crate::check::pusher::Pushes;
use crate::check::scrape::Scraper;
use crate::check::verdict::Event;
use crate::check::{Outcome, run_names};
use crate::cli::ChaosArgs;
use crate::clock;
use crate::interrupt::Interrupt;
use crate::key::ApiKey;
use crate::publish;
use crate::report::Table;
use crate::rng::Rng;
use crate::scenario::RunError;
use driver::Driver;
use faults::{Fault, SMOKE};
use processes::{Blueprint, Folder, Node, Ports, Redis};
use whole::Recovery;

/// A node is ready so long after its start, even on a busy machine.
const START_MAX: Duration = Duration::from_secs(20);
/// Time without faults before each of them, and after the last.
const CALM: Duration = Duration::from_secs(3);

/// Figures of a `chaos` run.
#[derive(Debug, Serialize)]
pub struct Figures {
    /// Always `chaos`.
    pub scenario: &'static str,
    /// What the faults were drawn from.
    pub seed: u64,
    /// Nodes.
    pub nodes: usize,
    /// Clients.
    pub connections: usize,
    /// Length of the run, from the first message on.
    pub seconds: f64,
    /// Whether everything is as promised.
    pub good: bool,
    /// Every fault and what came after it.
    pub faults: Vec<Round>,
    /// What became of the messages.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// One fault.
#[derive(Clone, Debug, Serialize)]
pub struct Round {
    /// In words.
    pub fault: String,
    /// Seconds from the start to it, by the clock of the messages.
    pub at: f64,
    /// Seconds from the start to its repair.
    pub repaired: f64,
    /// How the cluster came back.
    #[serde(flatten)]
    pub recovery: Recovery,
}

/// Everything that was started. What is dropped is killed.
#[derive(Debug)]
struct Cluster {
    nodes: Vec<Node>,
    redis: Redis,
    interrupt: Interrupt,
}

/// Runs it.
///
/// # Errors
/// See [`RunError`].
pub fn run(arguments: &ChaosArgs) -> Result<(), RunError> {
    let interrupt = Interrupt::listen()?;
    let mut folder = Folder::new()?;
    let seed = arguments
        .seed
        .unwrap_or_else(|| u64::from(std::process::id()));
    println!("seed {seed}");
    let outcome = wreck(arguments, seed, &folder, interrupt.clone());
    if outcome.is_err() && interrupt.check().is_ok() {
        folder.keep = true;
        eprintln!(
            "the logs of all processes are in {}",
            folder.path().display()
        );
    }
    outcome
}

fn wreck(
    arguments: &ChaosArgs,
    seed: u64,
    folder: &Folder,
    interrupt: Interrupt,
) -> Result<(), RunError> {
    let key = ApiKey::random().map_err(|error| RunError::Failed(format!("random: {error}")))?;
    let mut cluster = Cluster::start(arguments, folder, &key, interrupt)?;
    let began = clock::now();
    let admins: Vec<_> = cluster.nodes.iter().map(|node| node.admin).collect();
    let scraper = Scraper::start(&admins, began);
    let settings = Settings {
        targets: cluster.nodes.iter().map(|node| node.public).collect(),
        clients: arguments.connections,
        rate: arguments.rate,
        names: run_names("chaos"),
        seed,
        ..Settings::default()
    };
    let pushes = Pushes {
        admins,
        key,
        rate: arguments.durable_rate,
        clients: arguments.connections,
        names: settings.names.clone(),
    };
    let driver = Driver::start(settings, pushes, scraper, began);
    let rounds = match driver.gather(&cluster.interrupt)? {
        true => cluster.rounds(arguments, seed, &driver, began)?,
        false => Vec::new(),
    };
    let outcome = driver.finish(&cluster.interrupt)?;
    let seconds = (clock::now() - began).as_secs_f64();
    let complaints = complaints(&rounds, &outcome);
    let figures = Figures {
        scenario: "chaos",
        seed,
        nodes: arguments.nodes,
        connections: arguments.connections,
        seconds,
        good: complaints.is_empty(),
        faults: rounds,
        outcome,
    };
    publish::plainly(&table(&figures), arguments.json.as_deref(), &figures)?;
    if complaints.is_empty() {
        return Ok(());
    }
    Err(RunError::Failed(complaints.join("; ")))
}

fn complaints(rounds: &[Round], outcome: &Outcome) -> Vec<String> {
    let problems = rounds.iter().flat_map(|round| {
        let problems = round.recovery.problems.iter();
        problems.map(|problem| format!("after \"{}\" at {:.1} s: {problem}", round.fault, round.at))
    });
    problems.chain(outcome.complaint()).collect()
}

fn table(figures: &Figures) -> Table {
    let mut table = Table::default();
    table.row("faults", figures.faults.len().to_string());
    let slowest = |time: fn(&Recovery) -> Option<f64>| {
        let times = figures
            .faults
            .iter()
            .filter_map(|round| time(&round.recovery));
        format!("{:.1} s at most", times.fold(0.0, f64::max))
    };
    table.row("until ready", slowest(|recovery| recovery.ready));
    table.row("until whole", slowest(|recovery| recovery.whole));
    table.row("until clean", slowest(|recovery| recovery.clean));
    figures.outcome.rows(&mut table);
    table
}

impl Cluster {
    fn start(
        arguments: &ChaosArgs,
        folder: &Folder,
        key: &ApiKey,
        interrupt: Interrupt,
    ) -> Result<Self, RunError> {
        let mut ports = Ports::new();
        let redis = Redis::start(folder, &mut ports, &interrupt)?;
        let blueprint = Blueprint {
            program: &arguments.gateway,
            redis: redis.address,
            key,
        };
        let nodes =
            (0..arguments.nodes).map(|index| Node::start(&blueprint, index, folder, &mut ports));
        let nodes = nodes.collect::<Result<Vec<_>, _>>()?;
        let mut cluster = Self {
            nodes,
            redis,
            interrupt,
        };
        let mut reason = None;
        let is_ready = cluster.interrupt.wait(START_MAX, || {
            reason = whole::unready(&cluster.nodes);
            reason.is_none()
        })?;
        if !is_ready {
            let reason = reason.unwrap_or_default();
            return Err(RunError::Failed(format!(
                "the cluster does not start: {reason}"
            )));
        }
        if let Some(index) = whole::ended(&mut cluster.nodes) {
            return Err(RunError::Failed(format!("node {index} has ended")));
        }
        Ok(cluster)
    }

    /// Breaks and repairs until the time is over.
    fn rounds(
        &mut self,
        arguments: &ChaosArgs,
        seed: u64,
        driver: &Driver,
        began: Instant,
    ) -> Result<Vec<Round>, RunError> {
        let mut rounds = Vec::new();
        if arguments.smoke {
            for fault in SMOKE {
                rounds.push(self.round(fault, driver, began)?);
            }
        }
        let mut rng = Rng::new(seed);
        let end = clock::now() + arguments.minutes.unwrap_or_default();
        while clock::now() < end {
            let fault = Fault::draw(&mut rng, self.nodes.len());
            rounds.push(self.round(fault, driver, began)?);
        }
        self.interrupt.sleep(CALM)?;
        Ok(rounds)
    }

    /// One fault, its repair, and what comes after it.
    fn round(&mut self, fault: Fault, driver: &Driver, began: Instant) -> Result<Round, RunError> {
        if self.interrupt.wait(CALM, || driver.has_ended())? {
            return Err(RunError::Failed("the clients have given up".to_owned()));
        }
        let at = (clock::now() - began).as_secs_f64();
        println!("{at:7.1} s  {fault}");
        let problem = self.inject(fault, driver, began)?;
        let repaired = (clock::now() - began).as_secs_f64();
        let mut recovery = whole::watch(&mut self.nodes, &self.redis, driver, &self.interrupt)?;
        recovery.problems.extend(problem);
        if !driver.gather(&self.interrupt)? {
            let problem = "the clients do not reach each other again".to_owned();
            recovery.problems.push(problem);
        }
        for problem in &recovery.problems {
            println!("           {problem}");
        }
        Ok(Round {
            fault: fault.to_string(),
            at,
            repaired,
            recovery,
        })
    }

    /// Breaks something and repairs it, and has the clients know. Gives what went wrong that should not have.
    fn inject(
        &mut self,
        fault: Fault,
        driver: &Driver,
        began: Instant,
    ) -> Result<Option<String>, RunError> {
        let from = clock::now() - began;
        let problem = self.break_and_repair(fault)?;
        let until = clock::now() - began;
        match fault {
            Fault::Kill { node } | Fault::Drain { node } | Fault::Freeze { node, .. } => {
                driver.note(Event::Interrupted {
                    pusher: client(node),
                    from,
                    until,
                });
            }
            Fault::RedisFreeze { .. } => {}
            Fault::RedisRestart => driver.note(Event::Wiped { from, until }),
        }
        Ok(problem)
    }

    fn break_and_repair(&mut self, fault: Fault) -> Result<Option<String>, RunError> {
        match fault {
            Fault::Kill { node } => self.nodes[node].kill()?,
            Fault::Drain { node } => {
                if !self.nodes[node].drain(&self.interrupt)? {
                    return Ok(Some(format!("node {node} did not end when it was told to")));
                }
            }
            Fault::Freeze { node, time } => self.nodes[node].freeze(time, &self.interrupt)?,
            Fault::RedisFreeze { time } => self.redis.freeze(time, &self.interrupt)?,
            Fault::RedisRestart => self.redis.restart(&self.interrupt)?,
        }
        Ok(None)
    }
}
