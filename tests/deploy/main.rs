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

use std::{future::Future, time::Duration};

use tokio::time;

/// Longest wait for anything: generous, since a wait that ends by it is a failure.
const PATIENCE: Duration = Duration::from_secs(60);

/// The result of a future that has to come soon.
async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match time::timeout(PATIENCE, future).await {
        Ok(result) => result,
        Err(_) => panic!("{what} has not happened in {PATIENCE:?}"),
    }
}

/// Asks again and again until the answer is yes.
async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    soon(what, async {
        while !holds().await {
            time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}
