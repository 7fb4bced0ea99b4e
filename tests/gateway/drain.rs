//! The end of a node: everybody is told, nobody waits for ever, and nothing that waited is lost.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::{
    net::TcpStream,
    time::{self, Instant},
};

use crate::support::{
    Client, Closed, Gateway, Raw, Received,
    client::code,
    raw::{CLOSE, TEXT, frame, request, text},
    soon, until,
};

fn draining() -> Closed {
    code(1012, "draining")
}

async fn clients(gateway: &Gateway, count: usize) -> Vec<Client> {
    let names: Vec<_> = (0..count).map(|index| format!("c{index}")).collect();
    join_all(names.iter().map(|name| Client::ride(gateway, name, name))).await
}

/// Frames of a kibibyte that wait for a narrow client who does not read.
async fn fill(gateway: &Gateway, count: usize) {
    let filler = "x".repeat(1000);
    let mut publisher = Raw::ride(gateway, "p", "me").await;
    for number in 0..count {
        let text =
            format!(r#"{{"flag":"{number}","token":"me","target_token":"you","fill":"{filler}"}}"#);
        publisher.write(&frame(true, TEXT, text.as_bytes())).await;
    }
    publisher.ping_ride().await;
}

#[tokio::test]
async fn everybody_is_told_to_come_back_elsewhere() {
    for profile in ["documented", "observed"] {
        let toml = format!("dialect.ride.profile = \"{profile}\"");
        let mut gateway = Gateway::start(&toml);
        let mut clients = clients(&gateway, 30).await;
        // Who has not logged in is told too.
        clients.push(Client::connect(&gateway, "/websocket").await);
        clients.push(Client::connect(&gateway, "/ws").await);
        gateway.stop();
        for client in &mut clients {
            assert_eq!(client.closed().await, draining());
        }
        assert_eq!(gateway.ended().await.sessions_cut, 0);
        assert!(TcpStream::connect(gateway.public()).await.is_err());
    }
}

#[tokio::test]
async fn a_node_without_sessions_ends_at_once() {
    let mut gateway = Gateway::start("drain.delay = \"60s\"");
    // Nobody waits for a handshake that may never come to its end.
    let mut dawdling = Raw::open(gateway.public()).await;
    dawdling.write(b"GET /ws/ HTTP/1.1\r\n").await;
    gateway.stop();
    assert_eq!(gateway.ended().await.sessions_cut, 0);
    assert!(matches!(
        dawdling.receive().await,
        Received::End | Received::Reset
    ));
}

#[tokio::test]
async fn during_the_delay_upgrades_are_refused_and_sessions_served() {
    let mut gateway = Gateway::start("drain.delay = \"60s\"\ndrain.grace = \"120s\"");
    let mut client = Client::ride(&gateway, "c", "me").await;
    gateway.stop();
    let response = soon("the first refusal", async {
        loop {
            let mut raw = Raw::open(gateway.public()).await;
            raw.write(request("/ws/", &[]).as_bytes()).await;
            let response = raw.response().await;
            if response.status != 101 {
                assert_eq!(raw.receive().await, Received::End);
                return response;
            }
        }
    })
    .await;
    assert_eq!(response.status, 503);
    assert_eq!(response.header("retry-after"), Some("1"));
    client.ping().await;
    // The second signal ends the wait, and what is left is cut.
    gateway.kill();
    let report = gateway.ended().await;
    assert_eq!(report.sessions_cut, 1);
    // It may have been told in the last moment.
    let closed = client.closed().await;
    assert!(closed == draining() || closed == Closed::Gone, "{closed:?}");
}

#[tokio::test]
async fn what_waits_is_written_before_the_close() {
    let mut gateway = Gateway::start("limits.outbox_bytes_max = 1000000");
    let mut stalled = Raw::ride_narrow(&gateway, "s", "you").await;
    let mut witness = Client::ride(&gateway, "w", "witness").await;
    fill(&gateway, 300).await;
    gateway.stop();
    assert_eq!(witness.closed().await, draining());
    let (frames, closed) = stalled.closed_after_frames().await;
    assert_eq!(closed, draining());
    assert_eq!(frames.len(), 300);
    assert_eq!(gateway.ended().await.sessions_cut, 0);
}

#[tokio::test]
async fn who_is_told_may_finish_speaking_before_it_answers() {
    let mut gateway = Gateway::start("");
    let mut client = Raw::ride(&gateway, "c", "me").await;
    gateway.stop();
    assert!(matches!(
        client.receive().await,
        Received::Frame { opcode: CLOSE, .. }
    ));
    // An end of the connection would make an error of what is on its way, at a proxy above all.
    client.text(r#"{"flag":"ping"}"#).await;
    let end = time::timeout(Duration::from_millis(500), client.receive());
    assert!(end.await.is_err());
    client.frame(CLOSE, &1012u16.to_be_bytes()).await;
    assert_eq!(client.receive().await, Received::End);
    assert_eq!(gateway.ended().await.sessions_cut, 0);
}

#[tokio::test]
async fn who_does_not_answer_sees_the_end_and_is_reset_later() {
    let gateway = Gateway::start("");
    let mut silent = Raw::ride(&gateway, "c", "me").await;
    gateway.stop();
    assert!(matches!(
        silent.receive().await,
        Received::Frame { opcode: CLOSE, .. }
    ));
    let told = Instant::now();
    assert_eq!(silent.receive().await, Received::End);
    let waited = told.elapsed();
    assert!(Duration::from_secs(1) < waited, "{waited:?}");
    let socket = socket2::SockRef::from(&silent.stream);
    until("the reset", || socket.take_error().unwrap().is_some()).await;
}

#[tokio::test]
async fn a_client_that_does_not_read_is_not_waited_for() {
    let mut gateway = Gateway::start("limits.outbox_bytes_max = 1000000\ndrain.grace = \"60s\"");
    let mut stalled = Raw::ride_narrow(&gateway, "s", "you").await;
    fill(&gateway, 300).await;
    gateway.stop();
    // Far less than the grace period.
    gateway.ended().await;
    assert_eq!(stalled.closed_after_frames().await.1, Closed::Gone);
}

#[tokio::test]
async fn after_the_grace_period_whoever_is_left_is_cut_and_counted() {
    let mut gateway = Gateway::start("limits.outbox_bytes_max = 1000000\ndrain.grace = \"500ms\"");
    let mut stalled = Raw::ride_narrow(&gateway, "s", "you").await;
    let mut silent = Raw::ride(&gateway, "x", "x").await;
    fill(&gateway, 300).await;
    let started = Instant::now();
    gateway.stop();
    // One does not take what waits for it, the other one does not answer the Close.
    assert_eq!(gateway.ended().await.sessions_cut, 2);
    assert!(Duration::from_millis(500) <= started.elapsed());
    assert_eq!(stalled.closed_after_frames().await.1, Closed::Gone);
    assert!(matches!(
        silent.receive().await,
        Received::Frame { opcode: 8, .. }
    ));
}

#[tokio::test]
async fn sessions_are_sent_away_at_the_configured_pace() {
    let mut gateway = Gateway::start("drain.rate = 100");
    let mut clients = clients(&gateway, 40).await;
    gateway.stop();
    let ends = clients.iter_mut().map(async |client| {
        assert_eq!(client.closed().await, draining());
        Instant::now()
    });
    let ends = join_all(ends).await;
    let (first, last) = (ends.iter().min().unwrap(), ends.iter().max().unwrap());
    // 40 at 100 a second, in steps of two.
    assert!(Duration::from_millis(350) <= *last - *first);
    gateway.ended().await;
}

#[tokio::test]
async fn a_message_on_its_way_at_the_end_arrives() {
    let mut gateway = Gateway::start("drain.delay = \"300ms\"");
    let mut me = Raw::ride(&gateway, "c", "me").await;
    gateway.stop();
    let to_me = r#"{"flag":"x","token":"me","target_token":"me"}"#;
    me.text(to_me).await;
    assert_eq!(me.receive().await, text(to_me));
    assert_eq!(me.closed().await, draining());
    assert_eq!(gateway.ended().await.sessions_cut, 0);
}

#[tokio::test]
async fn whoever_asks_for_the_drain_is_told_that_it_has_begun() {
    let mut gateway = Gateway::start("cluster.node = \"gw-1\"");
    let path = "/api/nodes/gw-1/drain";
    let answer = gateway.api("POST", path, &serde_json::Value::Null).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    assert!(
        answer.body.contains(r#""state":"draining""#),
        "{}",
        answer.body
    );
    gateway.ended().await;
}
