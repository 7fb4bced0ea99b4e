//! A cluster of real processes that is broken and repaired, for as long as a test run can bear.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::node::{LOADTEST, gateway};

/// The command for a smoke run, with what it needs in place.
fn smoke() -> Command {
    let redis = Command::new("redis-server").arg("--version").output();
    assert!(
        redis.is_ok(),
        "redis-server cannot be run: this test needs it in the PATH"
    );
    let mut command = Command::new(LOADTEST);
    command.args(["chaos", "--smoke", "--seed", "1", "--gateway"]);
    command.arg(gateway());
    command
}

/// Processes that work in a folder or below it.
fn processes_in(folder: &Path) -> Vec<PathBuf> {
    let all = fs::read_dir("/proc").unwrap().flatten();
    let folders = all.filter_map(|process| fs::read_link(process.path().join("cwd")).ok());
    folders.filter(|cwd| cwd.starts_with(folder)).collect()
}

#[test]
fn a_cluster_outlives_a_kill_a_freeze_and_an_empty_redis() {
    let json = std::env::temp_dir().join(format!("tidegate-smoke-{}.json", std::process::id()));
    let output = smoke().arg("--json").arg(&json).output().unwrap();
    let told = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "{told}");
    let figures: Value = serde_json::from_slice(&fs::read(&json).unwrap()).unwrap();
    fs::remove_file(&json).unwrap();
    assert_eq!(figures["good"], true, "{told}");
    assert_eq!(figures["faults"].as_array().unwrap().len(), 3);
    assert_eq!(figures["silent"], 0);
    assert_eq!(figures["kept_silent"], 0);
    let number = |field: &str| figures[field].as_u64().unwrap();
    // Redis forgets a few of them once, no more.
    assert!(number("kept") / 2 < number("kept_delivered"), "{told}");
    assert_eq!(
        number("kept"),
        number("kept_delivered") + number("kept_excused")
    );
    assert!(0 < figures["delivered"].as_u64().unwrap(), "{told}");
    // The kill and the freeze cost connections, or they have not happened.
    assert!(4 < figures["ended"].as_u64().unwrap(), "{told}");
}

#[test]
fn an_interrupt_leaves_nothing_running() {
    let mut child = smoke().stdout(Stdio::piped()).spawn().unwrap();
    let folder = std::env::temp_dir().join(format!("tidegate-chaos-{}", child.id()));
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // The first fault: by then all processes run.
    let fault = lines
        .map_while(Result::ok)
        .find(|line| line.contains("kill"));
    assert!(fault.is_some(), "there was no fault");
    assert!(!processes_in(&folder).is_empty());
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert_eq!(processes_in(&folder), Vec::<PathBuf>::new());
    assert!(!folder.exists());
}
