//! Rolling restarts under traffic.

use std::time::Duration;

use crate::{
    balancer::Kind::{self, Haproxy, Nginx},
    client::Dialer,
    lab::Lab,
    letters::Letters,
    node::Node,
    passing::start,
    swarm::{MARGIN, Story, Swarm, lost},
};

const CLIENTS: usize = 60;
const CLIENTS_PER_NODE: usize = CLIENTS / 3;
/// The host of clients.
const HOME: u8 = 200;

#[tokio::test]
async fn nginx_with_a_spare_moves_each_client_once() {
    check_with_a_spare(Nginx).await;
}

#[tokio::test]
async fn haproxy_with_a_spare_moves_each_client_once() {
    check_with_a_spare(Haproxy).await;
}

#[tokio::test]
async fn nginx_without_a_spare_moves_clients_once_per_node() {
    check_in_place(Nginx).await;
}

#[tokio::test]
async fn haproxy_without_a_spare_moves_clients_once_per_node() {
    check_in_place(Haproxy).await;
}

/// The next node starts at the address that is free, then an old one goes, whose address is free.
async fn check_with_a_spare(kind: Kind) {
    let lab = Lab::new().await;
    let mut old = lab.three_nodes().await;
    let balancer = start(&lab, kind).await;
    let swarm = Swarm::start(&Dialer::new(&lab, HOME), CLIENTS).await;
    let letters = Letters::start(&lab, CLIENTS);
    let mut free = 4;
    let mut fresh = Vec::new();
    while !old.is_empty() {
        fresh.push(Node::start(&lab, free).await);
        balancer.sees(&format!("gw{free}"), true).await;
        let leaving = old.remove(0);
        free = leaving.number;
        retire(leaving).await;
        balancer.sees(&format!("gw{free}"), false).await;
        let moved = fresh.len() * CLIENTS_PER_NODE;
        swarm.until_connections(CLIENTS + moved).await;
    }
    let kept = letters.arrive(&swarm).await;
    assert!(CLIENTS < kept, "{kept} letters prove little");
    let stories = swarm.end().await;
    check_stories(kind, &stories);
    let moves: Vec<_> = stories.iter().map(moves).collect();
    assert!(moves.iter().all(|count| *count == 1), "{moves:?}");
}

/// Each node goes, and comes back under its name.
async fn check_in_place(kind: Kind) {
    let lab = Lab::new().await;
    let mut nodes = lab.three_nodes().await;
    let balancer = start(&lab, kind).await;
    let swarm = Swarm::start(&Dialer::new(&lab, HOME), CLIENTS).await;
    let letters = Letters::start(&lab, CLIENTS);
    let mut told = 0;
    for _ in 0..3 {
        let leaving = nodes.remove(0);
        let number = leaving.number;
        told += sessions(&leaving).await;
        retire(leaving).await;
        balancer.sees(&format!("gw{number}"), false).await;
        swarm.until_connections(CLIENTS + told).await;
        nodes.push(Node::start(&lab, number).await);
        balancer.sees(&format!("gw{number}"), true).await;
    }
    let kept = letters.arrive(&swarm).await;
    assert!(CLIENTS < kept, "{kept} letters prove little");
    let stories = swarm.end().await;
    check_stories(kind, &stories);
    let moves: Vec<_> = stories.iter().map(moves).collect();
    assert_eq!(moves.iter().sum::<usize>(), told, "{moves:?}");
    assert!(moves.iter().all(|count| *count <= 3), "{moves:?}");
}

/// Drains a node to its end, which has to come in good order.
async fn retire(node: Node) {
    node.drain().await;
    assert!(node.ended().await.success());
}

async fn sessions(node: &Node) -> usize {
    node.metric("tidegate_connections", "ride").await as usize
}

fn moves(story: &Story) -> usize {
    story.stays.len() - 1
}

/// No client had to try twice or ended otherwise than by invitation, and no message was lost.
fn check_stories(kind: Kind, stories: &[Story]) {
    for story in stories {
        assert_eq!(story.failures, [""; 0]);
        let (last, before) = story.stays.split_last().unwrap();
        assert_eq!(last.code, None);
        let codes: Vec<_> = before.iter().map(|stay| stay.code).collect();
        assert!(codes.iter().all(|code| *code == Some(1012)), "{codes:?}");
    }
    for (before, after) in [(0, 0), (250, 250), (0, 1000), (1000, 0)] {
        let [from, to] = [before, after].map(Duration::from_millis);
        let (owed, lost) = lost(stories, from, to);
        println!("{kind:?}: {lost} of {owed} lost, connected {before} ms before, {after} ms after");
    }
    let (owed, lost) = lost(stories, MARGIN, MARGIN);
    println!("{kind:?}: {lost} of {owed} lost with the margin that has to hold");
    assert!(CLIENTS * 10 < owed, "{owed} messages prove little");
    assert_eq!(lost, 0, "of {owed}");
}
