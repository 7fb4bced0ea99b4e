//! What members of a cluster survive: real processes of the gateway and of Redis are killed, frozen
//! and cut off, while clients are connected.

#![allow(clippy::unwrap_used)]

mod client;
mod fleet;
#[path = "../gateway/support/http.rs"]
#[allow(dead_code, reason = "shared with tests that look at more")]
mod http;
#[path = "../support/machine.rs"]
mod machine;
mod member;
#[path = "../support/proxy.rs"]
#[allow(dead_code, reason = "shared with tests that look at more")]
mod proxy;
#[path = "../support/redis.rs"]
#[allow(dead_code, reason = "shared with tests that look at more")]
mod redis;
mod refusals;
mod server;
mod slots;

use std::{future::Future, time::Duration};

use tokio::time::{self, Instant};

/// Longest wait for anything that has no limit of its own.
const PATIENCE: Duration = Duration::from_secs(30);
/// A dead member is gone from every directory by then.
const GONE: Duration = Duration::from_secs(5);
/// Readiness tells the truth by then.
const TRUTH: Duration = Duration::from_secs(5);
/// After a repair everything is whole again by then.
const WHOLE: Duration = Duration::from_secs(10);

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
