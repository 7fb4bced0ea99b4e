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

use std::{future::Future, time::Duration};

use tokio::time;

/// Longest wait for anything: generous, since a wait that ends by it is a failure.
const PATIENCE: Duration = Duration::from_secs(20);

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
