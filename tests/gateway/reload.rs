//! Reading the configuration again: what has changed counts from then on, and nobody is sent away.

use std::time::Duration;

use crate::support::{
    Client, Gateway, Raw,
    client::{code, status},
};

const APP: &str = "https://app.example";
const OTHER: &str = "https://other.example";

/// The status of an upgrade from a page of this origin.
async fn from(gateway: &Gateway, origin: &str) -> u16 {
    let path = "/ws/?client_id=o&token=o";
    match Client::try_connect(gateway, path, &[("origin", origin)]).await {
        Ok(_) => 101,
        refused => status(refused),
    }
}

#[tokio::test]
async fn origins_change_for_those_to_come() {
    let gateway = Gateway::start(&format!("listen.origins = [\"{APP}\"]"));
    let mut client = Client::ride(&gateway, "c", "me").await;
    assert_eq!(from(&gateway, APP).await, 101);
    assert_eq!(from(&gateway, OTHER).await, 403);
    gateway.reload(&format!("listen.origins = [\"{OTHER}\"]"));
    assert_eq!(from(&gateway, APP).await, 403);
    assert_eq!(from(&gateway, OTHER).await, 101);
    client.ping().await;
}

#[tokio::test]
async fn limits_change_for_sessions_that_live() {
    let gateway = Gateway::start("limits.message_bytes_max = 1000");
    let mut client = Client::ride(&gateway, "c", "me").await;
    let mut other = Raw::ride(&gateway, "o", "other").await;
    let text = format!(
        r#"{{"flag":"x","token":"me","target_token":"me","fill":"{}"}}"#,
        "x".repeat(1000)
    );
    gateway.reload("limits.message_bytes_max = 2000");
    client.send(text.clone()).await;
    client.expect(&text).await;
    gateway.reload("limits.message_bytes_max = 500\nlimits.idle = \"300ms\"");
    client.send(text).await;
    assert_eq!(client.closed().await, code(1009, "message_too_big"));
    // Deadlines move too, for whoever says something.
    other.ping_ride().await;
    assert_eq!(other.closed().await, code(1000, "idle"));
}

#[tokio::test]
async fn places_change_without_sending_anybody_away() {
    let gateway = Gateway::start("limits.connections_max = 2");
    let path = "/ws/?client_id=x&token=x";
    let mut first = Client::ride(&gateway, "c1", "me").await;
    let mut second = Client::ride(&gateway, "c2", "me").await;
    let refused = Client::try_connect(&gateway, path, &[]).await;
    assert_eq!(status(refused), 503);
    gateway.reload("limits.connections_max = 3");
    let mut third = Client::ride(&gateway, "c3", "me").await;
    gateway.reload("limits.connections_max = 1");
    let refused = Client::try_connect(&gateway, path, &[]).await;
    assert_eq!(status(refused), 503);
    for client in [&mut first, &mut second, &mut third] {
        client.ping().await;
    }
}

#[tokio::test]
async fn backends_of_ride_change_for_those_to_come() {
    let backends = |secret: &str| format!("dialect.ride.backends = {{ b1 = \"{secret}\" }}");
    let gateway = Gateway::start(&backends("old"));
    let mut before = Client::ride(&gateway, "b1", "old").await;
    gateway.reload(&backends("new"));
    let mut refused = Client::connect(&gateway, "/ws/?client_id=b1&token=old").await;
    assert_eq!(refused.closed().await, code(1008, "auth_failed"));
    let all = r#"{"flag":"system","target_token":"all"}"#;
    before.send(all).await;
    before.expect(all).await;
    // The newer session of the same backend takes the place of the older one.
    let mut after = Client::ride(&gateway, "b1", "new").await;
    assert_eq!(before.closed().await, code(1008, "superseded"));
    after.send(all).await;
    after.expect(all).await;
}

#[tokio::test]
async fn what_needs_a_restart_waits_for_it_and_is_named_each_time() {
    let gateway = Gateway::start("");
    for _ in 0..2 {
        let toml = "dialect.ride.paths = [\"/elsewhere\"]\nlimits.idle = \"30s\"";
        let reloaded = gateway.reload(toml);
        assert_eq!(reloaded.needs_restart, ["dialect.ride.paths"]);
        Client::ride(&gateway, "c", "me").await;
        let refused = Client::try_connect(&gateway, "/elsewhere", &[]).await;
        assert_eq!(status(refused), 404);
    }
    assert_eq!(gateway.reload("").applied, ["limits.idle"]);
}

#[tokio::test]
async fn a_file_with_a_mistake_changes_nothing() {
    let toml = format!("listen.origins = [\"{APP}\"]\nlimits.idle = \"500ms\"");
    let gateway = Gateway::start(&toml);
    for broken in [
        "listen.origins = [\"https://other.example\"]\nlimits.idel = \"1s\"",
        "listen.origins = [\"https://other.example\"]\nlimits.idle = \"0s\"",
        "listen.origins = [",
    ] {
        let reloaded = gateway.reload(broken);
        assert_eq!(reloaded.errors.len(), 1, "{reloaded:?}");
        assert!(reloaded.applied.is_empty());
        assert_eq!(from(&gateway, APP).await, 101, "{broken}");
        assert_eq!(from(&gateway, OTHER).await, 403, "{broken}");
    }
    let started = tokio::time::Instant::now();
    let mut client = Client::ride(&gateway, "c", "me").await;
    assert_eq!(client.closed().await, code(1000, "idle"));
    assert!(Duration::from_millis(500) <= started.elapsed());
}

#[tokio::test]
async fn bounds_in_use_and_reloads_are_measured() {
    let toml = "limits.connections_max = 5\nlimits.outboxes_bytes_max = 640000";
    let gateway = Gateway::start_alone(toml);
    let figure = async |name, labels| gateway.metric(name, labels).await;
    assert_eq!(figure("tidegate_connections_max", "").await, 5.0);
    assert_eq!(figure("tidegate_outbox_max_bytes", "").await, 640_000.0);
    let name = "tidegate_certificate_expiry_time_seconds";
    assert_eq!(figure(name, "").await, 0.0);
    for (toml, outdated) in [
        ("limits.connections_max = 7", 0.0),
        ("limits.connections_max = 9\nlimits.idle = \"0s\"", 1.0),
        ("limits.connections_max = 7", 0.0),
    ] {
        gateway.reload(toml);
        assert_eq!(figure("tidegate_connections_max", "").await, 7.0, "{toml}");
        let found = figure("tidegate_configuration_outdated", "").await;
        assert_eq!(found, outdated, "{toml}");
    }
    assert_eq!(figure("tidegate_reloads_total", "applied").await, 2.0);
    assert_eq!(figure("tidegate_reloads_total", "failed").await, 1.0);
}

#[tokio::test]
async fn throw_away_credentials_outlive_a_reload() {
    let gateway = Gateway::start("");
    let token = gateway.device_token("me", &[], &[]);
    gateway.reload("limits.idle = \"30s\"");
    let mut client = Client::connect(&gateway, "/ws").await;
    let auth = format!(r#"{{"type":"auth","data":{{"token":"{token}"}}}}"#);
    client.send(auth).await;
    let answer = client.text().await;
    assert!(answer.contains(r#""status":"ok""#), "{answer}");
}
