//! RFC 6455 from a client's side: what breaks it is answered with the code for it.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time,
};

use crate::support::{
    Client, Closed, Gateway, Raw, Received,
    client::code,
    raw::{self, BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, frame, header, unmasked},
    soon,
};

const LOGGED_IN: &str = "/ws/?client_id=a&token=a";
/// A frame to the client itself: what it sends comes back.
const TO_SELF: &str = r#"{"flag":"x","token":"a","target_token":"a"}"#;

async fn ride() -> (Gateway, Raw) {
    ride_with("").await
}

async fn ride_with(toml: &str) -> (Gateway, Raw) {
    let gateway = Gateway::start(toml);
    let client = Raw::ride(&gateway, "a", "a").await;
    (gateway, client)
}

/// Sends `bytes` to a fresh session and expects this end.
async fn check(bytes: &[u8], expect: Closed) {
    let (_gateway, mut client) = ride().await;
    client.write(bytes).await;
    assert_eq!(client.closed().await, expect);
}

fn protocol_error() -> Closed {
    code(1002, "protocol_error")
}

#[tokio::test]
async fn an_unmasked_frame_is_a_protocol_error() {
    check(&unmasked(true, TEXT, b"{}"), protocol_error()).await;
}

#[tokio::test]
async fn reserved_bits_are_a_protocol_error() {
    for bit in [0x40, 0x20, 0x10] {
        let mut bytes = frame(true, TEXT, b"{}");
        bytes[0] |= bit;
        check(&bytes, protocol_error()).await;
    }
}

#[tokio::test]
async fn a_reserved_opcode_is_a_protocol_error() {
    for opcode in [0x3, 0x7, 0xB, 0xF] {
        check(&frame(true, opcode, b""), protocol_error()).await;
    }
}

#[tokio::test]
async fn a_close_code_that_may_not_be_sent_is_a_protocol_error() {
    for sent in [0_u16, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000] {
        check(&frame(true, CLOSE, &sent.to_be_bytes()), protocol_error()).await;
    }
    check(&frame(true, CLOSE, b"\x03"), protocol_error()).await;
}

#[tokio::test]
async fn a_control_frame_over_its_limit_or_in_fragments_is_a_protocol_error() {
    check(&frame(true, PING, &[0; 126]), protocol_error()).await;
    check(&frame(false, PING, b""), protocol_error()).await;
}

#[tokio::test]
async fn a_message_inside_another_one_is_a_protocol_error() {
    let bytes = [frame(false, TEXT, b"{"), frame(true, TEXT, b"{}")].concat();
    check(&bytes, protocol_error()).await;
    check(&frame(true, CONTINUATION, b"{}"), protocol_error()).await;
}

#[tokio::test]
async fn a_close_text_that_is_not_utf_8_is_refused() {
    let expect = code(1007, "invalid_utf8");
    check(&frame(true, CLOSE, b"\x03\xe8\xff"), expect).await;
}

#[tokio::test]
async fn a_text_that_is_not_utf_8_is_refused_even_before_its_end() {
    let expect = || code(1007, "invalid_utf8");
    check(&frame(true, TEXT, b"\"\xff\""), expect()).await;
    // The first half of a character, and what cannot be its second.
    let bytes = [
        frame(false, TEXT, b"\"\xc3"),
        frame(false, CONTINUATION, b"\x28"),
    ];
    check(&bytes.concat(), expect()).await;
    let bytes = [
        frame(false, TEXT, b"\"\xe2\x82"),
        frame(true, CONTINUATION, b""),
    ];
    check(&bytes.concat(), expect()).await;
}

#[tokio::test]
async fn a_character_may_be_split_between_fragments() {
    let (_gateway, mut client) = ride().await;
    let text = r#"{"flag":"x","token":"a","target_token":"a","name":"€"}"#.as_bytes();
    let (first, second) = text.split_at(text.len() - 4);
    client.write(&frame(false, TEXT, first)).await;
    client.write(&frame(true, CONTINUATION, second)).await;
    let expect = Received::Frame {
        opcode: TEXT,
        payload: text.to_vec(),
    };
    assert_eq!(client.receive().await, expect);
}

#[tokio::test]
async fn a_message_over_the_limit_is_refused_by_its_header_alone() {
    let (_gateway, mut client) = ride_with("limits.message_bytes_max = 1000").await;
    let mut bytes = header(true, TEXT, 0x80, 1001);
    bytes.extend_from_slice(&[0; 4]);
    client.write(&bytes).await;
    assert_eq!(client.closed().await, code(1009, "message_too_big"));
}

#[tokio::test]
async fn a_message_over_the_limit_in_fragments_is_refused() {
    let (_gateway, mut client) = ride_with("limits.message_bytes_max = 1000").await;
    client.write(&frame(false, TEXT, &[b' '; 600])).await;
    client
        .write(&frame(false, CONTINUATION, &[b' '; 400]))
        .await;
    client.frame(PING, b"still here").await;
    assert_eq!(client.receive().await, pong(b"still here"));
    client.write(&frame(false, CONTINUATION, b" ")).await;
    assert_eq!(client.closed().await, code(1009, "message_too_big"));
}

#[tokio::test]
async fn a_message_of_exactly_the_limit_arrives() {
    let (_gateway, mut client) = ride().await;
    let filler = "x".repeat(64 * 1024 - TO_SELF.len() - r#","fill":"""#.len());
    let text = TO_SELF.replace('}', &format!(r#","fill":"{filler}"}}"#));
    assert_eq!(text.len(), 64 * 1024);
    client.text(&text).await;
    assert_eq!(client.receive().await, raw::text(&text));
}

#[tokio::test]
async fn a_client_that_goes_on_sending_is_still_told_why_it_is_refused() {
    let (_gateway, mut client) = ride().await;
    let mut bytes = header(true, TEXT, 0x80, 8_000_000);
    bytes.resize(8_000_000, b' ');
    let (mut reading, mut writing) = client.stream.split();
    let expect = unmasked(true, CLOSE, b"\x03\xf1message_too_big");
    let mut read = Vec::new();
    let hearing = async {
        while read.len() < expect.len() {
            assert_ne!(reading.read_buf(&mut read).await.unwrap(), 0);
        }
    };
    // The rest may well meet a closed connection.
    let (_, ()) = tokio::join!(writing.write_all(&bytes), soon("the Close", hearing));
    assert_eq!(read, expect);
}

#[tokio::test]
async fn a_connection_that_ends_without_a_close_is_over() {
    let (gateway, half) = ride().await;
    let whole = Raw::ride(&gateway, "b", "b").await;
    let reset = Raw::ride(&gateway, "c", "c").await;
    socket2::SockRef::from(&half.stream)
        .shutdown(std::net::Shutdown::Write)
        .unwrap();
    drop(whole);
    reset.stream.set_zero_linger().unwrap();
    drop(reset);
    gateway.until_metric("tidegate_sessions", "", 0.0).await;
    let ended = "tidegate_sessions_closed_total";
    gateway.until_metric(ended, "client_gone", 2.0).await;
    gateway.until_metric(ended, "transport_error", 1.0).await;
    drop(half);
}

#[tokio::test]
async fn a_length_beyond_all_reason_takes_no_memory() {
    let mut bytes = header(true, BINARY, 0x80, 0x7fff_ffff_ffff_ffff);
    bytes.extend_from_slice(&[0; 4]);
    check(&bytes, code(1009, "message_too_big")).await;
    bytes[2] |= 0x80;
    check(&bytes, protocol_error()).await;
}

#[tokio::test]
async fn a_ping_is_answered_with_its_payload() {
    let (_gateway, mut client) = ride().await;
    for payload in [&b""[..], b"x", &[7; 125]] {
        client.frame(PING, payload).await;
        assert_eq!(client.receive().await, pong(payload));
    }
}

#[tokio::test]
async fn a_ping_between_fragments_is_answered_before_the_message() {
    let (_gateway, mut client) = ride().await;
    let (first, second) = TO_SELF.as_bytes().split_at(10);
    client.write(&frame(false, TEXT, first)).await;
    client.frame(PING, b"now").await;
    assert_eq!(client.receive().await, pong(b"now"));
    client.write(&frame(true, CONTINUATION, second)).await;
    assert_eq!(client.receive().await, raw::text(TO_SELF));
}

#[tokio::test]
async fn an_unsolicited_pong_is_overlooked() {
    let (_gateway, mut client) = ride().await;
    client.frame(PONG, b"nobody asked").await;
    client.ping_ride().await;
}

#[tokio::test]
async fn a_close_is_echoed_and_the_connection_ended() {
    for code in [1000_u16, 1001, 1012, 3000, 4999] {
        let (_gateway, mut client) = ride().await;
        let payload = code.to_be_bytes();
        client.frame(CLOSE, &payload).await;
        let expect = Received::Frame {
            opcode: CLOSE,
            payload: payload.to_vec(),
        };
        assert_eq!(client.receive().await, expect);
        assert_eq!(client.receive().await, Received::End);
    }
    check(&frame(true, CLOSE, b""), Closed::Empty).await;
}

#[tokio::test]
async fn what_waits_is_written_before_the_close_is_echoed() {
    let (_gateway, mut client) = ride().await;
    let bytes = [
        frame(true, TEXT, br#"{"flag":"ping"}"#),
        frame(true, CLOSE, b""),
    ];
    client.write(&bytes.concat()).await;
    assert_eq!(client.receive().await, raw::text("pong"));
    assert_eq!(client.closed().await, Closed::Empty);
}

#[tokio::test]
async fn nothing_behind_a_close_counts() {
    let (gateway, mut client) = ride().await;
    let mut other = Raw::ride(&gateway, "b", "b").await;
    let to_other = br#"{"flag":"x","token":"a","target_token":"b"}"#;
    let bytes = [frame(true, CLOSE, b""), frame(true, TEXT, to_other)];
    client.write(&bytes.concat()).await;
    assert_eq!(client.closed().await, Closed::Empty);
    other.ping_ride().await;
}

#[tokio::test]
async fn a_frame_that_comes_byte_by_byte_is_one_message() {
    let (_gateway, mut client) = ride().await;
    client.stream.set_nodelay(true).unwrap();
    for byte in frame(true, TEXT, TO_SELF.as_bytes()) {
        client.write(&[byte]).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(client.receive().await, raw::text(TO_SELF));
}

#[tokio::test]
async fn many_frames_in_one_write_are_all_heard() {
    let (_gateway, mut client) = ride().await;
    let bytes = frame(true, TEXT, TO_SELF.as_bytes()).repeat(1000);
    client.write(&bytes).await;
    for _ in 0..1000 {
        assert_eq!(client.receive().await, raw::text(TO_SELF));
    }
}

#[tokio::test]
async fn a_binary_message_is_read_like_a_text() {
    let (_gateway, mut client) = ride().await;
    client.frame(BINARY, TO_SELF.as_bytes()).await;
    assert_eq!(client.receive().await, raw::text(TO_SELF));
}

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
    let mut client = Client::connect(&gateway, LOGGED_IN).await;
    // Nothing comes before the Close.
    assert_eq!(client.closed().await, code(1000, "idle"));
}

fn pong(payload: &[u8]) -> Received {
    Received::Frame {
        opcode: PONG,
        payload: payload.to_vec(),
    }
}
