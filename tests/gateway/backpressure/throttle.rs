//! A client over its rate is read more slowly, and loses nothing.

use std::time::Duration;

use tokio::time::Instant;

use super::{batch, number};
use crate::support::{Client, Gateway, Raw, Received, client::code};

#[tokio::test]
async fn messages_over_the_rate_arrive_later_and_in_order() {
    let toml = "limits.messages_per_second = 50\nlimits.messages_burst = 10";
    let gateway = Gateway::start(toml);
    let mut crowd = Client::ride(&gateway, "c", "crowd").await;
    let mut hasty = Raw::ride(&gateway, "p", "me").await;
    let started = Instant::now();
    hasty.write(&batch("me", 0..60)).await;
    // Others are served meanwhile.
    let mut other = Client::ride(&gateway, "o", "other").await;
    other.ping().await;
    for expect in 0..60 {
        assert_eq!(number(crowd.text().await.as_bytes()), expect);
    }
    // The login's ping was the first of the burst.
    assert!(Duration::from_millis(950) <= started.elapsed());
}

#[tokio::test]
async fn a_client_is_not_idle_while_the_server_lets_it_wait() {
    let toml = "limits.messages_per_second = 2\nlimits.messages_burst = 1\n\
                limits.idle = \"300ms\"\nlimits.message_timeout = \"200ms\"";
    let gateway = Gateway::start(toml);
    let mut hasty = Raw::upgrade(&gateway, "/ws/?client_id=p&token=crowd").await;
    hasty.write(&batch("crowd", 0..4)).await;
    for expect in 0..4 {
        let Received::Frame { opcode: 1, payload } = hasty.receive().await else {
            panic!("it was closed");
        };
        assert_eq!(number(&payload), expect);
    }
    // The wait for the next message first, and then the time to be idle.
    let last = Instant::now();
    assert_eq!(hasty.closed().await, code(1000, "idle"));
    assert!(Duration::from_millis(750) <= last.elapsed());
}

#[tokio::test]
async fn a_client_that_says_goodbye_while_it_waits_is_heard() {
    let toml = "limits.messages_per_second = 4\nlimits.messages_burst = 1";
    let gateway = Gateway::start(toml);
    let mut hasty = Raw::upgrade(&gateway, "/ws/?client_id=p&token=crowd").await;
    let mut bytes = batch("crowd", 0..3);
    bytes.extend_from_slice(&crate::support::raw::frame(true, 8, b"\x03\xe8"));
    hasty.write(&bytes).await;
    let (heard, closed) = hasty.closed_after_frames().await;
    assert_eq!(heard.len(), 3);
    assert_eq!(closed, code(1000, ""));
}
