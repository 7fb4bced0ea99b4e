//! How many may come, at a time, per second and per address.

use futures_util::future::join_all;

use super::{RIDE, changed, refused};
use crate::support::{
    Client, Gateway, Raw, Received,
    raw::{CLOSE, request},
    soon,
};

/// Waits for a place, which is free as soon as the node has seen the end of another session.
async fn place(gateway: &Gateway, headers: &[(&'static str, &str)]) -> Client {
    soon("a free place", async {
        loop {
            if let Ok(client) = Client::try_connect(gateway, RIDE, headers).await {
                return client;
            }
        }
    })
    .await
}

#[tokio::test]
async fn slow_clients_do_not_keep_a_good_one_out() {
    let toml = "limits.handshakes_pending_max = 10\nlimits.handshake_timeout = \"60s\"";
    let gateway = Gateway::start(toml);
    let mut slow = Vec::new();
    for _ in 0..50 {
        let mut raw = Raw::open(gateway.public()).await;
        raw.write(b"GET /ws/ HTTP/1.1\r\n").await;
        slow.push(raw);
    }
    for _ in 0..20 {
        Client::connect(&gateway, RIDE).await.ping().await;
    }
    // The oldest had to give way.
    let evicted = slow[0].receive().await;
    assert!(matches!(evicted, Received::End | Received::Reset));
    let reason = "handshake_limit";
    assert!(40.0 <= gateway.metric("tidegate_rejections_total", reason).await);
}

#[tokio::test]
async fn over_the_limit_of_connections_the_service_is_unavailable() {
    let gateway = Gateway::start("limits.connections_max = 3");
    let clients = (0..3).map(|_| Client::connect(&gateway, "/ws"));
    let mut clients = join_all(clients).await;
    let mut raw = Raw::open(gateway.public()).await;
    raw.write(request(RIDE, &[]).as_bytes()).await;
    let response = raw.response().await;
    assert_eq!(response.status, 503);
    assert_eq!(response.header("retry-after"), Some("1"));
    clients.pop();
    place(&gateway, &[]).await.ping().await;
    let reason = "connection_limit";
    assert!(1.0 <= gateway.metric("tidegate_rejections_total", reason).await);
}

#[tokio::test]
async fn a_refused_upgrade_takes_no_place() {
    let gateway = Gateway::start("limits.connections_max = 1");
    for (from, to) in [("/ws/", "/nowhere/"), ("version: 13", "version: 8")] {
        changed(&gateway, from, to).await;
    }
    Client::connect(&gateway, RIDE).await.ping().await;
}

#[tokio::test]
async fn over_the_limit_of_its_address_a_client_has_too_many() {
    let gateway = Gateway::start("limits.connections_per_address_max = 2");
    let first = Client::connect(&gateway, RIDE).await;
    let _second = Client::connect(&gateway, "/ws").await;
    assert_eq!(refused(&gateway, RIDE, &[]).await, 429);
    // A stranger's word about an address is not believed.
    let headers = [("x-forwarded-for", "203.0.113.9")];
    assert_eq!(refused(&gateway, RIDE, &headers).await, 429);
    drop(first);
    place(&gateway, &[]).await.ping().await;
}

#[tokio::test]
async fn behind_a_trusted_proxy_the_address_is_the_clients() {
    let toml = "limits.connections_per_address_max = 1\n\
                listen.trusted_proxies = [\"127.0.0.0/8\", \"10.0.0.0/8\"]";
    let gateway = Gateway::start(toml);
    let mut clients = Vec::new();
    for headers in [
        ("x-forwarded-for", "203.0.113.9, 10.0.0.7"),
        ("forwarded", "for=203.0.113.10;proto=https"),
        ("x-real-ip", "203.0.113.11"),
    ] {
        clients.push(Client::with_headers(&gateway, "/ws", &[headers]).await);
        assert_eq!(refused(&gateway, "/ws", &[headers]).await, 429);
    }
    // What the client itself wrote in front does not count.
    let forged = [("x-forwarded-for", "198.51.100.1, 203.0.113.9")];
    assert_eq!(refused(&gateway, "/ws", &forged).await, 429);
}

#[tokio::test]
async fn handshakes_over_the_rate_are_refused_at_once() {
    let gateway = Gateway::start("limits.handshakes_per_second = 5");
    let attempts = (0..40).map(async |_| {
        let mut raw = Raw::open(gateway.public()).await;
        raw.write(request(RIDE, &[]).as_bytes()).await;
        match raw.try_response().await {
            Some(response) if response.status == 101 => true,
            Some(response) => {
                assert_eq!(response.status, 503);
                false
            }
            // What it wrote met a closed connection.
            None => false,
        }
    });
    let served = join_all(attempts).await;
    let served = served.into_iter().filter(|served| *served).count();
    assert!(0 < served && served < 20, "{served}");
    // It comes back.
    place(&gateway, &[]).await.ping().await;
}

#[tokio::test]
async fn right_after_the_start_a_second_s_worth_of_handshakes_may_begin() {
    let gateway = Gateway::start("limits.handshakes_per_second = 30");
    let clients = (0..30).map(|_| Client::connect(&gateway, "/ws"));
    join_all(clients).await;
}

#[tokio::test]
async fn a_place_is_given_back_however_a_session_ends() {
    let gateway = Gateway::start("limits.connections_max = 1\nlimits.message_bytes_max = 100");
    place(&gateway, &[]).await.close().await;
    drop(place(&gateway, &[]).await);
    let mut client = place(&gateway, &[]).await;
    client.send("x".repeat(200)).await;
    client.closed().await;
    drop(client);
    drop(place(&gateway, &[]).await);
    let mut raw = soon("a free place", async {
        loop {
            let mut raw = Raw::open(gateway.public()).await;
            raw.write(request(RIDE, &[]).as_bytes()).await;
            if raw.response().await.status == 101 {
                return raw;
            }
        }
    })
    .await;
    raw.frame(CLOSE, b"").await;
    place(&gateway, &[]).await.ping().await;
}
