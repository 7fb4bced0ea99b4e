//! Members that die, freeze, and leave.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;
use tokio::time::{self, Instant};

use crate::{
    GONE, WHOLE,
    client::Client,
    fleet::{Node, is_whole},
    lasting,
    redis::Redis,
    within,
};

/// Nothing of those who are gone is left in Redis.
pub(crate) async fn is_clean(redis: &Redis, members: usize) {
    within(WHOLE, "what the dead have left is removed", async || {
        redis.keys("tg:inbox:") == members
            && redis.keys("tg:node:") == members
            && redis.groups("tg:presence") == members
            && redis.ask(&["SCARD", "tg:members"]) == members.to_string()
    })
    .await;
}

#[tokio::test]
async fn a_killed_node_is_gone_and_one_member_reaps_it() {
    let redis = Redis::start();
    let mut nodes = Node::fleet(3, &redis.url()).await;
    let _lost = Client::ride(nodes[2].public(), "carl").await;
    let mut anna = Client::ride(nodes[0].public(), "anna").await;
    // Its own lease has to be trusted by somebody before anybody is judged.
    time::sleep(Duration::from_secs(5)).await;
    let everybody = "/api/rooms/ride%2Fall?members=1";
    assert_eq!(nodes[1].api(everybody).await["count"], 2);
    nodes[2].kill();
    let died = Instant::now();
    for node in &nodes[..2] {
        let left = GONE.saturating_sub(died.elapsed());
        within(left, "it is gone", async || {
            !node.nodes().await.contains(&"gw-3".to_owned())
        })
        .await;
        assert_eq!(node.api("/api/users/carl").await["online"], false);
        let room = node.api(everybody).await;
        assert_eq!((&room["count"], room.get("missing")), (&json!(1), None));
        assert_eq!(room["members"].as_array().unwrap().len(), 1);
    }
    is_clean(&redis, 2).await;
    let reaped = async |node: &Node| node.metric("tidegate_takeovers_total", "").await;
    assert_eq!(reaped(&nodes[0]).await + reaped(&nodes[1]).await, 1.0);
    // Others have not noticed.
    anna.ping().await;
    nodes[2].run().await;
    within(WHOLE, "it is back", async || nodes[2].is_ready().await).await;
    is_whole(&[&nodes[0], &nodes[1], &nodes[2]]).await;
}

#[tokio::test]
async fn a_killed_node_that_comes_back_at_once_is_another_member() {
    let redis = Redis::start();
    let mut nodes = Node::fleet(2, &redis.url()).await;
    let before = nodes[1].epoch().await;
    nodes[1].kill();
    nodes[1].run().await;
    within(WHOLE, "it is ready", async || nodes[1].is_ready().await).await;
    assert_ne!(nodes[1].epoch().await, before);
    is_whole(&[&nodes[0], &nodes[1]]).await;
    is_clean(&redis, 2).await;
}

#[tokio::test]
async fn the_only_node_reaps_its_own_life_before() {
    let redis = Redis::start();
    let mut node = Node::start("gw-1", &redis.url()).await;
    node.kill();
    node.run().await;
    within(WHOLE, "it is ready", async || node.is_ready().await).await;
    within(WHOLE + GONE, "it has reaped itself", async || {
        node.metric("tidegate_takeovers_total", "").await == 1.0
    })
    .await;
    is_clean(&redis, 1).await;
}

#[tokio::test]
async fn a_node_that_was_frozen_ends_its_sessions_and_begins_a_new_life() {
    let redis = Redis::start();
    let nodes = Node::fleet(2, &redis.url()).await;
    let mut bert = Client::ride(nodes[1].public(), "bert").await;
    let dora = Client::ride(nodes[0].public(), "dora").await;
    let is_online = async |node: &Node, user: &str| {
        let user = node.api(&format!("/api/users/{user}")).await;
        user["online"] == true
    };
    within(WHOLE, "it knows of her", async || {
        is_online(&nodes[1], "dora").await
    })
    .await;
    let before = nodes[1].epoch().await;
    time::sleep(Duration::from_secs(5)).await;
    nodes[1].signal(Signal::STOP);
    // Longer than the others take to declare it dead, and than its own readiness holds.
    let frozen = lasting(Duration::from_secs(5), Duration::from_secs(20));
    let thaw = Instant::now() + frozen;
    within(GONE, "it is gone", async || {
        nodes[0].nodes().await.len() == 1
    })
    .await;
    is_clean(&redis, 1).await;
    // One goes and one comes, and it cannot know.
    drop(dora);
    let _carl = Client::ride(nodes[0].public(), "carl").await;
    within(WHOLE, "she is gone", async || {
        !is_online(&nodes[0], "dora").await
    })
    .await;
    time::sleep_until(thaw).await;
    nodes[1].signal(Signal::CONT);
    // It does not say that it is ready before it knows who is where.
    within(WHOLE, "it is ready again", async || {
        let is_ready = nodes[1].is_ready().await;
        if is_ready {
            assert!(is_online(&nodes[1], "carl").await, "it does not know him");
            assert!(!is_online(&nodes[1], "dora").await, "it still knows her");
        }
        is_ready
    })
    .await;
    assert_eq!(bert.closed().await, Some(1012));
    assert_ne!(nodes[1].epoch().await, before);
    assert_eq!(nodes[1].metric("tidegate_fenced_total", "").await, 1.0);
    assert_eq!(nodes[1].metric("tidegate_sessions", "").await, 0.0);
    is_whole(&[&nodes[0], &nodes[1]]).await;
    is_clean(&redis, 2).await;
}

#[tokio::test]
async fn a_node_that_somebody_has_removed_without_a_word_begins_a_new_life() {
    let redis = Redis::start();
    let nodes = Node::fleet(2, &redis.url()).await;
    let mut bert = Client::ride(nodes[1].public(), "bert").await;
    within(WHOLE, "the other one knows of him", async || {
        nodes[0].api("/api/users/bert").await["online"] == true
    })
    .await;
    let before = nodes[1].epoch().await;
    redis.ask(&["SREM", "tg:members", &format!("gw-2.{before}")]);
    assert_eq!(bert.closed().await, Some(1012));
    within(WHOLE, "it is ready again", async || {
        nodes[1].is_ready().await && nodes[1].epoch().await != before
    })
    .await;
    is_whole(&[&nodes[0], &nodes[1]]).await;
    // Nobody has told of the end of the first life.
    within(WHOLE, "the other one has found that out", async || {
        nodes[0].nodes().await.len() == 2
    })
    .await;
    assert_eq!(nodes[0].api("/api/users/bert").await["online"], false);
    is_clean(&redis, 2).await;
}

#[tokio::test]
async fn a_drained_node_takes_its_leave_and_its_users_do_not_flicker() {
    let redis = Redis::start();
    let mut nodes = Node::fleet(2, &redis.url()).await;
    let mut bert = Client::ride(nodes[1].public(), "bert").await;
    let is_online = async |node: &Node| node.api("/api/users/bert").await["online"] == true;
    within(WHOLE, "he is seen", async || is_online(&nodes[0]).await).await;
    nodes[1].signal(Signal::TERM);
    assert_eq!(bert.closed().await, Some(1012));
    let _again = Client::ride(nodes[0].public(), "bert").await;
    assert!(is_online(&nodes[0]).await);
    assert_eq!(nodes[1].ended().await, Some(0));
    assert_eq!(nodes[0].nodes().await, ["gw-1"]);
    assert!(is_online(&nodes[0]).await);
    is_clean(&redis, 1).await;
    assert_eq!(nodes[0].metric("tidegate_takeovers_total", "").await, 0.0);
}

#[tokio::test]
async fn the_newest_of_a_client_id_stays_whichever_node_it_comes_to() {
    let redis = Redis::start();
    let nodes = Node::fleet(2, &redis.url()).await;
    let mut first = Client::with_id(nodes[0].public(), "phone", "anna").await;
    within(WHOLE, "she is seen", async || {
        nodes[1].api("/api/users/anna").await["online"] == true
    })
    .await;
    let mut second = Client::with_id(nodes[1].public(), "phone", "anna").await;
    assert_eq!(first.closed().await, Some(1008));
    second.ping().await;
    // And back, with the loser's end in between.
    let mut third = Client::with_id(nodes[0].public(), "phone", "anna").await;
    assert_eq!(second.closed().await, Some(1008));
    third.ping().await;
}
