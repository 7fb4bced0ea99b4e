//! What stands in `deploy/` for images, Kubernetes, compose and systemd, held against the program that it
//! is about: rendered, checked by the tools that there are for it, and run as far as a machine without
//! a cluster and without an engine can run it.
//!
//! Containers are run by hand: the root file system that buildah makes of the Dockerfile, as another
//! user, on a file system that cannot be written. That needs root. A tool that is missing is a failure.

#![allow(clippy::unwrap_used, missing_docs)]

mod compose;
mod container;
mod dns;
mod files;
#[path = "../gateway/support/http.rs"]
#[allow(dead_code, reason = "shared with tests that look at more")]
mod http;
mod image;
mod kubernetes;
mod lab;
mod lint;
#[path = "../support/machine.rs"]
#[allow(dead_code, reason = "shared with tests that look at more")]
mod machine;
#[path = "../support/mariadb.rs"]
#[allow(dead_code, reason = "shared with tests that look at more")]
mod mariadb;
mod pod;
mod pods;
#[path = "../balancer/process.rs"]
#[allow(dead_code, reason = "shared with tests that look at more")]
mod process;
mod root;
mod systemd;
#[path = "../support/waiting.rs"]
mod waiting;

use waiting::{soon, until};
