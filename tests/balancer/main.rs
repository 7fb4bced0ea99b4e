//! Three nodes as processes behind real balancers, with the files of `deploy/` but for addresses and
//! paths: nginx and HAProxy do what `deploy/README.md` says of them.
//!
//! A balancer that is not installed is a failure, for a test that skips itself protects nobody.

#![allow(clippy::unwrap_used, missing_docs)]

mod admission;
mod balancer;
mod client;
#[path = "../gateway/support/http.rs"]
#[allow(dead_code, reason = "shared with tests that look at more")]
mod http;
mod lab;
mod letters;
#[path = "../support/machine.rs"]
#[allow(dead_code, reason = "shared with tests that look at more")]
mod machine;
mod node;
mod passing;
#[allow(dead_code, reason = "shared with tests that look at more")]
mod process;
mod rolling;
mod swarm;
mod tls;
#[path = "../support/waiting.rs"]
mod waiting;

use waiting::{soon, until};
