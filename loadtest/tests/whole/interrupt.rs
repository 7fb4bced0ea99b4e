//! A run that somebody ends before its time.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::node::{LOADTEST, Node};

#[test]
fn what_was_measured_until_then_is_told() {
    let node = Node::start("interrupt");
    check(&node, &["echo", "--rate", "50"], "-INT");
    check(
        &node,
        &["echo", "--rate", "50", "--processes", "2"],
        "-TERM",
    );
    check(&node, &["idle"], "-INT");
}

/// Starts a run of an hour, and ends it by a signal to one process alone, once it is being measured.
fn check(node: &Node, scenario: &[&str], signal: &str) {
    let json = node.folder.join("interrupted.json");
    let mut run = Command::new(LOADTEST)
        .args(scenario)
        .args([
            "--to",
            &node.public,
            "-n",
            "6",
            "--secs",
            "3600",
            "--progress",
        ])
        .arg("--json")
        .arg(&json)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(run.stderr.take().unwrap()).lines();
    let is_held = |line: &Result<String, _>| line.as_ref().unwrap().contains("hold");
    assert!(lines.any(|line| is_held(&line)), "{scenario:?}");
    let pid = run.id().to_string();
    assert!(
        Command::new("kill")
            .args([signal, &pid])
            .status()
            .unwrap()
            .success()
    );
    let rest: Vec<String> = lines.map(Result::unwrap).collect();
    assert_eq!(run.wait().unwrap().code(), Some(1), "{rest:?}");
    let figures: Value = serde_json::from_slice(&fs::read(&json).unwrap()).unwrap();
    let reason = figures["invalid_reason"].as_str().unwrap();
    assert!(
        reason.starts_with("interrupted after measuring for "),
        "{reason}"
    );
    assert_eq!(figures["scenario"], scenario[0]);
    if scenario[0] == "echo" {
        assert!(0 < figures["echoes"].as_u64().unwrap(), "{figures}");
    }
    fs::remove_file(json).unwrap();
}
