//! What the tests are made of: nodes, clients and time limits.

pub(crate) mod client;
pub(crate) mod http;
#[path = "../support/machine.rs"]
pub(crate) mod machine;
#[path = "../support/mariadb.rs"]
#[allow(dead_code, reason = "shared with tests that look at more")]
pub(crate) mod mariadb;
pub(crate) mod node;
pub(crate) mod process;
pub(crate) mod raw;
#[path = "../support/redis.rs"]
#[allow(dead_code, reason = "shared with tests that look at more")]
pub(crate) mod redis;
#[path = "../support/service.rs"]
pub(crate) mod service;
pub(crate) mod settings;

use std::{future::Future, time::Duration};

use tokio::time;

pub(crate) use self::{
    client::{Client, Closed},
    node::Gateway,
    raw::{Raw, Received},
};

/// Longest wait for anything: generous, since a wait that ends by it is a failure.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The result of a future that has to come soon.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match time::timeout(PATIENCE, future).await {
        Ok(result) => result,
        Err(_) => panic!("{what} has not happened in {PATIENCE:?}"),
    }
}

/// Waits until a condition holds that nothing announces.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    soon(what, async {
        while !holds() {
            time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}
