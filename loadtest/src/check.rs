//! `check`: whether a cluster delivers every message once and in order, and says so when it does not.

pub mod fleet;
pub mod message;
pub mod outcome;
pub mod pusher;
pub mod scrape;
pub mod verdict;

use std::time::{Duration, Instant, SystemTime};

use serde::Serialize;

use crate::cli::CheckArgs;
use crate::clock;
use crate::key::ApiKey;
use crate::publish;
use crate::report::{Table, thousands};
use crate::scenario::RunError;
use fleet::{Fleet, Settings};
use message::Names;
use outcome::{Counts, Offence, Verdict};
use pusher::{Pusher, Pushes};
use scrape::Scraper;
use verdict::Client;

/// Clients that are connected at both ends reach each other within this, or the cluster is not whole.
pub const REACH_MAX: Duration = Duration::from_secs(10);
/// Between two looks at the end of a run whether everything has come.
const SETTLE_INTERVAL: Duration = Duration::from_millis(200);

/// Figures of a `check` run.
#[derive(Debug, Serialize)]
pub struct Figures {
    /// Always `check`.
    pub scenario: &'static str,
    /// Clients.
    pub connections: usize,
    /// Whether everything is as promised.
    pub good: bool,
    /// What became of the messages.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What a fleet has found out.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// What became of the messages.
    #[serde(flatten)]
    pub counts: Counts,
    /// Longest time from the connection of both to the first probe that came through.
    pub worst_reach_seconds: f64,
    /// Pairs of sender and receiver that were connected at the end and did not reach each other.
    pub unreachable: Vec<(Client, Client)>,
    /// The first offending messages.
    pub offences: Vec<Offence>,
}

impl Outcome {
    /// Ends a run whose messages have had their time.
    #[must_use]
    pub fn of(mut fleet: Fleet, scraper: Scraper) -> Self {
        fleet.note(scraper.finish());
        let worst_reach_seconds = fleet.worst_reach().as_secs_f64();
        let unreachable = fleet.unreachable(REACH_MAX);
        let Verdict { counts, offences } = fleet.ledger().verdict();
        Self {
            counts,
            worst_reach_seconds,
            unreachable,
            offences,
        }
    }

    /// Adds the rows of it.
    pub fn rows(&self, table: &mut Table) {
        let counts = &self.counts;
        for (name, count) in [
            ("messages sent", counts.sent),
            ("delivered once", counts.delivered),
            ("  of these late", counts.late),
            ("delivered twice", counts.doubled),
            ("out of order", counts.out_of_order),
            ("never sent", counts.unknown),
            ("excused", counts.excused),
            ("lost and announced", counts.announced),
            ("lost in silence", counts.silent),
            ("announced by the nodes", counts.announced_by_nodes),
            ("connections ended", counts.ended),
            ("durable messages kept", counts.kept.kept),
            ("  delivered", counts.kept.delivered),
            ("  twice on a connection", counts.kept.doubled),
            ("  out of order", counts.kept.out_of_order),
            ("  never pushed", counts.kept.unknown),
            ("  excused by an empty Redis", counts.kept.excused),
            ("  lost", counts.kept.silent),
            ("durable ones not kept", counts.kept.unpromised),
        ] {
            table.row(name, thousands(count as f64));
        }
        let reach = format!("{:.3} s at most", self.worst_reach_seconds);
        table.row("until reachable", reach);
        for offence in &self.offences {
            table.row("offence", offence.line());
        }
    }

    /// Tells what is not as promised; nothing if all is.
    #[must_use]
    pub fn complaint(&self) -> Option<String> {
        let counts = &self.counts;
        let complaints = [
            (counts.silent, "lost in silence"),
            (counts.doubled, "delivered twice"),
            (counts.out_of_order, "out of order"),
            (counts.unknown, "delivered without having been sent"),
            (counts.kept.silent, "kept and lost in silence"),
            (counts.kept.doubled, "kept and delivered twice"),
            (counts.kept.out_of_order, "kept and out of order"),
            (counts.kept.unknown, "delivered without having been pushed"),
        ];
        let mut complaints: Vec<_> = complaints
            .iter()
            .filter(|(count, _)| 0 < *count)
            .map(|(count, what)| format!("{count} messages {what}"))
            .collect();
        if !self.unreachable.is_empty() {
            let count = self.unreachable.len();
            complaints.push(format!("{count} pairs do not reach each other"));
        }
        if counts.sent == 0 {
            complaints.push("nothing could be sent".to_owned());
        }
        if counts.kept.kept == 0 && 0 < counts.kept.unpromised {
            complaints.push("no durable message was kept".to_owned());
        }
        (!complaints.is_empty()).then(|| complaints.join(", "))
    }
}

/// Runs it.
///
/// # Errors
/// See [`RunError`].
pub fn run(arguments: &CheckArgs) -> Result<(), RunError> {
    let began = clock::now();
    let settings = Settings {
        targets: arguments.to.clone(),
        clients: arguments.connections,
        rate: arguments.rate,
        names: run_names("check"),
        seed: u64::from(std::process::id()),
        ..Settings::default()
    };
    let key = arguments.key.clone().or_else(ApiKey::from_environment);
    let pushes = key.map(|key| Pushes {
        admins: arguments.admin.clone(),
        key,
        rate: arguments.durable_rate,
        clients: arguments.connections,
        names: settings.names.clone(),
    });
    let scraper = Scraper::start(&arguments.admin, began);
    let mut fleet = Fleet::new(settings, began)?;
    assemble(&mut fleet)?;
    let pusher = pushes.map(|pushes| Pusher::start(pushes, began));
    let end = clock::now() + arguments.secs;
    while clock::now() < end {
        fleet.step(true)?;
    }
    settle(&mut fleet, pusher, began)?;
    let outcome = Outcome::of(fleet, scraper);
    let complaint = outcome.complaint();
    let figures = Figures {
        scenario: "check",
        connections: arguments.connections,
        good: complaint.is_none(),
        outcome,
    };
    let mut table = Table::default();
    figures.outcome.rows(&mut table);
    publish::plainly(&table, arguments.json.as_deref(), &figures)?;
    complaint.map_or(Ok(()), |complaint| Err(RunError::Failed(complaint)))
}

/// Names that begin with `what` and that nobody else has.
#[must_use]
pub fn run_names(what: &str) -> Names {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let milliseconds = since_epoch.unwrap_or_default().as_millis();
    Names::new(format!("{what}-{milliseconds:x}-{:x}", std::process::id()))
}

/// Waits until everybody reaches everybody that it sends to.
///
/// # Errors
/// See [`RunError`]; after [`REACH_MAX`] it fails.
pub fn assemble(fleet: &mut Fleet) -> Result<(), RunError> {
    let end = clock::now() + REACH_MAX;
    loop {
        let standing = fleet.standing();
        if standing.proven == standing.pairs {
            return Ok(());
        }
        if end <= clock::now() {
            return Err(RunError::Failed(format!(
                "after {} s only {} clients are connected and only {} of {} pairs reach each other",
                REACH_MAX.as_secs(),
                standing.open,
                standing.proven,
                standing.pairs
            )));
        }
        fleet.step(false)?;
    }
}

/// Sends and pushes no more, and waits until every message has come or cannot come any more, and until pairs that have
/// just connected have had their time.
///
/// # Errors
/// What the system reports.
pub fn settle(fleet: &mut Fleet, pusher: Option<Pusher>, began: Instant) -> Result<(), RunError> {
    if let Some(pusher) = pusher {
        pusher.stop();
        while !pusher.has_ended() {
            fleet.step(false)?;
        }
        fleet.note(pusher.finish());
    }
    let patience = clock::now() + REACH_MAX;
    let mut look = clock::now();
    loop {
        let now = clock::now();
        if look <= now {
            look = now + SETTLE_INTERVAL;
            let standing = fleet.standing();
            let is_whole = standing.proven == standing.pairs || patience <= now;
            if is_whole && fleet.ledger().undecided(now - began) == 0 {
                return Ok(());
            }
        }
        fleet.step(false)?;
    }
}
