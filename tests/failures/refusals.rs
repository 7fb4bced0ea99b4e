//! Nodes that Redis does not let in: they end and say why, or say so as soon as it is so.

use crate::{
    TRUTH, WHOLE,
    client::Client,
    fleet::{Node, is_whole},
    old_redis,
    proxy::{Proxy, Way},
    redis::Redis,
    within,
};

const PASSWORD: &str = "correct-horse";
const WRONG: &str = "battery-staple";

/// Redis with the user that stands in the documentation, and the address for this password.
fn documented() -> (Redis, impl Fn(&str, u16) -> String) {
    let redis = Redis::start();
    redis.allow_documented(PASSWORD, "");
    let url = |password: &str, port: u16| format!("redis://tidegate:{password}@127.0.0.1:{port}/0");
    (redis, url)
}

/// Starts a node with these words, which has to end with 1, with one line that says all of this, and
/// with no secret.
async fn is_refused(words: &[&str], url: &str, said: &[&str]) {
    let mut node = Node::new("gw-1", url);
    node.spawn(words);
    assert_eq!(node.ended().await, Some(1), "{}", node.log());
    let log = node.log();
    let says_all = |line: &&str| said.iter().all(|part| line.contains(part));
    let lines = log.lines().filter(says_all).count();
    assert_eq!(lines, 1, "{said:?} is not one line of: {log}");
    for secret in [PASSWORD, WRONG, url] {
        assert!(!log.contains(secret), "{secret} is told: {log}");
    }
}

#[tokio::test]
async fn a_node_with_a_wrong_password_ends_and_says_so_without_it() {
    let (redis, url) = documented();
    let (wrong, host) = (url(WRONG, redis.port()), redis.host());
    let said = [
        "cluster.redis: it cannot be used",
        &host,
        "it refuses the user or the password",
    ];
    is_refused(&["start"], &wrong, &said).await;
    is_refused(&["start", "--daemon"], &wrong, &said).await;
}

#[tokio::test]
async fn a_node_that_may_not_do_everything_ends_and_names_what_it_lacks() {
    let (redis, url) = documented();
    redis.allow_documented(PASSWORD, "-xadd");
    let said = [
        &redis.host(),
        "its user may not do everything",
        "the 'xadd' command",
    ];
    is_refused(&["start"], &url(PASSWORD, redis.port()), &said).await;
}

#[tokio::test]
async fn a_node_whose_redis_is_too_old_ends_and_says_which_one_it_needs() {
    let (address, _serving) = old_redis::serve().await;
    let address = address.to_string();
    let said = [&address, "its version is 6.2.14, expected 7.0 or newer"];
    is_refused(&["start"], &format!("redis://{address}"), &said).await;
}

#[tokio::test]
async fn a_redis_that_comes_late_and_refuses_ends_the_node() {
    let (redis, url) = documented();
    let proxy = Proxy::to(redis.port()).await;
    proxy.set(Way::Cut);
    let mut node = Node::new("gw-1", &url(WRONG, proxy.port()));
    node.run().await;
    within(TRUTH, "it says that it is not ready", async || {
        node.readiness().await.contains("Redis")
    })
    .await;
    proxy.set(Way::Open);
    assert_eq!(node.ended().await, Some(1));
    let log = node.log();
    assert!(log.contains("it refuses the user or the password"), "{log}");
    assert!(!log.contains(WRONG), "{log}");
}

#[tokio::test]
async fn the_documented_user_may_do_what_nodes_do_until_it_is_taken_away() {
    let (redis, url) = documented();
    let nodes = Node::fleet(2, &url(PASSWORD, redis.port())).await;
    let mut anna = Client::ride(nodes[0].public(), "anna").await;
    let mut bert = Client::ride(nodes[1].public(), "bert").await;
    is_whole(&[&nodes[0], &nodes[1]]).await;
    redis.allow_documented(PASSWORD, "-xadd");
    for node in &nodes {
        within(TRUTH, "it says that it is not ready", async || {
            !node.is_ready().await
        })
        .await;
        let log = node.log();
        assert!(log.contains("its user may not do everything"), "{log}");
    }
    anna.say("bert", 1).await;
    redis.allow_documented(PASSWORD, "");
    assert_eq!(bert.hears(WHOLE).await, Some(1));
    for node in &nodes {
        within(WHOLE, "it is ready again", async || node.is_ready().await).await;
        assert_eq!(node.metric("tidegate_bus_lost_total", "").await, 0.0);
    }
}
