//! Clients that do not keep up, and everybody else who must not notice.

mod crowd;
mod limits;
mod positions;
mod throttle;

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::Value;
use tokio::{io::AsyncWriteExt as _, time::Instant};

use crate::support::{
    Client, Closed, Gateway, Raw, Received,
    client::code,
    raw::{PING, PONG, TEXT, frame},
    soon, until,
};

/// A frame of about a kibibyte from `from` to `crowd`.
fn numbered(from: &str, number: usize) -> String {
    let fill = "x".repeat(1000);
    format!(
        r#"{{"flag":"n","token":"{from}","target_token":"crowd","number":{number},"fill":"{fill}"}}"#
    )
}

/// The number in a frame of [`numbered`].
fn number(text: &[u8]) -> usize {
    let frame: Value = serde_json::from_slice(text).unwrap();
    frame["number"].as_u64().unwrap() as usize
}

/// Frames that are written at once.
fn batch(from: &str, numbers: std::ops::Range<usize>) -> Vec<u8> {
    numbers
        .flat_map(|number| frame(true, TEXT, numbered(from, number).as_bytes()))
        .collect()
}

/// Expects the frames `0..count`, in order.
async fn hear_all(client: &mut Client, count: usize) {
    for expect in 0..count {
        assert_eq!(number(client.text().await.as_bytes()), expect);
    }
}

/// Sessions of the user `crowd` that do read.
async fn prompt(gateway: &Gateway, count: usize) -> Vec<Client> {
    let names: Vec<_> = (0..count).map(|index| format!("prompt{index}")).collect();
    join_all(
        names
            .iter()
            .map(|name| Client::ride(gateway, name, "crowd")),
    )
    .await
}

/// Waits, without reading, until the connection was reset.
async fn reset(client: &Raw) {
    let socket = socket2::SockRef::from(&client.stream);
    until("the reset", || socket.take_error().unwrap().is_some()).await;
}

#[tokio::test]
async fn a_client_that_stops_reading_is_closed_and_its_neighbours_hear_everything() {
    let toml = "limits.outbox_bytes_max = 65536\nruntime.shards = 4";
    let gateway = Gateway::start(toml);
    let mut stalled = Raw::ride_narrow(&gateway, "stalled", "crowd").await;
    let mut neighbours = prompt(&gateway, 5).await;
    let mut publisher = Raw::ride(&gateway, "p", "me").await;
    let publishing = async {
        for begin in (0..1000).step_by(20) {
            publisher.write(&batch("me", begin..begin + 20)).await;
        }
        publisher.ping_ride().await;
    };
    let hearing = join_all(neighbours.iter_mut().map(|client| hear_all(client, 1000)));
    tokio::join!(publishing, hearing);
    // It reads again, in time to be told.
    let (heard, closed) = stalled.closed_after_frames().await;
    assert_eq!(closed, code(1013, "slow_consumer"));
    assert!(heard.len() < 1000);
    let numbers: Vec<_> = heard.iter().map(|text| number(text)).collect();
    assert_eq!(numbers, (0..heard.len()).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_slow_consumer_that_never_reads_again_is_reset() {
    let gateway = Gateway::start("limits.outbox_bytes_max = 65536");
    let mut stalled = Raw::ride_narrow(&gateway, "stalled", "crowd").await;
    let mut publisher = Raw::ride(&gateway, "p", "me").await;
    publisher.write(&batch("me", 0..1000)).await;
    publisher.ping_ride().await;
    reset(&stalled).await;
    let (_, closed) = stalled.closed_after_frames().await;
    assert_eq!(closed, Closed::Gone);
    // What is sent to it now is sent to nobody.
    publisher.write(&batch("me", 0..1)).await;
    publisher.ping_ride().await;
}

#[tokio::test]
async fn a_client_that_stalls_without_being_sent_much_is_left_alone() {
    let gateway = Gateway::start("limits.outbox_bytes_max = 262144");
    let mut stalled = Raw::ride_narrow(&gateway, "stalled", "crowd").await;
    let mut publisher = Raw::ride(&gateway, "p", "me").await;
    publisher.write(&batch("me", 0..200)).await;
    publisher.ping_ride().await;
    // It goes on as if nothing had been.
    for expect in 0..200 {
        let Received::Frame { payload, .. } = stalled.receive().await else {
            panic!("it was closed");
        };
        assert_eq!(number(&payload), expect);
    }
    stalled.ping_ride().await;
}

#[tokio::test]
async fn a_burst_is_no_reason_to_close_those_who_read() {
    // The bound is far below what arrives at once, but not below what a socket takes.
    let gateway = Gateway::start("limits.outbox_bytes_max = 16384\nruntime.shards = 1");
    for subscribers in [1, 10] {
        let mut subscribers = prompt(&gateway, subscribers).await;
        let mut publisher = Raw::ride(&gateway, "p", "me").await;
        let publishing = async {
            for begin in (0..600).step_by(60) {
                publisher.write(&batch("me", begin..begin + 60)).await;
            }
        };
        let hearing = join_all(subscribers.iter_mut().map(|client| hear_all(client, 600)));
        tokio::join!(publishing, hearing);
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_what_it_asked_for_is_a_slow_consumer() {
    let gateway = Gateway::start("");
    // Not narrow: such a socket may lose the acknowledgements of what it sends.
    let mut stalled = Raw::ride(&gateway, "stalled", "me").await;
    let fill = "x".repeat(60_000);
    let text = format!(r#"{{"flag":"x","token":"me","target_token":"me","fill":"{fill}"}}"#);
    let to_itself = frame(true, TEXT, text.as_bytes());
    soon("the reset", async {
        while stalled.stream.write_all(&to_itself).await.is_ok() {}
    })
    .await;
}

#[tokio::test]
async fn pings_without_end_are_answered_as_slowly_as_they_are_read() {
    let gateway = Gateway::start("limits.outbox_bytes_max = 4096");
    let mut client = Raw::ride(&gateway, "stalled", "me").await;
    let payload = |number: u32| number.to_be_bytes().repeat(30);
    let started = Instant::now();
    let pings = (0..200).flat_map(|number| frame(true, PING, &payload(number)));
    client.write(&pings.collect::<Vec<_>>()).await;
    let mut heard = 0;
    loop {
        let pong = client.receive().await;
        heard += 1;
        let Received::Frame {
            opcode: PONG,
            payload: echoed,
        } = pong
        else {
            panic!("{pong:?} came after {heard} answers");
        };
        if echoed == payload(199) {
            break;
        }
    }
    // Of the hundred that come at once not all are answered.
    assert!(100 < heard && heard <= 200, "{heard}");
    assert!(Duration::from_millis(900) <= started.elapsed());
    client.ping_ride().await;
}
