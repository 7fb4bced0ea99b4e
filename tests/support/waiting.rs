//! Waits that end: each by what is waited for, or by a failure that names it.

use std::{future::Future, time::Duration};

use tokio::time;

/// Longest wait for anything: generous, since a wait that ends by it is a failure.
const PATIENCE: Duration = Duration::from_secs(60);

/// The result of a future that has to come soon.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match time::timeout(PATIENCE, future).await {
        Ok(result) => result,
        Err(_) => panic!("{what} has not happened in {PATIENCE:?}"),
    }
}

/// Asks again and again until the answer is yes.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    soon(what, async {
        while !holds().await {
            time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}
