//! Clients that fall silent, in the middle of a message or between two.

use std::time::Duration;

use tokio::time;

use super::ride_with;
use crate::support::{
    Client, Gateway, Raw, Received,
    client::code,
    raw::{CLOSE, PING, PONG, TEXT, frame},
};

#[tokio::test]
async fn a_message_must_be_complete_in_time() {
    let (_gateway, mut client) = ride_with("limits.message_timeout = \"300ms\"").await;
    client.write(&frame(false, TEXT, b"{")).await;
    // Pings keep a session from being idle, but not a message from being late.
    let pinging = async {
        loop {
            time::sleep(Duration::from_millis(50)).await;
            if client.stream.try_write(&frame(true, PONG, b"")).is_err() {
                std::future::pending::<()>().await;
            }
        }
    };
    let _ = time::timeout(Duration::from_millis(800), pinging).await;
    assert_eq!(client.closed().await, code(1008, "message_timeout"));
}

#[tokio::test]
async fn a_client_without_a_frame_is_idle() {
    let (_gateway, mut client) = ride_with("limits.idle = \"300ms\"").await;
    assert_eq!(client.closed().await, code(1000, "idle"));
}

#[tokio::test]
async fn half_a_frame_keeps_nobody_from_being_idle() {
    let (_gateway, mut client) = ride_with("limits.idle = \"300ms\"").await;
    client.write(&frame(true, TEXT, b"{}")[..4]).await;
    assert_eq!(client.closed().await, code(1000, "idle"));
}

#[tokio::test]
async fn every_frame_of_a_client_keeps_it_from_being_idle() {
    tokio::join!(
        check_liveliness(PING, b""),
        check_liveliness(PONG, b""),
        check_liveliness(TEXT, br#"{"flag":"ping"}"#),
    );
}

/// Sends this frame for three times as long as a client may be idle, and then nothing.
async fn check_liveliness(opcode: u8, payload: &[u8]) {
    let (_gateway, mut client) = ride_with("limits.idle = \"500ms\"").await;
    let started = time::Instant::now();
    let mut last = started;
    while last < started + Duration::from_millis(1500) {
        time::sleep(Duration::from_millis(90)).await;
        last = time::Instant::now();
        client.frame(opcode, payload).await;
    }
    let mut answers = 0;
    loop {
        match client.receive().await {
            Received::Frame {
                opcode: CLOSE,
                payload,
            } => {
                assert_eq!(&payload[2..], b"idle");
                break;
            }
            Received::Frame { .. } => answers += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(10 < answers, opcode != PONG);
    assert!(Duration::from_millis(500) <= last.elapsed());
}

#[tokio::test]
async fn a_dialect_without_documented_client_frames_is_pinged_by_the_server() {
    let toml = "dialect.device.ping = \"200ms\"\nlimits.idle = \"1s\"";
    let gateway = Gateway::start(toml);
    let mut silent = Raw::upgrade(&gateway, "/ws").await;
    // It reads and answers as a browser does, by itself.
    for _ in 0..8 {
        let Received::Frame {
            opcode: PING,
            payload,
        } = silent.receive().await
        else {
            panic!("no Ping");
        };
        silent.frame(PONG, &payload).await;
    }
    // Without its answers it is idle.
    loop {
        match silent.receive().await {
            Received::Frame { opcode: PING, .. } => {}
            Received::Frame {
                opcode: CLOSE,
                payload,
            } => {
                assert_eq!(&payload[2..], b"idle");
                break;
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn ride_clients_are_not_pinged() {
    let gateway = Gateway::start("limits.idle = \"600ms\"");
    let mut client = Client::connect(&gateway, "/ws/?client_id=a&token=a").await;
    // Nothing comes before the Close.
    assert_eq!(client.closed().await, code(1000, "idle"));
}
