//! Ways to Redis that are cut, and those that lead nowhere: a host without network closes nothing.

use std::time::Duration;

use tokio::time;

use crate::{
    GONE, TRUTH, WHOLE,
    client::Client,
    fleet::{Node, is_whole},
    member::is_clean,
    proxy::{Proxy, Way},
    redis::Redis,
    within,
};

/// Two nodes that reach Redis by ways of their own, with a client each.
struct Pair {
    nodes: [Node; 2],
    proxies: [Proxy; 2],
    anna: Client,
    bert: Client,
    redis: Redis,
}

// === impl Pair ===

impl Pair {
    async fn start() -> Self {
        let redis = Redis::start();
        let proxies = [Proxy::to(redis.port()).await, Proxy::to(redis.port()).await];
        let nodes = [
            Node::start("gw-1", &proxies[0].url()).await,
            Node::start("gw-2", &proxies[1].url()).await,
        ];
        let anna = Client::ride(nodes[0].public(), "anna").await;
        let bert = Client::ride(nodes[1].public(), "bert").await;
        is_whole(&[&nodes[0], &nodes[1]]).await;
        // Long enough for leases that are trusted.
        time::sleep(Duration::from_secs(5)).await;
        Self {
            nodes,
            proxies,
            anna,
            bert,
            redis,
        }
    }

    fn set(&self, way: Way) {
        for proxy in &self.proxies {
            proxy.set(way);
        }
    }

    /// Nobody has died, no session was ended, nothing was lost.
    async fn is_unharmed(&mut self) {
        for node in &self.nodes {
            within(WHOLE, "it is ready again", async || node.is_ready().await).await;
        }
        self.anna.ping().await;
        self.bert.ping().await;
        is_whole(&[&self.nodes[0], &self.nodes[1]]).await;
        // Long enough for a judgement, had there been a reason for one.
        time::sleep(Duration::from_secs(7)).await;
        for node in &self.nodes {
            node.has_counted_none(&["bus_lost", "fenced", "takeovers"])
                .await;
        }
        is_clean(&self.redis, 2).await;
    }
}

/// Has one of two nodes lose its way to Redis until it is declared dead, and find it again.
async fn one_is_cut_off(way: Way) {
    let redis = Redis::start();
    let proxy = Proxy::to(redis.port()).await;
    let near = Node::start("gw-1", &redis.url()).await;
    let far = Node::start("gw-2", &proxy.url()).await;
    within(WHOLE, "they know one another", async || {
        near.nodes().await.len() == 2
    })
    .await;
    let mut anna = Client::ride(far.public(), "anna").await;
    let mut bert = Client::ride(far.public(), "bert").await;
    time::sleep(Duration::from_secs(5)).await;
    proxy.set(way);
    within(TRUTH, "it says that it is not ready", async || {
        far.readiness().await.contains("Redis")
    })
    .await;
    within(GONE, "the other one has buried it", async || {
        near.nodes().await.len() == 1
    })
    .await;
    // Its own clients still talk to one another.
    anna.say("bert", 7).await;
    assert_eq!(bert.hears(TRUTH).await, Some(7));
    proxy.set(Way::Open);
    assert_eq!(anna.closed().await, Some(1012));
    within(WHOLE, "it is ready again", async || far.is_ready().await).await;
    is_whole(&[&near, &far]).await;
    is_clean(&redis, 2).await;
}

#[tokio::test]
async fn a_node_that_is_cut_off_serves_its_own_until_it_learns_of_its_death() {
    one_is_cut_off(Way::Cut).await;
}

#[tokio::test]
async fn a_node_whose_network_is_silent_serves_its_own_until_it_learns_of_its_death() {
    one_is_cut_off(Way::Silent).await;
}

#[tokio::test]
async fn a_redis_whose_network_is_silent_costs_nobody_a_session() {
    let mut pair = Pair::start().await;
    pair.set(Way::Silent);
    for node in &pair.nodes {
        within(TRUTH, "it says that it is not ready", async || {
            node.readiness().await.contains("Redis")
        })
        .await;
    }
    pair.anna.say("bert", 1).await;
    time::sleep(Duration::from_secs(3)).await;
    pair.set(Way::Open);
    assert_eq!(pair.bert.hears(WHOLE).await, Some(1));
    pair.is_unharmed().await;
}

#[tokio::test]
async fn a_silence_that_is_shorter_than_a_lease_is_made_good() {
    let mut pair = Pair::start().await;
    pair.proxies[0].set(Way::Silent);
    for number in 0..10 {
        pair.anna.say("bert", number).await;
    }
    time::sleep(Duration::from_millis(1500)).await;
    pair.proxies[0].set(Way::Open);
    for number in 0..10 {
        assert_eq!(pair.bert.hears(WHOLE).await, Some(number));
    }
    pair.is_unharmed().await;
}
