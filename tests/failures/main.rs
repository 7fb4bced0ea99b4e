//! What members of a cluster survive: real processes of the gateway and of Redis are killed, frozen
//! and cut off, while clients are connected.
//!
//! Freezes are as short as they can be to be noticed. With `TG_TEST_LONG=1` in the environment a node
//! is frozen for 20 s, Redis for 30 s and each slot of a Cluster is on its way for 8 s, and what holds
//! for the short ones has to hold for these.

#![allow(clippy::unwrap_used)]

mod client;
mod customers;
mod dues;
mod fleet;
mod hooks;
#[path = "../gateway/support/http.rs"]
#[allow(dead_code, reason = "shared with tests that look at more")]
mod http;
mod live;
#[path = "../support/machine.rs"]
mod machine;
mod mail;
#[path = "../support/mariadb.rs"]
#[allow(dead_code, reason = "shared with tests that look at more")]
mod mariadb;
mod member;
mod network;
mod next;
#[path = "../support/old_redis.rs"]
mod old_redis;
mod promise;
#[path = "../support/proxy.rs"]
#[allow(dead_code, reason = "shared with tests that look at more")]
mod proxy;
#[path = "../support/redis.rs"]
#[allow(dead_code, reason = "shared with tests that look at more")]
mod redis;
mod refusals;
mod server;
#[path = "../support/service.rs"]
#[allow(dead_code, reason = "shared with tests that look at more")]
mod service;
mod slots;
mod versions;
mod work;

use std::{env, future::Future, time::Duration};

use tokio::time::{self, Instant};

/// Longest wait for anything that has no limit of its own.
const PATIENCE: Duration = Duration::from_secs(30);
/// A dead member is gone from every directory by then.
const GONE: Duration = Duration::from_secs(5);
/// Readiness tells the truth by then.
const TRUTH: Duration = Duration::from_secs(5);
/// After a repair everything is whole again by then.
const WHOLE: Duration = Duration::from_secs(10);

/// Set to 1 for faults that last.
const LONG: &str = "TG_TEST_LONG";

/// How long a fault lasts: the longer time, if that was asked for.
fn lasting(short: Duration, long: Duration) -> Duration {
    match env::var(LONG).as_deref() {
        Ok("1") => long,
        _ => short,
    }
}

/// The result of a future that has to come soon.
async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match time::timeout(PATIENCE, future).await {
        Ok(result) => result,
        Err(_) => panic!("{what} has not happened in {PATIENCE:?}"),
    }
}

/// Waits until a condition holds, which has to be within `limit`.
async fn within(limit: Duration, what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let until = Instant::now() + limit;
    while !holds().await {
        assert!(Instant::now() < until, "{what}: not within {limit:?}");
        time::sleep(Duration::from_millis(20)).await;
    }
}
