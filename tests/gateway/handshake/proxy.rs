//! The PROXY protocol in front of everything else.

use super::RIDE;
use crate::support::{
    Gateway, Raw, Received,
    raw::{Response, request},
};

const TOML: &str = "listen.proxy_protocol = true\nlimits.connections_per_address_max = 1";

/// Upgrades behind a PROXY header.
async fn behind(gateway: &Gateway, header: &[u8]) -> (Raw, Response) {
    let mut raw = Raw::open(gateway.public()).await;
    raw.write(header).await;
    raw.write(request(RIDE, &[]).as_bytes()).await;
    let response = raw.response().await;
    (raw, response)
}

/// Version 2, over TCP and IPv4, from this address.
fn version_2(address: [u8; 4]) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    header.extend_from_slice(&address);
    header.extend_from_slice(&[127, 0, 0, 1, 0x30, 0x39, 0, 80]);
    header
}

#[tokio::test]
async fn either_version_names_the_client() {
    let gateway = Gateway::start(TOML);
    let one = b"PROXY TCP4 203.0.113.1 127.0.0.1 12345 80\r\n";
    let (mut first, response) = behind(&gateway, one).await;
    assert_eq!(response.status, 101);
    first.ping_ride().await;
    let (_, response) = behind(&gateway, &version_2([203, 0, 113, 1])).await;
    assert_eq!(response.status, 429);
    let (mut second, response) = behind(&gateway, &version_2([203, 0, 113, 2])).await;
    assert_eq!(response.status, 101);
    second.ping_ride().await;
    let six = b"PROXY TCP6 2001:db8::1 ::1 12345 80\r\n";
    let (mut third, response) = behind(&gateway, six).await;
    assert_eq!(response.status, 101);
    third.ping_ride().await;
}

#[tokio::test]
async fn a_header_in_pieces_is_one() {
    let gateway = Gateway::start(TOML);
    let mut raw = Raw::open(gateway.public()).await;
    raw.stream.set_nodelay(true).unwrap();
    for byte in version_2([203, 0, 113, 1]) {
        raw.write(&[byte]).await;
        tokio::task::yield_now().await;
    }
    raw.switch(RIDE).await;
    raw.ping_ride().await;
}

#[tokio::test]
async fn without_the_header_a_connection_is_not_served() {
    let gateway = Gateway::start(TOML);
    let mut raw = Raw::open(gateway.public()).await;
    raw.write(request(RIDE, &[]).as_bytes()).await;
    assert!(matches!(
        raw.receive().await,
        Received::End | Received::Reset
    ));
    let reason = "proxy_header";
    let rejected = "tidegate_rejections_total";
    gateway.until_metric(rejected, reason, 1.0).await;
}

#[tokio::test]
async fn a_check_by_the_proxy_itself_is_its_own() {
    let gateway = Gateway::start(TOML);
    let (mut raw, response) = behind(&gateway, b"PROXY UNKNOWN\r\n").await;
    assert_eq!(response.status, 101);
    raw.ping_ride().await;
    // Version 2, LOCAL.
    let local = b"\r\n\r\n\0\r\nQUIT\n\x20\x00\0\0";
    let (_, response) = behind(&gateway, local).await;
    assert_eq!(response.status, 429);
}

#[tokio::test]
async fn half_a_header_has_as_long_as_a_handshake() {
    let gateway = Gateway::start(&format!("{TOML}\nlimits.handshake_timeout = \"400ms\""));
    for half in [
        &b"PROXY TCP4 203.0.113.1"[..],
        b"\r\n\r\n\0\r\nQUIT\n\x21",
        b"",
    ] {
        let mut raw = Raw::open(gateway.public()).await;
        raw.write(half).await;
        assert!(matches!(
            raw.receive().await,
            Received::End | Received::Reset
        ));
    }
    let rejected = "tidegate_rejections_total";
    gateway.until_metric(rejected, "timeout", 3.0).await;
}
