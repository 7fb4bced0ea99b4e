//! `stop`, `reload` and `status`: verbs about a node that runs here already.

use std::{thread, time::Duration};

use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};

use super::{
    Done, Failure,
    args::Status,
    control::{self, Answer},
    pid::Entry,
};
use crate::config::{Config, Drain, Readable, ReloadSource};

/// Between two looks at a process that is to end.
const POLL: Duration = Duration::from_millis(50);
/// What a node may take for its end beside the drain itself.
const STOP_MARGIN: Duration = Duration::from_secs(5);

/// Drains the node, and waits for its end.
pub(super) fn stop(source: &ReloadSource) -> Done {
    let config = readable(source)?.config;
    let entry = running_of(&config)?;
    ask_to_stop(&entry)?;
    wait_for_end(&entry, &config.drain)?;
    Ok(format!("tidegate, process {}, has stopped", entry.pid))
}

/// Lets the node read its configuration again.
pub(super) fn reload(source: &ReloadSource) -> Done {
    let Readable { config, syntax } = readable(source)?;
    if let Some(mistake) = syntax {
        return Err(Failure::wrong(mistake));
    }
    let entry = running_of(&config)?;
    match control::request(&entry, "POST", "/api/process/reload", None) {
        Ok(answer) => reloaded(&answer),
        Err(error) => {
            signal(&entry, Signal::HUP)?;
            Ok(format!(
                "{error}; sent SIGHUP instead, its log says what came of it"
            ))
        }
    }
}

/// Shows the node; where only one that is ready will do, the exit code says whether it is.
pub(super) fn status(source: &ReloadSource, wanted: Status) -> Done {
    let entry = running(source)?;
    let answer = control::request(&entry, "GET", "/api/process", None)
        .map_err(|error| Failure::failed(format!("process {} runs, but {error}", entry.pid)))?;
    if !answer.is_success() {
        return Err(Failure::failed(answer.problem()));
    }
    let text = table(&entry, &answer.body);
    if wanted.ready && !is_ready(&answer.body) {
        return Err(Failure::failed(text));
    }
    Ok(text)
}

fn is_ready(status: &Value) -> bool {
    status.get("state").and_then(Value::as_str) == Some("ready")
}

/// Says something to everybody.
pub(super) fn say(source: &ReloadSource, text: &str) -> Done {
    let entry = running(source)?;
    let body = json!({ "say": text });
    let answer = control::request(&entry, "POST", "/api/say", Some(&body));
    let answer = answer.map_err(Failure::failed)?;
    match answer.is_success() {
        true => Ok("said".to_owned()),
        false => Err(Failure::failed(answer.problem())),
    }
}

pub(super) fn readable(source: &ReloadSource) -> Result<Readable, Failure> {
    source.load_readable().map_err(Failure::wrong)
}

/// The node that runs here.
pub(super) fn running(source: &ReloadSource) -> Result<Entry, Failure> {
    running_of(&readable(source)?.config)
}

fn running_of(config: &Config) -> Result<Entry, Failure> {
    let path = &config.pid_file;
    Entry::running(path)
        .ok_or_else(|| Failure::failed(format!("no node runs here ({})", path.display())))
}

pub(super) fn signal(entry: &Entry, signal: Signal) -> Result<(), Failure> {
    let pid = entry.process().expect("a process that runs has a number");
    kill_process(pid, signal)
        .map_err(|error| Failure::failed(format!("process {}: {error}", entry.pid)))
}

/// Has the node drain.
pub(super) fn ask_to_stop(entry: &Entry) -> Result<(), Failure> {
    let asked = control::request(entry, "POST", "/api/process/stop", None);
    if !asked.is_ok_and(|answer| answer.is_success()) {
        signal(entry, Signal::TERM)?;
    }
    Ok(())
}

/// Waits until a node that drains has ended.
pub(super) fn wait_for_end(entry: &Entry, drain: &Drain) -> Result<(), Failure> {
    let limit = drain.delay + drain.grace + STOP_MARGIN;
    for _ in 0..limit.as_millis() / POLL.as_millis() {
        if !entry.is_alive() {
            return Ok(());
        }
        thread::sleep(POLL);
    }
    Err(Failure::failed(format!(
        "process {} still runs after {limit:?}",
        entry.pid
    )))
}

fn reloaded(answer: &Answer) -> Done {
    let list = |key| -> Vec<String> {
        let items = answer.body.get(key).and_then(Value::as_array);
        let items = items.into_iter().flatten();
        items.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let errors = list("errors");
    if !errors.is_empty() {
        return Err(Failure::wrong(errors.join("\n")));
    }
    if !answer.is_success() {
        return Err(Failure::failed(answer.problem()));
    }
    let (applied, needs_restart) = (list("applied"), list("needs_restart"));
    let mut lines = Vec::new();
    if !applied.is_empty() {
        lines.push(format!("applied: {}", applied.join(", ")));
    }
    if !needs_restart.is_empty() {
        lines.push(format!("needs a restart: {}", needs_restart.join(", ")));
    }
    if lines.is_empty() {
        lines.push("nothing has changed".to_owned());
    }
    Ok(lines.join("\n"))
}

fn table(entry: &Entry, status: &Value) -> String {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let items = items.iter().filter_map(Value::as_str);
            items.collect::<Vec<_>>().join(", ")
        }
        value => value.to_string(),
    };
    let mut lines = vec![format!("{:<10} {}", "process", entry.pid)];
    let mut row = |name: &str, value: String| lines.push(format!("{name:<10} {value}"));
    for key in ["node", "member", "version", "state", "reason"] {
        if let Some(value) = status.get(key) {
            row(key, text(value));
        }
    }
    if let Some(seconds) = status.get("uptime_seconds").and_then(Value::as_u64) {
        row("uptime", uptime(seconds));
    }
    for key in ["public", "admin"] {
        if let Some(value) = status.get(key) {
            row(key, text(value));
        }
    }
    if let Some(sessions) = status.get("sessions").and_then(Value::as_object) {
        let dialect = |(name, count): (&String, &Value)| format!("{name} {count}");
        let dialects: Vec<String> = sessions.iter().map(dialect).collect();
        row("sessions", dialects.join(", "));
    }
    if let Some(age) = status.get("canary_age_ms").and_then(Value::as_u64) {
        row("canary", format!("{age} ms ago"));
        let nodes = status.get("nodes").and_then(Value::as_array);
        for node in nodes.into_iter().flatten() {
            row("node", node_line(node));
        }
    }
    let slowest = status.get("slowest").and_then(Value::as_array);
    for consumer in slowest.into_iter().flatten() {
        row("slow", slow_line(consumer));
    }
    lines.join("\n")
}

fn node_line(node: &Value) -> String {
    let text = |key| node.get(key).and_then(Value::as_str).unwrap_or_default();
    let number = |key| node.get(key).and_then(Value::as_u64).unwrap_or_default();
    let bus = |key| node["bus"][key].as_u64().unwrap_or_default();
    format!(
        "{}.{} {} {}, {} sessions, {} entries behind, bus {} of {}",
        text("id"),
        text("epoch"),
        text("address"),
        text("state"),
        number("sessions"),
        number("lag"),
        bus("speaks"),
        bus("max")
    )
}

/// A session for which something waits.
fn slow_line(consumer: &Value) -> String {
    let text = |key| {
        consumer
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let number = |key| {
        consumer
            .get(key)
            .and_then(Value::as_u64)
            .unwrap_or_default()
    };
    let seconds = number("age_ms") as f64 / 1000.0;
    format!(
        "{} {}, {} bytes wait, the oldest for {seconds:.1}s",
        text("session"),
        text("dialect"),
        number("bytes"),
    )
}

fn uptime(seconds: u64) -> String {
    let (minutes, seconds) = (seconds / 60, seconds % 60);
    let (hours, minutes) = (minutes / 60, minutes % 60);
    let (days, hours) = (hours / 24, hours % 24);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m {seconds}s"),
        (0, _, _) => format!("{hours}h {minutes}m"),
        (_, _, _) => format!("{days}d {hours}h"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::Code;

    fn answer(status: u16, body: Value) -> Answer {
        Answer { status, body }
    }

    #[test]
    fn a_reload_says_what_came_of_it() {
        let done = |status, body| reloaded(&answer(status, body));
        let body = json!({"applied": ["limits.idle", "log.level"], "needs_restart": ["store.url"]});
        assert_eq!(
            done(200, body).unwrap(),
            "applied: limits.idle, log.level\nneeds a restart: store.url"
        );
        let body = json!({"applied": [], "needs_restart": [], "errors": []});
        assert_eq!(done(200, body).unwrap(), "nothing has changed");
        let body = json!({"errors": ["limits.idle: is 5", "x: is not a known key"]});
        let failure = done(422, body).unwrap_err();
        assert_eq!(failure.code, Code::Wrong);
        assert_eq!(failure.text, "limits.idle: is 5\nx: is not a known key");
        let failure = done(401, Value::Null).unwrap_err();
        assert_eq!(failure.code, Code::Failed);
    }

    #[test]
    fn the_status_is_an_aligned_table() {
        let (entry, _thread) = control::tests::answering("");
        let status = json!({
            "node": "gw-1", "member": "gw-1.5", "version": "0.1.0", "state": "ready",
            "uptime_seconds": 3725, "public": ["127.0.0.1:1", "127.0.0.1:2"],
            "admin": "127.0.0.1:3", "sessions": {"device": 3, "ride": 12},
            "slowest": [{"session": "gw-1.5.1", "dialect": "ride", "bytes": 70_000, "age_ms": 3200}],
        });
        let expect = format!(
            "process    {}\nnode       gw-1\nmember     gw-1.5\nversion    0.1.0\n\
             state      ready\nuptime     1h 2m\npublic     127.0.0.1:1, 127.0.0.1:2\n\
             admin      127.0.0.1:3\nsessions   device 3, ride 12\n\
             slow       gw-1.5.1 ride, 70000 bytes wait, the oldest for 3.2s",
            entry.pid
        );
        assert_eq!(table(&entry, &status), expect);
    }

    #[test]
    fn only_a_node_that_says_so_is_ready() {
        for (state, expect) in [("ready", true), ("starting", false), ("draining", false)] {
            assert_eq!(is_ready(&json!({"state": state})), expect, "{state}");
        }
        assert!(!is_ready(&Value::Null));
    }

    #[test]
    fn an_uptime_shows_its_two_largest_units() {
        for (seconds, expect) in [(5, "5s"), (65, "1m 5s"), (7260, "2h 1m"), (90_000, "1d 1h")] {
            assert_eq!(uptime(seconds), expect);
        }
    }
}
