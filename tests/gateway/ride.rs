//! The `ride` dialect end to end, in both profiles where they differ.

mod identity;
mod login;
mod relay;
mod takeover;

use crate::support::{Client, Closed, Gateway, client::code};

const PROFILES: [&str; 2] = ["documented", "observed"];
/// The backend of the document, with its secret.
const BACKEND: &str = "dialect.ride.backends = { 11flask_backend = \"your_secret_token\" }";

/// A node in this profile.
fn start(profile: &str) -> Gateway {
    start_with(profile, "")
}

fn start_with(profile: &str, toml: &str) -> Gateway {
    Gateway::start(&format!(
        "dialect.ride.profile = \"{profile}\"\n{BACKEND}\n{toml}"
    ))
}

async fn backend(gateway: &Gateway) -> Client {
    Client::ride(gateway, "11flask_backend", "your_secret_token").await
}

/// How a session ends that a rule of the dialect has ended.
fn ended(profile: &str, reason: &str) -> Closed {
    match profile {
        "documented" => code(1008, reason),
        _ => Closed::Empty,
    }
}

/// Sends `text` in a fresh session that is logged in as `me`, and expects this end.
async fn check_ends(profile: &str, text: &str, expect: Closed) {
    let gateway = start(profile);
    let mut client = Client::ride(&gateway, "c1", "me").await;
    client.send(text).await;
    assert_eq!(client.closed().await, expect, "{profile}: {text}");
}

/// Sends `text` in a fresh session that is logged in as `me`, which goes on.
async fn check_goes_on(profile: &str, text: &str) {
    let gateway = start(profile);
    let mut client = Client::ride(&gateway, "c1", "me").await;
    client.send(text).await;
    client.ping().await;
}
