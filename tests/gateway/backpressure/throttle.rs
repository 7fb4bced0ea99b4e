//! A client over its rate is read more slowly, and loses nothing.

use std::time::Duration;

use tokio::time::Instant;

use super::{batch, number, numbered};
use crate::support::{
    Client, Gateway, Raw, Received,
    client::code,
    raw::{CONTINUATION, PING, PONG, TEXT, frame},
};

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
    bytes.extend_from_slice(&frame(true, 8, b"\x03\xe8"));
    hasty.write(&bytes).await;
    let (heard, closed) = hasty.closed_after_frames().await;
    assert_eq!(heard.len(), 3);
    assert_eq!(closed, code(1000, ""));
}

/// Many frames that say nothing, and behind them a message to `crowd`.
fn flood(count: usize, frame: &[u8], last: &[u8]) -> Vec<u8> {
    let mut bytes = frame.repeat(count);
    bytes.extend_from_slice(last);
    bytes
}

/// How long it takes until the message behind these frames is heard.
async fn delay(gateway: &Gateway, bytes: &[u8]) -> Duration {
    let mut crowd = Client::ride(gateway, "c", "crowd").await;
    let mut hasty = Raw::ride(gateway, "p", "me").await;
    let started = Instant::now();
    hasty.write(bytes).await;
    // Others are served meanwhile.
    Client::ride(gateway, "o", "other").await.ping().await;
    assert_eq!(number(crowd.text().await.as_bytes()), 7);
    started.elapsed()
}

#[tokio::test]
async fn a_flood_of_frames_that_say_nothing_is_read_slowly() {
    let message = numbered("me", 7);
    let whole = frame(true, TEXT, message.as_bytes());
    let rest = frame(true, CONTINUATION, &message.as_bytes()[1..]);
    let mut fragments = frame(false, TEXT, b"{");
    fragments.extend(flood(200, &frame(false, CONTINUATION, b""), &rest));
    let gateway = Gateway::start("");
    for bytes in [
        flood(200, &frame(true, PING, b"x"), &whole),
        flood(200, &frame(true, PONG, b""), &whole),
        fragments,
    ] {
        let delay = delay(&gateway, &bytes).await;
        assert!(Duration::from_millis(900) <= delay, "{delay:?}");
    }
    assert!(
        100.0
            <= gateway
                .metric("tidegate_throttled_total", "dialect=\"ride\"")
                .await
    );
    // Where messages are limited, so is the rest in the long run.
    let gateway = Gateway::start("limits.messages_per_second = 20");
    let delay = delay(&gateway, &flood(120, &frame(true, PING, b""), &whole)).await;
    assert!(Duration::from_millis(900) <= delay, "{delay:?}");
}

#[tokio::test]
async fn pings_and_fragments_within_reason_delay_nothing() {
    let message = numbered("me", 7);
    let (head, tail) = message.as_bytes().split_at(20);
    let pieces = tail.chunks(100);
    let mut bytes = frame(true, PING, b"x").repeat(20);
    bytes.extend(frame(false, TEXT, head));
    bytes.extend(pieces.flat_map(|piece| frame(false, CONTINUATION, piece)));
    bytes.extend(frame(true, CONTINUATION, b""));
    let gateway = Gateway::start("limits.messages_per_second = 2");
    let delay = delay(&gateway, &bytes).await;
    assert!(delay < Duration::from_millis(450), "{delay:?}");
}

#[tokio::test]
async fn a_message_of_pieces_that_say_nothing_is_late_like_any_other() {
    let gateway = Gateway::start("limits.message_timeout = \"500ms\"");
    let mut hasty = Raw::ride(&gateway, "p", "me").await;
    let started = Instant::now();
    let first = frame(false, TEXT, b"{");
    let rest = frame(false, CONTINUATION, b"");
    hasty.write(&[first, rest.repeat(1000)].concat()).await;
    assert_eq!(hasty.closed().await, code(1008, "message_timeout"));
    assert!(started.elapsed() < Duration::from_secs(3));
}
