//! What balancers have to pass on, and where they send clients.

use std::{collections::BTreeMap, net::IpAddr};

use crate::{
    balancer::{
        Balancer,
        Kind::{self, Haproxy, Nginx},
    },
    client::{Client, Dialer},
    lab::Lab,
    node::{Node, Session},
};

/// The host of clients.
const HOME: u8 = 200;

#[tokio::test]
async fn nginx_passes_on_what_matters() {
    check_passing(Nginx).await;
}

#[tokio::test]
async fn haproxy_passes_on_what_matters() {
    check_passing(Haproxy).await;
}

#[tokio::test]
async fn nginx_sends_nobody_to_a_draining_node() {
    check_drain(Nginx).await;
}

#[tokio::test]
async fn haproxy_sends_nobody_to_a_draining_node() {
    check_drain(Haproxy).await;
}

async fn check_passing(kind: Kind) {
    let lab = Lab::new().await;
    let nodes = lab.three_nodes().await;
    let balancer = start(&lab, kind).await;
    let dialer = Dialer::new(&lab, HOME);
    let mut crowd = crowd(&dialer, "u", 6).await;
    let seats = seats(&nodes[0], "u", 6).await;
    assert_eq!(spread(&seats), [2, 2, 2], "{seats:?}");
    let home = IpAddr::from(lab.host(HOME));
    assert!(seats.iter().all(|seat| seat.remote == home), "{seats:?}");

    let other = seats.iter().position(|seat| seat.node != seats[0].node);
    let other = other.unwrap();
    crowd[0].say("u0", &format!("u{other}"), "hello").await;
    let heard = crowd[other].hears().await;
    assert!(heard.contains(r#""text":"hello""#), "{heard}");

    for node in &nodes {
        node.trust(&lab, "").await;
    }
    dialer_sees_the_proxy(&lab, &nodes[0], &dialer).await;

    // Whoever is connected stays so while the balancer reads its file again.
    balancer.reload();
    dialer.connect("after").await;
    for client in &mut crowd {
        assert!(client.is_served().await);
    }
}

async fn dialer_sees_the_proxy(lab: &Lab, node: &Node, dialer: &Dialer) {
    let _client = dialer.connect("doubted").await;
    let remote = node.session("doubted").await.remote;
    let proxies = [lab.host(2).into(), lab.host(3).into()];
    assert!(proxies.contains(&remote), "{remote} is no proxy");
}

async fn check_drain(kind: Kind) {
    let lab = Lab::new().await;
    let mut nodes = lab.three_nodes().await;
    let _balancer = start(&lab, kind).await;
    let dialer = Dialer::new(&lab, HOME);
    let mut old = crowd(&dialer, "old", 6).await;
    let seats_before = seats(&nodes[1], "old", 6).await;
    let leaving = nodes.remove(0);
    let name = leaving.name();

    leaving.drain().await;
    // At once, so that HAProxy has not had the time for a check, and while the node still listens.
    let _new = crowd(&dialer, "new", 8).await;
    let seats_new = seats(&nodes[0], "new", 8).await;
    assert!(seats_new.iter().all(|seat| seat.node != name));

    let mut back = Vec::new();
    for (number, seat) in seats_before.iter().enumerate() {
        if seat.node == name {
            assert_eq!(old[number].told().await, Some(1012));
            back.push(dialer.connect(&format!("old{number}")).await);
        } else {
            assert!(old[number].is_served().await);
        }
    }
    assert_eq!(back.len(), 2);
    assert!(leaving.ended().await.success());
    for (number, seat) in seats_before.iter().enumerate() {
        let now = nodes[0].session(&format!("old{number}")).await;
        assert_ne!(now.node, name);
        assert!(seat.node == name || now.node == seat.node);
    }
    // With nobody listening there any more.
    let _last = crowd(&dialer, "last", 8).await;
}

/// Starts a balancer that sees all three nodes.
pub(crate) async fn start(lab: &Lab, kind: Kind) -> Balancer {
    let balancer = Balancer::start(lab, kind).await;
    for node in ["gw1", "gw2", "gw3"] {
        balancer.sees(node, true).await;
    }
    balancer.sees("gw4", false).await;
    balancer
}

async fn crowd(dialer: &Dialer, name: &str, count: usize) -> Vec<Client> {
    let mut crowd = Vec::new();
    for number in 0..count {
        crowd.push(dialer.connect(&format!("{name}{number}")).await);
    }
    crowd
}

/// Where each client of a crowd is.
async fn seats(node: &Node, name: &str, count: usize) -> Vec<Session> {
    let mut seats = Vec::new();
    for number in 0..count {
        seats.push(node.session(&format!("{name}{number}")).await);
    }
    seats
}

/// How many are on each node.
fn spread(seats: &[Session]) -> Vec<usize> {
    let mut counts = BTreeMap::<&str, usize>::new();
    for seat in seats {
        *counts.entry(&seat.node).or_default() += 1;
    }
    counts.into_values().collect()
}
