//! Boards and alerts: what they ask of Prometheus is asked of a real one, which scrapes two real nodes
//! under traffic of every kind.
//!
//! No Grafana renders the boards here: that their JSON means to Grafana what it should is checked by
//! its form alone. Programs that are not installed are a failure, for a test that skips itself protects
//! nobody.

#![allow(clippy::unwrap_used, missing_docs)]

mod alerts;
mod boards;
mod clients;
#[path = "../gateway/support/http.rs"]
#[allow(dead_code, reason = "shared with tests that look at more")]
mod http;
mod lab;
#[path = "../support/machine.rs"]
#[allow(dead_code, reason = "shared with tests that look at more")]
mod machine;
mod panels;
#[path = "../balancer/process.rs"]
#[allow(dead_code, reason = "shared with tests that look at more")]
mod process;
mod prometheus;
#[path = "../support/redis.rs"]
#[allow(dead_code, reason = "shared with tests that look at more")]
mod redis;
mod rules;
#[path = "../support/service.rs"]
#[allow(dead_code, reason = "shared with tests that look at more")]
mod service;
mod traffic;
#[path = "../support/waiting.rs"]
mod waiting;

use std::{
    fs,
    path::{Path, PathBuf},
};

use waiting::{soon, until};

/// The top of the repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The text of a file of the repository.
fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The files with this ending in a folder of the repository, in alphabetical order.
fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join(folder)).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|found| found == ending));
    paths.sort();
    assert!(!paths.is_empty(), "{folder} has no file .{ending}");
    paths
}
