//! `tidegate tail`: follows a user, a room or a session, by way of the node that runs here, until it is
//! interrupted or that node ends.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Write},
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use super::{
    Done, Failure,
    args::Tail,
    control,
    explain::{line, text},
    manage::running,
    printable,
};
use crate::config::ReloadSource;

/// Between two looks.
const POLL: Duration = Duration::from_millis(250);

/// Prints what happens, as it does.
pub(super) fn tail(source: &ReloadSource, wanted: &Tail) -> Done {
    let entry = running(source)?;
    let mut body = json!({"topic": wanted.topic, "data": wanted.data});
    let mut follower = Follower::default();
    loop {
        let answer = control::request(&entry, "POST", "/api/tail", Some(&body));
        let answer = answer.map_err(Failure::failed)?;
        if !answer.is_success() {
            return Err(Failure::failed(answer.problem()));
        }
        body["watch"] = answer.body["watch"].clone();
        // Whoever reads it is gone, as in `tidegate tail user:42 | head`.
        if print(&follower.lines(&answer.body)).is_err() {
            return Ok(String::new());
        }
        thread::sleep(POLL);
    }
}

fn print(lines: &[String]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for line in lines {
        writeln!(out, "{line}")?;
    }
    out.flush()
}

/// What was told so far.
#[derive(Default)]
struct Follower {
    has_begun: bool,
    /// The number of the next event of each node.
    next: BTreeMap<String, u64>,
    /// Nodes of which something was said that need not be said again.
    silent: BTreeSet<String>,
}

impl Follower {
    fn lines(&mut self, answer: &Value) -> Vec<String> {
        let mut lines = Vec::new();
        if !self.has_begun {
            self.has_begun = true;
            let sessions = answer.get("sessions").and_then(Value::as_u64);
            lines.push(format!(
                "following {} sessions",
                sessions.unwrap_or_default()
            ));
        }
        for (key, problem) in [
            (
                "missing",
                "does not answer: what happens there may be left out",
            ),
            (
                "too_old",
                "is too old to say: what happens there is not shown",
            ),
            (
                "refused",
                "follows as much as it may: what happens there is not shown",
            ),
        ] {
            let nodes = answer.get(key).and_then(Value::as_array);
            for node in nodes.into_iter().flatten().filter_map(Value::as_str) {
                if self.silent.insert(format!("{key} {node}")) {
                    lines.push(format!("{} {problem}", printable(node)));
                }
            }
        }
        let events = answer.get("events").and_then(Value::as_array);
        for event in events.into_iter().flatten() {
            lines.extend(self.gap(event));
            lines.push(format!("{}  {}", text(event, "trace"), line(event)));
        }
        lines
    }

    /// What stands between this event of its node and the one before.
    fn gap(&mut self, event: &Value) -> Option<String> {
        let number = event.get("number").and_then(Value::as_u64)?;
        let node = text(event, "node");
        let next = self.next.insert(node.to_owned(), number + 1);
        // Nobody has asked for so long that the node has forgotten what was followed.
        if next.is_some_and(|next| number < next) {
            return Some(format!(
                "{} was not asked in time: what happened meanwhile is not shown",
                printable(node)
            ));
        }
        let left_out = number.saturating_sub(next.unwrap_or_default());
        (0 < left_out).then(|| format!("{left_out} events of {} left out", printable(node)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(node: &str, number: u64) -> Value {
        json!({
            "number": number, "trace": "7", "time": "then", "node": node, "step": "opened", "facts": {},
        })
    }

    #[test]
    fn what_is_left_out_is_counted_by_node() {
        let mut follower = Follower::default();
        let first = json!({"sessions": 2, "events": [event("a", 0), event("b", 0)]});
        assert_eq!(
            follower.lines(&first),
            [
                "following 2 sessions",
                "7  then  a  opened",
                "7  then  b  opened"
            ]
        );
        let second = json!({"sessions": 2, "events": [event("b", 4), event("a", 1)]});
        assert_eq!(
            follower.lines(&second),
            [
                "3 events of b left out",
                "7  then  b  opened",
                "7  then  a  opened"
            ]
        );
    }

    #[test]
    fn a_node_that_has_begun_anew_has_something_missing() {
        let mut follower = Follower::default();
        follower.lines(&json!({"sessions": 1, "events": [event("a", 0), event("a", 1)]}));
        let lines = follower.lines(&json!({"events": [event("a", 0)]}));
        assert!(lines[0].starts_with("a was not asked in time"), "{lines:?}");
        assert_eq!(lines[1], "7  then  a  opened");
    }

    #[test]
    fn a_node_that_does_not_answer_is_named_once() {
        let mut follower = Follower::default();
        let answer = json!({"sessions": 0, "events": [], "missing": ["b"], "refused": ["c"]});
        assert_eq!(follower.lines(&answer).len(), 3);
        assert_eq!(follower.lines(&answer), [""; 0]);
    }
}
