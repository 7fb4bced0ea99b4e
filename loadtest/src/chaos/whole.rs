//! What a cluster owes after a fault has been repaired.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::driver::Driver;
use super::processes::{Node, Redis};
use super::redis::{self, Holdings};
use crate::check::fleet::{Fleet, Settings};
use crate::check::{REACH_MAX, run_names, scrape};
use crate::clock;
use crate::http;
use crate::interrupt::Interrupt;
use crate::scenario::RunError;

/// All nodes want clients again within this.
const READY_MAX: Duration = Duration::from_secs(10);
/// Redis holds all of the living and nothing of the dead, and the nodes count the sessions that there are.
const CLEAN_MAX: Duration = Duration::from_secs(15);
/// Between two questions to all nodes.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
const TIMEOUT: Duration = Duration::from_millis(500);

/// How a cluster came back; times in seconds since the repair, null if it did not.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Recovery {
    /// All nodes were ready.
    pub ready: Option<f64>,
    /// Probes had come through between every two nodes.
    pub whole: Option<f64>,
    /// Redis held the living and nobody else, no session was left over, and all nodes were ready still.
    pub clean: Option<f64>,
    /// What was not as it has to be.
    pub problems: Vec<String>,
}

/// Watches how the cluster comes back from now on.
pub(super) fn watch(
    nodes: &mut [Node],
    redis: &Redis,
    driver: &Driver,
    interrupt: &Interrupt,
) -> Result<Recovery, RunError> {
    let repaired = clock::now();
    let mut recovery = Recovery::default();
    return_to_work(nodes, repaired, &mut recovery, interrupt)?;
    let mut found = String::new();
    let is_clean =
        interrupt.wait(
            CLEAN_MAX.saturating_sub(clock::now() - repaired),
            || match leftovers(nodes, redis, driver) {
                None => true,
                Some(other) => {
                    found = other;
                    std::thread::sleep(LOOK_INTERVAL);
                    false
                }
            },
        )?;
    if is_clean {
        recovery.clean = Some((clock::now() - repaired).as_secs_f64());
    } else {
        recovery.problems.push(found);
    }
    if let Some(index) = ended(nodes) {
        let problem = format!("node {index} has ended by itself");
        recovery.problems.push(problem);
    }
    Ok(recovery)
}

/// Waits until all nodes are ready and probes come through between every two of them.
fn return_to_work(
    nodes: &[Node],
    repaired: Instant,
    recovery: &mut Recovery,
    interrupt: &Interrupt,
) -> Result<(), RunError> {
    let mut probes = probes(nodes, repaired)?;
    let mut not_ready = String::new();
    let mut look = repaired;
    loop {
        interrupt.check()?;
        probes.step(false)?;
        let now = clock::now();
        let took = now - repaired;
        if recovery.ready.is_none() && look <= now {
            look = now + LOOK_INTERVAL;
            match unready(nodes) {
                Some(reason) => not_ready = reason,
                None => recovery.ready = Some((clock::now() - repaired).as_secs_f64()),
            }
        }
        let standing = probes.standing();
        if recovery.whole.is_none() && standing.proven == standing.pairs {
            recovery.whole = Some(took.as_secs_f64());
        }
        if recovery.ready.is_some() && recovery.whole.is_some() {
            return Ok(());
        }
        if READY_MAX.max(REACH_MAX) <= took {
            break;
        }
    }
    if recovery.ready.is_none() {
        recovery.problems.push(not_ready);
    }
    if recovery.whole.is_none() {
        let missing = probes.unreachable(Duration::ZERO);
        let open = probes.standing().open;
        recovery.problems.push(format!(
            "no probe comes through between these nodes: {missing:?}; {open} nodes take clients"
        ));
    }
    Ok(())
}

/// One client at every node, which probes all others.
fn probes(nodes: &[Node], began: Instant) -> Result<Fleet, RunError> {
    let settings = Settings {
        targets: nodes.iter().map(|node| node.public).collect(),
        clients: nodes.len(),
        receivers: nodes.len() - 1,
        roams: false,
        names: run_names("probe"),
        ..Settings::default()
    };
    Fleet::new(settings, began)
}

/// The first node whose process has ended.
pub(super) fn ended(nodes: &mut [Node]) -> Option<usize> {
    nodes.iter_mut().position(Node::has_ended)
}

/// The first node that does not want clients, and why.
pub(super) fn unready(nodes: &[Node]) -> Option<String> {
    nodes.iter().enumerate().find_map(|(index, node)| {
        match http::get(node.admin, "/readyz", TIMEOUT) {
            Ok(answer) if answer.status == 200 => None,
            Ok(answer) => Some(format!("node {index} is not ready: {}", answer.body)),
            Err(error) => Some(format!(
                "node {index} does not say whether it is ready: {error}"
            )),
        }
    })
}

/// What is in Redis or in the nodes that belongs to nobody any more. Readiness is asked for again: right after the
/// repair, nodes may not have noticed the fault yet.
fn leftovers(nodes: &[Node], redis: &Redis, driver: &Driver) -> Option<String> {
    if let Some(reason) = unready(nodes) {
        return Some(reason);
    }
    let holdings = match redis::holdings(redis.address, TIMEOUT) {
        Ok(holdings) => holdings,
        Err(error) => return Some(error.to_string()),
    };
    let living = nodes.len();
    // Neither the dead nor, after Redis has lost everything, too few.
    let expected = Holdings {
        members: living,
        inboxes: living,
        groups: living,
    };
    if holdings != expected {
        return Some(format!(
            "Redis holds {holdings:?}, but there are {living} nodes"
        ));
    }
    let sessions: Option<u64> = nodes
        .iter()
        .map(|node| scrape::look(node.admin).map(|sample| sample.sessions))
        .sum();
    let open = driver.standing().open;
    match sessions {
        Some(sessions) if sessions == open as u64 => None,
        Some(sessions) => Some(format!("{sessions} sessions for {open} clients")),
        None => Some("a node does not tell its metrics".to_owned()),
    }
}
